"""paint and interpolate, end to end, and every bad input through the command line."""

import json
import os
import sys

import numpy as np
import pytest

from SynthLogic.volume import read_volume

CPU = ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture
def paint(call, files, heart_bundles, tmp_path):
    def run(name, *arguments, output="mr.nii.gz"):
        common = ["--model", heart_bundles["paint"], *CPU]
        return call("paint", files / f"{name}.nii.gz", tmp_path / output, *common, *arguments)

    return run


@pytest.fixture
def interpolate(call, files, heart_bundles, tmp_path):
    def run(*names, arguments=(), folder="out"):
        bundles = ["--model", heart_bundles["paint"], "--codec", heart_bundles["label-vae"], *CPU]
        inputs = [files / f"{name}.nii.gz" for name in names]
        return call("interpolate", *inputs, tmp_path / folder, *bundles, *arguments)

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- paint --------------------------------------------------------------------------------------------------


def test_paint_writes_image_and_record_and_says_so(paint, files, tmp_path):
    result = paint("a", "--style", "vendor-b")
    assert result.code == 0, result.err
    made, labels = read_volume(tmp_path / "mr.nii.gz").volume, read_volume(files / "a.nii.gz").volume
    assert made.grid.is_close(labels.grid)
    for part in ("tiny-paint 1.0.0", "9 slices", "lv cavity", "mr.record.json", "not for diagnosis"):
        assert part in result.out
    record = json.loads((tmp_path / "mr.record.json").read_text())
    assert record["request"]["style"] == {"kind": "named", "name": "vendor-b", "seed": None}
    assert str(tmp_path) not in json.dumps(record)


def test_styles_seeds_and_conventions(paint, files, tmp_path):
    def voxels(*arguments, name="a"):
        result = paint(name, *arguments, "--yes", "--json")
        assert result.code == 0, result.err
        return read_volume(tmp_path / "mr.nii.gz").volume.array, result.document["record"]

    drawn, record = voxels("--style", "vendor-b", "--seed", 7)
    assert record["styles"][0]["choice"]["seed"] == 7
    np.testing.assert_array_equal(drawn, voxels("--style", "vendor-b@7")[0])
    seeded = voxels("--style", "seed:7")[0]
    np.testing.assert_array_equal(seeded, voxels("--seed", 7)[0])
    np.testing.assert_array_equal(seeded, voxels("--style", "seed:7", "--labels", "acdc", name="acdc")[0])
    lent = voxels("--style", f"scan:{files / 'scan.nii.gz'},{files / 'a.nii.gz'}")[1]
    assert lent["styles"][0]["image_hash"]
    named = ["--labels", "1=lv,2=myo,7=rv"]
    np.testing.assert_array_equal(voxels(*named, name="unknown")[0], voxels()[0])


def test_rerun_of_a_painted_heart(call, paint, refused, files, heart_bundles, tmp_path):
    assert paint("a", "--style", "seed:3").code == 0
    arguments = ["rerun", tmp_path / "mr.record.json", "--model", heart_bundles["paint"]]
    result = call(*arguments, "--input", files / "a.nii.gz")
    assert result.code == 0, result.err
    assert "The voxels are identical." in result.out
    assert (tmp_path / "mr.rerun.nii.gz").is_file()
    refused(call(*arguments, "--input", files / "b.nii.gz", "--yes"), "not those of the record")


BAD = {
    "unknown": ("the value 7", "1 LV cavity", "3 RV cavity", "say what each value is"),
    "no-lv": ("LV cavity", "expected"),
    "empty": ("empty", "draw the heart"),
    "many": ("310 slices", "300"),
    "gap": ("40", "apart"),
    "hole": ("no label", "Fill between slices"),
    "long": ("348 mm", "any heart"),
    "large": ("mm", "heart"),
    "speck": ("mm", "heart"),
    "scan": ("different values", "no label map"),
    "tiny": ("ml", "spacing", "--force"),
    "fraction": ("0.5", "whole numbers"),
    "acdc": ("exchanged", "--force"),
    "nowhere": ("does not exist",),
}


@pytest.mark.parametrize("name", BAD)
def test_labels_that_cannot_be_painted(paint, refused, files_of, name):
    before = files_of()
    refused(paint(name), *BAD[name])
    assert files_of() == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--style", "vendor-z"], ("vendor-z", "vendor-a, vendor-b")),
        (["--style", "seed:x"], ("seed:7",)),
        (["--style", "vendor-a@x"], ("number",)),
        (["--style", "scan:only.nii.gz"], ("scan:IMAGE,LABELS",)),
        (["--style", "seed:1", "--seed", "2"], ("leave it out",)),
        (["--style", "scan:no.nii.gz,no.nii.gz"], ("does not exist",)),
        (["--style", "scan:{}/scan.nii.gz,{}/acdc.nii.gz"], ("acdc.nii.gz: ", "exchanged", "--force")),
        (["--style", "scan:{}/a.nii.gz,{}/a.nii.gz"], ("a.nii.gz: ", "no image")),
        (["--labels", "1=lv,2=spleen"], ("1=lv,2=myo,3=rv",)),
        (["--device", "tpu"], ("tpu", "cpu")),
    ],
)
def test_options_of_paint_that_cannot_be(paint, refused, files_of, files, arguments, parts):
    before = files_of()
    refused(paint("a", *(text.replace("{}", str(files)) for text in arguments)), *parts)
    assert files_of() == before


@pytest.mark.skipif(sys.platform != "linux", reason="file systems there allow no such names")
def test_names_that_are_not_utf8(call, paint, interpolate, refused, files, files_of, tmp_path):
    name = os.fsdecode(b"Herz-Gr\xf6\xdfe")
    there = tmp_path / f"{name}.nii.gz"
    there.write_bytes((files / "a.nii.gz").read_bytes())
    before = files_of()
    for result in (
        paint(there.with_suffix("").with_suffix("")),
        call("check", there),
        interpolate(there.with_suffix("").with_suffix("")),
        paint("a", output=f"{name}-mr.nii.gz"),
        interpolate("a", "b", folder=name),
        interpolate("a", "b", arguments=["--style", f"scan:{there},{files / 'a.nii.gz'}"]),
    ):
        refused(result, "Herz-Gr??e", "not valid UTF-8", "rename")
    assert files_of() == before


def test_one_slice_or_no_right_ventricle_is_painted_with_a_word(paint):
    result = paint("no-rv")
    assert result.code == 0
    assert "no RV cavity" in result.err
    assert paint("one", output="one.nrrd").code == 0


def test_outputs_that_cannot_be(paint, refused, files, tmp_path):
    assert paint("a").code == 0
    refused(paint("a"), "exists already", "--yes")
    refused(paint("a", output="no/where.nii.gz"), "create it first")
    refused(paint("a", output="image.png"), "no known format")
    assert names(tmp_path) == ["mr.nii.gz", "mr.record.json"]


def test_without_any_bundle_one_sentence_says_so(call, refused, files, tmp_path, heart_bundles):
    refused(call("paint", files / "a.nii.gz", tmp_path / "x.nrrd"), "paints labels", "import")
    refused(call("interpolate", files / "a.nii.gz", tmp_path / "x"), "encodes labels", "import")
    wrong = heart_bundles["label-vae"]
    refused(call("paint", files / "a.nii.gz", tmp_path / "x.nrrd", "--model", wrong), "encodes labels")
    translate = ["translate", files / "scan.nii.gz", tmp_path / "x.nrrd", "--to", "CT", "--model", wrong]
    refused(call(*translate), "encodes labels")


def test_installed_bundles_are_picked(call, files, tmp_path, heart_bundles):
    for folder in heart_bundles.values():
        assert call("models", "import", folder).code == 0
    result = call("interpolate", files / "a.nii.gz", tmp_path / "out", "--slices", 4, *CPU)
    assert result.code == 0, result.err
    assert "tiny-paint 1.0.0 was chosen" in result.out


# -- interpolate --------------------------------------------------------------------------------------------


def test_interpolate_between_two_and_again(interpolate, tmp_path):
    arguments = ["--steps", 2, "--slices", 4, "--style", "vendor-a", "--style", "vendor-b"]
    result = interpolate("a", "b", arguments=arguments)
    assert result.code == 0, result.err
    assert "2 made" in result.out
    assert "step-02of02.nii.gz: t 0.667, ml: lv cavity" in result.out
    assert len(names(tmp_path / "out")) == 8
    again = interpolate("a", "b", arguments=[*arguments, "--json"])
    assert again.document["skipped"] == ["step-01of02.nii.gz", "step-02of02.nii.gz"]
    assert again.document["written"] == []


def test_interpolate_one_heart_with_labels_only(interpolate, tmp_path):
    result = interpolate("a", arguments=["--slices", 20, "--labels-only"])
    assert result.code == 0, result.err
    assert read_volume(tmp_path / "out" / "slices-20.labels.nii.gz").volume.shape == (20, 128, 128)
    assert not (tmp_path / "out" / "slices-20.nii.gz").exists()


def test_another_reference_scan_is_not_taken_for_the_first(interpolate, refused, files):
    def arguments(scan):
        return ["--steps", 1, "--slices", 3, "--style", f"scan:{files / scan}.nii.gz,{files / 'a.nii.gz'}"]

    for hearts, folder in ((("a", "b"), "two"), (("a",), "one")):
        first = interpolate(*hearts, arguments=arguments("scan"), folder=folder)
        assert first.code == 0, first.err
        again = interpolate(*hearts, arguments=arguments("scan"), folder=folder)
        assert "0 made, 1 were there before" in again.out
        other = interpolate(*hearts, arguments=arguments("other-scan"), folder=folder)
        refused(other, "not from this very request", "--yes")


def test_values_of_what_is_made_are_told_where_others_were_given(interpolate):
    arguments = ["--steps", 1, "--slices", 3, "--labels-only"]
    line = "Values of the label maps made: 1 LV cavity, 2 LV myocardium, 3 RV cavity"
    assert line in interpolate("acdc", "acdc", arguments=[*arguments, "--labels", "acdc"]).out
    assert line not in interpolate("a", "b", arguments=arguments, folder="other").out


def test_a_hundred_steps_are_listed_in_order(interpolate):
    result = interpolate("a", "b", arguments=["--steps", 100, "--slices", 2, "--labels-only"])
    told = [line.split(": t ") for line in result.out.splitlines() if ": t " in line]
    assert [name for name, _ in told] == [f"step-{n:03d}of100.labels.nii.gz" for n in range(1, 101)]
    assert [float(rest[:5]) for _, rest in told] == pytest.approx(np.arange(1, 101) / 101, abs=6e-4)


# Dies at the second move of a step's finished files: one is in place by then.
DYING = """
import os
replace, moves = os.replace, []
def dying(source, target):
    if os.path.basename(os.path.dirname(target)) == "out":
        moves.append(target)
        if len(moves) == 2:
            os._exit(9)
    replace(source, target)
os.replace = dying
from SynthLogic.cli import main
main()
"""


def test_killed_between_two_moves_the_same_command_goes_on(
    shell, interpolate, files, heart_bundles, tmp_path
):
    options = ["--steps", 2, "--slices", 3]
    command = ["interpolate", files / "a.nii.gz", files / "b.nii.gz", tmp_path / "out", *options, *CPU]
    command += ["--model", heart_bundles["paint"], "--codec", heart_bundles["label-vae"]]
    process = shell(*command, code=DYING)
    said = process.communicate(timeout=120)
    assert process.returncode == 9, said
    assert [name for name in names(tmp_path / "out") if name[0] != "."] == ["step-01of02.record.json"]
    result = interpolate("a", "b", arguments=options)
    assert result.code == 0, result.err
    assert "2 made: " in result.out
    assert len(names(tmp_path / "out")) == 8
    (tmp_path / "out" / "step-02of02.png").unlink()
    assert "1 made, 1 were there before" in interpolate("a", "b", arguments=options).out


@pytest.mark.parametrize(
    ("who", "arguments", "parts"),
    [
        (("a", "no-rv"), [], ("a.nii.gz has", "no-rv.nii.gz has LV cavity", "same structures")),
        (("a", "one"), [], ("one.nii.gz", "1 slice", "at least 2")),
        (("one",), [], ("one.nii.gz", "1 slice", "at least 2")),
        (("a", "empty"), [], ("empty.nii.gz: ", "draw the heart")),
        (("a", "unknown"), [], ("unknown.nii.gz: ", "the value 7")),
        (("many", "a"), [], ("many.nii.gz: ", "310 slices")),
        (("a", "gap"), [], ("gap.nii.gz: ",)),
        (("a", "nowhere"), [], ("does not exist",)),
        (("a", "b", "c"), [], ("one label map or two",)),
        (("a", "b"), ["--steps", "0"], ("--steps",)),
        (("a", "b"), ["--slices", "301"], ("--slices", "300")),
        (("a", "b"), ["--slices", "1"], ("--slices", "2")),
        (("a", "acdc"), [], ("acdc.nii.gz: ", "exchanged", "--force")),
        (("a", "b"), ["--path", "zigzag"], ("--path", "line")),
        (("a",), ["--style", "vendor-a", "--style", "vendor-b"], ("--style",)),
        (("a", "b"), ["--style", "nobody"], ("nobody", "vendor-a")),
    ],
)
def test_hearts_that_cannot_be_blended(interpolate, refused, files_of, who, arguments, parts):
    before = files_of()
    refused(interpolate(*who, arguments=arguments), *parts)
    assert files_of() == before


def test_folders_of_interpolate_that_cannot_be(interpolate, refused, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused(interpolate("a", "b", folder="file"), "is a file")
    refused(interpolate("a", "b", folder="no/where"), "create it first")
    assert interpolate("a", "b", arguments=["--steps", 1, "--slices", 4]).code == 0
    refused(
        interpolate("a", "b", arguments=["--steps", 1, "--slices", 5]), "not from this very request", "--yes"
    )
    assert interpolate("a", "b", arguments=["--steps", 1, "--slices", 5, "--yes"]).code == 0


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that even root cannot write")
def test_an_unwritable_folder(interpolate, refused):
    refused(interpolate("a", "b", folder="/proc/out"), "cannot be written")
