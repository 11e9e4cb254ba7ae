"""Body masks and comparison pictures, checked by what is in them."""

from pathlib import Path

import numpy as np
import pytest

from SynthLogic.errors import ConfigError, InputError, OutputError
from SynthLogic.review import Display, body_mask, comparison_figure
from SynthLogic.review.planes import PLANES, Cutter, canonical_index, patient_letters
from SynthLogic.volume import Volume

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CT, MR = Display("Input CT", (-200, 300), "HU"), Display("Output MR", (0, 1000), "a.u.")


def matrix(*columns, origin=(0, 0, 0)):
    m = np.eye(4)
    m[:3, :3], m[:3, 3] = np.array(columns, float).T, origin
    return m


def ellipsoid(shape, centre, radii):
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    (a, b, c), (r, s, t) = centre, radii
    return ((k - a) / r) ** 2 + ((j - b) / s) ** 2 + ((i - c) / t) ** 2 < 1


@pytest.fixture
def chest():
    """A CT chest (20, 64, 80), stored left-posterior-superior, with two lungs and a couch."""
    shape = (20, 64, 80)
    body = ellipsoid(shape, (10, 30, 40), (30, 20, 30))
    array = np.where(body, 40.0, -1000.0)
    for centre in (28, 52):
        array[ellipsoid(shape, (10, 30, centre), (30, 12, 9))] = -850
    array[:, 54:56, 5:75] = 100
    return Volume(array.astype(np.float32), matrix((-4, 0, 0), (0, -4, 0), (0, 0, 5))), body


def test_body_of_a_ct_has_its_lungs_but_no_couch(chest):
    volume, body = chest
    found = body_mask(volume, "CT")
    assert found.dtype == bool
    assert not found[:, 54:56].any()
    assert np.count_nonzero(found ^ body) < 0.01 * np.count_nonzero(body)


def test_body_is_the_same_in_any_stored_order(chest):
    volume, _ = chest
    stored = np.ascontiguousarray(volume.array.transpose(2, 0, 1)[:, ::-1])
    m = volume.ijk_to_ras
    # Axes of the new array (K, J, I) are the old I, flipped K and J.
    turned = np.column_stack([m[:, 1], -m[:, 2], m[:, 0], m[:, 3] + 19 * m[:, 2]])
    expected = body_mask(volume, "CT").transpose(2, 0, 1)[:, ::-1]
    np.testing.assert_array_equal(body_mask(Volume(stored, turned), "CT"), expected)


def test_body_of_an_mr_is_filled_where_the_chest_wall_fades(chest):
    volume, body = chest
    signal = np.where(volume.array > -200, 400.0, 10.0)
    signal[:, 54:56] = 0
    signal[:, 26:34, 8:25] = 10.0
    noisy = signal + np.abs(np.random.default_rng(0).normal(0, 5, signal.shape))
    found = body_mask(volume.with_array(noisy.astype(np.float32)), "MR")
    assert np.count_nonzero(found & body) > 0.97 * np.count_nonzero(body)
    assert np.count_nonzero(found & ~body) < 0.05 * np.count_nonzero(body)


def test_no_body_is_an_error(chest):
    volume, _ = chest
    with pytest.raises(InputError, match="No body"):
        body_mask(volume.with_array(np.full_like(volume.array, -1000)), "CT")


def test_display_follows_the_radiological_convention():
    # Stored as canonical: K superior, J anterior, I right.
    array = np.zeros((3, 4, 5), np.float32)
    array[2, 3, 4] = 1  # superior, anterior, right
    cut = Cutter(Volume(array, np.diag([1.0, 2.0, 3.0, 1.0])), (2, 3, 4))
    for plane, letters in zip(
        PLANES, (("R", "L", "A", "P"), ("R", "L", "S", "I"), ("A", "P", "S", "I")), strict=True
    ):
        assert cut.edge_letters(plane) == letters
        assert cut.of(array, plane)[0, 0] == 1
        assert cut.of(array, plane).sum() == 1
    assert cut.size_mm(PLANES[0]) == (5.0, 8.0)
    assert cut.size_mm(PLANES[2]) == (8.0, 9.0)


def test_oblique_edges_carry_two_letters():
    assert patient_letters(np.array([1.0, 0, 0])) == "R"
    assert patient_letters(np.array([-0.8, 0.6, 0])) == "LA"
    assert patient_letters(np.array([0.1, -0.2, -0.97])) == "I"


def test_centre_follows_the_voxel_into_the_canonical_array(chest):
    volume, _ = chest
    canonical, _ = volume.canonical()
    array = np.zeros_like(volume.array)
    array[3, 7, 11] = 1
    index = canonical_index(volume, canonical, (3, 7, 11))
    assert volume.with_array(array).canonical()[0].array[index] == 1


def pixels(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def test_picture_shows_where_the_error_is_and_its_sign(chest, tmp_path):
    volume, _ = chest
    reference = volume.with_array(np.full_like(volume.array, 500))
    array = reference.array.copy()
    array[:, :, :40] += 200  # I runs to the left: the patient's right half, on the viewer's left
    array[:, :, 40:] -= 200
    path = comparison_figure(
        volume,
        volume.with_array(array),
        reference,
        tmp_path / "new" / "ct-to-mr.png",
        input_display=CT,
        output_display=MR,
        title="Chest",
        error_limit=500,
    )
    picture = pixels(path)
    assert picture.shape[1] == 1600
    rows = slice(120, 300)
    orange, blue = picture[rows, 1290:1330].mean((0, 1)), picture[rows, 1480:1520].mean((0, 1))
    assert orange[0] > orange[2] + 0.3
    assert blue[2] > blue[0] + 0.3


def test_picture_without_a_reference_shows_edges_and_a_checkerboard(chest, tmp_path):
    pytest.importorskip("skimage")
    volume, _ = chest
    output = volume.with_array(np.full_like(volume.array, 1000))
    path = comparison_figure(volume, output, None, tmp_path / "a.png", input_display=CT, output_display=MR)
    picture = pixels(path)
    checkerboard, edges = picture[100:250, 850:1150], picture[100:250, 1250:1550]
    assert checkerboard.min() < 0.1
    assert checkerboard.max() > 0.9
    assert np.any((edges[..., 0] > 0.9) & (edges[..., 2] < 0.5))


def test_a_single_slice_can_be_shown(tmp_path):
    volume = Volume(np.random.default_rng(0).random((1, 32, 32), np.float32), np.diag([2.0, 2.0, 5.0, 1.0]))
    displays = {"input_display": MR, "output_display": MR}
    assert comparison_figure(volume, volume, volume, tmp_path / "a.png", **displays).stat().st_size > 1000


def test_pictures_refuse_other_grids_and_closed_folders(chest, tmp_path):
    volume, _ = chest
    displays = {"input_display": CT, "output_display": MR}
    with pytest.raises(ConfigError, match="one grid"):
        comparison_figure(volume, Volume(volume.array, np.eye(4)), None, tmp_path / "a.png", **displays)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        comparison_figure(volume, volume, volume, tmp_path / "file" / "a.png", **displays)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real images is not here")
def test_bodies_of_real_scans():
    from SynthLogic.volume import read_volume

    chest_ct = read_volume(REAL / "ct_chest_lidc0314" / "ct.nii.gz").volume
    body = body_mask(chest_ct, "CT")
    assert 0.33 < body.mean() < 0.43
    lungs = body & (chest_ct.array < -600)
    assert 0.1 < lungs.sum() / body.sum() < 0.3
    heart_mr = read_volume(REAL / "cardiac_mr_sunnybrook" / "SC-HF-I-1_ED.nii.gz").volume
    assert 0.35 < body_mask(heart_mr, "MR").mean() < 0.5
