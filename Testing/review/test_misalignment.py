"""Known displacements of simulated chests must be found."""

import numpy as np
import pytest

from SynthLogic.errors import ConfigError, InputError
from SynthLogic.phantoms import Deformation, make_subject
from SynthLogic.review.misalignment import misalignment
from SynthLogic.volume import Grid, Volume, resample


@pytest.fixture(scope="module")
def subject():
    return make_subject(3, shape=(40, 56, 64), spacing=(5.0, 5.0, 5.0))


def true_rms(deformation, subject):
    points = subject.ct.grid.to_ras(np.argwhere(subject.body)[:, ::-1])
    return float(np.sqrt(np.square(deformation(points) - points).sum(axis=1).mean()))


def moved(volume, shift, background):
    matrix = np.array(volume.ijk_to_ras)
    matrix[:3, 3] += shift
    return resample(Volume(volume.array, matrix), volume.grid, background=background)


def test_an_image_on_itself_lies_right(subject):
    found = misalignment(subject.ct_reference, subject.ct, subject.body)
    assert found.total_voxels < 0.1
    assert found.rigid_voxels < 0.05
    assert found.rotation_degrees < 0.1


@pytest.mark.parametrize("shift", [(3.3, -4.1, 2.2), (0.0, 7.5, -6.0)])
def test_a_shift_is_found_within_a_fifth_of_a_voxel(subject, shift):
    found = misalignment(moved(subject.ct, shift, -1000), subject.ct, subject.body, local=False)
    assert np.abs(np.subtract(found.shift_mm, shift)).max() < 0.2 * 5
    assert found.rigid_mm == pytest.approx(np.linalg.norm(shift), abs=0.2 * 5)
    assert found.rigid_voxels == pytest.approx(found.rigid_mm / 5)
    assert found.local_mm is None
    assert found.total_mm == pytest.approx(found.rigid_mm, rel=0.05)


def test_a_shift_is_found_across_contrasts(subject):
    shift = (4.0, -5.0, 0.0)
    found = misalignment(moved(subject.mr, shift, 0), subject.ct, subject.body, local=False)
    assert np.abs(np.subtract(found.shift_mm, shift)).max() < 0.2 * 5


@pytest.mark.parametrize("size_mm", [3, 5])
def test_a_smooth_deformation_is_found_within_a_quarter(subject, size_mm):
    deformation = Deformation.drawn(1, size_mm)
    deformed = deformation.of(subject.ct, background=-1000)
    found = misalignment(deformed, subject.ct, subject.body)
    assert found.total_mm == pytest.approx(true_rms(deformation, subject), rel=0.25)
    assert found.local_mm < found.total_mm
    assert found.total_voxels == pytest.approx(found.total_mm / 5, rel=1e-3)


def test_an_oblique_anisotropic_stack_gives_millimetres_in_patient_space(subject):
    turn = np.eye(4)
    c, s = np.cos(0.4), np.sin(0.4)
    turn[:3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    turned = subject.ct.under(turn)
    grid = turned.grid.with_spacing((5.0, 5.0, 8.0))
    reference = resample(turned, grid, background=-1000)
    body = resample(Volume(subject.body.astype(np.uint8), turned.ijk_to_ras), grid, order=0).array > 0
    shift = (5.0, 2.0, -4.0)
    found = misalignment(moved(reference, shift, -1000), reference, body, local=False)
    assert np.abs(np.subtract(found.shift_mm, shift)).max() < 1.0
    assert found.rigid_voxels == pytest.approx(
        np.linalg.norm(np.linalg.inv(grid.ijk_to_ras[:3, :3]) @ shift), abs=0.2
    )


def test_what_cannot_be_registered_is_said(subject):
    constant = subject.ct.with_array(np.zeros_like(subject.ct.array))
    with pytest.raises(InputError, match="constant"):
        misalignment(constant, subject.ct, subject.body)
    with pytest.raises(InputError, match="too few"):
        misalignment(subject.ct, subject.ct, np.arange(subject.ct.array.size).reshape(subject.ct.shape) < 9)
    with pytest.raises(ConfigError):
        misalignment(subject.ct, subject.ct, np.zeros(subject.ct.shape, bool))
    other = Volume(subject.ct.array, Grid(subject.ct.shape, np.eye(4)).ijk_to_ras)
    with pytest.raises(ConfigError, match="grid"):
        misalignment(other, subject.ct)
