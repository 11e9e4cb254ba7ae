"""Evaluation of files: matching, geometry, regions, statistics, bad input, and all-or-nothing writing."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from SynthLogic.errors import Cancelled, ConfigError, InputError, OutputError
from SynthLogic.jobs.evaluate import FILES, EvaluateRequest, evaluate
from SynthLogic.jobs.evaluate_match import match, volumes_in
from SynthLogic.jobs.evaluate_request import parse_names
from SynthLogic.jobs.evaluate_tables import write_evaluation
from SynthLogic.volume import Volume, resample, write_volume
from SynthLogic.volume.itk_image import image_from_volume, kept_locale

CT = EvaluateRequest(modality="CT")


def oblique():
    matrix = np.diag([2.0, 2.5, 4.0, 1.0])
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    matrix[:3, :3] = turn @ matrix[:3, :3]
    matrix[:3, 3] = (-40, 12, 7)
    return matrix


def truth_of(seed=0, shape=(10, 24, 28)):
    rng = np.random.default_rng(seed)
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside = ((j - 12) / 10) ** 2 + ((i - 14) / 11) ** 2 + 0 * k < 1
    values = np.where(inside, 40 + 60 * np.sin(i / 4 + seed) + 0 * (j + k), -1000)
    return Volume((values + rng.normal(0, 8, shape)).astype(np.int16), oblique())


def labels_of(truth):
    labels = np.zeros(truth.shape, np.uint8)
    labels[3:7, 9:14, 10:14] = 1
    labels[3:7, 9:14, 14:18] = 2
    return Volume(labels, truth.ijk_to_ras)


def save(path, volume):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, volume)
    return path


def plus(volume, error, seed=None):
    noise = 0 if seed is None else np.random.default_rng(seed).normal(0, 5, volume.shape)
    return volume.with_array((volume.array + error + noise).astype(np.int16))


@pytest.fixture
def cohort(tmp_path):
    """Eight subjects: truth and labels in folders, two methods as files; the second is worse."""
    for n in range(8):
        truth = truth_of(n)
        save(tmp_path / f"truth/case{n}/ct.nii.gz", truth)
        save(tmp_path / f"truth/case{n}/labels.nii.gz", labels_of(truth))
        save(tmp_path / f"ours/case{n}.nii.gz", plus(truth, 10 + n, 100 + n))
        save(tmp_path / f"theirs/case{n}.nii.gz", plus(truth, 20 + n + n % 3, 200 + n))
    return tmp_path


def figures(evaluation, region="all", image=None):
    rows = [row for row in evaluation.rows if row.region == region and image in (None, row.image)]
    return {row.subject: row.figures for row in rows}


def test_one_pair_of_files(tmp_path):
    truth = truth_of()
    ours = save(tmp_path / "synthetic.nii.gz", plus(truth, 12))
    found = evaluate(CT, ours, save(tmp_path / "ct.nrrd", truth))
    row = figures(found)["synthetic"]
    assert row["mae"] == row["bias"] == 12
    assert row["mse"] == 144
    assert found.units == "HU"
    assert any("one subject" in warning for warning in found.warnings)
    (image, region, measure, over) = found.summaries[0]
    assert (image, region, measure.key, over.n, over.sd, over.low) == (
        "synthetic.nii.gz",
        "all",
        "mae",
        1,
        None,
        None,
    )


def test_modality_is_read_from_the_values_or_asked_for(tmp_path):
    truth = truth_of()
    ours, ct = save(tmp_path / "o.nii", plus(truth, 3)), save(tmp_path / "t.nii", truth)
    found = evaluate(EvaluateRequest(), ours, ct)
    assert found.request.modality == "CT"
    assert any("taken for CT" in warning for warning in found.warnings)
    faint = truth.with_array((truth.array / 20).astype(np.float32))
    unclear = save(tmp_path / "z.nii", faint)
    with pytest.raises(InputError, match="--modality"):
        evaluate(EvaluateRequest(), ours, unclear)


def test_folders_regions_and_paired_statistics(cohort):
    request = EvaluateRequest(modality="CT", names={1: "LV cavity", 2: "aorta", 9: "nothing"})
    found = evaluate(
        request,
        cohort / "ours",
        cohort / "truth" / "*" / "ct.nii.gz",
        labels=cohort / "truth" / "*" / "labels.nii.gz",
        against=[cohort / "theirs"],
        output=cohort / "out",
    )
    whole = figures(found, image="ours")
    assert list(whole) == [f"case{n}" for n in range(8)]
    for n, row in enumerate(whole.values()):
        assert row["bias"] == pytest.approx(10 + n, abs=1)
    aorta = figures(found, "aorta", "ours")
    truth = truth_of(0)
    mask = labels_of(truth).array == 2
    expected = (plus(truth, 10, 100).array.astype(float) - truth.array)[mask]
    assert aorta["case0"]["bias"] == pytest.approx(expected.mean())
    nothing = [row for row in found.rows if row.region == "nothing"]
    assert len(nothing) == 16
    assert all(row.voxels == 0 and not any(row.figures.values()) for row in nothing)
    mae = next(c for c in found.compared if c.measure.key == "mae")
    assert mae.result.n == 8
    assert mae.result.difference < -8
    assert mae.result.wilcoxon_p == pytest.approx(2 / 2**8)
    assert mae.wilcoxon_holm >= mae.result.wilcoxon_p
    assert not any("signed-rank" in warning for warning in found.warnings)

    assert sorted(p.name for p in (cohort / "out").iterdir()) == sorted(FILES)
    rows = list(csv.DictReader((cohort / "out" / "subjects.csv").open(encoding="utf-8")))
    assert len(rows) == 16
    assert float(rows[0]["MAE (HU)"]) == whole["case0"]["mae"]
    regions = list(csv.DictReader((cohort / "out" / "regions.csv").open(encoding="utf-8")))
    assert {row["MAE (HU)"] for row in regions if row["region"] == "nothing"} == {""}
    document = json.loads((cohort / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert document["images"] == ["ours", "theirs"]
    text = (cohort / "out" / "summary.md").read_text(encoding="utf-8")
    assert "Over subjects" in text
    assert str(cohort) not in text + json.dumps(document)
    again = evaluate(request, cohort / "ours", cohort / "truth" / "*" / "ct.nii.gz", output=cohort / "out")
    assert (cohort / "out" / "compared.csv").read_text().count("\n") == 1
    assert figures(again) == whole


def test_what_is_unmatched_is_named_on_either_side(cohort):
    (cohort / "ours" / "case3.nii.gz").unlink()
    (cohort / "truth" / "case5" / "ct.nii.gz").unlink()
    found = evaluate(CT, cohort / "ours", cohort / "truth" / "*" / "ct.nii.gz")
    assert len(figures(found)) == 6
    assert "Without a counterpart in TRUTH, of SYNTHETIC: case5." in found.warnings
    assert "Without a counterpart in SYNTHETIC, of TRUTH: case3/ct." in found.warnings
    with pytest.raises(InputError, match=r"case0/ct, case0/labels.*pattern"):
        evaluate(CT, cohort / "ours", cohort / "truth")
    save(cohort / "other" / "x.nii", truth_of())
    save(cohort / "other" / "y.nii", truth_of())
    with pytest.raises(InputError, match=r"case0.*x, y"):
        evaluate(CT, cohort / "ours", cohort / "other")


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (["a/mr.nii", "b/mr.nii"], ["b/mr.nrrd", "a/mr.nrrd"], ["a/mr", "b/mr"]),
        (["x/one.nii", "x/two.nii"], ["two.nii", "y/one.nii"], ["one", "two"]),
        (
            ["sub-01_T1w.nii", "sub-02_T1w.nii"],
            ["sub-02/a/t.nii", "sub-01/a/t.nii"],
            ["sub-01", "sub-02"],
        ),
        (["p1.nii", "p2.nii"], ["p2/ct.nii", "p1/ct.nii"], ["p1", "p2"]),
    ],
)
def test_rules_of_matching(tmp_path, first, second, names):
    for side, paths in (("f", first), ("s", second)):
        for path in paths:
            (tmp_path / side / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / side / path).touch()
    sides = [volumes_in(tmp_path / side, side) for side in "fs"]
    matched = match(*sides, ("F", "S"))
    assert [name for name, _, _ in matched.pairs] == names
    assert matched.only_first == matched.only_second == ()


def test_another_grid_is_resampled_and_only_the_overlap_counts(tmp_path):
    truth = truth_of()
    part = Volume(truth.array[:6], truth.ijk_to_ras)
    grid = part.grid.with_spacing((3.0, 3.0, 4.0))
    save(tmp_path / "truth.nii", truth)
    cut = save(tmp_path / "cut.nii", plus(part, 7))
    found = evaluate(CT, cut, tmp_path / "truth.nii")
    row = found.rows[0]
    assert row.voxels == truth.array[:6].size
    assert row.figures["bias"] == pytest.approx(7, abs=0.01)
    assert any("resampled" in warning and "60%" in warning for warning in found.warnings)
    coarse = save(tmp_path / "coarse.nii", resample(plus(part, 7), grid, background=-1000))
    assert evaluate(CT, coarse, tmp_path / "truth.nii").rows[0].figures["mae"] > 7
    far = truth.ijk_to_ras.copy()
    far[:3, 3] += 500
    with pytest.raises(InputError, match="do not overlap"):
        evaluate(CT, save(tmp_path / "far.nii", Volume(truth.array, far)), tmp_path / "truth.nii")


def test_only_the_body(tmp_path):
    truth = truth_of()
    body = truth.array > -400
    output = truth.with_array(np.where(body, truth.array + 5, truth.array + 500).astype(np.int16))
    request = EvaluateRequest(modality="CT", mask="body")
    found = evaluate(request, save(tmp_path / "o.nii", output), save(tmp_path / "t.nii", truth))
    assert found.whole == "body"
    assert found.rows[0].figures["mae"] == pytest.approx(5, abs=1)
    assert found.rows[0].voxels < truth.array.size


def test_without_truth_mutual_information_with_the_input(tmp_path):
    truth = truth_of()
    mr = truth.with_array((500 - truth.array / 4).astype(np.float32))
    found = evaluate(
        EvaluateRequest(modality="MR"), save(tmp_path / "mr.nii", mr), source=save(tmp_path / "ct.nii", truth)
    )
    assert [m.key for m in found.measures] == ["mi_input", "nmi_input"]
    assert found.rows[0].figures["nmi_input"] > 0.8
    both = evaluate(
        CT, tmp_path / "ct.nii", save(tmp_path / "t.nii", plus(truth, 4)), source=tmp_path / "mr.nii"
    )
    assert {"mae", "mi", "mi_input"} <= {m.key for m in both.measures}


def test_misalignment_against_the_input(tmp_path):
    shape = (24, 40, 44)
    rng = np.random.default_rng(0)
    from scipy import ndimage

    blobs = ndimage.gaussian_filter(rng.normal(0, 1, shape), 2)
    k, j, i = np.ogrid[:24, :40, :44]
    inside = ((k - 12) / 11) ** 2 + ((j - 20) / 17) ** 2 + ((i - 22) / 18) ** 2 < 1
    values = np.where(inside, 50 + 400 * blobs / blobs.std() / 4, -1000)
    source = Volume(values.astype(np.int16), np.diag([3.0, 3.0, 3.0, 1.0]))
    shifted = source.with_array(np.roll(source.array, 1, axis=2))
    request = EvaluateRequest(modality="CT", misalignment=True)
    ours, ct = save(tmp_path / "o.nii", shifted), save(tmp_path / "c.nii", source)
    row = evaluate(request, ours, source=ct).rows[0].figures
    assert row["rigid_mm"] == pytest.approx(3, abs=0.6)
    assert row["rigid_voxels"] == pytest.approx(1, abs=0.2)
    assert row["local_voxels"] < 0.3


def test_label_maps(tmp_path):
    truth = labels_of(truth_of())
    output = truth.with_array(np.roll(truth.array, 1, axis=0))
    files = save(tmp_path / "o.nii.gz", output), save(tmp_path / "t.nii.gz", truth)
    request = EvaluateRequest(kind="labels", names={1: "LV", 2: "RV", 3: "none"})
    found = evaluate(request, *files)
    lv = figures(found, "LV")["o"]
    assert lv["dice"] == pytest.approx(0.75)
    assert lv["hd95"] == pytest.approx(4.0)
    none = figures(found, "none")["o"]
    assert none == {"dice": None, "assd": None, "hd95": None}
    assert figures(found, found.whole)["o"]["dice"] == pytest.approx(0.75)
    with pytest.raises(InputError, match="fractions"):
        evaluate(request, save(tmp_path / "f.nii", truth.with_array(truth.array * np.float32(0.3))), files[1])
    for wrong in (truth_of(), truth.with_array(truth.array.astype(np.int32) * 70_000)):
        bad = save(tmp_path / "bad.nii", wrong)
        low, high = wrong.array.min(), wrong.array.max()
        said = f"{low:g} to {high:g}; give whole numbers from 0 to 65535"
        for pair in ((bad, files[1]), (files[0], bad)):
            with pytest.raises(InputError, match=rf"bad.nii is no label map: .* {said}"):
                evaluate(request, *pair)
    with pytest.raises(ConfigError, match="TRUTH"):
        evaluate(request, files[0], source=files[1])
    with pytest.raises(ConfigError, match="for images"):
        evaluate(request, *files, labels=files[1])


def test_a_label_that_only_some_subjects_have_is_a_dash_for_the_others(tmp_path):
    for n in range(2):
        truth = truth_of(n)
        labels = labels_of(truth)
        save(tmp_path / f"t/{n}.nii", truth)
        save(tmp_path / f"o/{n}.nii", plus(truth, 5))
        save(tmp_path / f"l/{n}.nii", labels if n else labels.with_array(np.minimum(labels.array, 1)))
    found = evaluate(CT, tmp_path / "o", tmp_path / "t", labels=tmp_path / "l")
    rows = {row.subject: row for row in found.rows if row.value == 2}
    assert rows["0"].voxels == 0
    assert rows["0"].figures.get("mae") is None
    assert rows["1"].figures["mae"] == 5
    over = next(s for _, region, m, s in found.summaries if (region, m.key) == ("2", "mae"))
    assert over.n == 1


def test_bad_input_is_one_sentence_each(tmp_path):
    truth = truth_of()
    good = save(tmp_path / "good.nii", truth)
    flat = save(tmp_path / "flat.nii", truth.with_array(np.zeros_like(truth.array)))
    holed = truth.array.astype(np.float32)
    holed[0, 0, 0] = np.nan
    sitk.WriteImage(image_from_volume(truth.with_array(holed)), str(tmp_path / "nan.nii"))
    other = Volume(labels_of(truth).array, np.diag([1.0, 1, 1, 1]))
    cases = {
        "does not exist": lambda: evaluate(CT, tmp_path / "gone.nii", good),
        "constant": lambda: evaluate(CT, flat, good),
        "NaN": lambda: evaluate(CT, tmp_path / "nan.nii", good),
        "grid of the truth": lambda: evaluate(CT, good, good, labels=save(tmp_path / "l.nii", other)),
        "nothing to compare": lambda: evaluate(CT, good),
        "no volume": lambda: evaluate(CT, tmp_path / "*.mha", good),
    }
    (tmp_path / "hollow").mkdir()
    cases["holds no volume"] = lambda: evaluate(CT, tmp_path / "hollow", good)
    for part, call in cases.items():
        with pytest.raises((InputError, ConfigError), match=part) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_the_same_image_is_said_to_be(tmp_path):
    good = save(tmp_path / "good.nii", truth_of())
    assert any("same image" in warning for warning in evaluate(CT, good, good).warnings)


def test_a_bad_subject_among_good_ones_is_named_and_the_rest_goes_on(cohort):
    truth = truth_of(2)
    save(cohort / "ours" / "case2.nii.gz", truth.with_array(np.zeros_like(truth.array)))
    found = evaluate(CT, cohort / "ours", cohort / "truth" / "*" / "ct.nii.gz", against=[cohort / "theirs"])
    assert list(found.failed) == ["case2"]
    assert "constant" in found.failed["case2"]
    assert any("case2 was left out" in warning for warning in found.warnings)
    assert found.compared[0].result.n == 7


def test_few_subjects_are_warned_of(cohort):
    for n in range(4, 8):
        (cohort / "ours" / f"case{n}.nii.gz").unlink()
    found = evaluate(CT, cohort / "ours", cohort / "truth" / "*" / "ct.nii.gz", against=[cohort / "theirs"])
    assert found.compared[0].result.n == 4
    assert any("below 0.125" in warning for warning in found.warnings)


def test_files_appear_all_or_none(cohort, monkeypatch):
    out = cohort / "out"
    found = evaluate(CT, cohort / "ours", cohort / "theirs", output=out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    import SynthLogic.jobs.output as output_module

    real, count = output_module.os.replace, [0]

    def failing(source, target):
        count[0] += 1
        if count[0] == 9:
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(output_module.os, "replace", failing)
    with pytest.raises(OutputError):
        write_evaluation(found, out)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_an_unwritable_place_is_refused_before_anything_is_computed(cohort):
    (cohort / "file").write_text("x")
    with pytest.raises(OutputError):
        evaluate(CT, cohort / "gone.nii", cohort / "theirs", output=cohort / "file")
    with pytest.raises(InputError):
        evaluate(CT, cohort / "gone.nii", cohort / "theirs", output=cohort / "new")
    assert not (cohort / "new").exists()


def test_cancelling_writes_nothing(cohort):
    with pytest.raises(Cancelled):
        evaluate(CT, cohort / "ours", cohort / "theirs", output=cohort / "out", cancel=lambda: True)
    assert not (cohort / "out").exists()


def test_names_from_text_and_files(tmp_path):
    assert parse_names("1=LV cavity, 2=aorta") == {1: "LV cavity", 2: "aorta"}
    path = tmp_path / "subject.json"
    path.write_text('{"labels": {"air": 0, "lung": 3}}')
    assert parse_names(str(path)) == {3: "lung"}
    path.write_text('{"1": "a", "2": "b"}')
    assert parse_names(str(path)) == {1: "a", 2: "b"}
    for wrong in ("LV", "1=", "1=a,1=b", "x=y", str(tmp_path / "none.json")):
        with pytest.raises(ConfigError):
            parse_names(wrong)


def test_a_wrong_request_is_refused():
    for wrong in ({"window": (5, 5)}, {"bins": 1}, {"kind": "pet"}, {"unknown": 1}):
        with pytest.raises(ConfigError):
            EvaluateRequest.from_data(wrong)
    assert EvaluateRequest.from_json(CT.to_json()) == CT


def test_a_window_that_does_not_suit_the_values_is_warned_of(tmp_path):
    truth = truth_of()
    bright = truth.with_array((truth.array + 1200).astype(np.float32))
    small = truth.with_array((truth.array / 1000).astype(np.float32))
    for name, volume, what in (("b", bright, "above the window"), ("s", small, "fill little")):
        ours = save(tmp_path / f"{name}-o.nii", volume.with_array(volume.array * np.float32(1.01)))
        found = evaluate(EvaluateRequest(modality="MR"), ours, save(tmp_path / f"{name}-t.nii", volume))
        assert any(what in warning for warning in found.warnings)
    wide = EvaluateRequest(modality="MR", window=(0, 1500))
    found = evaluate(wide, tmp_path / "b-o.nii", tmp_path / "b-t.nii")
    assert not any("window" in warning for warning in found.warnings)


def test_a_region_may_be_called_like_the_whole(tmp_path):
    truth = truth_of()
    ours, ct = save(tmp_path / "o.nii", plus(truth, 5)), save(tmp_path / "t.nii", truth)
    request = EvaluateRequest(modality="CT", names={1: "all", 2: "all"})
    found = evaluate(request, ours, ct, labels=save(tmp_path / "l.nii", labels_of(truth)))
    subjects, regions, over, _ = found.tables
    assert (len(subjects.rows), len(regions.rows)) == (1, 2)
    assert len(over.rows) == 3 * len(found.measures)


def save_dicom(folder, volume):
    """A series whose headers name a patient."""
    folder.mkdir(parents=True)
    image = sitk.Cast(image_from_volume(volume), sitk.sitkInt16)
    direction = image.GetDirection()
    tags = {
        "0008|0060": "CT",
        "0010|0010": "Doe^John",
        "0010|0020": "DOE-1970",
        "0020|000d": "1.2.3.4",
        "0020|000e": "1.2.3.4.5",
        "0020|0052": "1.2.3.4.6",
        "0020|0037": "\\".join(f"{direction[n]:.10f}" for n in (0, 3, 6, 1, 4, 7)),
    }
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(image.GetSize()[2]):
        plane = image[:, :, k]
        place = image.TransformIndexToPhysicalPoint((0, 0, k))
        more = {
            "0008|0018": f"1.2.3.4.5.{k + 1}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{x:.10f}" for x in place),
        }
        for tag, text in {**tags, **more}.items():
            plane.SetMetaData(tag, text)
        writer.SetFileName(str(folder / f"{k:03}.dcm"))
        with kept_locale():
            writer.Execute(plane)


def test_dicom_folders_are_called_as_the_user_calls_them(tmp_path):
    for n in range(2):
        save_dicom(tmp_path / f"truth/case{n}/series", truth_of(n))
        save(tmp_path / f"ours/case{n}.nii", plus(truth_of(n), 5))
    found = evaluate(EvaluateRequest(), tmp_path / "ours", tmp_path / "truth", output=tmp_path / "out")
    assert list(figures(found)) == ["case0", "case1"]
    assert found.rows[0].figures["mae"] == 5
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir())
    assert "case1" in text
    assert "doe" not in text.lower()
    single = evaluate(CT, tmp_path / "truth/case0/series", tmp_path / "ours/case0.nii")
    assert list(figures(single)) == ["series"]


def test_what_is_too_small_to_register_has_its_other_figures(tmp_path):
    truth = truth_of(shape=(3, 24, 28))
    ours, ct = save(tmp_path / "o.nii", plus(truth, 5)), save(tmp_path / "t.nii", truth)
    found = evaluate(EvaluateRequest(modality="CT", misalignment=True), ours, ct)
    assert found.rows[0].figures["mae"] == 5
    assert found.rows[0].figures.get("rigid_mm") is None
    assert any("too few" in warning for warning in found.warnings)


def test_without_scikit_image_the_rest_is_measured(tmp_path, monkeypatch):
    import SynthLogic.review.measures as measures

    monkeypatch.setattr(measures, "find_spec", lambda name: None)
    truth = truth_of()
    found = evaluate(CT, save(tmp_path / "o.nii", plus(truth, 5)), save(tmp_path / "t.nii", truth))
    assert found.rows[0].figures["mae"] == 5
    assert any("scikit-image" in warning for warning in found.warnings)
