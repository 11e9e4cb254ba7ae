"""Stopped, killed and taken up again: nothing twice, nothing half, and the same files in the end."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SynthLogic.cohorts import LAYOUTS, MANIFEST, Plan
from SynthLogic.errors import Cancelled, OutputError

from . import small_hearts
from .small_hearts import hashes, make, many

COUNT = 5


def _run(folder: Path, layout: str, log: Path, die_at: int = 0) -> subprocess.Popen:
    command = [sys.executable, small_hearts.__file__, folder, layout, COUNT, log, die_at]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)


def _complete(folder: Path) -> int:
    """Subjects in the manifest; a line that was cut off does not count."""
    manifests = list(folder.rglob(MANIFEST))
    return max(0, manifests[0].read_bytes().count(b"\n") - 1) if manifests else 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_killed_at_any_moment_it_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path, layout: str) -> None:
    whole = tmp_path / "whole"
    assert _run(whole, layout, tmp_path / "log").wait() == 0
    killed, log = tmp_path / "killed", tmp_path / "killed.log"
    draw = random.Random(layout)
    for attempt in range(30):
        before = _complete(killed)
        made_before = log.read_text().split() if log.exists() else []
        # First at files that are just put in place, as few clocks would hit them; too few to end.
        by_file = attempt < 2
        child = _run(killed, layout, log, draw.randint(1, 6) if by_file else 0)
        child.stdout.readline()
        if not by_file and attempt < 5:
            time.sleep(draw.uniform(0, 0.25))
            child.kill()
        child.stdout.close()
        code = child.wait()
        made = log.read_text().split()[len(made_before) :] if log.exists() else []
        assert all(int(step) > before for step in made), "a complete subject was made again"
        if code == 0:
            break
    assert code == 0
    assert attempt >= 2
    assert hashes(killed) == hashes(whole)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cancelled_it_leaves_a_smaller_cohort_and_goes_on_later(export, tmp_path: Path, layout: str) -> None:
    asked = iter([False, False, True])
    seen = []
    first = export(
        tmp_path / "a", layout=layout, cancel=lambda: next(asked), progress=lambda *told: seen.append(told)
    )
    assert first.cancelled
    assert len(first.written) == 2
    assert seen == [(1, 4, first.written[0]), (2, 4, first.written[1])]
    if layout == "nnunet":
        assert json.loads((first.folder / "dataset.json").read_text())["numTraining"] == 2
    made = []
    second = export(tmp_path / "a", layout=layout, make=lambda e: made.append(e) or make(e))
    assert second.skipped == first.written
    assert len(made) == len(second.written) == 2
    export(tmp_path / "b", layout=layout)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


def test_cancelled_inside_a_subject_it_keeps_the_others(export, plan, tmp_path: Path) -> None:
    def cancelled(entry: Plan):
        if entry == plan[1]:
            raise Cancelled("stopped")
        return make(entry)

    report = export(tmp_path, make=cancelled)
    assert report.cancelled
    assert len(report.written) == 1
    assert (tmp_path / "cohort.csv").read_text().count("\n") == 2


def test_cancelled_before_the_first_subject_it_leaves_nothing(export, tmp_path: Path) -> None:
    assert export(tmp_path / "new" / "er", cancel=lambda: True).cancelled
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_kill_left_half_written_is_gone_even_if_nothing_is_made(
    export, tmp_path: Path, layout: str
) -> None:
    asked = iter([False, True])
    root = export(tmp_path, layout=layout, cancel=lambda: next(asked)).folder
    before = hashes(tmp_path)
    half = [root / f for f in LAYOUTS[layout].files("P003xP004_t01of02_A_s1", "test")[:2]]
    half.append(root / ".cohort-staging" / "image.nii.gz")
    for path in half:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with (root / MANIFEST).open("ab") as stream:
        stream.write(b'{"name": "P001xP0')
    assert export(tmp_path, layout=layout, cancel=lambda: True).cancelled
    assert hashes(tmp_path) == before
    assert not any(p.is_dir() and not any(p.iterdir()) for p in root.rglob("*") if p.name != "labelsTr")


def test_a_complete_cohort_is_left_as_it_is(export, tmp_path: Path) -> None:
    export(tmp_path)
    before = hashes(tmp_path)
    report = export(tmp_path, make=None)
    assert (len(report.skipped), report.written) == (4, ())
    assert hashes(tmp_path) == before


def test_a_file_that_was_lost_is_made_again(export, tmp_path: Path) -> None:
    report = export(tmp_path)
    before = hashes(tmp_path)
    lost = tmp_path / report.written[1]
    (lost / f"{lost.name}.nii.gz").unlink()
    (lost / f"{lost.name}.png").write_bytes(b"")
    assert export(tmp_path).written == (lost.name,)
    del before[MANIFEST]
    assert {k: v for k, v in hashes(tmp_path).items() if k != MANIFEST} == before
    assert export(tmp_path, make=None).written == ()


def test_a_row_that_was_lost_and_made_again_does_not_come_back(export, tmp_path: Path) -> None:
    """Records hold seconds, so what is made again differs."""
    name = export(tmp_path).written[1]

    def again(entry: Plan):
        made = make(entry)
        return made._replace(record={**made.record, "seconds": 2.0})

    (tmp_path / name / f"{name}.nii.gz").unlink()
    assert export(tmp_path, make=again).written == (name,)
    whole = (tmp_path / MANIFEST).read_bytes()
    cut = whole[: whole.rstrip(b"\n").rfind(b"\n") + 10]
    (tmp_path / MANIFEST).write_bytes(cut)
    # A kill in the middle of that line would have found no tables.
    for table in ("README.md", "cohort.csv"):
        (tmp_path / table).unlink()
    assert export(tmp_path, make=again).written == (name,)
    assert export(tmp_path, make=None).written == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_that_someone_edited_is_left_alone(export, tmp_path: Path, layout: str) -> None:
    folder = export(tmp_path, layout=layout).folder
    (folder / "README.md").write_text("What I found out.")
    before = hashes(tmp_path)
    export(tmp_path, layout=layout, make=None)
    assert hashes(tmp_path) == before
    (folder / "README.md").unlink()
    export(tmp_path, layout=layout, make=None)
    assert "SyntheticHearts" in (folder / "README.md").read_text()


@pytest.mark.parametrize("lost", [True, False])
def test_an_edited_table_that_would_become_untrue_is_not_written_over(
    export, tmp_path: Path, lost: bool
) -> None:
    asked = iter([False, False, True])
    report = export(tmp_path, **({} if lost else {"cancel": lambda: next(asked)}))
    if lost:
        (tmp_path / report.written[0] / f"{report.written[0]}.nii.gz").unlink()
    table = tmp_path / "cohort.csv"
    table.write_text("my notes\n" + table.read_text())
    before = hashes(tmp_path)
    with pytest.raises(OutputError, match=r"cohort\.csv was changed after it was exported.*move it"):
        export(tmp_path)
    assert hashes(tmp_path) == before
    table.rename(tmp_path.parent / f"{tmp_path.name}.csv")
    assert len(export(tmp_path).written) == (1 if lost else 2)
    assert table.read_text().count("\n") == 5


def test_a_file_that_someone_changed_is_not_written_over(export, tmp_path: Path) -> None:
    report = export(tmp_path)
    for name in report.written[:2]:
        (tmp_path / name / f"{name}.nii.gz").unlink()
    edited = tmp_path / report.written[0] / f"{report.written[0]}_labels.nii.gz"
    edited.write_bytes(b"edited by hand")
    before = hashes(tmp_path)
    with pytest.raises(OutputError, match="changed"):
        export(tmp_path)
    assert hashes(tmp_path) == before


def test_two_exports_to_one_folder_do_not_meet(export, tmp_path: Path) -> None:
    refused = []

    def make_and_try(entry: Plan):
        with pytest.raises(OutputError, match="Another export") as error:
            export(tmp_path)
        refused.append(error)
        return make(entry)

    assert len(export(tmp_path, make=make_and_try).written) == 4
    assert len(refused) == 4


def test_the_order_of_subjects_is_the_plan_s(tmp_path: Path, export) -> None:
    report = export(tmp_path, plan=many(12))
    assert [name.split("_")[1] for name in report.written] == [f"t{n:02d}of12" for n in range(1, 13)]
