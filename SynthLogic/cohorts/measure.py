"""Checks a subject that was made, takes its place in the scanner away, and measures its structures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume import Volume, label_fault


def checked(image: Volume, labels: Volume, names: Mapping[str, int], neutral: bool) -> tuple[Volume, Volume]:
    """Return image and labels (uint8) on exactly one grid.

    Args:
        image: voxels (K, J, I).
        labels: on the image's grid to a thousandth of a mm.
        names: name -> value of every label there may be.
        neutral: give both a grid that tells no more than spacing and handedness: a patient's stack has its
            own place and tilt, digit for digit as in the scan's header.

    Raises:
        InputError: different grids, voxels that are not finite, unknown labels, or nothing labelled.
    """
    if not labels.grid.is_close(image.grid):
        raise InputError("Its image and its labels lie on different grids; make both on one.")
    if image.array.dtype.kind == "f" and not np.isfinite(image.array).all():
        raise InputError("Its image has voxels that are no numbers; look at the labels it was painted from.")
    values = _whole(labels.array)
    found = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    unknown = sorted(set(found.tolist()) - set(names.values()))
    if unknown:
        expected = ", ".join(f"{value} {name}" for name, value in names.items())
        raise InputError(f"Its labels hold {', '.join(map(str, unknown))}; expected are {expected}.")
    if found.tolist() == [0]:
        raise InputError("None of its voxels is labelled; look at the parents' segmentations.")
    matrix = _neutral(image) if neutral else image.ijk_to_ras
    return Volume(image.array, matrix), Volume(values, matrix)


def volumes_ml(labels: Volume, names: Mapping[str, int]) -> dict[str, float]:
    """Volume of each structure but the background in ml, to a thousandth, by the rule of the records.

    From the middle of the first labelled slice to that of the last (trapezoid rule), so that a stack of 9
    slices and one of 32 over the same length are alike; a single slice counts with its whole thickness.
    """
    array = labels.array
    labelled = np.flatnonzero(array.any(axis=(1, 2)))
    stack = array[labelled[0] : labelled[-1] + 1] if len(labelled) else array[:0]
    weight = np.ones(len(stack))
    if len(stack) > 1:
        weight[[0, -1]] = 0.5
    voxel = abs(float(np.linalg.det(labels.ijk_to_ras[:3, :3]))) / 1000
    return {
        name: round(float((stack == value).sum(axis=(1, 2)) @ weight) * voxel, 3)
        for name, value in names.items()
        if value
    }


def _whole(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    fault = label_fault(array)
    if fault == "fractions":
        raise InputError("Its labels are no whole numbers; give a label map, not an image.")
    if fault == "range":
        raise InputError("Its labels go beyond 0 to 255; give a label map.")
    return array.astype(np.uint8)


def _neutral(volume: Volume) -> NDArray[np.float64]:
    """Axes along those of the patient in general, the middle at 0; a mirror image stays one."""
    step = np.round(np.array(volume.spacing), 4)
    if np.linalg.det(volume.ijk_to_ras[:3, :3]) < 0:
        step[0] *= -1
    matrix = np.diag([*step, 1.0])
    matrix[:3, 3] = -step * (np.array(volume.shape[::-1]) - 1) / 2
    return matrix
