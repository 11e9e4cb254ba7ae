"""Simulated short-axis examinations: plausible hearts, clean labels, real geometry, two vendors."""

import json

import numpy as np
import pytest
from scipy import ndimage

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms import make_heart, write_cohort
from SynthLogic.phantoms.cine import cine_signal
from SynthLogic.phantoms.patients import GROUPS, draw_patient
from SynthLogic.phantoms.short_axis import Examination
from SynthLogic.phantoms.tissues import Label
from SynthLogic.phantoms.vendors import VENDORS, Protocol
from SynthLogic.volume import read_volume

LV, MUSCLE, RV = 1, 2, 3


def faults(labels):
    """What a reader's label map of one slice (J, I) never shows."""
    lv, muscle, rv = (labels == value for value in (LV, MUSCLE, RV))
    found = [f"{name} in pieces" for name, part in (("cavity", lv), ("muscle", muscle), ("right", rv))
             if ndimage.label(part)[1] > 1]  # fmt: skip
    inside = ndimage.binary_fill_holes(muscle) & ~muscle
    if (inside != lv).any():
        found.append("the ring does not hold exactly the cavity")
    if (ndimage.binary_dilation(lv, np.ones((3, 3))) & ~lv & ~muscle).any():
        found.append("the ring leaks over a corner")
    if rv.any() and not (ndimage.binary_dilation(rv) & muscle).any():
        found.append("the right ventricle is loose")
    if any(0 < part.sum() < 12 for part in (lv, muscle, rv)):
        found.append("crumbs")
    return found


@pytest.fixture(scope="module")
def hearts():
    return [make_heart(3, index) for index in range(4)]


def test_labels_of_forty_patients_are_clean():
    """Measured once over 200 patients as well: no fault in any slice."""
    slices, wrong = 0, []
    for index in range(40):
        exam = Examination.plan(17, index)
        for phase in ("ed", "es"):
            labels = exam.labels(phase)
            drawn = np.flatnonzero(labels.any((1, 2)))
            assert np.array_equal(drawn, np.arange(drawn[0], drawn[-1] + 1))
            assert 0 < len(drawn) < len(labels)  # beyond apex or base there is no label
            for k in drawn:
                wrong += [(index, phase, k, fault) for fault in faults(labels[k])]
            slices += len(drawn)
    assert slices > 600
    assert not wrong


def test_labels_are_smooth(hearts):
    """A disc has 4 pi area / length^2 = 1; a ragged edge is longer. Lengths are taken after a little blur."""
    for heart in hearts:
        labels = heart.ed_labels.array
        for k in np.flatnonzero((labels == LV).sum((1, 2)) > 200):
            soft = ndimage.gaussian_filter((labels[k] == LV).astype(float), 1.0)
            length = np.hypot(*np.gradient(soft)).sum()
            assert 4 * np.pi * soft.sum() / length**2 > 0.85


@pytest.mark.parametrize("pathology", GROUPS)
def test_sizes_and_function_fit_the_pathology(pathology):
    limits = {
        "normal": ((70, 200), (0.5, 0.7)),
        "dilated": ((160, 420), (0.1, 0.4)),
        "hypertrophic": ((50, 185), (0.55, 0.8)),
        "infarct": ((90, 300), (0.2, 0.5)),
    }[pathology]
    volumes = []
    for n in range(25):
        size = 0.9 + 0.01 * n
        patient = draw_patient(np.random.default_rng(n), pathology, size)
        ed, es = patient.ed.volumes(), patient.es.volumes()
        assert limits[0][0] < ed[0] < limits[0][1]
        assert limits[1][0] < 1 - es[0] / ed[0] < limits[1][1]
        assert 0.15 < 1 - es[2] / ed[2] < 0.7
        assert es[1] == pytest.approx(ed[1], rel=0.05)  # muscle does not vanish
        volumes.append(ed[0])
    assert max(volumes) > 1.4 * min(volumes)


def test_infarct_stays_thin_and_does_not_move():
    for n in range(5):
        patient = draw_patient(np.random.default_rng(n), "infarct", 1.0)
        v = patient.ed
        share = (v.scar_from + min(v.scar_to, 1.0)) / 2
        angles = np.array([[v.scar_angle, v.scar_angle + np.pi]])
        early, late = (m.radii(angles, np.array([[share * m.long]])) for m in (v, patient.es))
        moved = (1 - late[0] / early[0])[0]
        wall_early, wall_late = ((outer - inner)[0] for inner, outer in (early, late))
        assert wall_early[0] < 6
        assert moved[0] < 0.03 < 0.1 < moved[1]
        assert wall_late[0] / wall_early[0] < 1.15 < wall_late[1] / wall_early[1]


def test_equal_shares_of_pathologies_and_vendors():
    from SynthLogic.phantoms.short_axis import _turn

    turns = [_turn(21, n) for n in range(160)]
    assert {turns.count((group, vendor)) for group in GROUPS for vendor in VENDORS} == {20}
    assert turns != [_turn(22, n) for n in range(160)]


def test_stack_is_a_real_one(hearts):
    for heart in hearts:
        columns, rows, step = heart.ed.spacing
        assert heart.ed.array.dtype == np.int16
        assert heart.ed_labels.array.dtype == np.uint8
        assert 8 <= heart.ed.shape[0] <= 13
        assert 192 <= max(heart.ed.shape[1:]) <= 256
        assert 6 <= step <= 10
        assert 1.25 <= columns <= 1.6
        assert columns == pytest.approx(rows)
        axes = heart.ed.ijk_to_ras[:3, :3] / [columns, rows, step]
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
        assert np.abs(axes).max() < 0.999  # oblique
        others = (heart.es, heart.ed_labels, heart.es_labels)
        assert all(np.array_equal(v.ijk_to_ras, heart.ed.ijk_to_ras) for v in others)


def test_heart_lies_in_its_body_the_septum_to_the_right(hearts):
    for heart in hearts:
        centres = {}
        for value in (LV, RV):
            index = np.argwhere(heart.ed_labels.array == value).mean(0)[::-1]
            centres[value] = (heart.ed.ijk_to_ras @ [*index, 1])[:3]
        assert centres[LV][0] < -15
        assert centres[RV][0] > centres[LV][0] + 10  # to the patient's right
        assert centres[RV][1] > centres[LV][1] + 5  # and in front


def test_image_shows_what_the_labels_say(hearts):
    for heart in hearts:
        for image, labels in ((heart.ed, heart.ed_labels), (heart.es, heart.es_labels)):
            lv, muscle, rv = (np.median(image.array[labels.array == v]) for v in (LV, MUSCLE, RV))
            assert lv > 1.6 * muscle
            assert 0.6 < rv / lv < 1.6
            assert image.array.min() >= 0


def test_told_volumes_are_those_of_the_labels(hearts):
    for heart in hearts:
        voxel = np.prod(heart.es.spacing) / 1000
        told = heart.parameters["volume_ml"]
        for name, value in (("lv_cavity", LV), ("lv_myocardium", MUSCLE), ("rv_cavity", RV)):
            assert told["es"][name] == pytest.approx((heart.es_labels.array == value).sum() * voxel, abs=0.01)
        ejected = 1 - told["es"]["lv_cavity"] / told["ed"]["lv_cavity"]
        assert heart.parameters["ejection_fraction"]["lv"] == pytest.approx(ejected, abs=1e-3)
        assert ejected == pytest.approx(heart.parameters["shape_ejection_fraction"]["lv"], abs=0.13)


def test_vendors_differ_in_contrast_sharpness_and_noise():
    contrast = {}
    for vendor in VENDORS:
        signals = [cine_signal(Protocol.draw(np.random.default_rng(n), vendor)) for n in range(20)]
        contrast[vendor] = [1 / s[Label.LV_MYOCARDIUM] for s in signals]
        assert max(contrast[vendor]) > 1.08 * min(contrast[vendor])
    assert min(contrast["a"]) > max(contrast["b"])
    exams = {vendor: make_heart(8, 0, vendor=vendor) for vendor in VENDORS}
    assert {e.parameters["vendor"] for e in exams.values()} == set(VENDORS)
    rough = {}
    for vendor, exam in exams.items():
        lv = ndimage.binary_erosion(exam.ed_labels.array == LV, np.ones((1, 3, 3)), iterations=3)
        values = exam.ed.array.astype(float)
        detail = values - ndimage.gaussian_filter(values, (0, 1.5, 1.5))
        rough[vendor] = detail[lv].std() / values[lv].mean()
    assert rough["b"] > rough["a"]


def test_same_seed_same_bits_whatever_the_workers(tmp_path):
    one, two = (
        write_cohort(tmp_path / str(n), anatomy="heart", subjects=2, seed=6, workers=n) for n in (1, 2)
    )
    expected = make_heart(6, 1)
    for name in ("ed", "ed_labels", "es", "es_labels"):
        stored = [read_volume(folders[1] / f"{name}.nii.gz") for folders in (one, two)]
        assert stored[0].content_hash == stored[1].content_hash
        assert np.array_equal(stored[0].volume.array, expected.files[name].array)
        assert np.allclose(stored[0].volume.ijk_to_ras, expected.ed.ijk_to_ras, atol=1e-4)
    content = json.loads((one[1] / "subject.json").read_text())
    assert content == json.loads((two[1] / "subject.json").read_text())
    assert content["labels"] == {"background": 0, "lv_cavity": 1, "lv_myocardium": 2, "rv_cavity": 3}
    assert "patient" in content["mark"]
    assert content["pathology"] in GROUPS
    assert sorted(p.name for p in one[1].iterdir()) == [
        "ed.nii.gz", "ed_labels.nii.gz", "es.nii.gz", "es_labels.nii.gz", "subject.json"
    ]  # fmt: skip


def test_bad_requests_are_refused(tmp_path):
    for wrong in ({"pathology": "flu"}, {"vendor": "c"}):
        with pytest.raises(ConfigError, match="choose one of"):
            make_heart(0, 0, **wrong)
    with pytest.raises(ConfigError, match="thorax, heart"):
        write_cohort(tmp_path, anatomy="knee", subjects=1, seed=0)
    for option, name in (("deformation_mm", "deformation"), ("shape", "shape"), ("spacing", "spacing")):
        with pytest.raises(ConfigError, match=f"leave --{name} out"):
            write_cohort(tmp_path / "c", anatomy="heart", subjects=1, seed=0, **{option: 5.0})
    assert not (tmp_path / "c").exists()
