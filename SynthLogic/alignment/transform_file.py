"""An affine as a transform file that 3D Slicer and every program built on ITK read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SynthLogic.alignment.motion import inverse_of
from SynthLogic.errors import InputError, OutputError
from SynthLogic.volume.grid import FloatArray, checked_matrix
from SynthLogic.volume.lps import lps_from_motion

ENDINGS = (".tfm", ".h5")


def itk_transform(affine: FloatArray) -> sitk.AffineTransform:
    """ITK's transform of an alignment: LPS mm, from a place in the fixed scan to that in the moving one.

    ITK asks for every voxel of the output where in the input it comes from; so
    ``sitk.Resample(moving, fixed, transform)`` lays the moving scan onto the fixed one, and in Slicer, which
    turns ITK's files the other way round on loading, a moving scan under the transform lies on the fixed one.

    Args:
        affine: 4x4, from the moving to the fixed scan, RAS mm to RAS mm.
    """
    matrix = lps_from_motion(inverse_of(affine))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def write_transform(path: Path, affine: FloatArray) -> None:
    """Write an alignment's affine; the ending decides on ITK's text (.tfm) or HDF5 (.h5).

    Args:
        path: where to; its folder must exist.
        affine: 4x4, from the moving to the fixed scan, RAS mm to RAS mm.

    Raises:
        OutputError: another ending, or the file cannot be written.
    """
    check_transform_name(path)
    try:
        sitk.WriteTransform(itk_transform(affine), str(path))
    except RuntimeError:
        raise OutputError(
            f"{path.name} cannot be written; free some space or choose another folder."
        ) from None


def check_transform_name(path: Path) -> None:
    """Raise ``OutputError`` if the ending is none of ``ENDINGS``."""
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"{path.name} ends in no known format of transforms; name it .tfm or .h5.")


def read_transform(path: Path) -> FloatArray:
    """The affine (moving to fixed, RAS mm to RAS mm, 4x4) of a linear ITK transform file.

    Raises:
        InputError: not readable, or not linear.
    """
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError:
        raise InputError(
            f"{path.name} cannot be read as an ITK transform; give a .tfm or .h5 file."
        ) from None
    if transform.GetDimension() != 3 or not transform.IsLinear():
        raise InputError(f"{path.name} is not a linear transform of space; give a linear one.")
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis in range(3):
        matrix[:3, axis] = np.asarray(transform.TransformPoint(np.eye(3)[axis].tolist())) - matrix[:3, 3]
    return inverse_of(lps_from_motion(checked_matrix(matrix, path.name)))
