"""check, phantom, train, benchmark and demo."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.review.tables import Column, Table
from SynthLogic.volume import Volume, read_volume, write_volume

HEARTS = ("heart-shapes", "heart-images", "heart-use")
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def test_check_says_what_a_scan_is(call, ct_array, bundle_folders, tmp_path):
    write_volume(tmp_path / "ct.nii.gz", Volume(ct_array, np.diag([-6.0, -6, 5, 1])))
    result = call("check", tmp_path / "ct.nii.gz", "--to", "MR", "--model", bundle_folders / "CT-MR")
    assert result.code == 0, result.out + result.err
    text = " ".join(result.out.split())
    for part in ("CT (", "48 x 40 x 8", "6 x 6 x 5 mm", "LPS", "covered"):
        assert part in text
    document = call("check", tmp_path / "ct.nii.gz", "--json").document
    assert document["modality"] == "CT"
    assert document["coverage"] == "unknown"
    assert document["stopped"] is False


def test_check_without_a_target_asks_an_installed_bundle(call, ct_array, bundle_folders, tmp_path):
    call("models", "import", bundle_folders / "CT-MR")
    write_volume(tmp_path / "ct.nii.gz", Volume(ct_array, np.diag([-6.0, -6, 5, 1])))
    document = call("check", tmp_path / "ct.nii.gz", "--json").document
    assert (document["bundle"], document["coverage"]) == ("tiny-ct-to-mr", "covered")


def test_check_refuses_a_bundle_that_makes_something_else(call, refused, ct_array, bundle_folders, tmp_path):
    write_volume(tmp_path / "ct.nii.gz", Volume(ct_array, np.diag([-6.0, -6, 5, 1])))
    folder = bundle_folders / "CT-MR"
    refused(call("check", tmp_path / "ct.nii.gz", "--to", "CT", "--model", folder), "makes MR, not CT")


def test_the_command_line_is_a_module_too():
    done = subprocess.run([sys.executable, "-m", "SynthLogic.cli", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "translate" in done.stdout


def test_check_names_what_stands_in_the_way(call, refused, ct_array, tmp_path):
    write_volume(tmp_path / "flat.nrrd", Volume(np.full_like(ct_array, 7), np.eye(4)))
    result = call("check", tmp_path / "flat.nrrd")
    assert result.code == 2
    assert "Error: Every voxel is 7" in result.out
    assert call("check", tmp_path / "flat.nrrd", "--json").document["stopped"] is True
    refused(call("check", tmp_path / "nowhere.nrrd"), "nowhere.nrrd")


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real images is not here")
def test_check_notices_a_ct_without_its_offset(call):
    result = call("check", REAL / "ct_head_tiny_dicom_slicer" / "dicom", "--json")
    assert result.code == 2
    assert "HU offset" in json.dumps(result.document["findings"])


def test_phantom_writes_subjects(call, refused, files_of, tmp_path):
    arguments = ["--subjects", "1", "--seed", "3", "--shape", "16,24,24", "--spacing", "16,16,20"]
    result = call("phantom", tmp_path / "cohort", *arguments, "--json")
    assert result.code == 0, result.err
    assert result.document["subjects"] == ["sub-0001"]
    ct = read_volume(tmp_path / "cohort" / "sub-0001" / "ct.nii.gz").volume
    assert ct.shape == (16, 24, 24)
    assert ct.spacing == pytest.approx((16, 16, 20))
    before = files_of()
    refused(call("phantom", tmp_path / "other", "--anatomy", "unicorn"), "unicorn")
    refused(call("phantom", tmp_path / "other", "--spacing", "1,x,1"), "--spacing")
    refused(call("phantom", tmp_path / "other", "--subjects", "0"), "--subjects")
    (tmp_path / "file").write_text("")
    refused(call("phantom", tmp_path / "file", *arguments))
    assert {k: v for k, v in files_of().items() if k != Path("file")} == before


def test_phantom_writes_a_heart_and_refuses_what_it_cannot_choose(call, refused, files_of, tmp_path):
    result = call("phantom", tmp_path / "hearts", "--anatomy", "heart", "--seed", "3", "--json")
    assert result.code == 0, result.err
    assert result.document["subjects"] == ["sub-0001"]
    folder = tmp_path / "hearts" / "sub-0001"
    stack, labels = (read_volume(folder / f"{name}.nii.gz").volume for name in ("es", "es_labels"))
    assert stack.shape == labels.shape
    assert sorted(np.unique(labels.array)) == [0, 1, 2, 3]
    before = files_of()
    for option, value in (("--deformation", "5"), ("--shape", "16,24,24"), ("--spacing", "2,2,8")):
        refused(call("phantom", tmp_path / "other", "--anatomy", "heart", option, value), option)
    refused(call("phantom", tmp_path / "other", "--anatomy", "unicorn"), "thorax, heart")
    assert files_of() == before


def test_train_refuses_what_cannot_be_trained(call, refused, files_of, tmp_path):
    (tmp_path / "wrong.yaml").write_text("method: cyclegan\ncolour: green\n")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    before = files_of()
    refused(call("train", tmp_path / "nowhere.yaml"), "nowhere.yaml")
    refused(call("train", tmp_path / "broken.yaml"), "YAML")
    refused(call("train", tmp_path / "wrong.yaml", "--output", tmp_path / "run"))
    assert files_of() == before


def test_train_passes_on_its_options_and_reports(call, refused, tmp_path, monkeypatch):
    import SynthLogic.methods as methods

    asked = {}

    class Settings:
        def with_roots(self, roots):
            asked["roots"] = roots
            return self

        def model_copy(self, update):
            asked.update(update)
            return self

    def train(config, folder, resume, progress, cancelled):
        assert not cancelled()
        progress(methods.TrainProgress(5, 10, "half way"))
        asked.update(folder=folder, resume=resume)
        return methods.TrainResult(folder, (folder / "bundles" / "x",), 5, False, ("Left out one file.",))

    monkeypatch.setattr(methods, "load_config", lambda path: Settings())
    monkeypatch.setattr(methods, "train", train)
    arguments = ["train", "a.yaml", "--output", tmp_path, "--real-data", "real", "--root", "phantoms=cohort"]
    result = call(*arguments, "--max-time", "3", "--no-resume", "--json")
    assert result.code == 0, result.err
    assert asked == {
        "roots": {"real": "real", "phantoms": "cohort"},
        "max_minutes": 3.0,
        "folder": tmp_path,
        "resume": False,
    }
    assert result.document["finished"] is False
    assert "half way" in result.err
    assert "Warning: Left out one file." in result.err
    assert "the same command goes on" in call(*arguments).out
    for wrong in ("0", "nan", "inf"):
        refused(call(*arguments, "--max-time", wrong), "--max-time")
    refused(call(*arguments, "--root", "nothing"), "--root")


def fake_benchmarks(monkeypatch, seen):
    table = Table("Speed", (Column("What"), Column("Time", "s")), (("forward", 1.5),))
    package = types.ModuleType("SynthLogic.benchmarks")
    demo = types.ModuleType("SynthLogic.benchmarks.demo")

    def run(names, output, real_data, progress):
        progress(1, 2, "steps")
        seen.append((names, output, real_data))
        return [table]

    package.run = run
    demo.run_demo = lambda output, progress: types.SimpleNamespace(tables=(table,), files=(output / "a.png",))
    monkeypatch.setitem(sys.modules, "SynthLogic.benchmarks", package)
    monkeypatch.setitem(sys.modules, "SynthLogic.benchmarks.demo", demo)
    monkeypatch.setattr("SynthLogic.benchmarks", package, raising=False)


def test_benchmark_runs_what_was_named_and_prints_its_tables(call, tmp_path, monkeypatch):
    seen = []
    fake_benchmarks(monkeypatch, seen)
    result = call("benchmark", "speed", "quality", "speed", "--output", tmp_path)
    assert result.code == 0, result.err
    assert "Time (s)" in result.out
    assert "1.50" in result.out
    assert call("benchmark", "--output", tmp_path, "--json").document["tables"][0]["rows"] == [
        {"What": "forward", "Time": 1.5}
    ]
    call("benchmark", "all", "--output", tmp_path, "--real-data", "scans")
    assert seen == [
        (["speed", "quality"], tmp_path, None),
        (["geometry", "quality", "speed", "training", *HEARTS], tmp_path, None),
        (["geometry", "quality", "speed", "training", *HEARTS, "real"], tmp_path, Path("scans")),
    ]


def test_demo_says_what_to_open(call, tmp_path, monkeypatch):
    fake_benchmarks(monkeypatch, [])
    result = call("demo", "--output", tmp_path)
    assert result.code == 0, result.err
    assert result.out.rstrip().endswith(str(tmp_path / "a.png"))
    assert call("demo", "--output", tmp_path, "--json").document["files"] == [str(tmp_path / "a.png")]
