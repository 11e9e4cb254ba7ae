from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.jobs import CheckReport, check_scan
from SynthLogic.phantoms import make_subject
from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash, read_volume

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = {
    "CT": [
        "ct_abdomen_chaos/ct.nii.gz",
        "ct_abdomen_pelvis_totalseg/ct.nii.gz",
        "ct_chest_lidc0314/ct.nii.gz",
        "cta_heart_totalseg/cta_heart_aorta.nii.gz",
        "head_ct_template/scct_hu.nii.gz",
        "ct_head_tiny_dicom_slicer/dicom",
        "ct_abdomen_dicom_j2k_totalseg/dicom",
    ],
    "MR": [
        "cardiac_mr_bivme/patient1_sax_ED.nii.gz",
        "cardiac_mr_sunnybrook/SC-HF-I-1_ED.nii.gz",
        "cardiac_mr_sunnybrook/SC-HF-I-4_ES.nii.gz",
        "cardiac_mr_sunnybrook/dicom_SC-HF-I-1_ED",
        "mr_abdomen_totalseg/mr.nii.gz",
        "mr_brain_t1_pd_t2_sri24/PD_early.nii.gz",
        "mr_brain_t1_pd_t2_sri24/T1_spgr.nii.gz",
        "mr_brain_t1_pd_t2_sri24/T2_late.nii.gz",
        "mr_head_t1_studyforrest/t1_1mm.nii.gz",
        "mr_heart_3d_seg3d/mr_heart_1p25x1p25x2p5.nii.gz",
    ],
}
THORAX = {"field_of_view_mm": (150.0, 500.0), "lung_fraction": (0.05, 0.85)}
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the reference images are not on this computer")


def real(name):
    scan = read_volume(DATA / name)
    # The values alone must tell; DICOM's tag would make it too easy.
    meta = ScanMeta(scan.meta.kind, scan.meta.format, None, scan.meta.dtype)
    return Scan(scan.volume, meta, scan.content_hash)


def scan_of(array, matrix, modality=None):
    volume = Volume(array, matrix)
    return Scan(volume, ScanMeta("file", "NRRD", modality, array.dtype.name), content_hash(volume))


def codes(report):
    return {finding.code for finding in report.findings}


@real_data
@pytest.mark.parametrize(("modality", "name"), [(m, n) for m in REAL for n in REAL[m]])
def test_modality_of_real_scans_from_their_values(modality, name):
    report = check_scan(real(name))
    assert report.modality == modality
    assert report.confidence >= 0.9
    assert codes(report) == ({"no-hu-offset"} if "head_tiny" in name else set())


@real_data
@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("ct_chest_lidc0314/ct.nii.gz", True),
        ("cta_heart_totalseg/cta_heart_aorta.nii.gz", True),
        ("head_ct_template/scct_hu.nii.gz", False),
        ("ct_abdomen_pelvis_totalseg/ct.nii.gz", False),
        ("ct_abdomen_dicom_j2k_totalseg/dicom", False),
    ],
)
def test_thorax_bundle_covers_chests_only(tiny, name, covered):
    report = check_scan(real(name), tiny.card(coverage=THORAX))
    assert report.coverage == ("covered" if covered else "outside")
    if covered:
        report.raise_if_stopped()
        return
    with pytest.raises(InputError, match=r"thorax.*--force"):
        report.raise_if_stopped()
    report.raise_if_stopped(force=True)


@real_data
@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("mr_heart_3d_seg3d/mr_heart_1p25x1p25x2p5.nii.gz", True),
        ("cardiac_mr_sunnybrook/SC-HF-I-1_ED.nii.gz", True),
        ("mr_brain_t1_pd_t2_sri24/T1_spgr.nii.gz", False),
    ],
)
def test_thorax_bundle_for_mr_covers_hearts_but_no_brain(tiny, name, covered):
    card = tiny.card("MR", "CT", coverage={"field_of_view_mm": THORAX["field_of_view_mm"]})
    assert check_scan(real(name), card).coverage == ("covered" if covered else "outside")


@real_data
def test_head_ct_without_its_offset_is_refused_even_by_force(tiny):
    report = check_scan(real("ct_head_tiny_dicom_slicer/dicom"), tiny.card(coverage=THORAX))
    with pytest.raises(InputError, match=r"HU offset.*subtract 1024"):
        report.raise_if_stopped(force=True)


@real_data
def test_padding_does_not_hide_a_missing_offset(tiny):
    scan = real("ct_head_tiny_dicom_slicer/dicom")
    array = scan.volume.array.astype(np.int16)
    array[:, :40] = -2000
    padded = replace(scan, volume=Volume(array, scan.volume.ijk_to_ras))
    report = check_scan(padded, tiny.card(coverage=THORAX))
    assert "no-hu-offset" in {f.code for f in report.findings}


def test_report_says_what_the_scan_is_and_survives_json(tiny):
    rotation = tiny.rotation(12, (0, 0, 1))
    report = check_scan(
        scan_of(tiny.ct_like((5, 24, 28)), tiny.matrix((2.0, 2.0, 9.0), rotation), "CT"), tiny.card()
    )
    assert (report.modality, report.confidence) == ("CT", 1.0)
    assert report.shape == (5, 24, 28)
    assert report.spacing == (2.0, 2.0, 9.0)
    assert report.orientation == "RAS"
    assert report.acquisition_plane == "axial"
    assert report.oblique_degrees == pytest.approx(12, abs=0.01)
    assert report.field_of_view_mm == (56.0, 48.0, 45.0)
    assert report.value_range[0] < -1000 < report.percentiles[1] < report.value_range[1]
    assert CheckReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    ("change", "code", "forced"),
    [
        (lambda a: np.full_like(a, 7), "constant", False),
        (lambda a: (a + 1024).clip(0), "no-hu-offset", False),
        (lambda a: (a + 1000).clip(0) * 0.3, "modality", False),
        (lambda a: np.select([a > 300, a > -300], [2, 1], 0), "labels", False),
    ],
    ids=["constant", "offset", "mr", "labels"],
)
def test_what_stops_a_ct_bundle(tiny, change, code, forced):
    array = change(tiny.ct_like((12, 40, 44)))
    report = check_scan(scan_of(np.asarray(array), tiny.matrix()), tiny.card())
    assert code in codes(report)
    with pytest.raises(InputError):
        report.raise_if_stopped(forced)


def test_dicom_tag_decides(tiny):
    array = tiny.mr_like()
    assert check_scan(scan_of(array, tiny.matrix(), "MR"), tiny.card("MR", "CT")).findings == ()
    for tag in ("MR", "PT"):
        report = check_scan(scan_of(array, tiny.matrix(), tag), tiny.card())
        with pytest.raises(InputError, match="PT, neither" if tag == "PT" else "an MR.*a CT is needed"):
            report.raise_if_stopped(force=True)


def test_coarse_voxels_are_told_but_do_not_stop(tiny):
    report = check_scan(scan_of(tiny.ct_like(), tiny.matrix((5.0, 5.0, 5.0))), tiny.card())
    assert codes(report) == {"coarse"}
    report.raise_if_stopped()


def test_scans_of_the_simulator_are_what_they_are(tiny):
    subject = make_subject(5, shape=(32, 72, 88), spacing=(4.0, 4.0, 4.0))
    spatial = {"spacing_range_mm": (0.5, 4.5)}
    for modality, volume in (("CT", subject.ct), ("MR", subject.mr)):
        coverage = {**THORAX, "lung_fraction": THORAX["lung_fraction"] if modality == "CT" else None}
        card = tiny.card(modality, "MR" if modality == "CT" else "CT", coverage=coverage, spatial=spatial)
        report = check_scan(scan_of(volume.array, volume.ijk_to_ras), card)
        assert report.modality == modality
        assert report.findings == ()
