"""Cohorts: which offspring are made, the guard of the splits, resuming, and how little is held in memory."""

import csv
import gzip
import json

import pytest

from SynthLogic.cohorts import LAYOUTS, MANIFEST
from SynthLogic.cohorts.own_words import KEYS
from SynthLogic.errors import ConfigError, InputError, OutputError
from SynthLogic.jobs import (
    CohortRequest,
    CohortStyle,
    CohortSubject,
    HeartRecord,
    Reference,
    export_cohort,
    heart_of,
    read_any_record,
)

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
        others = request.pop("others", None)
        return export_cohort(
            CohortRequest.from_data(request),
            subjects,
            tmp_path / folder,
            progress,
            cancel,
            codec_bundle=heart_bundles["label-vae"],
            model_bundle=heart_bundles["paint"],
            references=references,
            others=others,
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
    files = [path for path in report.folder.rglob("*") if path.is_file()]
    # Three letters are somewhere in compressed voxels by chance; of these a whole name is asked.
    plain = b"".join(path.read_bytes() for path in files if path.suffix not in (".gz", ".png"))
    assert b"Doe" not in plain
    packed = b"".join(path.read_bytes() for path in files if path.suffix in (".gz", ".png"))
    assert not any(name in packed for name in (b"Doe0", b"Doe1", b"Doe2"))
    headers = b"".join(gzip.decompress(path.read_bytes())[:352] for path in files if path.suffix == ".gz")
    assert b"Doe" not in headers
    assert not any("Doe" in str(path.relative_to(report.folder)) for path in files)
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
        references=[CohortStyle(lent, of=("Doe2",))],
    )
    assert len(report.written) == 2
    assert all("scan1" not in name for name in report.written)


@pytest.fixture
def lent(hearts, scan_of):
    """The style of a scan whose labels are those of the ``n``-th subject, or nobody's."""

    def make(n=None):
        labels = hearts.heart_labels(8) if n is None else hearts.heart_labels(5 + n % 3, radius=20.0 + n % 7)
        return Reference(scan_of(hearts.heart_image(labels)), heart_of(scan_of(labels)))

    return make


def test_a_reference_scan_with_a_subject_s_labels_is_of_that_subject(run, subjects, lent):
    """Also where the subject takes no part."""
    split = {"styles": [{"kind": "scan"}, {"kind": "seed", "seed": 1}], "references": [CohortStyle(lent(2))]}
    report = run(subjects(3, ("train", "train", "test")), **split)
    assert len(report.written) == 2
    assert all("scan1" not in name for name in report.written)
    report = run(subjects(3, ("train", "train", "test")), folder="pair", pairs=[[0, 1]], **split)
    assert len(report.written) == 2
    assert all("scan1" not in name for name in report.written)


def test_a_reference_scan_of_somebody_who_is_not_exported_counts(run, subjects, lent):
    split = {"styles": [{"kind": "scan"}], "references": [CohortStyle(lent(), ("Roe",))]}
    with pytest.raises(ConfigError, match="P003 is in test"):
        run(subjects(2, ("train", "train")), others={"Roe": ("test", None)}, **split)
    with pytest.raises(ConfigError, match="P003 is in test"):
        run(subjects(2, ("train", "train")), others={"Roe_ES": ("test", "Roe")}, **split)
    assert len(run(subjects(2, ("train", "train")), others={"Roe": ("train", None)}, **split).written) == 2


def test_a_reference_scan_of_nobody_is_refused_where_there_are_splits(run, subjects, lent, tmp_path):
    split = {"styles": [{"kind": "scan"}], "references": [CohortStyle(lent(), name="'roe'")]}
    with pytest.raises(ConfigError, match=r"'roe' lends a style.*add a row for it"):
        run(subjects(2, ("train", "train")), **split)
    assert not (tmp_path / "cohort").exists()
    assert len(run(subjects(2), **split).written) == 2


def test_one_label_map_in_two_splits_is_refused(run, subjects, tmp_path):
    first, second, third = subjects(3)
    parts = [
        CohortSubject(first.name, first.read, "train"),
        CohortSubject(second.name, second.read, "train"),
        CohortSubject("Copy", first.read, "test"),
        CohortSubject(third.name, third.read, "test"),
    ]
    with pytest.raises(ConfigError, match="'Doe0' in train and 'Copy' in test are the same label map"):
        run(parts)
    assert not (tmp_path / "cohort").exists()
    assert run([first, second, CohortSubject("Copy", first.read)]).written


def test_a_patient_s_other_heart_in_another_split_is_refused(run, subjects):
    hearts = [CohortSubject(s.name, s.read, "train", "Jane") for s in subjects(2)]
    with pytest.raises(ConfigError, match="'Jane' is in train and in test"):
        run(hearts, others={"Doe_ES": ("test", "Jane")})


def test_a_table_s_volumes_are_those_of_the_records(run, subjects):
    report = run(subjects(2))
    for row in table(report.folder):
        record = json.loads((report.folder / row["record"]).read_text())["volumes_ml"]
        wanted = (record["lv_cavity"], record["myocardium"], record["rv_cavity"])
        found = (row["LV_cavity_ml"], row["LV_myocardium_ml"], row["RV_cavity_ml"])
        assert tuple(map(float, found)) == pytest.approx(wanted, rel=1e-4)


def test_anonymous_records_tell_nothing_of_the_parents_grids(run, subjects):
    report = run(subjects(2))
    record = json.loads((report.folder / table(report.folder)[0]["record"]).read_text())
    assert record["inputs"] == 2
    kept = run(subjects(2), folder="kept", keep_parent_names=True).folder
    assert json.loads((kept / table(kept)[0]["record"]).read_text())["inputs"][0]["shape"]


def keys(content):
    """All keys of JSON, however deep."""
    if isinstance(content, list):
        return {key for inner in content for key in keys(inner)}
    if not isinstance(content, dict):
        return set()
    return set(content) | keys(list(content.values()))


def test_names_of_subjects_change_neither_keys_nor_styles(run, subjects):
    """Every key that a record or request may have is known to be one of ours."""
    plain = run(subjects(2), folder="plain").folder
    record = json.loads((plain / table(plain)[0]["record"]).read_text())
    request = json.loads((plain / MANIFEST).read_text().splitlines()[0])["request"]
    assert keys(record) | keys(request) | _schema_keys(HeartRecord.model_json_schema()) <= KEYS
    a, b = subjects(2)
    named = [CohortSubject("volumes_ml", a.read), CohortSubject("vendor-a", b.read)]
    report = run(named, folder="named")
    rows = table(report.folder)
    assert {row["style"] for row in rows} == {"vendor-a", "vendor-b"}
    again = json.loads((report.folder / rows[0]["record"]).read_text())
    assert keys(again) == keys(record)
    assert again["styles"][0]["choice"]["name"] == "vendor-a"
    assert report.pseudonyms == {"volumes_ml": "P001", "vendor-a": "P002"}


def _schema_keys(schema):
    if isinstance(schema, list):
        return {key for inner in schema for key in _schema_keys(inner)}
    if not isinstance(schema, dict):
        return set()
    own = schema["properties"] if isinstance(schema.get("properties"), dict) else {}
    return set(own) | _schema_keys(list(schema.values()))


@pytest.mark.parametrize("layout", ["nnunet", "bids", "plain"])
@pytest.mark.parametrize("keep", [True, False])
def test_a_record_of_a_cohort_says_which_command_makes_it_again(run, subjects, layout, keep):
    report = run(subjects(2), layout=layout, keep_parent_names=keep)
    for name in report.written[:2]:
        path = report.folder / LAYOUTS[layout].files(name, "train").record
        with pytest.raises(
            ConfigError, match=rf"{path.name} is of one heart of a cohort.*'export'.*new folder"
        ):
            read_any_record(path)


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


def test_another_label_map_of_the_same_name_is_another_cohort(run, subjects, tmp_path):
    first, second, *_ = subjects(3)
    run([first, second])
    before = {p: p.read_bytes() for p in (tmp_path / "cohort").rglob("*") if p.is_file()}
    with pytest.raises(OutputError, match="of other hearts"):
        run([first, CohortSubject(second.name, subjects(3)[2].read)])
    assert {p: p.read_bytes() for p in (tmp_path / "cohort").rglob("*") if p.is_file()} == before
    assert run([first, second]).written == ()


def test_licence_authors_and_bundles_are_in_the_tables(run, subjects, tmp_path):
    run(subjects(2), layout="bids", licence="CC0-1.0", authors=["Ada Lovelace"])
    told = json.loads((tmp_path / "cohort" / "dataset_description.json").read_text())
    assert told["License"] == "CC0-1.0"
    assert told["Authors"] == ["Ada Lovelace"]
    assert "Amirrajab et al. 2022" in told["HowToAcknowledge"]


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
