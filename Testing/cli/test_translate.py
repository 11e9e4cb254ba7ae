"""translate and rerun, end to end, and every bad input through the command line."""

import json
import os
import signal
import time

import numpy as np
import pytest

from SynthLogic.volume import Volume, read_volume, write_volume

MATRIX = np.array([[-6.0, 0, 0, 100], [0, -6, 0, 80], [0, 0, 5, -30], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def scans(tmp_path_factory, ct_array):
    """A good CT and a good MR; not to be changed."""
    folder = tmp_path_factory.mktemp("scans")
    write_volume(folder / "ct.nii.gz", Volume(ct_array, MATRIX))
    noise = np.random.default_rng(0).gamma(2, 5, ct_array.shape)
    signal_ = np.where(ct_array > -300, 400 + 0.1 * ct_array, 0) + noise
    write_volume(folder / "mr.nii.gz", Volume(signal_.astype(np.float32), MATRIX))
    return folder


@pytest.fixture
def ct_to_mr(bundle_folders):
    return bundle_folders / "CT-MR"


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_translate_writes_image_and_record_and_says_so(call, scans, ct_to_mr, tmp_path):
    before = bytes_of(scans)
    output = tmp_path / "mr.nii.gz"
    result = call("translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", ct_to_mr)
    assert result.code == 0, result.err
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["mr.nii.gz", "mr.record.json"]
    made, source = read_volume(output).volume, read_volume(scans / "ct.nii.gz").volume
    assert made.grid.is_close(source.grid)
    assert np.isfinite(made.array).all()
    for part in ("tiny-ct-to-mr 1.0.0", "fp32", "axial", str(output), "mr.record.json", "not for diagnosis"):
        assert part in result.out
    assert bytes_of(scans) == before
    record = json.loads((tmp_path / "mr.record.json").read_text())
    assert record["bundle"]["name"] == "tiny-ct-to-mr"
    assert str(tmp_path) not in json.dumps(record)


def test_ct_comes_out_as_int16(call, scans, bundle_folders, tmp_path):
    output = tmp_path / "ct.nrrd"
    result = call(
        "translate", scans / "mr.nii.gz", output, "--to", "ct", "--model", bundle_folders / "MR-CT", "--json"
    )
    assert result.code == 0, result.err
    assert result.document["output"] == str(output)
    assert result.document["record"]["bundle"]["name"] == "tiny-mr-to-ct"
    assert read_volume(output).volume.array.dtype == np.int16


def test_the_best_installed_bundle_is_picked_and_the_reason_said(call, scans, bundle_folders, tmp_path):
    for direction in ("CT-MR", "MR-CT"):
        assert call("models", "import", bundle_folders / direction).code == 0
    result = call("translate", scans / "ct.nii.gz", tmp_path / "mr.mha", "--to", "MR")
    assert result.code == 0, result.err
    assert "tiny-ct-to-mr 1.0.0 was chosen: the only installed bundle that makes MR from CT" in result.out


def test_rerun_makes_the_same_voxels(call, refused, scans, ct_to_mr, tmp_path):
    output = tmp_path / "mr.nii.gz"
    assert call("translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", ct_to_mr).code == 0
    record = tmp_path / "mr.record.json"
    result = call("rerun", record, "--input", scans / "ct.nii.gz", "--model", ct_to_mr)
    assert result.code == 0, result.err
    assert "The voxels are identical." in result.out
    again = read_volume(tmp_path / "mr.rerun.nii.gz").volume
    np.testing.assert_array_equal(again.array, read_volume(output).volume.array)
    refused(
        call("rerun", record, "--input", scans / "mr.nii.gz", "--model", ct_to_mr, "--yes"),
        "not the scan",
        "hash",
    )
    refused(call("rerun", record, "--input", scans / "ct.nii.gz", "--yes"), "no bundle")
    tampered = json.loads(record.read_text())
    tampered["output"]["content_hash"] = "0" * 64
    record.write_text(json.dumps(tampered))
    result = call("rerun", record, "--input", scans / "ct.nii.gz", "--model", ct_to_mr, "--yes", "--json")
    assert result.code == 2
    assert result.document["identical"] is False


def test_an_output_that_exists_is_kept_unless_yes(call, refused, scans, ct_to_mr, tmp_path):
    output = tmp_path / "mr.nii.gz"
    output.write_bytes(b"precious")
    arguments = ["translate", scans / "ct.nii.gz", output, "--to", "MR", "--model", ct_to_mr]
    refused(call(*arguments), "exists already", "--yes")
    assert output.read_bytes() == b"precious"
    assert call(*arguments, "--yes").code == 0
    assert output.read_bytes() != b"precious"


def test_the_record_of_another_output_is_kept_unless_yes(call, refused, scans, ct_to_mr, tmp_path):
    arguments = ["--to", "MR", "--model", ct_to_mr]
    assert call("translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", *arguments).code == 0
    record = (tmp_path / "mr.record.json").read_bytes()
    refused(call("translate", scans / "ct.nii.gz", tmp_path / "mr.nrrd", *arguments), "mr.record.json")
    again = ["rerun", tmp_path / "mr.record.json", "--input", scans / "ct.nii.gz", "--model", ct_to_mr]
    refused(call(*again, "--output", tmp_path / "mr.mha"), "mr.record.json exists")
    assert (tmp_path / "mr.record.json").read_bytes() == record


def test_parent_transform_turns_the_scan_but_not_the_output(call, scans, ct_to_mr, tmp_path):
    parent = tmp_path / "parent.txt"
    parent.write_text("0 -1 0 5\n1 0 0 0\n0 0 1 -7\n0 0 0 1\n")
    plain, turned = tmp_path / "plain.nii.gz", tmp_path / "turned.nii.gz"
    arguments = ["--to", "MR", "--model", ct_to_mr]
    assert call("translate", scans / "ct.nii.gz", plain, *arguments).code == 0
    assert call("translate", scans / "ct.nii.gz", turned, *arguments, "--parent-transform", parent).code == 0
    a, b = read_volume(plain).volume, read_volume(turned).volume
    assert a.grid.is_close(b.grid)
    assert not np.array_equal(a.array, b.array)


def bad_scans(folder, ct):
    """Name: how to make the input, and words of the sentence that must come."""
    nan, infinite, constant = ct.astype(np.float32), ct.astype(np.float32), np.full_like(ct, 7)
    nan[2, 3, 4], infinite[2, 3, 4] = np.nan, np.inf

    def save(name, array, kind=None):
        import nibabel

        image = nibabel.Nifti1Image(
            array.T if array.ndim == 3 else array, np.diag([6.0, 6, 5, 1]), dtype=kind
        )
        nibabel.save(image, folder / name)
        return folder / name

    def raw(name, content):
        (folder / name).write_bytes(content)
        return folder / name

    def truncated():
        whole = save("whole.nii", ct).read_bytes()
        return raw("truncated.nii", whole[: len(whole) // 2])

    def colour():
        rgb = np.zeros(ct.T.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        rgb["R"] = np.random.default_rng(0).integers(0, 255, rgb.shape)
        return save("colour.nii", rgb)

    return {
        "missing": (lambda: folder / "nowhere.nii.gz", ()),
        "empty": (lambda: raw("empty.nii.gz", b""), ()),
        "truncated": (truncated, ()),
        "text": (lambda: raw("notes.txt", b"hello"), ()),
        "nan": (lambda: save("nan.nii", nan), ()),
        "infinite": (lambda: save("inf.nii", infinite), ()),
        "constant": (lambda: save("constant.nii", constant), ("every voxel",)),
        "4d": (lambda: save("cine.nii", np.stack([ct.T, ct.T], -1)), ()),
        "colour": (colour, ()),
        "folder": (lambda: folder, ()),
    }


BAD = ("missing", "empty", "truncated", "text", "nan", "infinite", "constant", "4d", "colour", "folder")


@pytest.mark.parametrize("kind", BAD)
def test_bad_scans_are_refused_in_one_line(call, refused, files_of, ct_array, ct_to_mr, tmp_path, kind):
    make, words = bad_scans(tmp_path, ct_array)[kind]
    source = make()
    before = files_of()
    output = tmp_path / "mr.nii.gz"
    output = output if kind != "folder" else tmp_path.parent / "elsewhere.nii.gz"
    refused(call("translate", source, output, "--to", "MR", "--model", ct_to_mr), *words)
    assert files_of() == before
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nowhere"], ["no bundle"]),
        (["--model", "BUNDLE", "--device", "cuda:99"], ["cuda"]),
        (["--model", "BUNDLE", "--device", "gpu"], ["gpu"]),
        (["--model", "BUNDLE", "--device", "a b"], ["--device"]),
        (["--model", "BUNDLE", "--precision", "fp16"], ["fp16"]),
        (["--model", "BUNDLE", "--planes", "oblique"], ["--planes"]),
        (["--model", "BUNDLE", "--disagreement"], ["planes"]),
        (["--model", "BUNDLE", "--parent-transform", "nowhere.txt"], ["parent transform"]),
        (["--model", "BUNDLE", "--seed", "-1"], ["--seed"]),
        ([], ["no installed bundle"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_options_are_refused_in_one_line(
    call, refused, files_of, scans, ct_to_mr, tmp_path, options, words
):
    options = [ct_to_mr if option == "BUNDLE" else option for option in options]
    before = files_of()
    refused(call("translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", *options), *words)
    assert files_of() == before


@pytest.mark.parametrize("name", ["mr.jpg", "nowhere/mr.nii.gz", "home/", "INPUT"])
def test_bad_outputs_are_refused_in_one_line(call, refused, files_of, scans, ct_to_mr, tmp_path, name):
    (tmp_path / "home").mkdir()
    source = tmp_path / "ct.nii.gz"
    source.write_bytes((scans / "ct.nii.gz").read_bytes())
    before = files_of()
    output = source if name == "INPUT" else tmp_path / name
    refused(call("translate", source, output, "--to", "MR", "--model", ct_to_mr, "--yes"))
    assert files_of() == before


def test_an_mr_is_not_taken_for_a_ct(call, refused, files_of, scans, ct_to_mr, tmp_path):
    before = files_of()
    arguments = ["translate", scans / "mr.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", "--model", ct_to_mr]
    refused(call(*arguments), "MR")
    refused(call(*arguments[:-1], ct_to_mr.parent / "MR-CT"), "makes CT from MR")
    assert files_of() == before


def test_an_altered_bundle_is_refused(call, refused, files_of, scans, ct_to_mr, tmp_path):
    import shutil

    altered = tmp_path / "altered"
    shutil.copytree(ct_to_mr, altered)
    weights = altered / "models" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    before = files_of()
    refused(
        call("translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", "--model", altered),
        "SHA-256",
    )
    assert files_of() == before


def test_outside_coverage_stops_unless_forced(call, refused, files_of, scans, tmp_path, write_tiny):
    small = write_tiny(tmp_path / "small", coverage={"anatomy": "thumb", "field_of_view_mm": [10, 30]}).folder
    arguments = ["translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", "--model", small]
    before = files_of()
    refused(call(*arguments), "--force")
    assert files_of() == before
    result = call(*arguments, "--force")
    assert result.code == 0
    assert "Warning: " in result.err


def test_json_of_a_failure_is_one_document(call, tmp_path, ct_to_mr):
    result = call(
        "translate", tmp_path / "no.nii", tmp_path / "mr.nii", "--to", "MR", "--model", ct_to_mr, "--json"
    )
    assert result.code == 2
    assert result.document["error"]["type"] == "InputError"
    assert result.document["error"]["exit_code"] == 2


def test_a_restricted_licence_asks_for_consent_once(call, refused, scans, tmp_path, write_tiny):
    licence = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "For study only."}
    bundle = write_tiny(tmp_path / "restricted", licence=licence).folder
    arguments = ["translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", "--model", bundle]
    refused(call(*arguments), "For study only.")
    assert not (tmp_path / "mr.nii.gz").exists()
    assert call(*arguments, "--accept-licence").code == 0
    assert call(*arguments, "--yes").code == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
def test_ctrl_c_ends_within_two_seconds_and_leaves_nothing(shell, files_of, ct_to_mr, tmp_path, write_tiny):
    slow = write_tiny(
        tmp_path / "slow", network={"name": "resnet-generator", "arguments": {"features": 32, "blocks": 6}}
    )
    rng = np.random.default_rng(0)
    array = np.where(rng.random((60, 128, 128)) > 0.5, 40, -1000).astype(np.int16)
    array[:, 40:90, 40:90] = 60
    array[:, 60:70, 60:70] = 500
    write_volume(tmp_path / "ct.nii.gz", Volume(array, np.diag([3.0, 3, 3, 1])))
    before = files_of()
    process = shell(
        "translate",
        tmp_path / "ct.nii.gz",
        tmp_path / "mr.nii.gz",
        "--to",
        "MR",
        "--model",
        slow.folder,
        "--force",
        code="import sys, threading\n"
        "import SynthLogic.inference.monitor as monitor\n"
        "init = monitor.Monitor.__init__\n"
        "def tell(self, progress=None, cancel=None):\n"
        "    def report(p):\n"
        "        sys.stderr.write('step\\n'); sys.stderr.flush()\n"
        "        progress(p)\n"
        "    init(self, progress and report, cancel)\n"
        "monitor.Monitor.__init__ = tell\n"
        "from SynthLogic.cli import main; main()",
    )
    line = process.stderr.readline()
    while line and "step" not in line:
        line = process.stderr.readline()
    assert line, "the run ended before it could be cancelled"
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - start < 2
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("Error: Cancelled")
    assert files_of() == before


def test_only_a_region_is_translated_and_rerun_needs_it(call, refused, scans, ct_to_mr, tmp_path):
    source = read_volume(scans / "ct.nii.gz").volume
    mask = np.zeros(source.shape, np.uint8)
    mask[2:5, 10:20, 12:30] = 1
    write_volume(tmp_path / "mask.nii.gz", source.with_array(mask))
    write_volume(tmp_path / "shifted.nii.gz", Volume(mask, np.diag([6.0, 6, 5, 1])))
    write_volume(tmp_path / "empty.nii.gz", source.with_array(0 * mask))
    model = ["--model", ct_to_mr]
    arguments = ["translate", scans / "ct.nii.gz", tmp_path / "mr.nii.gz", "--to", "MR", *model]
    for name, said in (("shifted", "scan's grid"), ("empty", "empty"), ("none", "does not exist")):
        refused(call(*arguments, "--region", tmp_path / f"{name}.nii.gz"), said)
    assert not (tmp_path / "mr.nii.gz").exists()
    result = call(*arguments, "--region", tmp_path / "mask.nii.gz")
    assert result.code == 0, result.err
    made = read_volume(tmp_path / "mr.nii.gz").volume.array
    assert (made[mask == 0] == 0).all()
    assert made[mask != 0].max() > 0
    again = ["rerun", tmp_path / "mr.record.json", "--input", scans / "ct.nii.gz", *model]
    refused(call(*again), "another region")
    assert call(*again, "--region", tmp_path / "mask.nii.gz").code == 0


def test_a_bundle_between_two_contrasts_of_mr_translates_mr(call, write_tiny, scans, tmp_path):
    folder = write_tiny(tmp_path / "pd-to-t2", source="MR", target="MR", name="pd-to-t2").folder
    arguments = ["--model", folder, "--force"]
    result = call("translate", scans / "mr.nii.gz", tmp_path / "t2.nii.gz", "--to", "MR", *arguments)
    assert result.code == 0, result.err
    assert (tmp_path / "t2.nii.gz").is_file()
    refused = call("translate", scans / "mr.nii.gz", tmp_path / "x.nii.gz", "--to", "CT", *arguments)
    assert "makes MR from MR, not CT" in " ".join(refused.err.split())
