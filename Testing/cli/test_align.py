"""crossmodalsynth align: files, figures, which way the transform points, and every bad input."""

import os

import numpy as np
import pytest
import SimpleITK as sitk

from SynthLogic.phantoms import make_subject
from SynthLogic.volume import Volume, read_volume, write_volume


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """CT and MR of two persons with labels of the heart, and bad labels; not to be changed."""
    folder = tmp_path_factory.mktemp("persons")
    one, other = (make_subject(1, n, shape=(48, 56, 72), spacing=(5.0, 5.0, 5.0)) for n in (0, 1))
    for name, image, labels in (("ct", one.ct, one.ct_labels), ("mr", other.mr, other.mr_labels)):
        heart = labels.with_array((labels.array * (labels.array < 8)).astype(np.uint8))
        write_volume(folder / f"{name}.nii.gz", image)
        write_volume(folder / f"{name}_seg.nii.gz", heart)
        write_volume(folder / f"{name}_other.nii.gz", heart.with_array(heart.array * np.uint8(20)))
        write_volume(folder / f"{name}_empty.nii.gz", heart.with_array(heart.array * np.uint8(0)))
        write_volume(folder / f"{name}_crop.nii.gz", Volume(heart.array[:-1], heart.ijk_to_ras))
    (folder / "damaged.nii.gz").write_bytes((folder / "ct.nii.gz").read_bytes()[:2000])
    return folder


@pytest.fixture
def arguments(scans):
    return [
        *("align", scans / "ct.nii.gz", scans / "mr.nii.gz"),
        *("--moving-labels", scans / "ct_seg.nii.gz", "--fixed-labels", scans / "mr_seg.nii.gz"),
    ]


def test_all_files_are_written_and_the_transform_lays_moving_onto_fixed(call, scans, arguments, tmp_path):
    output = tmp_path / "out.nii.gz"
    result = call(*arguments, output, "--fixed-output", tmp_path / "fixed.nrrd")
    assert result.code == 0, result.err
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "fixed.labels.nrrd",
        "fixed.nrrd",
        "out.labels.nii.gz",
        "out.nii.gz",
        "out.tfm",
    ]
    assert "Aligned by labels, affine." in result.out
    assert "before  after" in result.out
    assert "label 5" in result.out
    before, after = map(float, next(x for x in result.out.splitlines() if x.startswith("mean")).split()[1:])
    assert after > before + 0.3
    moved, fixed = read_volume(output).volume, read_volume(scans / "mr.nii.gz").volume
    assert moved.grid.is_close(fixed.grid)
    # As any ITK program, and Slicer, would apply the file.
    images = [
        sitk.ReadImage(str(scans / name), sitk.sitkUInt8) for name in ("ct_seg.nii.gz", "mr_seg.nii.gz")
    ]
    transform = sitk.ReadTransform(str(tmp_path / "out.tfm"))
    by_itk = sitk.GetArrayFromImage(sitk.Resample(*images, transform, sitk.sitkNearestNeighbor))
    labels = read_volume(tmp_path / "out.labels.nii.gz").volume.array
    assert (by_itk != labels).mean() < 1e-3
    target = sitk.GetArrayFromImage(images[1])
    dice = [
        2 * ((by_itk == v) & (target == v)).sum() / ((by_itk == v).sum() + (target == v).sum())
        for v in range(1, 8)
    ]
    assert np.mean(dice) == pytest.approx(after, abs=0.01)
    masked = read_volume(tmp_path / "fixed.nrrd").volume.array
    assert ((masked == fixed.array) | (masked == fixed.array.min())).all()


def test_by_images_with_json(call, scans, tmp_path):
    output = tmp_path / "out.mha"
    names = [scans / "ct.nii.gz", scans / "mr.nii.gz", output]
    result = call("align", *names, "--transform-output", tmp_path / "t.h5", "--json")
    assert result.code == 0, result.err
    found = result.document
    assert (found["by"], found["transform"]) == ("images", "rigid")
    assert found["nmi_after"] >= found["nmi_before"]
    assert found["files"] == [str(output), str(tmp_path / "t.h5")]
    inverse = np.linalg.inv(np.array(found["affine_moving_to_fixed_ras"]))
    there = sitk.ReadTransform(str(tmp_path / "t.h5")).TransformPoint((0, 0, 0))
    np.testing.assert_allclose(np.array(there) * (-1, -1, 1), inverse[:3, 3], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--moving-labels": "ct_crop.nii.gz"}, ["moving labels are not on the grid"]),
        ({"--fixed-labels": "mr_crop.nii.gz"}, ["fixed labels are not on the grid"]),
        ({"--moving-labels": "ct_other.nii.gz"}, ["share no structure", "20"]),
        ({"--moving-labels": "ct_empty.nii.gz"}, ["moving labels are empty"]),
        ({"--fixed-labels": "damaged.nii.gz"}, ["damaged.nii.gz"]),
        ({"--fixed-labels": "absent.nii.gz"}, ["absent.nii.gz does not exist"]),
        ({"--structures": "a,b"}, ["--structures", "1,2,5"]),
        ({"--structures": "99"}, ["share no structure among 99"]),
        ({"--moving-background": "1e9"}, ["does not fit"]),
        ({"--moving-background": "nan"}, ["background of nan does not fit the moving", "whole number"]),
        ({"--fixed-background": "inf"}, ["background of inf does not fit the fixed"]),
        ({"--moving-background": "-inf"}, ["background of -inf does not fit the moving"]),
        ({"--transform-output": "TMP/t.txt"}, ["name it .tfm or .h5"]),
        ({"--transform-output": "TMP/elsewhere/t.tfm"}, ["one folder"]),
        ({"--fixed-output": "TMP/out.nii.gz"}, ["written twice"]),
        ({"--fixed-output": "TMP/out.png"}, ["no known format"]),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    call, refused, files_of, scans, arguments, tmp_path, change, words
):
    before = files_of()
    for option, value in change.items():
        value = value.replace("TMP", str(tmp_path)) if "TMP" in value else value
        value = scans / value if value.endswith(".nii.gz") and "labels" in option else value
        if option in arguments:
            arguments[arguments.index(option) + 1] = value
        else:
            arguments += [option, value]
    refused(call(*arguments, tmp_path / "out.nii.gz"), *words)
    assert files_of() == before


def test_inputs_and_what_is_there_are_kept(call, refused, scans, arguments, tmp_path):
    refused(call(*arguments, scans / "ct_seg.nii.gz", "--yes"), "is the input itself")
    (tmp_path / "out.tfm").write_text("precious")
    refused(call(*arguments, tmp_path / "out.nii.gz"), "out.tfm exists already", "--yes")
    refused(call(*arguments, tmp_path / "absent" / "out.nii.gz"), "does not exist")
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        refused(call(*arguments, closed / "out.nii.gz"), "cannot be written")
    assert (tmp_path / "out.tfm").read_text() == "precious"


def test_a_disk_that_fills_up_leaves_nothing(call, refused, files_of, arguments, tmp_path, monkeypatch):
    import SynthLogic.jobs.align as job
    from SynthLogic.errors import OutputError

    def full(path, affine):
        path.write_bytes(b"half")
        raise OutputError(f"{path.name} cannot be written; free some space or choose another folder.")

    before = files_of()
    monkeypatch.setattr(job, "write_transform", full)
    refused(call(*arguments, tmp_path / "out.nii.gz"), "out.tfm cannot be written")
    assert files_of() == before
