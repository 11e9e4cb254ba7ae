"""A rigid to affine map from the images alone, where there are no labels: mutual information, by SimpleITK.

Mattes' mutual information (Mattes 2003, IEEE TMI 22:120) on two resolutions, from three starts: the scans as
they lie, centre of the field of view upon centre, and centre of brightness upon centre. It finds a body's
pose, not the fit of one person's organs to another's, which labels are for. One thread, seeded samples: the
same scans give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SynthLogic.alignment.motion import TRANSFORMS, Transform, check_sane, inverse_of
from SynthLogic.alignment.result import (
    Alignment,
    background_of,
    in_view,
    moved_onto,
    on_grid_of,
    only_in_view,
)
from SynthLogic.errors import InputError
from SynthLogic.volume import Volume, resample
from SynthLogic.volume.grid import FloatArray
from SynthLogic.volume.itk_image import image_from_volume
from SynthLogic.volume.lps import lps_from_motion

_BINS = 32
# Voxels along the longest side of the images that are matched: coarse, fine.
_SIZES = (40, 96)
_SAMPLES = 40_000
_PERCENTILES = (0.5, 99.5)
# Of the fixed scan's voxels; with less in common than this, nothing can be said.
_LEAST_SHARED = 0.02
_LEAST_SIDE = 8


def by_images(
    fixed: Volume,
    moving: Volume,
    *,
    transform: Transform = "rigid",
    fixed_labels: Volume | None = None,
    moving_labels: Volume | None = None,
    order: int = 1,
    seed: int = 0,
    fixed_background: float | None = None,
    moving_background: float | None = None,
) -> Alignment:
    """Lay a scan onto another one by mutual information; see the module's text.

    Where that does not raise the mutual information, the scan stays where it was, and ``notes`` says so.

    Args:
        fixed: image (K, J, I) in any units.
        moving: image of any modality.
        transform: which kind to fit.
        fixed_labels: on the grid of the fixed image; masked with it, but not matched.
        moving_labels: on the grid of the moving image; carried along, but not matched.
        order: interpolation of the moving image: 1 linear, 3 cubic spline.
        seed: of the places that are compared.
        fixed_background: value in the fixed image for what the moving scan did not see; its lowest if None.
        moving_background: the same in the moving image.

    Raises:
        InputError: an image without contrast or with fewer than 8 voxels along an axis, scans that never
            overlap, or a result that is scaled beyond belief.
    """
    outside = (
        background_of(fixed, fixed_background, "fixed"),
        background_of(moving, moving_background, "moving"),
    )
    if fixed_labels is not None:
        fixed_labels = on_grid_of(fixed, fixed_labels, "fixed")
    if moving_labels is not None:
        moving_labels = on_grid_of(moving, moving_labels, "moving")
    fine = (_prepared(fixed, "fixed", _SIZES[1]), _prepared(moving, "moving", _SIZES[1]))
    coarse = (_coarser(fine[0], _SIZES[0]), _coarser(fine[1], _SIZES[0]))
    before = _nmi(*fine, np.eye(4))
    found = []
    for start in _starts(*coarse):
        try:
            found.append(_registered(*coarse, start, "rigid", seed))
        except RuntimeError:  # no overlap from this start
            continue
    if not found:
        raise InputError("The two images never overlap; align them by labels, or roughly by hand first.")
    affine = max(found, key=lambda candidate: _nmi(*coarse, candidate))
    for kind in TRANSFORMS[: TRANSFORMS.index(transform) + 1]:
        try:
            further = _registered(*fine, affine, kind, seed)
        except RuntimeError:
            break
        if _nmi(*fine, further) >= _nmi(*fine, affine):
            affine = further
    check_sane(affine, "images")
    after, notes = _nmi(*fine, affine), []
    if after <= before:
        affine, after = np.eye(4), before
        notes.append(
            "Registration did not raise the mutual information of the images, so the scan stays where it "
            "was; give labels of both scans to align them by."
        )
    view = in_view(moving, affine, fixed)
    if view.mean() < _LEAST_SHARED:
        raise InputError("The two images hardly overlap; align them by labels, or roughly by hand first.")
    return Alignment(
        affine=affine,
        transform=transform,
        moved=moved_onto(moving, affine, fixed, order, outside[1]),
        fixed=only_in_view(fixed, view, outside[0]),
        moved_labels=None if moving_labels is None else moved_onto(moving_labels, affine, fixed, 0, 0),
        fixed_labels=None if fixed_labels is None else only_in_view(fixed_labels, view, 0),
        nmi_before=before,
        nmi_after=after,
        notes=tuple(notes),
    )


def _prepared(volume: Volume, what: str, size: int) -> Volume:
    """In canonical order, coarse, float32, brightness without outliers from 0 to 1, air 0."""
    if min(volume.shape) < _LEAST_SIDE:
        raise InputError(
            f"The {what} image has {min(volume.shape)} voxels along one axis, but images are aligned by "
            f"{_LEAST_SIDE} at least; give labels of both scans instead."
        )
    canonical, _ = volume.canonical()
    low, high = np.percentile(canonical.array, _PERCENTILES)
    if not low < high:
        raise InputError(f"The {what} image shows nothing that could be matched; check the file.")
    array = ((canonical.array.astype(np.float32) - low) / (high - low)).clip(0, 1).astype(np.float32)
    return _coarser(Volume(array, np.round(canonical.ijk_to_ras, 6)), size)


def _coarser(volume: Volume, size: int) -> Volume:
    spacing = max(volume.grid.extent_mm) / size
    i, j, k = (max(s, spacing) for s in volume.spacing)
    return resample(volume, volume.grid.with_spacing((i, j, k)))


def _starts(fixed: Volume, moving: Volume) -> list[FloatArray]:
    """As they lie; centre of view upon centre of view; centre of brightness upon centre of brightness."""
    starts = [np.eye(4)]
    for centre_of in (lambda v: v.grid.centre, _brightness_centre):
        start = np.eye(4)
        start[:3, 3] = centre_of(fixed) - centre_of(moving)
        starts.append(start)
    return starts


def _brightness_centre(volume: Volume) -> FloatArray:
    weight = volume.array.astype(np.float64)
    places = np.indices(volume.shape).reshape(3, -1)[::-1].T
    return volume.grid.to_ras(np.average(places, axis=0, weights=weight.ravel() + 1e-9))


def _registered(fixed: Volume, moving: Volume, start: FloatArray, kind: Transform, seed: int) -> FloatArray:
    """The best map of this kind near ``start``.

    Raises:
        RuntimeError: ITK finds too little in common.
    """
    transform = _itk_start(start, kind, fixed.grid.centre)
    method: Any = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetGlobalWarningDisplay(False)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, _SAMPLES / fixed.array.size), seed + 1)  # 0 means the clock
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=max(fixed.spacing),
        minStep=0.005 * min(fixed.spacing),
        numberOfIterations=150,
        relaxationFactor=0.7,
        gradientMagnitudeTolerance=1e-9,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2 * min(fixed.spacing), 0.7 * min(fixed.spacing)])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(image_from_volume(fixed), image_from_volume(moving))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return inverse_of(lps_from_motion(matrix))


def _itk_start(start: FloatArray, kind: Transform, centre: FloatArray) -> Any:
    """ITK's transform of that kind (LPS, from fixed to moving), turning round the fixed scan's centre."""
    matrix = lps_from_motion(inverse_of(start))
    transform: Any = {
        "rigid": sitk.Euler3DTransform,
        "similarity": sitk.Similarity3DTransform,
        "affine": lambda: sitk.AffineTransform(3),
    }[kind]()
    middle = lps_from_motion(np.block([[np.eye(3), centre[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]))[
        :3, 3
    ]
    transform.SetCenter(middle.tolist())
    transform.SetMatrix(matrix[:3, :3].ravel().tolist(), *([1e-6] if kind == "rigid" else []))
    transform.SetTranslation((matrix[:3, :3] @ middle + matrix[:3, 3] - middle).tolist())
    return transform


def _nmi(fixed: Volume, moving: Volume, affine: FloatArray) -> float:
    """Normalised mutual information 2 I / (H + H) over the fixed view; what was not seen counts as air."""
    moved = resample(moving.under(affine), fixed.grid).array
    if not in_view(moving, affine, fixed).any():
        return 0.0
    joint = np.histogram2d(fixed.array.ravel(), moved.ravel(), bins=_BINS, range=((0, 1), (0, 1)))[0]
    one, other = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    return 0.0 if one + other == 0 else max(0.0, 2 * (one + other - _entropy(joint)) / (one + other))


def _entropy(counts: NDArray[np.float64]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
