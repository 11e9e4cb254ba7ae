"""Between SimpleITK images and volumes, without copies where ITK allows it."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk

from SynthLogic.errors import InputError
from SynthLogic.volume.lps import lps_from_matrix, matrix_from_lps
from SynthLogic.volume.volume import Volume


@contextmanager
def kept_locale() -> Iterator[None]:
    """Leave the process's locale as it was.

    ITK's DICOM goes over to the C locale while it works; from several threads at once it may stay there, and
    text from other programs is then no longer read as UTF-8.
    """
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


class _Held:
    """Voxels inside an ITK image; the array made of this keeps the image alive."""

    def __init__(self, image: sitk.Image) -> None:
        self.image = image
        self.__array_interface__: dict[str, Any] = sitk.GetArrayViewFromImage(image).__array_interface__


def volume_from_image(image: sitk.Image) -> Volume:
    """Return a three-dimensional scalar image as a volume; its array is a read-only view of the image."""
    matrix = matrix_from_lps(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(np.asarray(_Held(image)), matrix)


def image_from_volume(volume: Volume) -> sitk.Image:
    """Return a volume as an ITK image (a copy).

    Raises:
        InputError: sheared axes, which an ITK image file cannot hold.
    """
    if volume.grid.is_sheared:
        raise InputError("The image has sheared axes; resample it onto straight axes (harden its transform).")
    array = volume.array
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    elif array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    spacing, origin, direction = lps_from_matrix(volume.ijk_to_ras)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image
