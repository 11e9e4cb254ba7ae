"""Reading one scan: a NIfTI, NRRD or MetaImage file, or a folder of DICOM slices."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume.dicom import read_dicom
from SynthLogic.volume.headers import Checked, check_meta, check_nifti, check_nrrd, many, not_finite, sheared
from SynthLogic.volume.itk_image import volume_from_image
from SynthLogic.volume.names import check_name
from SynthLogic.volume.scan import Scan, ScanMeta, content_hash
from SynthLogic.volume.volume import Volume

FORMATS: dict[str, tuple[str, str, Callable[[Path], Checked]]] = {
    ".nii.gz": ("NIfTI", "NiftiImageIO", check_nifti),
    ".nii": ("NIfTI", "NiftiImageIO", check_nifti),
    ".nrrd": ("NRRD", "NrrdImageIO", check_nrrd),
    ".mha": ("MetaImage", "MetaImageIO", check_meta),
}


def extension(path: Path) -> str | None:
    """Return the file name's extension if it is one of ``FORMATS``."""
    return next((e for e in FORMATS if path.name.lower().endswith(e)), None)


def read_volume(path: str | os.PathLike[str]) -> Scan:
    """Read a scan and check that it is whole, three-dimensional, scalar, finite and placed in space.

    Args:
        path: a .nii, .nii.gz, .nrrd or .mha file, or a folder that holds one DICOM series.

    Returns:
        The scan. Integer voxels keep their type, float64 becomes float32; the array may be read-only.

    Raises:
        InputError: whatever is wrong, in one sentence that says what to do.
    """
    path = Path(path)
    try:
        check_name(path, InputError, folder=path.is_dir())
        if path.is_dir():
            volume, meta = read_dicom(path)
        else:
            volume, meta = _read_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{path.name} cannot be read ({reason}); check that it exists and that you may open it."
        ) from None
    if not _is_finite(volume.array):
        raise not_finite(path)
    return Scan(volume, meta, content_hash(volume))


def _read_file(path: Path) -> tuple[Volume, ScanMeta]:
    if not path.exists():
        raise InputError(f"{path.name} does not exist; check the path.")
    found = extension(path)
    if found is None:
        raise InputError(
            f"{path.name} is not a .nii, .nii.gz, .nrrd or .mha file; convert it, or give a folder with one"
            " DICOM series."
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty; copy or export it again.")
    name, reader_name, check = FORMATS[found]
    checked = check(path)
    with ThreadPoolExecutor(1) as pool:
        # Both unpack all voxels; side by side they take as long as one of them.
        voxels = pool.submit(checked.voxels)
        try:
            image = _image(path, reader_name)
        except RuntimeError:
            voxels.result()  # which knows better what is wrong
            raise InputError(
                f"{path.name} cannot be read: it is damaged or of a variant that is not supported; export it"
                " again."
            ) from None
        voxels.result()
    volume = volume_from_image(image)
    if volume.grid.is_sheared:
        raise sheared(path)
    return volume, ScanMeta("file", name, None, volume.array.dtype.name, checked.notes)


def _image(path: Path, reader_name: str) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetGlobalWarningDisplay(False)
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    dimension = reader.GetDimension()
    size = list(reader.GetSize())
    if dimension > 3:
        # Only trailing axes of length one come here; take their single image.
        reader.SetExtractSize([*size[:3], *[0] * (dimension - 3)])
    if reader.GetNumberOfComponents() != 1:
        raise many(path, "more than one number per voxel")
    if reader.GetPixelID() == sitk.sitkFloat64:
        reader.SetOutputPixelType(sitk.sitkFloat32)
    return reader.Execute()


def _is_finite(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "f" or all(np.isfinite(plane).all() for plane in array)
