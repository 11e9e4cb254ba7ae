"""Bad input, bad folders, full disks: one sentence, nothing lost, nothing half-written."""

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.cohorts import LAYOUTS, MANIFEST, CohortInfo, Made, Plan
from SynthLogic.cohorts import export as exporting
from SynthLogic.errors import ConfigError, InputError, OutputError, SynthError
from SynthLogic.volume import Volume
from SynthLogic.volume import write as writing

from .small_hearts import REQUEST, hashes, make


def _sentence(error: pytest.ExceptionInfo[SynthError]) -> str:
    text = str(error.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    assert "Traceback" not in text
    return text


def test_a_folder_with_something_else_is_refused_and_kept(export, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    before = hashes(tmp_path)
    with pytest.raises(OutputError, match=r"thesis\.docx") as error:
        export(tmp_path)
    _sentence(error)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(
    "changed",
    [
        {"request": REQUEST | {"steps": 3}},
        {"layout": "bids"},
        {"keep_parent_names": True},
        {"info": CohortInfo(title="Other")},
        {"plan": [Plan(("Anna Canary",), style="A", seed=1)]},
        {"splits": {}, "unknown_split": "test"},
    ],
)
def test_a_folder_with_another_cohort_is_refused_and_kept(export, tmp_path: Path, changed: dict) -> None:
    export(tmp_path)
    before = hashes(tmp_path)
    with pytest.raises(OutputError, match="another request") as error:
        export(tmp_path, **changed)
    _sentence(error)
    assert hashes(tmp_path) == before


def test_other_parents_are_another_cohort(export, tmp_path: Path) -> None:
    """Pseudonyms are the same, hearts are not."""
    export(tmp_path, plan=[Plan(("Anna Canary",))])
    with pytest.raises(OutputError, match="another request"):
        export(tmp_path, plan=[Plan(("Bert Canary",))])


def test_a_file_in_the_folder_s_place_and_a_taken_number_are_refused(export, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file") as error:
        export(tmp_path / "file")
    _sentence(error)
    (tmp_path / "raw" / "Dataset501_Mine").mkdir(parents=True)
    with pytest.raises(OutputError, match="Dataset501_Mine") as error:
        export(tmp_path / "raw", layout="nnunet")
    _sentence(error)


def test_a_damaged_manifest_is_refused(export, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("not ours\n")
    with pytest.raises(OutputError, match="damaged") as error:
        export(tmp_path)
    _sentence(error)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", ["write", "publish", "manifest"])
def test_a_disk_that_fills_up_keeps_what_is_complete_and_nothing_half(
    export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, call: str
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    calls = 0
    with monkeypatch.context() as patch:
        module, name, good = {
            "write": (exporting, "write_volume", 4),
            "publish": (os, "replace", 16),
            "manifest": (os, "fsync", 2),
        }[call]
        real = getattr(module, name)

        def failing(*given):
            nonlocal calls
            calls += 1
            if calls == good + 1:
                raise full
            return real(*given)

        patch.setattr(module, name, failing)
        with pytest.raises(OutputError, match="space") as error:
            export(tmp_path / "a", layout=layout)
    _sentence(error)
    root = next((tmp_path / "a").rglob(MANIFEST)).parent
    lines = [json.loads(line) for line in (root / MANIFEST).read_text().splitlines()[1:]]
    assert len(lines) == 2
    listed = {file for line in lines for file in line["files"]}
    tables = set(LAYOUTS[layout].tables([exporting.Row(**line) for line in lines], CohortInfo()))
    assert set(hashes(root)) == listed | tables | {MANIFEST}
    export(tmp_path / "a", layout=layout)
    export(tmp_path / "b", layout=layout)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("reason", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("ITK")])
def test_a_full_disk_names_the_subject_and_says_what_stays(
    export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Exception
) -> None:
    calls = iter([None] * 4)

    def save(*given: object, **more: object) -> None:
        if next(calls, reason) is not None:
            raise reason
        return real(*given, **more)

    real = writing._save
    monkeypatch.setattr(writing, "_save", save)
    with pytest.raises(OutputError, match=r"^P003xP004_t01of02_A_s1 cannot be written .*complete") as error:
        export(tmp_path)
    assert "image.nii" not in _sentence(error)
    assert (tmp_path / "cohort.csv").read_text().count("\n") == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_folder_that_cannot_be_written_is_refused(export) -> None:
    with pytest.raises(OutputError) as error:
        export("/proc/nothing/here")
    _sentence(error)


def _with(entry: Plan, **changed: object) -> Made:
    return make(entry)._replace(**changed)


BAD = {
    "grids": lambda e: _with(e, labels=Volume(make(e).labels.array, np.diag([2.0, 2, 8, 1]))),
    "no numbers": lambda e: _with(e, image=Volume(np.full((10, 64, 64), np.nan), make(e).image.ijk_to_ras)),
    "expected are": lambda e: _with(e, labels=make(e).labels.with_array(make(e).labels.array + np.uint8(5))),
    "labelled": lambda e: _with(e, labels=make(e).labels.with_array(np.zeros((10, 64, 64), np.uint8))),
    "whole numbers": lambda e: _with(e, labels=make(e).labels.with_array(make(e).labels.array * 0.3)),
    "0 to 255": lambda e: _with(
        e, labels=make(e).labels.with_array(make(e).labels.array.astype(np.int16) * 300)
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_subject_not_in_order_is_left_out_and_the_rest_goes_on(export, plan, tmp_path, what) -> None:
    report = export(tmp_path, make=lambda e: BAD[what](e) if e == plan[1] else make(e))
    (why,) = report.failed
    assert why.name == "P001xP002_t02of02_A_s1"
    assert what in why.reason
    assert len(report.written) == 3
    assert why.name not in str(list(tmp_path.rglob("*")))
    assert len(export(tmp_path).written) == 1


def test_when_no_subject_can_be_made_the_first_reason_is_told(export, tmp_path: Path) -> None:
    def never(entry: Plan) -> Made:
        raise InputError("The subjects have different labels.")

    with pytest.raises(InputError, match="different labels"):
        export(tmp_path / "new", make=never)
    assert not (tmp_path / "new").exists()


def test_any_other_failure_keeps_what_is_complete(export, plan, tmp_path: Path) -> None:
    def breaks(entry: Plan) -> Made:
        if entry == plan[2]:
            raise RuntimeError("a bug")
        return make(entry)

    with pytest.raises(RuntimeError):
        export(tmp_path, make=breaks)
    assert (tmp_path / "cohort.csv").read_text().count("\n") == 3
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "changed",
    [
        {"layout": "dicom"},
        {"plan": []},
        {"plan": [Plan(("Anna Canary", "Cora Canary"))]},
        {"splits": {}},
        {"request": {"a": object()}},
        {"make": lambda e: _with(e, record={"a": object()})},
        {"layout": "nnunet", "info": CohortInfo(labels={"background": 0, "LV": 2})},
        {"layout": "nnunet", "info": CohortInfo(dataset_id=1000)},
    ],
)
def test_what_cannot_be_exported_leaves_no_folder(export, tmp_path: Path, changed: dict) -> None:
    with pytest.raises(ConfigError) as error:
        export(tmp_path / "new", **changed)
    _sentence(error)
    assert not (tmp_path / "new").exists()


def test_extremes_of_slices_have_a_picture(export, tmp_path: Path) -> None:
    def thin(entry: Plan) -> Made:
        count = 1 if entry.step[0] == 1 else 300
        labels = np.zeros((count, 20, 31), np.uint8)
        labels[:, 0, 0] = 1
        image = np.zeros(labels.shape, np.int16)
        return Made(Volume(image, np.eye(4)), Volume(labels, np.eye(4)), {})

    report = export(tmp_path, make=thin)
    for name in report.written:
        assert 200 < (tmp_path / name / f"{name}.png").stat().st_size < 200_000
