"""export, end to end, and every bad input through the command line."""

import csv
import json
import os
import shutil
import signal
import time

import pytest

CPU = ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture
def export(call, files, heart_bundles, tmp_path):
    def run(*names, arguments=(), folder="out", layout="plain"):
        bundles = ["--model", heart_bundles["paint"], "--codec", heart_bundles["label-vae"], *CPU]
        inputs = [files / f"{name}.nii.gz" for name in names]
        short = ["--steps", "2", "--slices", "5", "--layout", layout]
        return call("export", *inputs, tmp_path / folder, *bundles, *short, *arguments)

    return run


@pytest.mark.parametrize("layout", ["nnunet", "bids", "plain"])
def test_export_writes_a_data_set_and_goes_on(export, tmp_path, layout):
    arguments = ["--style", "vendor-a", "--json"]
    result = export("a", "b", "c", layout=layout, arguments=arguments)
    assert result.code == 0, result.err
    assert len(result.document["written"]) == 6
    assert result.document["pseudonyms"] == {"a": "P001", "b": "P002", "c": "P003"}
    again = export("a", "b", "c", layout=layout, arguments=arguments)
    assert len(again.document["skipped"]) == 6
    expected = {"nnunet": "dataset.json", "bids": "dataset_description.json", "plain": "cohort.csv"}[layout]
    assert list((tmp_path / "out").rglob(expected))


def test_the_test_subject_is_kept_out_of_training(export, tmp_path):
    result = export("a", "b", "c", arguments=["--test", "c", "--style", "seed:1"])
    assert result.code == 0, result.err
    assert "2 made" in result.out
    assert "4 left out" in result.out
    (tmp_path / "split.csv").write_text("subject,split,patient\na,train,x\nb,train,x\nc,val,y\n")
    arguments = ["--split", tmp_path / "split.csv", "--parents", "--style", "seed:1", "--json"]
    document = export("a", "b", "c", folder="two", arguments=arguments).document
    assert len(document["written"]) == 3 + 2
    with (tmp_path / "two" / "cohort.csv").open() as stream:
        rows = {row["name"]: row["split"] for row in csv.DictReader(stream)}
    assert sorted(rows.values()) == ["train"] * 4 + ["val"]


@pytest.fixture
def lent(files, tmp_path):
    """``--style`` of a scan whose labels are the subject c's under another name."""
    shutil.copy(files / "scan.nii.gz", tmp_path / "roe-image.nii.gz")
    shutil.copy(files / "c.nii.gz", tmp_path / "roe-labels.nii.gz")
    return ["--style", f"scan:{tmp_path / 'roe-image.nii.gz'},{tmp_path / 'roe-labels.nii.gz'}"]


@pytest.mark.parametrize("row", ["roe-labels,test,", "roe-image,test,", "jane-ES,test,roe-labels", "c,test,"])
def test_a_style_of_a_test_patient_stays_out_of_training(export, refused, lent, tmp_path, row):
    """Known by either file's name or the patient's, in any row of the table, or by the label map itself."""
    who = "abc" if row.startswith("c") else "ab"
    (tmp_path / "split.csv").write_text(f"subject,split,patient\na,train,\nb,train,\n{row}\n")
    arguments = ["--split", tmp_path / "split.csv", *lent]
    refused(export(*who, arguments=arguments), "different splits")
    document = export(*who, arguments=[*arguments, "--style", "seed:1", "--json"]).document
    assert document["written"] == ["P001xP002_t01of02_any_s1", "P001xP002_t02of02_any_s1"]


def test_a_style_of_nobody_known_is_refused_where_there_are_splits(export, refused, lent, tmp_path):
    refused(export("a", "b", arguments=["--test", "b", *lent]), "'roe-labels' lends a style", "add a row")
    table = tmp_path / "split.csv"
    table.write_text("subject,split\na,train\nb,train\n")
    refused(export("a", "b", arguments=["--split", table, *lent]), "'roe-labels' lends a style", "add a row")
    table.write_text("subject,split\na,train\nb,train\nroe-labels,train\n")
    assert export("a", "b", arguments=["--split", table, *lent]).code == 0
    assert export("a", "b", folder="no-splits", arguments=lent).code == 0


def test_rows_that_contradict_each_other_are_refused(export, refused, tmp_path):
    for rows, parts in [
        ("a,train,\na,test,\nb,train,", ("has 'a' twice", "leave one row")),
        ("a,train,x\na,train,y\nb,train,", ("has 'a' twice",)),
        ("a,train,x\nb,train,\nnot-exported,test,x", ("'x' is in train and in test",)),
        ("a,train,\nb,train,\nx,test,\ny,train,x", ("'x' is in test and in train",)),
    ]:
        (tmp_path / "split.csv").write_text(f"subject,split,patient\n{rows}\n")
        refused(export("a", "b", arguments=["--split", tmp_path / "split.csv"]), *parts)
    (tmp_path / "split.csv").write_text("subject,split,patient\na,train,x\na,train,x\n")
    arguments = ["--split", tmp_path / "split.csv", "--test", "b", "--parents", "--style", "seed:1", "--json"]
    assert len(export("a", "b", arguments=arguments).document["written"]) == 2


def test_licence_and_authors(export, refused, tmp_path):
    refused(export("a", "b", arguments=["--author", " "]), "--author '' is not understood")
    arguments = [
        "--licence",
        " CC0-1.0\n",
        "--author",
        "Ada  Lovelace",
        "--author",
        "Doe",
        "--style",
        "seed:1",
    ]
    assert export("a", "b", arguments=arguments, layout="bids").code == 0
    told = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert (told["License"], told["Authors"]) == ("CC0-1.0", ["Ada Lovelace", "Doe"])


@pytest.mark.parametrize("layout", ["bids", "plain"])
def test_rerun_of_a_cohort_s_record_says_what_makes_it_again(call, export, refused, files, tmp_path, layout):
    assert export("a", "b", layout=layout, arguments=["--style", "seed:1"]).code == 0
    record = next(p for p in (tmp_path / "out").rglob("*.json") if "t01of02" in p.name)
    result = call("rerun", record, "--input", files / "a.nii.gz")
    refused(result, "one heart of a cohort", "'export'", "new folder")


@pytest.mark.parametrize(
    ("who", "arguments", "parts"),
    [
        (("a",), [], ("at least two subjects",)),
        (("a", "a"), [], ("two subjects are called 'a'",)),
        (("a", "b", "no-rv"), [], ("no-rv has LV cavity", "same structures")),
        (("a", "one"), [], ("one has", "1 slice")),
        (("a", "empty"), [], ("empty: ", "draw")),
        (("a", "acdc"), [], ("acdc: ", "exchanged")),
        (("a", "nowhere"), [], ("nowhere.nii.gz does not exist",)),
        (("a", "b"), ["--test", "z"], ("--test 'z'", "a, b")),
        (("a", "b"), ["--pair", "a,z"], ("'z' is no subject",)),
        (("a", "b"), ["--pair", "a"], ("two names",)),
        (("a", "b"), ["--pair", "a,a"], ("pair", "different")),
        (("a", "b"), ["--split", "no.csv"], ("no.csv cannot be read",)),
        (("a", "b"), ["--test", "a"], ("different splits",)),
        (("a", "b"), ["--title", "a b"], ("--title",)),
        (("a", "b"), ["--dataset-id", "0"], ("--dataset-id",)),
        (("a", "b"), ["--style", "seed:1", "--style", "seed:1"], ("--style", "twice")),
    ],
)
def test_cohorts_that_cannot_be(export, refused, files_of, who, arguments, parts):
    before = files_of()
    refused(export(*who, arguments=arguments), *parts)
    assert files_of() == before


def test_tables_of_splits_that_cannot_be(export, refused, tmp_path):
    for text, part in [
        ("name,part\na,train\n", "no columns subject and split"),
        ("subject,split\na,teaching\nb,train\n", "train, val or test"),
        ("subject,split\na,train\n", "not said whether"),
        ("", "no columns"),
    ]:
        (tmp_path / "split.csv").write_text(text)
        refused(export("a", "b", arguments=["--split", tmp_path / "split.csv"]), part)
    assert not (tmp_path / "out").exists()


def test_folders_of_export_that_cannot_be(export, refused, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused(export("a", "b", folder="file"), "is a file")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    refused(export("a", "b", folder="other"), "other")
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    assert export("a", "b").code == 0
    refused(export("a", "b", arguments=["--slices", 6]), "another")


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(shell, files, heart_bundles, tmp_path):
    command = ["export", *(files / f"{n}.nii.gz" for n in "abc"), tmp_path / "out", "--layout", "plain"]
    command += ["--steps", 30, "--slices", 6, "--style", "seed:1", *CPU]
    command += ["--model", heart_bundles["paint"], "--codec", heart_bundles["label-vae"]]
    process = shell(*command)
    end = time.monotonic() + 120
    while len(list(tmp_path.glob("out/*/*.png"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "the same command goes on" in out
    done = len(list(tmp_path.glob("out/*/*.png")))
    assert 2 <= done < 90
    with (tmp_path / "out" / "cohort.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == done


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that even root cannot write")
def test_an_unwritable_folder(export, refused):
    refused(export("a", "b", folder="/proc/out"), "cannot be written")
