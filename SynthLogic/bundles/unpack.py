"""Bring a bundle from a folder or a zip into an empty folder, trusting nothing of what it claims."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from SynthLogic.bundles.bundle import CLUTTER, Bundle, files_in
from SynthLogic.bundles.card import CARD_FILE
from SynthLogic.bundles.card_types import safe_path
from SynthLogic.errors import BundleError, OutputError

MAX_FILES = 256
MAX_BYTES = 4 * 2**30
_CHUNK = 2**20


def unpack(source: Path, target: Path) -> None:
    """Copy or unzip the bundle ``source`` into the new folder ``target``.

    Raises:
        BundleError: no bundle, a damaged or encrypted zip, a path that leads out of the folder, a link, or
            more than ``MAX_FILES`` files or ``MAX_BYTES`` bytes.
        OutputError: ``target`` cannot be written.
    """
    if source.is_dir():
        _copy(source, target)
    elif source.is_file() and zipfile.is_zipfile(source):
        _unzip(source, target)
    elif source.exists():
        raise BundleError(
            f"{source.name!r} is neither a folder nor a zip file; name a bundle's folder or zip."
        )
    else:
        raise BundleError(f"There is no {source.name!r} to import; check the path.")


def _copy(source: Path, target: Path) -> None:
    # Looked through before the first byte is copied, so that a wrong folder is refused at once.
    Bundle.open(source).verify_files()
    budget = _Budget()
    for path in files_in(source):
        budget.count_file()
        place = target / _checked(path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with (source / path).open("rb") as stream, place.open("xb") as out:
                while chunk := stream.read(_CHUNK):
                    budget.count_bytes(len(chunk))
                    out.write(chunk)
        except OSError as error:
            raise OutputError(f"The bundle cannot be copied into the store ({error.strerror}).") from error


def _unzip(source: Path, target: Path) -> None:
    budget = _Budget()
    try:
        with zipfile.ZipFile(source) as archive:
            for info, path in _entries(archive):
                budget.count_file()
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                # What the archive says about sizes may be a lie: the bytes themselves are counted.
                with archive.open(info) as stream, place.open("xb") as out:
                    while chunk := stream.read(_CHUNK):
                        budget.count_bytes(len(chunk))
                        out.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(
            f"The zip {source.name!r} is damaged or encrypted ({error}); get it again."
        ) from error
    except FileExistsError as error:
        raise BundleError(f"The zip {source.name!r} holds one file twice; ask for it again.") from error
    except OSError as error:
        raise OutputError(f"The bundle cannot be unzipped into the store ({error.strerror}).") from error


def _entries(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """Files with their paths inside the bundle, which may lie in one folder of the archive."""
    files = []
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BundleError(
                f"The zip holds {info.filename!r}, which is a link or no plain file; ask for it again."
            )
        path = PurePosixPath(info.filename)
        if info.is_dir():
            _checked(info.filename.rstrip("/"))
        elif path.parts[:1] != ("__MACOSX",) and path.name not in CLUTTER:
            files.append((info, _checked(info.filename)))
    cards = [name for _, name in files if name == CARD_FILE or name.endswith("/" + CARD_FILE)]
    if len(cards) != 1 or cards[0].removesuffix(CARD_FILE).count("/") > 1:
        raise BundleError(
            f"The zip is not a bundle: it must hold {CARD_FILE} once, at its top or in one folder."
        )
    root = cards[0].removesuffix(CARD_FILE)
    for _, name in files:
        if not name.startswith(root):
            raise BundleError(f"The zip holds {name!r} beside the bundle; zip the bundle's folder alone.")
    return [(info, name.removeprefix(root)) for info, name in files]


def _checked(path: str) -> str:
    try:
        return safe_path(path)
    except ValueError as error:
        raise BundleError(f"The bundle is refused: {error}; ask for it again.") from error


class _Budget:
    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0

    def count_file(self) -> None:
        self.files += 1
        if self.files > MAX_FILES:
            raise BundleError(f"The bundle holds more than {MAX_FILES} files, more than any real one.")

    def count_bytes(self, count: int) -> None:
        self.bytes += count
        if self.bytes > MAX_BYTES:
            raise BundleError(f"The bundle is larger than {MAX_BYTES / 2**30:g} GiB, more than any real one.")
