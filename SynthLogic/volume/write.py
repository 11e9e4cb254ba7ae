"""Writing a volume: whole or not at all, and marked."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import SimpleITK as sitk

from SynthLogic.errors import InputError, OutputError
from SynthLogic.volume.itk_image import image_from_volume
from SynthLogic.volume.names import check_name
from SynthLogic.volume.read import FORMATS, extension
from SynthLogic.volume.volume import Volume

_DESCRIP = slice(148, 228)
_BLOCK = 4 << 20


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise ``OutputError`` if ``write_volume`` could not write there, so that a run fails early.

    Raises:
        OutputError: unknown extension, missing or unwritable folder, a folder in the file's place, or a name
            that is not valid UTF-8.
    """
    path = Path(path)
    # With all folders: files are prepared under absolute names.
    check_name(path.absolute(), OutputError)
    if extension(path) is None:
        raise OutputError(f"{path.name} ends in no known format; name it .nii, .nii.gz, .nrrd or .mha.")
    if not path.parent.is_dir():
        raise OutputError(f"The folder for {path.name} does not exist; create it first.")
    if path.is_dir():
        raise OutputError(f"{path.name} is a folder; give a file name.")
    with _failing_as_output(path):
        descriptor, probe = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        os.close(descriptor)
        os.unlink(probe)


def write_volume(path: str | os.PathLike[str], volume: Volume, mark: str | None = None) -> None:
    """Write a volume; the extension decides on .nii, .nii.gz, .nrrd or .mha.

    The file appears under its name only when it is complete; after any failure, a cancel included,
    neither it nor a temporary file is left and a file that was there before is as it was. Voxels come
    back bit by bit, the matrix to 1e-6 (NIfTI: float32, sform and qform alike).

    Args:
        path: where to; its folder must exist.
        volume: with straight axes, left-handed ones included.
        mark: text for NIfTI's ``descrip`` (79 bytes of ASCII at most), or the field "Comment" of NRRD
            and MetaImage.

    Raises:
        OutputError: as ``check_writable``; full disk.
        InputError: sheared axes.
    """
    path = Path(path)
    check_writable(path)
    ending = extension(path)
    assert ending is not None
    image = image_from_volume(volume)
    with (
        _failing_as_output(path),
        tempfile.TemporaryDirectory(prefix=f".{path.name[:40]}.", dir=path.parent) as folder,
    ):
        if ending.startswith(".nii"):
            made = Path(folder, "volume.nii")
            _save(image, made, compress=False)
            _mark_nifti(made, mark or "", volume.array.nbytes)
            if ending == ".nii.gz":
                plain, made = made, Path(folder, "volume.nii.gz")
                _gzip(plain, made)
        else:
            if mark:
                image.SetMetaData("Comment", " ".join(mark.split()))
            made = Path(folder, f"volume{ending}")
            _save(image, made, compress=True)
            _check_complete(made)
        os.replace(made, path)


@contextlib.contextmanager
def _failing_as_output(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise OutputError(
            f"{path.name} cannot be written ({reason}); free some space or choose another folder."
        ) from None


def _save(image: sitk.Image, path: Path, compress: bool) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetGlobalWarningDisplay(False)
    writer.SetFileName(str(path))
    writer.SetUseCompression(compress)
    writer.SetCompressionLevel(1)
    writer.Execute(image)


def _mark_nifti(path: Path, mark: str, voxel_bytes: int) -> None:
    # ITK neither fills this field nor notices a disk that fills up while it writes NIfTI.
    if path.stat().st_size < 352 + voxel_bytes:
        raise OSError(None, "the disk is full")
    text = mark.encode("ascii", "replace")[:79]
    with path.open("r+b") as stream:
        stream.seek(_DESCRIP.start)
        stream.write(text.ljust(_DESCRIP.stop - _DESCRIP.start, b"\0"))


def _check_complete(path: Path) -> None:
    ending = extension(path)
    assert ending is not None
    try:
        FORMATS[ending][2](path)
    except InputError:
        raise OSError(None, "the disk is full") from None


def _gzip(source: Path, target: Path) -> None:
    """Compress at level 1 on all cores; one gzip member, the same bytes however many cores there are."""

    def pack(block: bytes) -> bytes:
        packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)

    checksum = length = 0
    workers = min(8, os.cpu_count() or 1)
    with source.open("rb") as stream, target.open("wb") as out, ThreadPoolExecutor(workers) as pool:
        out.write(b"\x1f\x8b\x08\0\0\0\0\0\x04\xff")
        while blocks := [b for b in (stream.read(_BLOCK) for _ in range(workers)) if b]:
            waiting = [pool.submit(pack, b) for b in blocks]
            for block in blocks:
                checksum = zlib.crc32(block, checksum)
                length += len(block)
            for packed in waiting:
                out.write(packed.result())
        end = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        out.write(end.flush(zlib.Z_FINISH))
        out.write(checksum.to_bytes(4, "little") + (length % (1 << 32)).to_bytes(4, "little"))
