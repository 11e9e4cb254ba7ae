"""In which planes, and at which voxel size, a network sees a scan."""

from __future__ import annotations

from collections.abc import Sequence

from SynthLogic.bundles import PLANES, Plane, Spatial
from SynthLogic.errors import InputError
from SynthLogic.volume import Grid

# A stack whose slices lie further apart than this many in-plane spacings was acquired in that plane.
_ANISOTROPY = 2.0
_SAME_SPACING = 1.1

STACK_AXIS: dict[str, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of a canonical array (K to S, J to A, I to R) along which the slices of a plane are stacked."""


def acquisition_plane(canonical: Grid) -> Plane | None:
    """The plane a stack was acquired in, or None for (nearly) isotropic voxels.

    A single slice lies in its own plane; else the slice spacing must exceed twice both in-plane spacings.
    """
    single = [axis for axis, size in enumerate(canonical.shape) if size == 1]
    if len(single) == 1:
        return PLANES[single[0]]
    by_axis = canonical.spacing[::-1]
    widest = max(range(3), key=lambda axis: by_axis[axis])
    others = [by_axis[axis] for axis in range(3) if axis != widest]
    return PLANES[widest] if by_axis[widest] > _ANISOTROPY * max(others) else None


def choose_planes(
    canonical: Grid, spatial: Spatial, wanted: Sequence[str] | None = None
) -> tuple[tuple[Plane, ...], tuple[str, ...]]:
    """Planes to run a network in, and warnings; no plane for a 3D network.

    By default the card's first plane, unless the scan was acquired in another one with thick slices: then
    that one, since across thick slices there is no image to look at.

    Raises:
        InputError: a plane that the network was not trained for, or planes asked of a 3D network.
    """
    if spatial.spatial_dims == 3:
        if wanted:
            raise InputError(
                "This bundle's network works on whole volumes, not in planes; leave out --planes."
            )
        return (), ()
    acquired = acquisition_plane(canonical)
    if wanted:
        unknown = [plane for plane in wanted if plane not in spatial.planes]
        if unknown or len(set(wanted)) != len(wanted):
            problem = (
                f"was not trained for {unknown[0]!r} slices" if unknown else "needs each plane only once"
            )
            raise InputError(
                f"This bundle's network {problem}; use --planes with these: {', '.join(spatial.planes)}."
            )
        across = [plane for plane in wanted if acquired not in (None, plane)]
        text = f"slices were acquired {acquired} and lie far apart, so {', '.join(across)} slices are blurred"
        return tuple(plane for plane in PLANES if plane in wanted), ((text,) if across else ())
    plane = acquired or spatial.planes[0]
    if plane in spatial.planes:
        return (plane,), ()
    trained = ", ".join(spatial.planes)
    return (plane,), (
        f"slices are {plane}, but the network was trained on {trained} slices: judge with care",
    )


def working_grid(canonical: Grid, spatial: Spatial, planes: Sequence[Plane]) -> Grid:
    """The grid a network runs on: the scan's own where its voxels suit the card, else resampled.

    One plane changes only the two in-plane spacings; several planes, or a 3D network, share isotropic voxels.
    """
    stack = STACK_AXIS[planes[0]] if len(planes) == 1 else None
    by_axis = list(canonical.spacing[::-1])
    inside = [axis for axis in range(3) if axis != stack]
    low, high = spatial.spacing_range_mm
    spacings = [by_axis[axis] for axis in inside]
    # The range is given to a few digits, spacings carry the rounding of a file's matrix.
    in_range = all(low * (1 - 1e-4) <= spacing <= high * (1 + 1e-4) for spacing in spacings)
    if in_range and max(spacings) / min(spacings) <= _SAME_SPACING:
        return canonical
    for axis in inside:
        by_axis[axis] = spatial.spacing_mm
    return canonical.with_spacing((by_axis[2], by_axis[1], by_axis[0]))


__all__ = ["STACK_AXIS", "acquisition_plane", "choose_planes", "working_grid"]
