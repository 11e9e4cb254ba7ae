"""translate and rerun with --labels, on real files."""

import json

import numpy as np
import pytest

from SynthLogic.volume import Volume, read_volume, write_volume

MATRIX = np.array([[-6.0, 0, 0, 100], [0, -6, 0, 80], [0, 0, 5, -30], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def scans(tmp_path_factory, ct_array):
    """A CT, its labels, and label maps that will not do; not to be changed."""
    folder = tmp_path_factory.mktemp("scans")
    labels = np.array([0, 2, 1, 3], np.uint8)[np.digitize(ct_array, (-950, -400, 300))]
    for name, array, matrix in [
        ("ct", ct_array, MATRIX),
        ("seg", labels, MATRIX),
        ("other", labels[:, ::-1].copy(), MATRIX),
        ("half", labels / np.float32(2), MATRIX),
        ("unknown", np.full_like(labels, 7), MATRIX),
        ("shifted", labels, np.diag([6.0, 6, 5, 1])),
    ]:
        write_volume(folder / f"{name}.nii.gz", Volume(array, matrix))
    return folder


@pytest.fixture
def masked(write_tiny, tmp_path):
    arguments = {"features": 4, "blocks": 1, "in_channels": 3, "out_channels": 3}
    return write_tiny(
        tmp_path / "masked",
        name="tiny-masked",
        network={"name": "resnet-generator", "arguments": arguments},
        masks={"lung": [2], "bone": [3]},
    ).folder


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    return folder / "mr.nii.gz"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_labels_come_out_beside_the_image(call, scans, masked, output):
    arguments = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", masked]
    result = call(*arguments, "--labels", scans / "seg.nii.gz")
    assert result.code == 0, result.err
    assert names(output.parent) == ["mr.labels.nii.gz", "mr.nii.gz", "mr.record.json"]
    assert f"Labels: {output.parent / 'mr.labels.nii.gz'}" in result.out
    made, source = (
        read_volume(path).volume for path in (output.parent / "mr.labels.nii.gz", scans / "ct.nii.gz")
    )
    assert made.grid.is_close(source.grid)
    assert made.array.dtype == np.uint8
    assert set(np.unique(made.array)) <= {0, 2, 3}
    record = json.loads((output.parent / "mr.record.json").read_text())
    assert len(record["labels_hash"]) == len(record["output"]["labels_content_hash"]) == 64
    assert str(scans) not in json.dumps(record)
    assert "seg" not in json.dumps(record)


def test_json_names_the_labels(call, scans, masked, output):
    arguments = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", masked, "--json"]
    result = call(*arguments, "--labels", scans / "seg.nii.gz")
    assert result.code == 0, result.err
    assert result.document["labels"] == str(output.parent / "mr.labels.nii.gz")
    assert result.document["record"]["labels_hash"]


def test_labels_that_exist_are_kept_unless_yes(call, refused, scans, masked, output):
    precious = output.parent / "mr.labels.nii.gz"
    precious.write_bytes(b"precious")
    arguments = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", masked]
    arguments += ["--labels", scans / "seg.nii.gz"]
    refused(call(*arguments), "mr.labels.nii.gz exists already")
    assert names(output.parent) == ["mr.labels.nii.gz"]
    assert call(*arguments, "--yes").code == 0
    assert precious.read_bytes() != b"precious"


def test_what_does_not_go_together_is_refused_in_one_line(
    call, refused, files_of, scans, masked, bundle_folders, output
):
    start = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model"]
    before = files_of()
    refused(call(*start, masked), "give the scan's label map")
    refused(
        call(*start, bundle_folders / "CT-MR", "--labels", scans / "seg.nii.gz"), "leave the label map out"
    )
    for name, words in [
        ("half", "whole numbers from 0 to 255"),
        ("unknown", "none of the labels"),
        ("shifted", "does not lie on the scan's grid"),
        ("nowhere", "does not exist"),
    ]:
        refused(call(*start, masked, "--labels", scans / f"{name}.nii.gz"), words)
    assert files_of() == before


def test_an_installed_bundle_with_masks_is_chosen_for_labels_alone(
    call, refused, scans, masked, bundle_folders, output
):
    assert call("models", "import", masked).code == 0
    start = ["translate", scans / "ct.nii.gz", output, "--to", "MR"]
    refused(call(*start), "no installed bundle makes MR from CT")
    assert call("models", "import", bundle_folders / "CT-MR").code == 0
    result = call(*start)
    assert result.code == 0, result.err
    assert "tiny-ct-to-mr 1.0.0 was chosen" in result.out
    result = call(*start, "--labels", scans / "seg.nii.gz", "--yes")
    assert result.code == 0, result.err
    assert "tiny-masked 1.0.0 was chosen" in result.out


def test_rerun_makes_the_same_and_wants_the_same(call, refused, scans, masked, bundle_folders, output):
    arguments = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", masked]
    assert call(*arguments, "--labels", scans / "seg.nii.gz").code == 0
    again = ["rerun", output.parent / "mr.record.json", "--input", scans / "ct.nii.gz", "--model", masked]
    refused(call(*again), "--labels")
    refused(call(*again, "--labels", scans / "other.nii.gz"), "not the one of the record")
    assert not list(output.parent.glob("mr.rerun*"))
    result = call(*again, "--labels", scans / "seg.nii.gz")
    assert result.code == 0, result.err
    assert "The voxels are identical." in result.out
    for ending in (".nii.gz", ".labels.nii.gz"):
        first, second = (output.parent / f"{name}{ending}" for name in ("mr", "mr.rerun"))
        assert first.read_bytes() == second.read_bytes()
    plain = output.parent / "plain.nii.gz"
    model = ["--model", bundle_folders / "CT-MR"]
    assert call("translate", scans / "ct.nii.gz", plain, "--to", "MR", *model).code == 0
    again = ["rerun", output.parent / "plain.record.json", "--input", scans / "ct.nii.gz", *model]
    refused(call(*again, "--labels", scans / "seg.nii.gz"), "leave out the labels")
