"""What lies in an exported folder, and that nothing of the parents does."""

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.cohorts import LAYOUTS, MARK, CohortInfo, Made, Plan
from SynthLogic.cohorts.measure import volumes_ml
from SynthLogic.volume import Volume, read_volume

from .small_hearts import LABELS, make, oblique

NAMES = (
    "P001xP002_t01of02_A_s1",
    "P001xP002_t02of02_A_s1",
    "P003xP004_t01of02_A_s1",
    "P003xP004_t02of02_A_s1",
)


def _header(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())[:352]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_subject_has_image_labels_record_and_picture_on_one_grid(export, plan, tmp_path, layout) -> None:
    report = export(tmp_path / "out", layout=layout)
    assert report.written == NAMES
    for entry, name in zip(plan, NAMES, strict=True):
        split = "train" if name.startswith("P001") else "test"
        files = [report.folder / f for f in LAYOUTS[layout].files(name, split)]
        made = make(entry)
        image, labels = (read_volume(f).volume for f in files[:2])
        np.testing.assert_array_equal(image.array, made.image.array)
        np.testing.assert_array_equal(labels.array, made.labels.array)
        assert labels.array.dtype == np.uint8
        np.testing.assert_array_equal(image.ijk_to_ras, labels.ijk_to_ras)
        np.testing.assert_allclose(image.spacing, (1.5, 1.5, 8.0), atol=1e-4)
        record = json.loads(files[2].read_text())
        assert name in json.dumps(record)
        assert files[3].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file_says_that_it_is_synthetic(export, tmp_path, layout) -> None:
    report = export(tmp_path / "out", layout=layout)
    for path in report.folder.rglob("*"):
        if path.name.endswith(".nii.gz"):
            assert _header(path)[148:228].rstrip(b"\0").decode() == MARK
        elif path.is_file() and path.name not in (".bidsignore", "participants.tsv", "participants.json"):
            assert re.search(rb"synthetic", path.read_bytes(), re.IGNORECASE) or "synthetic" in path.name, (
                path
            )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_tells_who_the_parents_were(export, tmp_path, layout) -> None:
    report = export(tmp_path / "out", layout=layout)
    place = [f"{v:.3f}".encode() for v in oblique()[:3, 3]]
    for path in report.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.name.endswith(".gz"):
            content = gzip.decompress(content)
            matrix = read_volume(path).volume.ijk_to_ras
            assert np.count_nonzero(matrix[:3, :3]) == 3
            np.testing.assert_allclose(matrix @ [31.5, 31.5, 4.5, 1], [0, 0, 0, 1], atol=1e-4)
        for secret in (b"canary", b"anna", b"/home/someone", b"/data/", b"a" * 64, *place):
            assert secret not in content.lower(), path
            assert secret.decode() not in str(path.relative_to(tmp_path)).lower()


def test_names_place_and_records_are_kept_when_asked(export, tmp_path) -> None:
    report = export(tmp_path, keep_parent_names=True)
    name = report.written[0]
    assert name == "Anna-CanaryxBert-Canary_t01of02_A_s1"
    image = read_volume(tmp_path / name / f"{name}.nii.gz").volume
    np.testing.assert_allclose(image.ijk_to_ras, oblique(), atol=1e-4)
    assert "/data/Anna Canary" in (tmp_path / name / f"{name}.json").read_text()


def test_what_a_record_says_of_itself_cannot_be_overwritten(export, plan, tmp_path) -> None:
    def told(entry: Plan) -> Made:
        return make(entry)._replace(record={"synthetic": False, "notice": "A real scan.", "cohort": "mine"})

    report = export(tmp_path, make=told)
    record = json.loads((tmp_path / NAMES[0] / f"{NAMES[0]}.json").read_text())
    assert record["synthetic"] is True
    assert record["notice"] == MARK
    assert record["cohort"]["name"] == report.written[0]


def test_volumes_leave_out_what_lies_beyond_the_labels(export, plan, tmp_path) -> None:
    def padded(entry: Plan) -> Made:
        image, labels, record = make(entry)
        pad = ((2, 3), (0, 0), (0, 0))
        matrix = image.ijk_to_ras
        return Made(
            Volume(np.pad(image.array, pad), matrix), Volume(np.pad(labels.array, pad), matrix), record
        )

    export(tmp_path / "a")
    export(tmp_path / "b", make=padded)
    tables = [list(csv.DictReader((tmp_path / n / "cohort.csv").open())) for n in "ab"]
    columns = [c for c in tables[0][0] if c.endswith("_ml")]
    assert [[line[c] for c in columns] for line in tables[0]] == [
        [line[c] for c in columns] for line in tables[1]
    ]


def test_a_single_slice_counts_with_its_thickness() -> None:
    labels = Volume(np.array([[[1, 1, 0, 2]]], np.uint8), np.diag([1.0, 1, 10, 1]))
    assert volumes_ml(labels, {"background": 0, "A": 1, "B": 2}) == {"A": 0.02, "B": 0.01}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_authors_and_the_rule_of_volumes_are_told(export, tmp_path, layout) -> None:
    info = CohortInfo(licence="CC0-1.0", authors=("Ada Lovelace",))
    report = export(tmp_path / "out", layout=layout, info=info)
    readme = (report.folder / "README.md").read_text()
    assert "Authors: Ada Lovelace" in readme
    assert "Licence: CC0-1.0" in readme
    assert "trapezoid" in readme
    if layout == "bids":
        columns = json.loads((report.folder / "participants.json").read_text())
        assert "trapezoid" in columns["LV_cavity_ml"]["Description"]


def test_a_mirrored_stack_stays_mirrored(export, plan, tmp_path) -> None:
    flip = np.diag([-1.0, 1, 1, 1])

    def mirrored(entry: Plan) -> Made:
        image, labels, record = make(entry)
        return Made(
            Volume(image.array, image.ijk_to_ras @ flip),
            Volume(labels.array, image.ijk_to_ras @ flip),
            record,
        )

    export(tmp_path, make=mirrored)
    image = read_volume(tmp_path / NAMES[0] / f"{NAMES[0]}.nii.gz").volume
    assert np.linalg.det(image.ijk_to_ras[:3, :3]) < 0


def test_cohort_csv_has_one_true_line_a_subject(export, plan, tmp_path) -> None:
    report = export(tmp_path)
    with (tmp_path / "cohort.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["name"] for line in lines] == list(report.written)
    assert [line["split"] for line in lines] == ["train", "train", "test", "test"]
    assert lines[1]["parents"] == "P001 P002"
    assert float(lines[1]["position"]) == pytest.approx(2 / 3, abs=1e-4)
    labels = make(plan[1]).labels.array
    for name, value in LABELS.items():
        if value:
            areas = np.count_nonzero(labels == value, axis=(1, 2)) * 1.5 * 1.5
            expected = (areas.sum() - (areas[0] + areas[-1]) / 2) * 8 / 1000
            assert float(lines[1][f"{name.replace(' ', '_')}_ml"]) == pytest.approx(expected, abs=1e-3)
    for line in lines:
        assert (tmp_path / line["image"]).is_file()


def test_nnunet_puts_test_subjects_apart_and_lists_validation_subjects(export, tmp_path) -> None:
    splits = {"Anna Canary": "train", "Bert Canary": "train", "Cora Canary": "val", "Dora Canary": "val"}
    report = export(tmp_path, layout="nnunet", splits=splits)
    assert report.folder == tmp_path / "Dataset501_SyntheticHearts"
    (fold,) = json.loads((report.folder / "splits_final.json").read_text())
    assert fold == {"train": list(NAMES[:2]), "val": list(NAMES[2:])}
    assert json.loads((report.folder / "dataset.json").read_text())["numTraining"] == 4
    other = export(tmp_path / "Dataset007_Mine", layout="nnunet")
    assert other.folder.name == "Dataset007_Mine"
    assert len(list((other.folder / "imagesTs").iterdir())) == 2
    assert json.loads((other.folder / "dataset.json").read_text())["numTraining"] == 2


def test_the_guard_s_list_is_in_the_report_and_nothing_of_it_in_the_folder(export, tmp_path) -> None:
    mixed = Plan(("Anna Canary", "Cora Canary"), step=(1, 2))
    report = export(tmp_path, plan=[mixed, Plan(("Anna Canary",), slices=32)])
    assert [why.name for why in report.left_out] == ["P001xP002_t01of02"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["P001_z32"]
    assert report.pseudonyms == {"Anna Canary": "P001", "Cora Canary": "P002"}


def test_the_mark_is_the_one_of_every_other_result() -> None:
    from SynthLogic.jobs.record import MARK as of_results

    assert of_results == MARK
