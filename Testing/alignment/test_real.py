"""Real scans: organs of two patients, CT onto a thin MR slab, and a head; skipped where they are absent."""

from pathlib import Path

import numpy as np
import pytest

from SynthLogic.alignment import by_images, by_labels
from SynthLogic.volume import read_volume

# Equal in both label maps: spleen, kidneys, liver, stomach, pancreas.
ORGANS = [1, 2, 3, 5, 6, 7]


@pytest.fixture(scope="module")
def read():
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real images are not part of the project: no ../shared/data here")
    return lambda name: read_volume(folder / name).volume


def test_organs_of_a_ct_lie_on_those_of_an_mr(read):
    ct, ct_labels = (
        read("ct_abdomen_pelvis_totalseg/ct.nii.gz"),
        read("ct_abdomen_pelvis_totalseg/ct_label_auto117.nii.gz"),
    )
    mr, mr_labels = read("mr_abdomen_totalseg/mr.nii.gz"), read("mr_abdomen_totalseg/mr_label_auto.nii.gz")
    found = by_labels(mr, mr_labels, ct, ct_labels, structures=ORGANS)
    assert np.mean(list(found.dice_before.values())) < 0.05
    assert np.mean(list(found.dice_after.values())) > 0.45
    assert found.dice_after[5] > 0.65
    assert found.moved.grid.is_close(mr.grid)


def test_hearts_of_two_patients_with_thick_oblique_slices(read):
    fixed, fixed_labels = (read(f"cardiac_mr_sunnybrook/SC-HF-I-1_ED{end}.nii.gz") for end in ("", "_label"))
    moving, moving_labels = (read(f"cardiac_mr_sunnybrook/SC-HF-I-4_ED{e}.nii.gz") for e in ("", "_label"))
    found = by_labels(fixed, fixed_labels, moving, moving_labels)
    assert found.transform == "similarity"
    assert np.mean(list(found.dice_after.values())) > np.mean(list(found.dice_before.values())) + 0.2
    assert np.mean(list(found.dice_after.values())) > 0.5


def test_a_head_lies_on_an_average_head_of_another_modality(read):
    ct, mr = read("head_ct_template/scct_hu.nii.gz"), read("mr_brain_t1_pd_t2_sri24/T1_spgr.nii.gz")
    found = by_images(ct, mr)
    assert found.improved
    assert found.nmi_after > found.nmi_before + 0.15
