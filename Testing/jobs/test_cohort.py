"""Cohorts: which offspring are made, the guard of the splits, resuming, and how little is held in memory."""

import csv
import json

import pytest

from SynthLogic.errors import ConfigError, InputError, OutputError
from SynthLogic.jobs import CohortRequest, CohortStyle, CohortSubject, Reference, export_cohort, heart_of

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def subjects(hearts, scan_of):
    read = []

    def make(count, splits=(), **options):
        def reader(n):
            def load():
                read.append(n)
                return scan_of(hearts.heart_labels(5 + n % 3, radius=20.0 + n % 7, **options))

            return load

        made = [CohortSubject(f"Doe{n}", reader(n), *splits[n : n + 1]) for n in range(count)]
        return made

    make.read = read
    return make


@pytest.fixture
def run(heart_bundles, tmp_path):
    def go(subjects, folder="cohort", progress=None, cancel=None, references=(), **request):
        request = {"layout": "plain", "steps": 2, "slices": 5, **CPU, **request}
        return export_cohort(
            CohortRequest.from_data(request),
            subjects,
            tmp_path / folder,
            progress,
            cancel,
            codec_bundle=heart_bundles["label-vae"],
            model_bundle=heart_bundles["paint"],
            references=references,
        )

    return go


def table(folder):
    with (folder / "cohort.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_all_pairs_steps_and_styles(run, subjects, tmp_path):
    told = []
    report = run(subjects(3), progress=lambda *step: told.append(step))
    assert len(report.written) == 3 * 2 * 2
    assert told[-1][:2] == (12, 12)
    rows = table(report.folder)
    assert {row["parents"] for row in rows} == {"P001 P002", "P001 P003", "P002 P003"}
    assert {row["style"] for row in rows} == {"vendor-a", "vendor-b"}
    assert {row["split"] for row in rows} == {"train"}
    record = json.loads((report.folder / rows[0]["record"]).read_text())
    assert record["synthetic"] is True
    assert record["t"] == pytest.approx(1 / 3)
    everything = b"".join(path.read_bytes() for path in report.folder.rglob("*") if path.is_file())
    assert b"Doe" not in everything
    assert report.pseudonyms == {"Doe0": "P001", "Doe1": "P002", "Doe2": "P003"}


def test_chosen_pairs_styles_and_parents(run, subjects):
    report = run(
        subjects(3),
        pairs=[[0, 2]],
        styles=[{"kind": "seed", "seed": 4}],
        parents=True,
        keep_parent_names=True,
    )
    assert len(report.written) == 3 + 2
    assert sum(name.startswith("Doe0xDoe2_t") for name in report.written) == 2


def test_the_guard_keeps_offspring_of_a_test_subject_out(run, subjects):
    report = run(subjects(3, ("train", "train", "test")), styles=[{"kind": "seed", "seed": 4}])
    assert len(report.written) == 2
    assert len(report.left_out) == 4
    assert "different splits" in report.left_out[0].reason
    with pytest.raises(ConfigError, match="not said whether"):
        run(subjects(3, ("train", None, "test")), folder="other")


def test_a_reference_scan_of_a_subject_counts_for_the_guard(run, subjects, hearts, scan_of):
    labels = hearts.heart_labels()
    lent = Reference(scan_of(hearts.heart_image(labels)), heart_of(scan_of(labels)))
    report = run(
        subjects(3, ("train", "train", "test")),
        styles=[{"kind": "scan"}, {"kind": "seed", "seed": 1}],
        references=[CohortStyle(lent, of="Doe2")],
    )
    assert len(report.written) == 2
    assert all("scan1" not in name for name in report.written)


def test_cancelled_it_goes_on(run, subjects):
    done = []
    report = run(subjects(3), progress=lambda *s: done.append(s), cancel=lambda: len(done) >= 4)
    assert report.cancelled
    assert len(report.written) == 4
    again = run(subjects(3))
    assert len(again.skipped) == 4
    assert len(again.written) == 8
    with pytest.raises(OutputError):
        run(subjects(3), slices=6)


def test_many_subjects_are_not_all_held(run, subjects, monkeypatch):
    import SynthLogic.jobs.heart_desk as desk

    monkeypatch.setattr(desk, "_HEARTS", 3)
    made = subjects(6)
    report = run(made, styles=[{"kind": "seed", "seed": 1}], steps=1)
    assert len(report.written) == 15
    # Read once to look at all, and again when they had been forgotten.
    assert len(subjects.read) > 6


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pairs": [[0, 9]]}, "beyond the 2"),
        ({"styles": [{"kind": "named", "name": "vendor-z"}]}, "vendor-z"),
        ({"styles": [{"kind": "scan"}]}, "give both"),
    ],
)
def test_requests_that_cannot_be(run, subjects, change, text, tmp_path):
    with pytest.raises((ConfigError, InputError), match=text):
        run(subjects(2), **change)
    assert not (tmp_path / "cohort").exists()


def test_subjects_that_cannot_be(run, subjects, tmp_path):
    with pytest.raises(ConfigError, match="t least two"):
        run(subjects(1))
    twice = subjects(1) * 2
    with pytest.raises(ConfigError, match="Two subjects are called 'Doe0'"):
        run(twice)
    mixed = [*subjects(1), CohortSubject("Other", subjects(2, rv=False)[1].read)]
    with pytest.raises(InputError, match=r"Other has LV cavity, LV myocardium: only"):
        run(mixed)
    assert not (tmp_path / "cohort").exists()
