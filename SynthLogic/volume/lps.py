"""The only place that knows ITK's and DICOM's LPS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SynthLogic.volume.grid import FloatArray

_FLIP = np.diag([-1.0, -1.0, 1.0])


def matrix_from_lps(
    spacing: Sequence[float], origin: Sequence[float], direction: Sequence[float]
) -> FloatArray:
    """Return the 4x4 IJK-to-RAS of an ITK geometry (direction row by row, columns are the axes)."""
    matrix = np.eye(4)
    matrix[:3, :3] = _FLIP @ np.reshape(np.asarray(direction, float), (3, 3)) * np.asarray(spacing, float)
    matrix[:3, 3] = _FLIP @ np.asarray(origin, float)
    return matrix


def lps_from_matrix(
    matrix: FloatArray,
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return ITK's spacing, origin and direction (row by row) of an IJK-to-RAS."""
    axes = _FLIP @ matrix[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    origin = _FLIP @ matrix[:3, 3]
    return tuple(spacing.tolist()), tuple(origin.tolist()), tuple((axes / spacing).ravel().tolist())


def matrix_from_lps_matrix(matrix: FloatArray) -> FloatArray:
    """Return the 4x4 IJK-to-RAS of a 4x4 from indices to LPS."""
    result = matrix.copy()
    result[:3] = _FLIP @ matrix[:3]
    return result


def lps_from_motion(matrix: FloatArray) -> FloatArray:
    """Return the 4x4 from LPS to LPS of a 4x4 from RAS to RAS, both in mm; its own inverse."""
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    return np.asarray(turn @ matrix @ turn)
