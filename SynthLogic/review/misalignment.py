"""How far an image lies from where it should: shifted, turned or deformed against its input or its truth.

A network that is trained on two domains which do not lie alike learns the difference as if it were appearance
(Wang et al. 2018), and its output no longer fits its input. Here the output is registered to a reference by
mutual information, so the two may differ in contrast: first rigidly, then with a smooth deformation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from SynthLogic.errors import ConfigError, InputError
from SynthLogic.review.free_form import fit_free_form
from SynthLogic.volume import Grid, Volume, resample
from SynthLogic.volume.itk_image import image_from_volume, volume_from_image

FloatArray = NDArray[np.float64]

CONTROL_MM = 40.0
"""Distance of the control points of the deformation: nothing shorter than about twice this is seen."""
_BINS = 32
_SAMPLES = 60_000
_MARGIN_MM = 8.0
_POINTS = 4000
_DENSE_VOXELS = 500_000
_LEAST_VOXELS = 1000
_SEED = 20180916
# SimpleITK's transforms work in LPS; their own inverse.
_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Misalignment:
    """Where the output's content lies, against the reference; lengths are taken over the body.

    Attributes:
        shift_mm: (3,) displacement of the body's middle by the rigid part, in RAS mm.
        rotation_degrees: of the rigid part.
        rigid_mm: mean length of the rigid displacement.
        rigid_voxels: the same with each component in voxels of the reference's own axes.
        local_mm: root mean square of what the deformation adds to the rigid part; None if not estimated.
        local_voxels: the same in voxels.
        total_mm: root mean square of the whole displacement, that of the rigid part if there is no other.
        total_voxels: the same in voxels.
    """

    shift_mm: tuple[float, float, float]
    rotation_degrees: float
    rigid_mm: float
    rigid_voxels: float
    local_mm: float | None
    local_voxels: float | None
    total_mm: float
    total_voxels: float


def misalignment(
    output: Volume,
    reference: Volume,
    body: NDArray[np.bool_] | None = None,
    *,
    local: bool = True,
    control_mm: float = CONTROL_MM,
) -> Misalignment:
    """Estimate how ``output`` is displaced against ``reference``, whatever their contrasts.

    First the rigid motion with the largest mutual information (Mattes et al. 2003, SimpleITK), then a smooth
    deformation on top of it, see `free_form.fit_free_form`; both from what lies in and around the body.

    Where an image is even, as within a muscle, nothing shows a displacement: there the estimate is carried on
    smoothly from what lies around. For simulated chests with 5 mm voxels, deformed by 5 to 8 mm (root mean
    square), the whole displacement comes out at 84 to 90 % within CT. The rigid part is good to 0.2 voxels
    where contrasts differ, too, but the local part then has a floor: 2.7 mm for an MR and a CT of such a
    chest that lie exactly alike, 0.9 mm for T2 and 2.8 mm for T1 against PD of one real head (SRI24). So
    compare a translation's local displacement with that of its truth or of another method, not with 0.

    Args:
        output: (K, J, I) on the reference's grid.
        reference: the input or the true image; at least 4 voxels along each axis.
        body: boolean (K, J, I), what lengths are taken over; None takes everything.
        local: whether to estimate the deformation too, which takes several times as long.
        control_mm: distance of the deformation's control points.

    Raises:
        ConfigError: the grids differ, or the body is empty.
        InputError: an image is constant or too small to be registered.
    """
    if not output.grid.is_close(reference.grid):
        raise ConfigError(
            "Misalignment is measured on one grid: resample the output to the reference's first."
        )
    inside = np.ones(reference.shape, bool) if body is None else np.asarray(body, bool)
    if inside.shape != reference.shape or not inside.any():
        raise ConfigError("Misalignment needs a body of the images' shape with at least one voxel.")
    if min(reference.shape) < 4 or inside.sum() < _LEAST_VOXELS:
        raise InputError(
            f"The images have {reference.shape} voxels, {int(inside.sum())} of them in the body: too few to"
            f" measure a misalignment, which takes {_LEAST_VOXELS} and 4 along each axis."
        )
    fixed, moving = (_image(volume) for volume in (reference, output))
    around = reference.with_array(_around(inside, reference.spacing).astype(np.uint8))
    kji = np.argwhere(inside)
    kji = kji[np.linspace(0, len(kji) - 1, min(_POINTS, len(kji))).astype(int)]
    points = np.asarray(reference.grid.to_ras(kji[:, ::-1])) @ _TO_LPS
    try:
        transform = _rigid(fixed, moving, around, points.mean(axis=0))
    except RuntimeError as error:
        raise InputError(
            "The images cannot be registered to measure a misalignment: they have too little in common."
        ) from error

    def under(places: FloatArray) -> FloatArray:
        return np.asarray([transform.TransformPoint(place) for place in places.tolist()])

    by_rigid = moved = under(points)
    if local:
        moved = under(points + _deformed(fixed, moving, transform, around, points, control_mm))
    return _measured(reference, points, moved, by_rigid, local)


def _image(volume: Volume) -> sitk.Image:
    array = np.asarray(volume.array, np.float32)
    # Mattes' histogram spans all values: a clip at the edges keeps one bright spot from using it up.
    lower, upper = (float(v) for v in np.percentile(array, (0.1, 99.9)))
    if not upper > lower:
        raise InputError("An image is constant, so no misalignment can be measured; choose another image.")
    return image_from_volume(volume.with_array(np.clip(array, lower, upper)))


def _around(inside: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """The body and a rim of 8 mm, so that its outline counts."""
    if inside.all():
        return inside
    distance = ndimage.distance_transform_edt(~inside, sampling=spacing[::-1])
    return np.asarray(distance <= _MARGIN_MM)


def _rigid(fixed: sitk.Image, moving: sitk.Image, around: Volume, middle: FloatArray) -> Any:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(middle.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(image_from_volume(around))
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, _SAMPLES / float(around.array.sum())), _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=100, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 0.0])
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return transform


def _deformed(
    fixed: sitk.Image,
    moving: sitk.Image,
    rigid: Any,
    around: Volume,
    points: FloatArray,
    control_mm: float,
) -> FloatArray:
    """(N, 3) what is added to ``points`` in LPS mm before the rigid motion."""
    lowest = float(sitk.GetArrayViewFromImage(moving).min())
    there = volume_from_image(sitk.Resample(moving, fixed, rigid, sitk.sitkLinear, lowest))
    grid = _coarse(around.grid)
    here, there = (resample(v, grid, background=lowest) for v in (volume_from_image(fixed), there))
    fitted = fit_free_form(
        here.array,
        there.array,
        resample(around, grid, order=0).array > 0,
        _TO_LPS @ grid.ijk_to_ras[:3, :3],
        control_mm,
    )
    kji = grid.to_ijk(points @ _TO_LPS)[:, ::-1]
    return fitted.at(np.clip(kji, 0, np.asarray(grid.shape) - 1))


def _coarse(grid: Grid) -> Grid:
    """The grid with voxels so large that a deformation of centimetres takes seconds, and not minutes."""
    step = min(grid.spacing)
    while np.prod(np.asarray(grid.extent_mm) / np.maximum(grid.spacing, step)) > _DENSE_VOXELS:
        step *= 1.05
    i, j, k = (max(s, step) for s in grid.spacing)
    return grid.with_spacing((i, j, k))


def _measured(
    reference: Volume, points: FloatArray, moved: FloatArray, rigid: FloatArray, local: bool
) -> Misalignment:
    to_voxels = np.linalg.inv(reference.ijk_to_ras[:3, :3]) @ _TO_LPS

    def lengths(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.linalg.norm(vectors, axis=1), np.linalg.norm(vectors @ to_voxels.T, axis=1)

    def rms(values: FloatArray) -> float:
        return float(np.sqrt(np.mean(np.square(values))))

    by_rigid, by_local, total = (lengths(v) for v in (rigid - points, moved - rigid, moved - points))
    rotation, _ = Rotation.align_vectors(rigid - rigid.mean(axis=0), points - points.mean(axis=0))
    right, anterior, superior = (_TO_LPS @ (rigid - points).mean(axis=0)).tolist()
    return Misalignment(
        shift_mm=(right, anterior, superior),
        rotation_degrees=math.degrees(float(rotation.magnitude())),
        rigid_mm=float(by_rigid[0].mean()),
        rigid_voxels=float(by_rigid[1].mean()),
        local_mm=rms(by_local[0]) if local else None,
        local_voxels=rms(by_local[1]) if local else None,
        total_mm=rms(total[0]),
        total_voxels=rms(total[1]),
    )


__all__ = ["CONTROL_MM", "Misalignment", "misalignment"]
