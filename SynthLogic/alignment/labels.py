"""One affine from label maps that lays a scan of one person onto a scan of another (Chartsias 2017).

The labels name the same structures in both scans; images are only carried along. So any two modalities will
do. The affine maximises mean Dice over structures, each of which counts the same, however small.

How many freedoms there are depends on the labels, and never exceeds what is asked for:

* affine (12): four structures or more whose centres do not lie in a plane;
* similarity (7): two structures or more;
* rigid (6): one structure.

Starts are the scans as they lie, centre upon centre, the best similarity and affine of the structures'
centres, and the four turns that lay principal axes upon principal axes; the best of them, on coarse
structures, are optimised (L-BFGS, scipy), and the best of those again on ever finer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from scipy.optimize import minimize

from SynthLogic.alignment.motion import (
    Start,
    Transform,
    affine_of_points,
    check_sane,
    freedoms,
    similarity_of_points,
)
from SynthLogic.alignment.overlap import Overlap
from SynthLogic.alignment.result import (
    Alignment,
    background_of,
    dice_of,
    in_view,
    mean,
    moved_onto,
    on_grid_of,
    only_in_view,
)
from SynthLogic.alignment.structures import LEAST_VOXELS, Structure, checked_labels, counts_of, structures_of
from SynthLogic.errors import InputError
from SynthLogic.volume import Volume
from SynthLogic.volume.grid import FloatArray

_STARTS = 3
# Of the cloud of structures' radius: the spread out of a plane that counts, widths of the low-passes.
_FLAT = 0.1
_LEVELS = (0.16, 0.07, 0.03)
_COARSE = 0.05
# A mirrored fit must be so much better than a proper one before anyone is told that a scan is mirrored.
_MIRRORED = 3.0
_POOR = 0.1
_RADIUS_VOXELS, _FEW_PLACES = 4_000_000, 100
# Keeps an affine near a similarity where the labels do not care; per squared relative stretch.
_RIDGE = 0.1


def by_labels(
    fixed: Volume,
    fixed_labels: Volume,
    moving: Volume,
    moving_labels: Volume,
    *,
    transform: Transform = "affine",
    structures: Sequence[int] | None = None,
    order: int = 1,
    fixed_background: float | None = None,
    moving_background: float | None = None,
) -> Alignment:
    """Lay a scan onto that of another person by their label maps; see the module's text.

    The moving image and labels are resampled onto the fixed grid. Where the moving scan's field of view does
    not reach, all four are background, so that layout does not tell one from the other.

    Args:
        fixed: image (K, J, I) in any units, oblique and anisotropic as it may be.
        fixed_labels: whole numbers on its grid, 0 for background; also in another order of storage.
        moving: image of another person.
        moving_labels: on its grid; equal values name equal structures.
        transform: the most freedoms that are allowed.
        structures: label values to match; all that both have if None.
        order: interpolation of the moving image: 1 linear, 3 cubic spline. Labels are always nearest.
        fixed_background: value in the fixed image for what the moving scan did not see; its lowest if None.
        moving_background: the same in the moving image.

    Raises:
        InputError: labels on another grid, empty, with fractions or in one plane only; no common structure;
            or they match only mirrored or scaled beyond belief.
    """
    fixed_labels = on_grid_of(fixed, fixed_labels, "fixed")
    moving_labels = on_grid_of(moving, moving_labels, "moving")
    outside = (
        background_of(fixed, fixed_background, "fixed"),
        background_of(moving, moving_background, "moving"),
    )
    f, m = checked_labels(fixed_labels, "fixed"), checked_labels(moving_labels, "moving")
    values, notes = _common(f, m, structures)
    affine, kind = _fit(f, m, values, transform)
    if kind != transform:
        why = "one structure is" if len(values) == 1 else f"{len(values)} structures as they lie are"
        notes.append(f"A {kind} transform was fitted: {why} too little for one that is {transform}.")
    check_sane(affine, "labels")
    before = dice_of(moved_onto(moving_labels, np.eye(4), fixed, 0, 0), fixed_labels, values)
    moved_labels = moved_onto(moving_labels, affine, fixed, 0, 0)
    after = dice_of(moved_labels, fixed_labels, values)
    if mean(after) < _POOR:
        notes.append(
            f"The structures hardly overlap even now (mean Dice {mean(after):.2f}); check that equal values "
            "name equal structures."
        )
    view = in_view(moving, affine, fixed)
    return Alignment(
        affine=affine,
        transform=kind,
        moved=moved_onto(moving, affine, fixed, order, outside[1]),
        fixed=only_in_view(fixed, view, outside[0]),
        moved_labels=moved_labels,
        fixed_labels=only_in_view(fixed_labels, view, 0),
        dice_before=before,
        dice_after=after,
        notes=tuple(notes),
    )


def _common(fixed: Volume, moving: Volume, wanted: Sequence[int] | None) -> tuple[list[int], list[str]]:
    """The label values to match, and what to say about others."""
    one, other = counts_of(fixed), counts_of(moving)
    both = [v for v in sorted(one) if v in other and (wanted is None or v in wanted)]
    if not both:
        lists = [", ".join(map(str, sorted(c)[:8])) + (" .." if len(c) > 8 else "") for c in (one, other)]
        asked = "" if wanted is None else f" among {', '.join(map(str, wanted))}"
        raise InputError(
            f"The label maps share no structure{asked} (fixed: {lists[0]}; moving: {lists[1]}); give equal "
            "structures equal values."
        )
    kept = [v for v in both if min(one[v], other[v]) >= LEAST_VOXELS]
    if not kept:
        raise InputError(
            f"No structure that both label maps share has {LEAST_VOXELS} voxels in each; label more of them."
        )
    small = sorted(set(both) - set(kept))
    notes = [f"Too small to go by: label {', '.join(map(str, small))}."] if small else []
    for labels, what in ((fixed, "fixed"), (moving, "moving")):
        there = np.isin(labels.array, kept)
        if any(there.any(axis=axes).sum() < 2 for axes in ((1, 2), (0, 2), (0, 1))):
            raise InputError(
                f"The {what} labels lie in a single slice, which no transform of space can be found from; "
                "label several slices."
            )
    return kept, notes


def _fit(fixed: Volume, moving: Volume, values: list[int], wanted: Transform) -> tuple[FloatArray, Transform]:
    """The affine with the best overlap, and its kind."""
    radius = _radius(fixed, values)
    spacing = _COARSE * radius
    margin = 3 * _LEVELS[0] * radius
    f, m = (structures_of(labels, values, spacing, margin) for labels in (fixed, moving))
    kind = _affordable(f, m, radius, wanted)
    if len(values) >= 4:
        _refuse_mirrored(f, m)
    views = (fixed.grid, moving.grid)
    coarse, *finer = (Overlap(f, m, views, share * radius) for share in _LEVELS)
    first: Transform = "similarity" if kind == "affine" else kind
    starts = sorted(_starts(f, m, kind), key=lambda start: -coarse(start.matrix()))[:_STARTS]
    tried = [_optimised(coarse, start.projected(first), first, radius) for start in starts]
    tried += [_optimised(coarse, start, kind, radius) for start in starts[:1] if kind != first]
    best = max(tried, key=lambda start: coarse(start.matrix()))
    for overlap in (coarse, *finer) if kind != first else finer:
        best = _optimised(overlap, best, kind, radius)
    return best.matrix(), kind


def _radius(labels: Volume, values: list[int]) -> float:
    """Root mean square distance in mm of labelled places from their centre."""
    step = max(1, round((labels.array.size / _RADIUS_VOXELS) ** (1 / 3)))
    places = np.argwhere(np.isin(labels.array[::step, ::step, ::step], values)) * step
    if len(places) < _FEW_PLACES:
        places = np.argwhere(np.isin(labels.array, values))
    points = labels.grid.to_ras(places[:, ::-1])
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _affordable(
    fixed: list[Structure], moving: list[Structure], radius: float, wanted: Transform
) -> Transform:
    """The kind with the most freedoms that the structures bear, up to ``wanted``."""
    if wanted == "rigid" or len(fixed) == 1:
        return "rigid"
    if wanted == "similarity" or len(fixed) < 4:
        return "similarity"
    for structures in (fixed, moving):
        centroids = np.array([s.centroid for s in structures])
        spread = np.linalg.svd(centroids - centroids.mean(axis=0), compute_uv=False) / np.sqrt(len(centroids))
        if spread[2] < _FLAT * radius:
            return "similarity"
    return "affine"


def _refuse_mirrored(fixed: list[Structure], moving: list[Structure]) -> None:
    x, y = (np.array([s.centroid for s in group]) for group in (moving, fixed))
    proper, mirrored = (similarity_of_points(x, y, mirrored=flag)[1] for flag in (False, True))
    spread = float(np.sqrt(((y - y.mean(axis=0)) ** 2).sum(axis=1).mean()))
    if proper > _MIRRORED * mirrored and proper > 2 * _FLAT * spread:
        raise InputError(
            "The labels match only if one scan is mirrored; check left and right of both scans' geometry."
        )


def _starts(fixed: list[Structure], moving: list[Structure], kind: Transform) -> list[Start]:
    """Maps that may be near the best one, with no more freedoms than ``kind``."""
    y, x = (np.concatenate([s.points for s in group]) for group in (fixed, moving))
    weights = [np.concatenate([s.weights / s.volume for s in group]) for group in (fixed, moving)]
    target, centre = (np.average(p, axis=0, weights=w) for p, w in zip((y, x), weights, strict=True))
    axes, lengths = [], []
    for points, weight, middle in ((y, weights[0], target), (x, weights[1], centre)):
        spread = np.cov((points - middle).T, aweights=weight)
        values, vectors = np.linalg.eigh(spread)
        axes.append(vectors)
        lengths.append(float(np.sqrt(values.sum())))
    scale = lengths[0] / lengths[1]
    linear = [np.eye(3), scale * np.eye(3)]
    for signs in product((1, -1), repeat=3):
        turn = (axes[0] * signs) @ axes[1].T
        if np.linalg.det(turn) > 0:
            linear.append(scale * turn)
    p, q = (np.array([s.centroid for s in group]) for group in (moving, fixed))
    if len(p) >= 3:
        linear.append(similarity_of_points(p, q)[0])
    if kind == "affine":
        full = affine_of_points(p, q)
        if np.linalg.det(full) > 0:
            linear.append(full)
    starts = [Start(np.eye(3), centre, centre), *(Start(a, centre, target) for a in linear)]
    return [start.projected(kind) for start in starts]


def _optimised(overlap: Overlap, start: Start, kind: Transform, radius: float) -> Start:
    """The start at the best map near it."""

    def loss(numbers: FloatArray) -> float:
        ridge = 0.0
        if kind == "affine":
            stretch = numbers[6:] / radius
            uneven = stretch[:3] - stretch[:3].mean()
            ridge = _RIDGE * float((uneven**2).sum() + 2 * (stretch[3:] ** 2).sum())
        return ridge - overlap(start.moved(numbers, radius))

    # One step of the difference quotient: far above rounding, far below a voxel.
    numbers = _minimum(loss, freedoms(kind), step=1e-3 * overlap.sigma_mm, unit=overlap.sigma_mm)
    return start.from_matrix(start.moved(numbers, radius))


def _minimum(loss: Callable[[FloatArray], float], count: int, step: float, unit: float) -> FloatArray:
    found = minimize(
        lambda x: loss(unit * x),
        np.zeros(count),
        method="L-BFGS-B",
        options={"eps": step / unit, "maxiter": 60, "ftol": 1e-6},
    )
    return np.asarray(unit * found.x)
