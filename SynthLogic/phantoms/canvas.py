"""Painting implicit shapes into a voxel grid, with partial volume.

A voxel holds two labels and the fraction of the first. Shapes are signed distances in mm (negative inside);
each is painted over what is there, the edge as a ramp one voxel wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

Box = tuple[slice, slice, slice]
Point = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Truth:
    """What is where: ``label`` and ``other`` (K, J, I) uint8 and ``fraction`` of ``label`` in 0.5 to 1."""

    label: np.ndarray
    other: np.ndarray
    fraction: np.ndarray

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Mix ``values`` (one per label) by the fractions; returns (K, J, I) float32."""
        first = values.astype(np.float32)[self.label]
        second = values.astype(np.float32)[self.other]
        return second + self.fraction * (first - second)


@dataclass
class Canvas:
    """A voxel grid in patient coordinates.

    ``x`` (right), ``y`` (anterior), ``z`` (superior) are float32 (K, J, I) in mm, with pose and shape noise
    already in them; ``to_index`` maps an undistorted patient point (x, y, z) to (i, j, k), and ``slack`` (mm)
    is how far the distortion may move a point. ``edge`` is the width of the partial-volume ramp in mm.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    to_index: np.ndarray
    edge: float
    slack: float
    label: np.ndarray = field(init=False)
    other: np.ndarray = field(init=False)
    fraction: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.label = np.zeros(self.x.shape, np.uint8)
        self.other = np.zeros(self.x.shape, np.uint8)
        self.fraction = np.ones(self.x.shape, np.float32)

    @property
    def truth(self) -> Truth:
        """The finished painting."""
        return Truth(self.label, self.other, self.fraction)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size (I, J, K) in mm of the patient coordinates."""
        i, j, k = np.linalg.norm(np.linalg.inv(self.to_index)[:3, :3], axis=0)
        return float(i), float(j), float(k)

    def copy(self) -> Canvas:
        """The same painting, to be continued apart; the coordinates are shared."""
        other = Canvas(self.x, self.y, self.z, self.to_index, self.edge, self.slack)
        other.label, other.other, other.fraction = (a.copy() for a in (self.label, self.other, self.fraction))
        return other

    def box(self, low: Point, high: Point, margin: float = 0.0) -> Box:
        """Index box that surely holds the patient box ``low`` to ``high`` (mm)."""
        margin += self.slack + self.edge
        corners = np.array([[a, b, c] for a in (low[0] - margin, high[0] + margin)
                            for b in (low[1] - margin, high[1] + margin)
                            for c in (low[2] - margin, high[2] + margin)])  # fmt: skip
        return self.box_round(corners)

    def box_round(self, points: np.ndarray) -> Box:
        """Index box that holds the patient ``points`` (N, 3) in mm, cut to the canvas; no margin."""
        index = points @ self.to_index[:3, :3].T + self.to_index[:3, 3]
        first = np.floor(index.min(0)).astype(int)[::-1]
        last = np.ceil(index.max(0)).astype(int)[::-1] + 1
        k, j, i = (
            slice(max(0, a), max(0, min(n, b))) for a, b, n in zip(first, last, self.x.shape, strict=True)
        )
        return k, j, i

    def paint(
        self, label: int, distance: np.ndarray, box: Box | None = None, only: np.ndarray | None = None
    ) -> None:
        """Paint where ``distance`` (mm, of the box's shape) is negative; ``only`` limits it to a mask."""
        place: Box = box or (slice(None), slice(None), slice(None))
        alpha = np.clip(0.5 - distance / self.edge, 0.0, 1.0)
        if only is not None:
            alpha = np.where(only, alpha, 0)
        here, there, share = self.label[place], self.other[place], self.fraction[place]
        inside = alpha >= 0.5
        rim = (alpha > 0) & ~inside
        there[inside] = here[inside]
        here[inside] = label
        share[inside] = alpha[inside]
        there[rim] = label
        share[rim] = 1 - alpha[rim]

    def ellipsoid(self, label: int, centre: Point, radii: Point, axes: np.ndarray | None = None) -> None:
        """Paint an ellipsoid; the rows of ``axes`` (3x3) are its own axes in patient space."""
        reach = max(radii)
        box = self.box([c - reach for c in centre], [c + reach for c in centre])
        self.paint(label, self.ellipsoid_distance(centre, radii, axes, box), box)

    def ellipsoid_distance(
        self, centre: Point, radii: Point, axes: np.ndarray | None, box: Box | None = None
    ) -> np.ndarray:
        """Signed distance (mm) to an ellipsoid, first order near the surface."""
        u, v, w = self.local(centre, axes, box)
        a, b, c = radii
        size = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
        slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + (w / c**2) ** 2)
        return (size - 1) * size / np.maximum(slope, 1e-6)

    def local(
        self, centre: Point, axes: np.ndarray | None, box: Box | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates (mm) along the rows of ``axes``, from ``centre``."""
        place: Box = box or (slice(None), slice(None), slice(None))
        p = (self.x[place] - centre[0], self.y[place] - centre[1], self.z[place] - centre[2])
        if axes is None:
            return p
        a = axes.astype(np.float32)
        u, v, w = (a[n, 0] * p[0] + a[n, 1] * p[1] + a[n, 2] * p[2] for n in range(3))
        return u, v, w

    def tube(self, label: int, path: np.ndarray, radii: Point | float, grow: float = 0.0) -> None:
        """Paint a tube along ``path`` (N, 3) in mm with a radius per point; ``grow`` adds to the radius."""
        points = np.asarray(path, float)
        sizes = np.broadcast_to(np.asarray(radii, float), len(points)) + grow
        for p, q, r, s in zip(points[:-1], points[1:], sizes[:-1], sizes[1:], strict=True):
            reach = max(r, s)
            box = self.box(np.minimum(p, q), np.maximum(p, q), reach)
            if any(part.stop <= part.start for part in box):
                continue
            u, v, w = self.local(p, None, box)
            along = q - p
            length = float(along @ along) or 1e-9
            t = np.clip((u * along[0] + v * along[1] + w * along[2]) / length, 0, 1).astype(np.float32)
            gap = np.sqrt((u - t * along[0]) ** 2 + (v - t * along[1]) ** 2 + (w - t * along[2]) ** 2)
            self.paint(label, gap - (r + t * (s - r)), box)


def smooth_path(points: Sequence[Point] | np.ndarray, steps: int = 6) -> np.ndarray:
    """Catmull-Rom curve through ``points``; returns (N, 3) with ``steps`` points a segment."""
    p = np.asarray(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        parts.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.vstack([*parts, p[-2:-1]])


def smooth_noise(
    shape: tuple[int, int, int], scale: float, spacing: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    """Smooth random field (K, J, I) float32, mean 0 and standard deviation 1, correlated over ``scale`` mm.

    ``spacing`` is (I, J, K) in mm.
    """
    coarse = [
        max(4, int(np.ceil(n * s / scale)) + 3) for n, s in zip(shape, tuple(spacing)[::-1], strict=True)
    ]
    field_ = random.standard_normal(coarse).astype(np.float32)
    field_ = ndimage.gaussian_filter(field_, 0.7, mode="reflect")
    for axis, n in enumerate(shape):  # separable and linear, twice smoothed: much faster than one cubic zoom
        position = np.linspace(0.5, field_.shape[axis] - 1.5, n, dtype=np.float32)
        low = np.floor(position).astype(int)
        t = position - low
        t = (t * t * (3 - 2 * t)).reshape([-1 if a == axis else 1 for a in range(3)])
        first, second = np.take(field_, low, axis), np.take(field_, low + 1, axis)
        field_ = first + t * (second - first)
    field_ -= field_.mean()
    return (field_ / max(float(field_.std()), 1e-6)).astype(np.float32)


def warp(image: np.ndarray, displacement: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Value of ``image`` (K, J, I) at p + ``displacement`` (3, K, J, I; x, y, z in mm), linear, float32.

    ``spacing`` is (I, J, K) in mm; axes I, J, K run along x, y, z.
    """
    k, j, i = (np.arange(n, dtype=np.float32) for n in image.shape)
    at = np.stack([
        k[:, None, None] + displacement[2] / np.float32(spacing[2]),
        j[None, :, None] + displacement[1] / np.float32(spacing[1]),
        i[None, None, :] + displacement[0] / np.float32(spacing[0]),
    ])  # fmt: skip
    return ndimage.map_coordinates(image, at, output=np.float32, order=1, mode="nearest")


def pose_canvas(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    tilt: Sequence[float],
    shift: Point,
    amount: float,
    random: np.random.Generator,
    displacement: np.ndarray | None = None,
) -> Canvas:
    """Canvas for a body on a (K, J, I) grid of ``spacing`` (I, J, K) mm, centred on the body's origin.

    The body is turned by ``tilt`` (degrees about x, y, z), moved by ``shift`` (mm) and its form bent by
    smooth noise of ``amount`` mm. ``displacement`` (3, K, J, I) in mm is added to the patient coordinates
    (x, y, z) before painting: the voxel at p shows what lies at p + displacement(p).
    """
    k, j, i = (((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
               for n, s in zip(shape, spacing[::-1], strict=True))  # fmt: skip
    rotation = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(tilt)):
        rotation = turn_about(axis, angle) @ rotation
    world = list(np.broadcast_arrays(i[None, None, :], j[None, :, None], k[:, None, None]))
    noise = [smooth_noise(shape, 55, spacing, random) for _ in range(3)]
    if displacement is not None:
        world = [w + d for w, d in zip(world, displacement, strict=True)]
        noise = [warp(n, displacement, spacing) for n in noise]
    shifted = [w - np.float32(t) for w, t in zip(world, shift, strict=True)]
    m = rotation.astype(np.float32)
    moved = [
        m[n, 0] * shifted[0] + m[n, 1] * shifted[1] + m[n, 2] * shifted[2]
        + np.float32(amount) * noise[n]
        for n in range(3)
    ]  # fmt: skip
    to_index = np.eye(4)
    scale = np.diag(1 / np.array(spacing))
    to_index[:3, :3] = scale @ rotation.T
    to_index[:3, 3] = scale @ np.array(shift) + (np.array(shape[::-1]) - 1) / 2
    slack = 4 * amount + (float(np.abs(displacement).max()) if displacement is not None else 0)
    x, y, z = moved
    return Canvas(x, y, z, to_index=to_index, edge=float(np.mean(spacing)), slack=slack)


def turn_about(axis: int, angle: float) -> np.ndarray:
    """Rotation (3x3) about x, y or z (``axis`` 0 to 2) by ``angle`` radians."""
    c, q = np.cos(angle), np.sin(angle)
    turn = np.eye(3)
    p, r = [n for n in range(3) if n != axis]
    turn[[p, p, r, r], [p, r, p, r]] = c, -q, q, c
    return turn
