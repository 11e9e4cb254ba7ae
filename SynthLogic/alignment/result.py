"""What an alignment gives: the affine, both scans in one view, and how well they match."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.alignment.motion import Transform, inverse_of
from SynthLogic.errors import InputError
from SynthLogic.volume import Volume, resample
from SynthLogic.volume.grid import FloatArray
from SynthLogic.volume.weights import antialias_sigma


@dataclass(frozen=True, eq=False)
class Alignment:
    """A moving scan laid onto a fixed one; all volumes on exactly the fixed scan's grid.

    Attributes:
        affine: 4x4, from a place in the moving scan to where it comes to lie in the fixed one, RAS mm to RAS
            mm: ``moving.under(affine)`` lies on the fixed scan.
        transform: the kind that was fitted, which may have fewer freedoms than what was asked for.
        moved: the moving image; background wherever its field of view does not reach.
        fixed: the fixed image; background there as well.
        moved_labels: likewise, 0 there; None without labels.
        fixed_labels: likewise.
        dice_before: per label value the Dice of the label maps as they came, in [0, 1]; over the fixed
            scan's whole field of view, so what the moving scan does not show counts as missed. Empty where
            images were matched.
        dice_after: the same after the alignment.
        nmi_before: normalised mutual information of the images as they came, 2 I / (H + H) in [0, 1], where
            both fields of view overlap, 0 where they do not; None where labels were matched.
        nmi_after: the same after the alignment.
        notes: one sentence for whatever the user should know.
    """

    affine: FloatArray
    transform: Transform
    moved: Volume = field(repr=False)
    fixed: Volume = field(repr=False)
    moved_labels: Volume | None = field(default=None, repr=False)
    fixed_labels: Volume | None = field(default=None, repr=False)
    dice_before: dict[int, float] = field(default_factory=dict)
    dice_after: dict[int, float] = field(default_factory=dict)
    nmi_before: float | None = None
    nmi_after: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def inverse(self) -> FloatArray:
        """4x4, from a place in the fixed scan to what lies there in the moving one, RAS mm to RAS mm."""
        return inverse_of(self.affine)

    @property
    def improved(self) -> bool:
        """Whether mean Dice or NMI is higher than before."""
        if self.nmi_before is not None and self.nmi_after is not None:
            return self.nmi_after > self.nmi_before
        return mean(self.dice_after) > mean(self.dice_before)


def mean(dice: dict[int, float]) -> float:
    """Mean over structures, 0 where there are none."""
    return float(np.mean(list(dice.values()))) if dice else 0.0


def in_view(moving: Volume, affine: FloatArray, fixed: Volume) -> NDArray[np.bool_]:
    """Which voxels (K, J, I) of the fixed scan lie in the moved scan's field of view."""
    everywhere = Volume(np.broadcast_to(np.uint8(1), moving.shape), moving.ijk_to_ras).under(affine)
    return np.asarray(resample(everywhere, fixed.grid, order=0).array.astype(bool))


def moved_onto(moving: Volume, affine: FloatArray, fixed: Volume, order: int, background: float) -> Volume:
    """The moving image on the fixed grid, in its own voxel type.

    Args:
        moving: image or labels.
        affine: 4x4, see ``Alignment``.
        fixed: gives the grid.
        order: 0 nearest (labels), 1 linear, 3 cubic spline.
        background: value outside the moving scan's field of view.
    """
    placed = moving.under(affine)
    if order != 3:
        return resample(placed, fixed.grid, order=order, background=background)
    index_map = np.linalg.inv(placed.ijk_to_ras) @ fixed.ijk_to_ras
    # Between K, J, I of both grids.
    linear, offset = index_map[2::-1, 2::-1], index_map[2::-1, 3]
    source = moving.array.astype(np.float32 if moving.array.dtype.itemsize <= 2 else np.float64)
    sigmas = [antialias_sigma(float(np.linalg.norm(row))) for row in linear]
    if any(sigmas):
        source = ndimage.gaussian_filter(source, sigmas, mode="nearest")
    values = ndimage.affine_transform(source, linear, offset, fixed.shape, order=3, mode="nearest")
    values[~in_view(moving, affine, fixed)] = background
    if moving.array.dtype.kind in "ui":
        limits = np.iinfo(moving.array.dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    return Volume(values.astype(moving.array.dtype), fixed.ijk_to_ras)


def only_in_view(volume: Volume, view: NDArray[np.bool_], background: float) -> Volume:
    """The volume with ``background`` where ``view`` is False."""
    return volume.with_array(np.where(view, volume.array, volume.array.dtype.type(background)))


def background_of(image: Volume, given: float | None, what: str) -> float:
    """The value for what no scanner saw: as given, else the image's lowest (air in CT, 0 in MR).

    Raises:
        InputError: the image's voxel type cannot hold the value, or it is no finite number.
    """
    if given is None:
        return float(image.array.min())
    if image.array.dtype.kind in "ui":
        limits = np.iinfo(image.array.dtype)
        # NaN lies in no range, and can no more be rounded than infinity.
        if not limits.min <= given <= limits.max or given != round(given):
            raise InputError(
                f"A background of {given:g} does not fit the {what} image's voxels ({image.array.dtype}); "
                f"give a whole number from {limits.min} to {limits.max}."
            )
    elif image.array.dtype.kind == "f" and not abs(given) <= float(np.finfo(image.array.dtype).max):
        raise InputError(
            f"A background of {given:g} does not fit the {what} image's voxels ({image.array.dtype}); give a "
            "finite number."
        )
    return float(given)


def on_grid_of(image: Volume, labels: Volume, what: str) -> Volume:
    """The labels in the image's own order of voxels.

    Raises:
        InputError: they lie on another grid.
    """
    if labels.grid.is_close(image.grid):
        return labels
    (one, orientation), (other, _) = image.canonical(), labels.canonical()
    if not other.grid.is_close(one.grid):
        raise InputError(
            f"The {what} labels are not on the grid of the {what} image; resample them onto it (nearest "
            "neighbour) or give the labels that were made on this image."
        )
    return Volume(orientation.restore(other.array), image.ijk_to_ras)


def dice_of(moved: Volume, fixed: Volume, values: list[int]) -> dict[int, float]:
    """Dice per label value of two label maps on one grid, 2 |A and B| / (|A| + |B|)."""
    one, other = (v.array.ravel().astype(np.int64, copy=False) for v in (moved, fixed))
    size = int(max(one.max(), other.max(), *values)) + 1
    both = np.bincount(one[one == other], minlength=size)
    total = np.bincount(one, minlength=size) + np.bincount(other, minlength=size)
    return {value: 2.0 * int(both[value]) / max(int(total[value]), 1) for value in values}
