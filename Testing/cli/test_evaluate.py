"""The command from files to tables."""

import numpy as np
import pytest

from SynthLogic.volume import Volume, write_volume


@pytest.fixture
def scans(tmp_path, ct_array):
    matrix = np.diag([6.0, 6.0, 5.0, 1.0])
    for n in range(3):
        truth = np.roll(ct_array, n, axis=2)
        for folder, error in (("truth", 0), ("ours", 8 + n), ("theirs", 15 + 2 * n)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_volume(tmp_path / folder / f"sub-{n:02}.nii.gz", Volume(truth + np.int16(error), matrix))
    labels = (ct_array > 300).astype(np.uint8)
    write_volume(tmp_path / "labels.nii.gz", Volume(labels, matrix))
    return tmp_path


def test_one_pair_prints_its_figures(call, scans):
    result = call(
        "evaluate", scans / "ours/sub-00.nii.gz", scans / "truth/sub-00.nii.gz",
        "--labels", scans / "labels.nii.gz", "--names", "1=bone", "--mask", "body",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "MAE" in result.out
    assert "8.00" in result.out
    assert "bone" in result.out
    assert "one subject" in result.err


def test_folders_against_each_other_are_written_and_printed(call, scans):
    out = scans / "out"
    arguments = ("evaluate", scans / "ours", scans / "truth", "--against", scans / "theirs", "--output", out)
    result = call(*arguments, "--modality", "ct")
    assert result.code == 0, result.err
    assert "Over subjects" in result.out
    assert "Wilcoxon" in result.out
    assert "cannot fall below 0.25" in result.err
    assert len(list(out.iterdir())) == 6
    assert call(*arguments).code == 2
    document = call(*arguments, "--yes", "--json").document
    assert [row["subject"] for row in document["subjects"][::2]] == ["sub-00", "sub-01", "sub-02"]
    assert document["compared"][0]["difference"] == pytest.approx(-8)
    assert document["request"]["modality"] == "CT"


def test_unmatched_subjects_are_warned_of_and_failed_ones_give_code_2(call, scans):
    (scans / "truth/sub-01.nii.gz").unlink()
    result = call("evaluate", scans / "ours", scans / "truth")
    assert result.code == 0
    assert "of SYNTHETIC: sub-01." in result.err
    (scans / "truth/sub-02.nii.gz").write_bytes(b"x")
    result = call("evaluate", scans / "ours", scans / "truth", "--modality", "CT")
    assert result.code == 2
    assert "sub-02 was left out" in result.err


def test_label_maps_and_inputs(call, scans):
    result = call("evaluate", scans / "labels.nii.gz", scans / "labels.nii.gz", "--kind", "labels", "--json")
    assert result.document["subjects"][0]["Dice"] == 1
    result = call(
        "evaluate", scans / "ours/sub-00.nii.gz", "--input", scans / "truth/sub-01.nii.gz", "--json"
    )
    assert result.code == 0
    assert [m["key"] for m in result.document["measures"]] == ["mi_input", "nmi_input"]


def test_wrong_arguments_are_one_line(call, refused, scans):
    pair = (scans / "ours", scans / "truth")
    refused(call("evaluate", scans / "gone", scans / "truth"), "gone", "does not exist")
    refused(call("evaluate", scans / "ours"), "TRUTH", "--input")
    refused(call("evaluate", *pair, "--window", "5"), "--window")
    refused(call("evaluate", *pair, "--window", "5,5"), "window")
    refused(call("evaluate", *pair, "--names", "bone"), "--names")
    refused(call("evaluate", *pair, "--kind", "labels", "--mask", "body"), "for images")
    (scans / "file").write_text("x")
    refused(call("evaluate", *pair, "--output", scans / "file"), "file")
