"""Folders that ``interpolate`` goes on in: what counts as made, what may be replaced, who else writes."""

import sys

import numpy as np
import pytest

from SynthLogic.errors import Cancelled, OutputError
from SynthLogic.jobs import InterpolateRequest, Reference, heart_of, interpolate
from SynthLogic.jobs.output import only_writer
from SynthLogic.volume import write_volume

CPU = {"device": "cpu", "precision": "fp32"}
STEP = ("step-01of02.record.json", "step-01of02.nii.gz", "step-01of02.labels.nii.gz", "step-01of02.png")


@pytest.fixture
def place(tmp_path, hearts):
    write_volume(tmp_path / "a.nii.gz", hearts.heart_labels())
    write_volume(tmp_path / "b.nii.gz", hearts.heart_labels(7, radius=30.0, slice_mm=10.0))
    return tmp_path


@pytest.fixture
def run(place, heart_bundles):
    def go(*, alone=False, **options):
        fields = {"steps": 2, "slices": 3, **CPU, **options.pop("fields", {})}
        return interpolate(
            InterpolateRequest(**fields),
            place / "a.nii.gz",
            None if alone else place / "b.nii.gz",
            place / "out",
            codec_bundle=heart_bundles["label-vae"],
            model_bundle=heart_bundles["paint"],
            **options,
        )

    return go


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("alone", [False, True])
def test_another_reference_scan_is_another_request(run, place, hearts, scan_of, alone):
    def lent(seed, wall=9.0):
        image = hearts.heart_image(hearts.heart_labels(wall=wall), seed)
        return Reference(scan_of(image), heart_of(scan_of(hearts.heart_labels())))

    def made(reference):
        style = {"fields": {"style_a": {"kind": "scan"}}, "references": (reference, None)}
        return run(alone=alone, **style)

    one = lent(0)
    first = made(one)
    before = contents(place / "out")
    assert made(one).written == ()
    with pytest.raises(OutputError, match="not from this very request"):
        made(lent(3, wall=4.0))
    assert contents(place / "out") == before
    assert len(made(one).skipped) == len(first.written)


@pytest.mark.parametrize("kept", range(1, 4))
def test_a_step_that_a_kill_cut_short_is_made_again(run, place, kept):
    """The record comes first, so the files that are there are known to be this run's."""
    run()
    whole = contents(place / "out")
    for name in STEP[kept:]:
        (place / "out" / name).unlink()
    again = run()
    assert [path.name for path in again.written] == ["step-01of02.nii.gz"]
    now = contents(place / "out")
    assert now.keys() == whole.keys()
    assert all(now[name] == whole[name] for name in whole if not name.endswith("record.json"))


def test_the_record_is_placed_first(run, monkeypatch):
    module = sys.modules["SynthLogic.jobs.step_files"]

    placed = []
    monkeypatch.setattr(module, "publish", lambda prepared, folder: placed.append(prepared[0][1].name))
    run()
    assert placed == ["step-01of02.record.json", "step-02of02.record.json"]


@pytest.mark.parametrize("name", STEP[1:])
def test_what_somebody_changed_is_not_written_over(run, place, name):
    run()
    (place / "out" / name).write_bytes(b"somebody's work")
    (place / "out" / STEP[1 if name != STEP[1] else 2]).unlink()
    before = contents(place / "out")
    with pytest.raises(OutputError, match=f"{name} was changed after it was made.*--yes"):
        run()
    assert contents(place / "out") == before
    assert len(run(replace=True).written) == 1


def test_a_file_without_its_record_is_somebody_elses(run, place):
    run()
    (place / "out" / STEP[0]).unlink()
    with pytest.raises(OutputError, match="not from this very request"):
        run()


def test_one_run_at_a_time(run, place):
    with only_writer(place / "out"), pytest.raises(OutputError, match=r"Another run is writing.*wait for it"):
        run()
    assert not (place / "out").exists()
    (place / "out").mkdir()
    (place / "out" / ".lock").touch()  # as a kill leaves it
    run()
    assert not (place / "out" / ".lock").exists()


def test_a_cancelled_run_says_what_stays(run, place):
    with pytest.raises(Cancelled, match="nothing was written"):
        run(cancel=lambda: True)
    assert not (place / "out").exists()
    with pytest.raises(Cancelled, match="1 of 2 hearts are complete and stay, and the same command"):
        run(cancel=lambda: (place / "out" / STEP[3]).exists())
    assert len(run().skipped) == 1


def test_a_folder_from_when_names_had_two_digits_goes_on(run, monkeypatch):
    request = {"steps": 100, "slices": 2, "labels_only": True}
    old = [f"step-{n:02d}of100" for n in range(1, 101)]
    monkeypatch.setattr(sys.modules["SynthLogic.jobs.interpolate"], "_names", lambda *_, **__: old)
    run(fields=request)
    monkeypatch.undo()
    made = run(fields=request)
    assert made.written == ()
    assert [path.name for path in made.files] == [f"{name}.labels.nii.gz" for name in old]
    assert np.all(np.diff([record.t for record in made.records]) > 0)


def test_styles_by_number_may_differ_in_their_last_digits(run, place):
    first = run()
    path = place / "out" / STEP[0]
    style = first.records[0].styles[0]
    moved = style.model_copy(update={"vector": tuple(v * (1 + 1e-6) for v in style.vector)})
    path.write_text(first.records[0].model_copy(update={"styles": (moved,)}).to_json())
    assert run().written == ()
    far = style.model_copy(update={"vector": tuple(v + 0.1 for v in style.vector)})
    path.write_text(first.records[0].model_copy(update={"styles": (far,)}).to_json())
    with pytest.raises(OutputError, match="not from this very request"):
        run()
