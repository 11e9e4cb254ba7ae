"""Simulated subjects: exact truth, plausible anatomy, and images that follow the physics."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from SynthLogic.errors import ConfigError, OutputError
from SynthLogic.phantoms import BLOOD, PATHOLOGIES, TISSUES, Label, make_subject, write_cohort
from SynthLogic.phantoms.canvas import warp
from SynthLogic.phantoms.ct import beam_hardening
from SynthLogic.phantoms.heart import contraction_at
from SynthLogic.phantoms.mr import MRScanner, bssfp_signal, spoiled_signal, tissue_signal
from SynthLogic.volume import read_volume

SMALL = {"shape": (64, 72, 88), "spacing": (4.0, 4.0, 4.0)}
HEART = (
    Label.LV_CAVITY,
    Label.RV_CAVITY,
    Label.LA_CAVITY,
    Label.RA_CAVITY,
    Label.LV_MYOCARDIUM,
    Label.ASCENDING_AORTA,
    Label.PULMONARY_ARTERY,
)


@pytest.fixture(scope="module")
def subject():
    return make_subject(5, 0, pathology="normal", phase=0.0)


def core(subject, label):
    """Voxels well inside a structure."""
    return ndimage.binary_erosion(subject.ct_labels.array == label)


def test_whole_heart_has_plausible_volumes(subject):
    volumes = subject.parameters["volume_ml"]
    assert all(volumes[label.name.lower()] > 20 for label in HEART)
    assert 70 < volumes["lv_cavity"] < 220
    assert 60 < volumes["lv_myocardium"] < 220
    assert 1500 < volumes["lung"] < 7500


def test_each_chamber_is_one_piece_and_on_the_left(subject):
    labels = subject.ct_labels
    for label in HEART[:4]:
        pieces, count = ndimage.label(labels.array == label)
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() > 0.97 * sizes.sum(), (label, count)
    k, j, i = np.argwhere(labels.array == Label.LV_CAVITY).mean(0)
    right = (labels.ijk_to_ras @ [i, j, k, 1])[0]
    liver = np.argwhere(labels.array == Label.LIVER).mean(0)
    assert right < -15  # the left ventricle lies to the patient's left
    assert (labels.ijk_to_ras @ [*liver[::-1], 1])[0] > 15  # the liver to the right


def test_reference_ct_holds_the_tissues_hu(subject):
    ct = subject.ct_reference.array
    assert abs(np.median(ct[core(subject, Label.SUBCUTANEOUS_FAT)]) + 100) < 20
    assert abs(np.median(ct[core(subject, Label.LUNG)]) + 850) < 80
    assert ct[core(subject, Label.AIR)].max() == -1000
    agent = subject.parameters["ct"]["agent_left"]
    assert abs(np.median(ct[core(subject, Label.LV_CAVITY)]) - 45 - agent) < 15


def test_noise_has_the_level_asked_for(subject):
    inside = core(subject, Label.LIVER)
    error = (subject.ct.array.astype(float) - subject.ct_reference.array)[inside]
    assert 0.5 < error.std() / subject.parameters["ct"]["noise"] < 2.0


def test_mr_noise_is_rician_in_air(subject):
    """Magnitude noise without signal is Rayleigh: mean / deviation = 1.913."""
    air = subject.mr.array[core(subject, Label.AIR)]
    assert abs(air.mean() / air.std() - 1.913) < 0.06
    assert subject.mr.array.min() >= 0


def test_table_only_in_the_acquired_ct(subject):
    outside = ndimage.binary_erosion(~subject.body, iterations=3)
    assert (subject.ct.array[outside] > -600).any()
    assert subject.ct_reference.array[outside].max() == -1000


def test_bssfp_and_t1_contrasts():
    scan = tissue_signal(MRScanner.draw(np.random.default_rng(0)).noise_free())
    assert scan[Label.LV_CAVITY] == pytest.approx(800)
    assert scan[Label.LV_CAVITY] > 1.8 * scan[Label.LV_MYOCARDIUM]
    assert scan[Label.LUNG] < 0.1 * scan[Label.LV_CAVITY]
    assert scan[Label.CORTICAL_BONE] < 0.05 * scan[Label.LV_CAVITY]
    t1 = tissue_signal(MRScanner.draw(np.random.default_rng(0), "t1").noise_free())
    assert t1[Label.SUBCUTANEOUS_FAT] == max(t1)


@settings(max_examples=30, deadline=None)
@given(flip=st.floats(1, 89), tr=st.floats(2, 10), t1=st.floats(200, 3000), share=st.floats(0.02, 0.9))
def test_steady_state_signals_obey_their_limits(flip, tr, t1, share):
    """Both signals lie in (0, PD]; at TR much longer than T1 the spoiled signal is PD sin(a)."""
    one = np.array([1.0])
    for signal in (bssfp_signal, spoiled_signal):
        value = signal(one * t1, one * t1 * share, one, tr, 0.0, flip)[0]
        assert 0 < value <= 1
    long = spoiled_signal(one * t1, one * t1, one, 50 * t1, 0.0, flip)[0]
    assert long == pytest.approx(np.sin(np.deg2rad(flip)), rel=1e-6)


def test_heart_beats():
    at = [
        make_subject(5, 0, pathology="normal", phase=p, **SMALL).parameters["volume_ml"] for p in (0.0, 0.35)
    ]
    ejection = 1 - at[1]["lv_cavity"] / at[0]["lv_cavity"]
    assert 0.4 < ejection < 0.75
    assert at[1]["lv_myocardium"] == pytest.approx(at[0]["lv_myocardium"], rel=0.25)
    assert contraction_at(0) == 0
    assert contraction_at(0.35) == pytest.approx(1)
    assert contraction_at(1.35) == pytest.approx(1)


@pytest.mark.parametrize("pathology", PATHOLOGIES)
def test_pathologies_show(pathology):
    volumes = make_subject(3, 1, pathology=pathology, phase=0.0, **SMALL).parameters["volume_ml"]
    normal = make_subject(3, 1, pathology="normal", phase=0.0, **SMALL).parameters["volume_ml"]
    shows = {
        "normal": volumes == normal,
        "dilated": volumes["lv_cavity"] > 1.3 * normal["lv_cavity"],
        "hypertrophic": volumes["lv_myocardium"] > 1.15 * normal["lv_myocardium"],
        "infarct": volumes.get("infarct", 0) > 3,
        "effusion": volumes.get("pericardial_fluid", 0) > 20,
        "aneurysm": volumes["ascending_aorta"] > 1.5 * normal["ascending_aorta"],
    }
    assert shows[pathology]


def test_same_seed_same_voxels_other_seed_other_voxels():
    a, b, c = (make_subject(seed, 2, **SMALL) for seed in (1, 1, 4))
    assert np.array_equal(a.ct.array, b.ct.array)
    assert np.array_equal(a.mr.array, b.mr.array)
    assert not np.array_equal(a.ct_labels.array, c.ct_labels.array)


def test_deformation_is_exactly_the_one_that_is_told():
    plain, bent = (make_subject(9, 0, deformation_mm=d, **SMALL) for d in (0.0, 12.0))
    assert np.array_equal(plain.ct_reference.array, bent.ct_reference.array)
    length = np.linalg.norm(bent.displacement, axis=0)
    assert length.max() == pytest.approx(12, rel=1e-5)
    told = warp(bent.ct_labels.array == Label.LUNG, bent.displacement, SMALL["spacing"]) > 0.5
    made = bent.mr_labels.array == Label.LUNG
    before = bent.ct_labels.array == Label.LUNG
    assert 2 * (told & made).sum() / (told.sum() + made.sum()) > 0.96
    assert 2 * (before & made).sum() / (before.sum() + made.sum()) < 0.93


def test_beam_hardening_darkens_between_dense_bones():
    image = np.full((1, 96, 96), -1000, np.float32)
    j, i = np.mgrid[:96, :96]
    image[:, (j - 48) ** 2 + (i - 48) ** 2 < 42**2] = 40
    for side in (28, 68):
        image[:, (j - 48) ** 2 + (i - side) ** 2 < 8**2] = 1000
    error = beam_hardening(image, (3.0, 3.0, 3.0))[0]
    assert error[48, 48] < -5
    assert error[48, 48] < error[24, 48] - 3
    without = np.minimum(image, 40)
    assert np.abs(beam_hardening(without, (3.0, 3.0, 3.0))).max() < 1


def test_speed_of_a_128_cube():
    start = time.perf_counter()
    make_subject(0, 0, shape=(128, 128, 128), spacing=(2.5, 2.5, 2.5))
    assert time.perf_counter() - start < 15  # the benchmark holds it to 5 s on an idle machine


def test_every_label_has_a_tissue_and_blood_is_alike():
    assert set(TISSUES) == set(Label)
    assert len({id(TISSUES[label]) for label in BLOOD}) == 1


def test_cohort_on_disk_equals_the_subject(tmp_path):
    seen = []
    folders = write_cohort(tmp_path / "c", subjects=2, seed=3, progress=lambda *a: seen.append(a), **SMALL)
    assert [f.name for f in folders] == ["sub-0001", "sub-0002"]
    assert seen == [(1, 2), (2, 2)]
    expected = make_subject(3, 1, **SMALL)
    for name in ("ct", "mr", "ct_reference", "mr_reference"):
        stored = read_volume(folders[1] / f"{name}.nii.gz").volume
        assert np.array_equal(stored.array, getattr(expected, name).array)
        assert np.allclose(stored.ijk_to_ras, expected.ct.ijk_to_ras, atol=1e-4)
    content = json.loads((folders[1] / "subject.json").read_text())
    assert content["labels"]["lv_cavity"] == 1
    assert "patient" in content["mark"]
    assert not [p for p in (tmp_path / "c").iterdir() if p.name.startswith(".")]


def test_only_phantoms_are_replaced(tmp_path):
    tiny = {"shape": (16, 16, 16), "spacing": (16.0, 16.0, 16.0)}
    (folder,) = write_cohort(tmp_path, subjects=1, seed=0, **tiny)
    before = read_volume(folder / "ct.nii.gz").content_hash
    write_cohort(tmp_path, subjects=1, seed=1, **tiny)
    assert read_volume(folder / "ct.nii.gz").content_hash != before
    (folder / "subject.json").write_text('{"name": "somebody"}')
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(OutputError, match="not a phantom"):
        write_cohort(tmp_path, subjects=1, seed=2, **tiny)
    assert (folder / "notes.txt").read_text() == "keep me"
    assert [p.name for p in tmp_path.iterdir()] == ["sub-0001"]


@pytest.mark.parametrize("anatomy", ["thorax", "heart"])
def test_files_beside_a_phantom_are_not_deleted(tmp_path, anatomy):
    """Nor is anything simulated first; a phantom of the other anatomy is replaced as any other is."""
    tiny = {"shape": (16, 16, 16), "spacing": (16.0, 16.0, 16.0)}
    folders = write_cohort(tmp_path, subjects=2, seed=0, deformation_mm=2.0, **tiny)
    options = tiny if anatomy == "thorax" else {"anatomy": "heart"}
    (folders[1] / "my-contours.nii.gz").write_bytes(b"years of work")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(OutputError, match=r"sub-0002 holds my-contours\.nii\.gz .*move"):
        write_cohort(tmp_path, subjects=2, seed=1, **options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (folders[1] / "my-contours.nii.gz").unlink()
    write_cohort(tmp_path, subjects=2, seed=1, **options)
    if anatomy == "heart":
        write_cohort(tmp_path, subjects=2, seed=1, **tiny)
        assert (folders[1] / "ct.nii.gz").is_file()


@pytest.mark.parametrize(
    "wrong",
    [
        {"anatomy": "knee"},
        {"pathology": "flu"},
        {"sequence": "dwi"},
        {"shape": (0, 4, 4)},
        {"spacing": (0.0, 1.0, 1.0)},
        {"deformation_mm": 90.0},
        {"spacing": (float("nan"), 1.0, 1.0)},
    ],
)
def test_bad_requests_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"choose|give"):
        make_subject(0, 0, **{**SMALL, **wrong})


def test_unwritable_folder_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_cohort(tmp_path / "file" / "c", subjects=1, seed=0, **SMALL)
    with pytest.raises(ConfigError):
        write_cohort(tmp_path, subjects=0, seed=0)
