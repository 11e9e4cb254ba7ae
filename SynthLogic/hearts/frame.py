"""Where a heart lies: its long axis, its apex, its septum; from its labels, in patient space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.volume import Volume

FloatArray = NDArray[np.float64]

TO_APEX: FloatArray = np.array([-0.62, 0.52, -0.58])
"""From base to apex in a typical patient, RAS; decides only where the labels do not."""
TO_SEPTUM: FloatArray = np.array([0.75, 0.6, -0.1])
"""From the left ventricle to the right one, likewise."""

_STACK_RATIO = 1.25
_THICK_MM = 6.0
_ALONG_AXIS = np.cos(np.radians(10))
_ACROSS = np.cos(np.radians(45))
_UNDECIDED = 0.03
_ELONGATED, _BARELY_ELONGATED = 1.3, 1.1
# A part of a heart may be wider than long, and open to the side at the base: how slices lie is told by its
# wall on a few of them, and by its cavity on several, if it is long.
_A_FEW, _SEVERAL, _CLEARLY_ELONGATED = 3, 5, 1.45


@dataclass(frozen=True, eq=False)
class Points:
    """The labelled voxels: centres (N, 3) in RAS mm, and their labels (N,)."""

    ras: FloatArray
    values: NDArray[np.uint8]

    @classmethod
    def of(cls, labels: Volume) -> Points:
        """The points of a label map of at least one labelled voxel."""
        found = np.nonzero(labels.array)
        return cls(labels.grid.to_ras(np.stack(found[::-1], axis=1)), labels.array[found])

    def centre(self, *wanted: HeartLabel) -> FloatArray | None:
        """Centre of gravity of all voxels with one of these labels; None without such voxels."""
        chosen = np.isin(self.values, wanted)
        return np.asarray(self.ras[chosen].mean(axis=0)) if chosen.any() else None

    @property
    def left_ventricle(self) -> NDArray[np.bool_]:
        """Which points are cavity or myocardium; all points where none is."""
        left = np.isin(self.values, (HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM))
        return left if left.any() else np.ones(len(left), bool)

    @property
    def cavity(self) -> NDArray[np.bool_]:
        """Which points are LV cavity; without any, ``left_ventricle``."""
        found = self.values == HeartLabel.LV_CAVITY
        return found if found.any() else self.left_ventricle


def stack_axis(labels: Volume, points: Points) -> tuple[int | None, FloatArray]:
    """The axis (0 I, 1 J, 2 K) whose slices are taken as they are or None, and the slices' unit normal.

    A stack's slices lie further apart than its pixels. Up to 6 mm apart they must also lie across the heart,
    as they do not in an axial CT; without such slices the heart's own long axis is the normal, or an axis of
    the array that runs within 10 degrees of it.
    """
    spacing, direction = np.asarray(labels.spacing), labels.grid.direction
    normals = _normals(direction)
    thickest = int(spacing.argmax())
    ratio = spacing[thickest] / np.delete(spacing, thickest).max()
    single = [axis for axis in range(3) if labels.shape[2 - axis] == 1]
    if len(single) == 1:
        return single[0], normals[single[0]]
    if ratio >= _STACK_RATIO and spacing[thickest] >= _THICK_MM:
        return thickest, normals[thickest]
    long = _long_axis(labels, points)
    if ratio >= _STACK_RATIO and (long is None or abs(long @ normals[thickest]) >= _ACROSS):
        return thickest, normals[thickest]
    if long is None:
        return None, normals[2]
    nearest = int(np.abs(normals @ long).argmax())
    return None, normals[nearest] if abs(long @ normals[nearest]) >= _ALONG_AXIS else long


def tilt_degrees(stack: Volume) -> float | None:
    """Angle between the normal of slices and the heart's long axis, 0 to 90; None where labels do not tell.

    The mean of what the shape of the cavity and the opening of its wall say: either alone is off by some 10
    degrees. A few slices, from whatever part of a heart, say little and are never far off.

    Args:
        stack: values of ``HeartLabel``; slices along K.
    """
    points = Points.of(stack)
    cavity = points.ras[points.values == HeartLabel.LV_CAVITY]
    slices = int(stack.array.any(axis=(1, 2)).sum())
    axes = [_opening(stack) if slices >= _A_FEW else None]
    if len(cavity) >= 4 and slices >= _SEVERAL:
        elongation, longest = _elongation(cavity)
        axes += [longest] if elongation >= _CLEARLY_ELONGATED else []
    cosines = [abs(float(axis @ _normals(stack.grid.direction)[2])) for axis in axes if axis is not None]
    return float(np.degrees(np.arccos(np.clip(cosines, 0, 1))).mean()) if cosines else None


def to_base(points: Points, normal: FloatArray) -> FloatArray:
    """``normal`` or its opposite, whichever runs from apex to base.

    The cavity is wider towards the base, and the right ventricle lies there; where both say little, the
    apex is where it is in most patients.
    """
    along = points.ras @ normal
    left = along[points.left_ventricle]
    low, high = left.min(), left.max()
    if high - low > 1e-6:
        score = (along[points.cavity].mean() - (low + high) / 2) / (high - low)
        right = points.values == HeartLabel.RV_CAVITY
        if right.any():
            score += 0.5 * np.clip((along[right].mean() - (low + high) / 2) / (high - low), -0.5, 0.5)
        if abs(score) >= _UNDECIDED:
            return normal if score > 0 else -normal
    return -normal if normal @ TO_APEX > 0 else normal


def to_septum(points: Points, normal: FloatArray) -> FloatArray:
    """Unit vector in the slices from the left ventricle to the right one."""
    candidates = [TO_SEPTUM, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])]
    right = points.centre(HeartLabel.RV_CAVITY)
    left = points.ras[points.cavity].mean(axis=0)
    if right is not None:
        # Only 5 mm apart, the two centres would say little about a direction.
        candidates.insert(0, (right - left) / max(5.0, float(np.linalg.norm(right - left))))
    best = None
    for direction in candidates:
        across = direction - (direction @ normal) * normal
        length = float(np.linalg.norm(across))
        if best is None or length > 0.3:
            best = across / max(length, 1e-9)
        if length > 0.3:
            break
    assert best is not None
    return best


def _normals(direction: FloatArray) -> FloatArray:
    """Row n: unit normal of the slices stacked along axis n, on the side that the axis points to."""
    rows = np.linalg.inv(direction)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _long_axis(labels: Volume, points: Points) -> FloatArray | None:
    """Unit vector along the left ventricle; None where the labels are too round to tell."""
    ras = points.ras[points.cavity]
    if len(ras) < 4:
        return None
    elongation, longest = _elongation(ras)
    if elongation >= _ELONGATED:
        return longest
    opening = _opening(labels)
    if opening is not None:
        return opening
    return longest if elongation >= _BARELY_ELONGATED else None


def _elongation(ras: FloatArray) -> tuple[float, FloatArray]:
    """How many times longer than wide points (N, 3) are, and the unit vector along them."""
    variances, vectors = np.linalg.eigh(np.cov((ras - ras.mean(axis=0)).T))
    return float(np.sqrt(variances[2] / max(variances[1], 1e-9))), np.asarray(vectors[:, 2])


def _opening(labels: Volume) -> FloatArray | None:
    """Mean direction in which the cavity is not covered by myocardium: towards the base.

    On hearts as wide as long this is far nearer to the axis than the cavity's longest direction.
    """
    padded = np.pad(labels.array, 1)
    cavity = padded == HeartLabel.LV_CAVITY
    bare = ~cavity & (padded != HeartLabel.MYOCARDIUM)
    if not cavity.any() or not (padded == HeartLabel.MYOCARDIUM).any():
        return None
    # A row per axis: the area, as a vector, of a voxel's face on that side.
    faces = np.linalg.inv(labels.ijk_to_ras[:3, :3]) * abs(np.linalg.det(labels.ijk_to_ras[:3, :3]))
    total, area = np.zeros(3), 0.0
    for axis in range(3):
        for sign in (1, -1):
            count = int((cavity & np.roll(bare, -sign, axis=2 - axis)).sum())
            total += sign * count * faces[axis]
            area += count * float(np.linalg.norm(faces[axis]))
    length = float(np.linalg.norm(total))
    return total / length if length > 0.3 * area else None
