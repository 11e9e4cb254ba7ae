"""Simulated hips: anatomy in its place, bones as CT and MR see them, grids as scanners store them."""

import json

import numpy as np
import pytest
from scipy import ndimage

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms import HipLabel, make_hip, write_cohort
from SynthLogic.phantoms.hip_body import draw_hip
from SynthLogic.phantoms.hip_tissues import FEMUR, HIP_TISSUES, MUSCLES, PELVIS
from SynthLogic.phantoms.protocols import VENDORS
from SynthLogic.volume import read_volume

COARSE = {"spacing": (5.0, 5.0, 5.0)}
GLUTEI = (HipLabel.GLUTEUS_MAXIMUS, HipLabel.GLUTEUS_MEDIUS, HipLabel.GLUTEUS_MINIMUS)


@pytest.fixture(scope="module", params=[0, 1])
def subject(request):
    return make_hip(3, request.param, spacing=(3.0, 3.0, 3.0))


def places(volume, labels):
    """RAS points (N, 3) in mm of the voxels with these labels."""
    at = np.argwhere(np.isin(volume.array, labels))[:, ::-1]
    return at @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]


def middle(subject, labels, side=0):
    """Median RAS place of a structure, relative to the origin of the body."""
    p = places(subject.labels, labels) - subject.parameters["body"]["shift"]
    return np.median(p[p[:, 0] * side >= 0], axis=0)


def core(subject, labels):
    return ndimage.binary_erosion(np.isin(subject.labels.array, labels))


def pieces(mask):
    """Sizes of connected pieces (26 neighbours), the largest first."""
    found, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.sort(np.bincount(found.ravel())[1:])[::-1]


def test_every_label_has_a_tissue_and_is_there(subject):
    assert set(HIP_TISSUES) == set(HipLabel)
    assert set(np.unique(subject.labels.array)) == set(map(int, HipLabel))
    assert set(subject.legend.values()) == set(map(int, HipLabel))


def test_volumes_are_plausible(subject):
    ml = subject.parameters["volume_ml"]
    ranges = {
        "gluteus_maximus": (700, 2200),
        "gluteus_medius": (250, 900),
        "gluteus_minimus": (70, 280),
        "bladder": (15, 250),
        "cartilage": (10, 110),
    }
    assert {name: ml[name] for name, (low, high) in ranges.items() if not low < ml[name] < high} == {}
    assert 450 < sum(ml[label.name.lower()] for label in PELVIS) < 1300
    assert 250 < sum(ml[label.name.lower()] for label in FEMUR) < 800


def test_a_bone_is_one_piece_and_a_muscle_one_a_side(subject):
    labels = subject.labels.array
    pelvis = pieces(np.isin(labels, (*PELVIS, HipLabel.FIBROCARTILAGE)))
    assert pelvis[0] > 0.9 * pelvis.sum()
    femora = pieces(np.isin(labels, FEMUR))
    assert femora[:2].sum() > 0.99 * femora.sum()
    assert femora[1] > 0.7 * femora[0]
    for label in GLUTEI:
        sizes = pieces(labels == label)
        assert sizes[:2].sum() > 0.95 * sizes.sum(), label
        assert sizes[1] > 0.6 * sizes[0], label


@pytest.mark.parametrize("side", [1, -1])
def test_structures_lie_where_they_belong(subject, side):
    def at(*labels):
        return middle(subject, labels, side) * [side, 1, 1]

    head, maximus, medius, minimus = (at(label) for label in (HipLabel.FEMUR_HEAD_MARROW, *GLUTEI))
    assert maximus[1] < medius[1] - 20  # behind
    assert maximus[2] < medius[2] - 20  # below
    assert medius[0] > minimus[0]  # lateral of the deepest
    assert medius[2] > head[2] + 15
    assert minimus[2] > head[2]
    assert 65 < head[0] < 115
    bladder = middle(subject, [HipLabel.BLADDER])
    assert abs(bladder[0]) < 15
    assert bladder[1] > middle(subject, PELVIS)[1]
    iliac = places(subject.labels, PELVIS) - subject.parameters["body"]["shift"]
    assert iliac[:, 2].max() > 95
    assert -100 < iliac[:, 2].min() < -50


def test_both_sides_differ(subject):
    labels = subject.labels.array
    assert not np.array_equal(labels, labels[:, :, ::-1])
    body = subject.parameters["body"]
    assert body["right"]["form"] != body["left"]["form"]


@pytest.mark.parametrize("side", [1, -1])
def test_the_head_lies_in_its_socket_with_a_space_between(subject, side):
    """From the head's middle inward, upward and backward: cartilage, then the pelvis."""
    body = subject.parameters["body"]
    radius = body["right" if side > 0 else "left"]["head"]
    head = places(subject.labels, [HipLabel.FEMUR_HEAD_MARROW])
    head = head[head[:, 0] * side > 40]
    start = (head.min(0) + head.max(0)) / 2
    grid, labels = subject.labels.grid, subject.labels.array
    seen = []
    for way in ([-1, 0, 0], [-0.7, 0, 0.7], [0, 0, 1], [-0.7, -0.7, 0], [-0.6, -0.5, 0.6], [0.3, 0, 0.95]):
        ray = start + np.linspace(0, radius + 16, 120)[:, None] * np.array(way) * [side, 1, 1]
        i, j, k = np.rint(grid.to_ijk(ray)).astype(int).T
        found = labels[k, j, i]
        socket = np.flatnonzero(np.isin(found, PELVIS))
        assert len(socket), way
        last = np.flatnonzero(np.isin(found, FEMUR)).max()
        assert last < socket[0]
        seen.append(HipLabel.CARTILAGE in found[last : socket[0] + 1])
    assert sum(seen) >= 4  # where the space is worn it may be thinner than a voxel


def test_no_bone_outside_the_body_and_no_holes_in_it(subject):
    labels = subject.labels.array
    skin = labels == HipLabel.AIR
    near_air = ndimage.binary_dilation(skin)
    assert not (near_air & np.isin(labels, (*PELVIS, *FEMUR, *MUSCLES))).any()
    pockets = pieces(skin)
    assert pockets[1:].sum() < 1e-3 * labels.size


def test_ct_shows_the_tissues_hu(subject):
    ct = subject.ct_reference.array
    assert abs(np.median(ct[core(subject, [HipLabel.SUBCUTANEOUS_FAT])]) + 100) < 20
    muscle = np.median(ct[core(subject, [HipLabel.GLUTEUS_MAXIMUS])])
    assert 10 < muscle < 75
    assert (ct[core(subject, [HipLabel.AIR])] == -1000).mean() > 0.999
    cortex = ct[np.isin(subject.labels.array, [HipLabel.FEMUR_CORTEX])]
    assert 300 < np.median(cortex) < 1400
    assert 120 < np.median(ct[core(subject, [HipLabel.FEMUR_HEAD_MARROW])]) < 450
    assert subject.ct.array.dtype == np.int16


def test_mr_has_bright_fat_and_dark_cortex(subject):
    mr = subject.mr_reference.array
    fat = np.median(mr[core(subject, [HipLabel.SUBCUTANEOUS_FAT])])
    muscle = np.median(mr[core(subject, [HipLabel.GLUTEUS_MAXIMUS])])
    assert fat == pytest.approx(800, rel=0.03)
    assert 0.3 < muscle / fat < 0.75
    shaft = core(subject, [HipLabel.FEMUR_CORTEX])
    assert np.median(mr[shaft]) < 0.15 * fat
    assert np.median(mr[core(subject, [HipLabel.FEMUR_MARROW])]) > 0.85 * fat
    assert (subject.ct_reference.array[shaft] > 600).mean() > 0.8


def test_noise_is_rician_in_air(subject):
    air = subject.mr.array[ndimage.binary_erosion(subject.labels.array == HipLabel.AIR, iterations=3)]
    assert abs(air.mean() / air.std() - 1.913) < 0.08
    assert subject.mr.array.min() >= 0


def test_same_seed_same_voxels_other_subject_other_body():
    a, b, c = make_hip(1, 0, **COARSE), make_hip(1, 0, **COARSE), make_hip(1, 1, **COARSE)
    assert all(np.array_equal(a.files[name].array, b.files[name].array) for name in a.files)
    assert a.parameters == b.parameters
    assert not np.array_equal(a.labels.array, c.labels.array)


def test_the_stack_is_coronal_and_its_geometry_right(subject):
    assert subject.mr.grid.axis_codes == "LIP"
    assert all(volume.grid.is_close(subject.mr.grid) for volume in subject.files.values())
    assert np.linalg.det(subject.mr.ijk_to_ras[:3, :3]) > 0
    assert np.allclose(np.array(subject.mr.grid.extent_mm)[[0, 1]], [352, 320], atol=6)


def test_own_grids_show_the_same_body():
    shared, own = make_hip(2, 0, **COARSE), make_hip(2, 0, grids="own", **COARSE)
    assert "mr_labels" in own.files
    assert own.ct.grid.axis_codes == "LPS"
    assert own.labels.grid.is_close(own.ct.grid)
    assert np.array_equal(own.mr_labels.array, shared.labels.array)
    for label in (HipLabel.FEMUR_HEAD_MARROW, HipLabel.BLADDER, HipLabel.GLUTEUS_MEDIUS):
        apart = places(own.labels, [label]).mean(0) - places(own.mr_labels, [label]).mean(0)
        assert np.abs(apart).max() < 2.5, label


def test_people_differ_as_people_do():
    bodies = [draw_hip(np.random.default_rng(n)) for n in range(200)]
    assert 60 < sum(b.female for b in bodies) < 140
    women, men = ([b for b in bodies if b.female is sex] for sex in (True, False))
    assert np.mean([b.size for b in women]) < np.mean([b.size for b in men])
    assert np.mean([b.arch for b in women]) > np.mean([b.arch for b in men]) + 0.5
    age, share, bulk = (np.array([getattr(b, n) for b in bodies]) for n in ("age", "infiltration", "bulk"))
    assert np.corrcoef(age, share)[0, 1] > 0.3
    assert np.corrcoef(age, bulk)[0, 1] < -0.2
    worn = np.array([b.right.osteoarthritis > 0 for b in bodies])
    assert 0.1 < worn.mean() < 0.6
    space = np.array([b.right.joint for b in bodies])
    assert space[worn].mean() < space[~worn].mean()


def test_vendors_differ():
    one, other = (make_hip(2, 0, vendor=vendor, **COARSE) for vendor in VENDORS)
    assert np.array_equal(one.labels.array, other.labels.array)
    assert np.array_equal(one.mr_reference.array, other.mr_reference.array)
    assert not np.array_equal(one.mr.array, other.mr.array)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"grids": "both"}, "grids 'both' are unknown: choose"),
        ({"vendor": "c"}, "vendor 'c' is unknown: choose"),
        ({"spacing": (0.0, 1.0, 1.0)}, "give"),
        ({"spacing": (float("nan"), 1.0, 1.0)}, "give"),
        ({"shape": (0, 4, 4)}, "give"),
    ],
)
def test_bad_requests_are_refused(wrong, word):
    with pytest.raises(ConfigError, match=word):
        make_hip(0, 0, **wrong)


def test_options_of_another_anatomy_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="knows no lesions: leave --lesions out"):
        write_cohort(tmp_path, anatomy="hip", subjects=1, seed=0, lesions="tumour")
    with pytest.raises(ConfigError, match="choose one of thorax, heart, hip, brain"):
        write_cohort(tmp_path, anatomy="knee", subjects=1, seed=0)
    assert not list(tmp_path.iterdir())


def test_the_folder_on_disk_equals_the_subject(tmp_path):
    expected = make_hip(4, 0, grids="own", **COARSE)
    for _ in range(2):  # the second time a phantom is replaced
        (folder,) = write_cohort(tmp_path, anatomy="hip", subjects=1, seed=4, grids="own", **COARSE)
    assert {path.name for path in folder.iterdir()} == {
        "subject.json", *(f"{name}.nii.gz" for name in expected.files),
    }  # fmt: skip
    for name, volume in expected.files.items():
        stored = read_volume(folder / f"{name}.nii.gz").volume
        assert np.array_equal(stored.array, volume.array)
        assert np.allclose(stored.ijk_to_ras, volume.ijk_to_ras, atol=1e-4)
    told = json.loads((folder / "subject.json").read_text())
    assert told["anatomy"] == "hip"
    assert told["labels"]["gluteus_minimus"] == HipLabel.GLUTEUS_MINIMUS
