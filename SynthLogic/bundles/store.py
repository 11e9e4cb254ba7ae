"""Installed bundles: those that ship, read-only, and the user's own, which enter only after all checks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from SynthLogic.bundles.bundle import Bundle
from SynthLogic.bundles.card_types import version_key
from SynthLogic.bundles.unpack import unpack
from SynthLogic.bundles.write import move_into_place
from SynthLogic.errors import BundleError, OutputError
from SynthLogic.resources import resource_folder

CONSENTS_FILE = "consents.json"
_LEFT_S = 3600.0


class ConsentRequired(BundleError):
    """The bundle's licence is restricted and not yet agreed to; show ``notice``, then set ``consent``."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = bundle.name
        self.notice = bundle.card.licence.notice
        notice = " ".join(self.notice.split())
        super().__init__(
            f"Bundle {bundle.name!r} has a restricted licence ({bundle.card.licence.spdx}); "
            f"agree to it once before it is used: {notice}"
        )


@dataclass(frozen=True)
class Imported:
    """What an import did, with a sentence for the user."""

    bundle: Bundle
    status: Literal["imported", "already there", "replaced"]
    message: str


def shipped_folder() -> Path:
    """Where the bundles lie that ship with the program."""
    return resource_folder() / "bundles"


def user_store() -> Path:
    """Where imported bundles lie: ``$CROSSMODALSYNTH_HOME/bundles`` or the platform's folder for user data.

    The folder is made by the first import, not here.
    """
    home = os.environ.get("CROSSMODALSYNTH_HOME")
    if home:
        base = Path(home).expanduser()
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "CrossModalSynth"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support" / "CrossModalSynth"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "crossmodalsynth"
    return base.absolute() / "bundles"


def installed() -> list[Bundle]:
    """Installed bundles by name; of one that ships and was imported as well, the higher version."""
    return sorted(_survey()[0].values(), key=lambda bundle: bundle.name)


def damaged() -> dict[str, str]:
    """Folders in the stores that hold no readable bundle, each with the sentence that says why."""
    return _survey()[1]


def find(name_or_folder: str | Path, *, trust: bool = False, consent: bool = False) -> Bundle:
    """The installed bundle of that name, or else the bundle in that folder. Its files are not yet verified.

    Args:
        name_or_folder: name of an installed bundle, or a folder.
        trust: allow a foreign model in a folder to be loaded; of an imported one it was asked then.
        consent: the user agrees to the bundle's restricted licence, which is remembered.

    Raises:
        ConsentRequired: the licence is restricted and was not agreed to.
        BundleError: no such bundle, or its card is wrong.
    """
    bundles, broken = _survey()
    key = str(name_or_folder)
    if key in bundles:
        bundle = bundles[key]
    elif key in broken:
        raise BundleError(broken[key])
    elif Path(name_or_folder).is_dir():
        bundle = Bundle.open(name_or_folder)
        bundle = replace(bundle, trusted=_noted(bundle.hash, "trusted"))
    else:
        names = ", ".join(sorted(bundles)) or "none"
        raise BundleError(f"There is no bundle {key!r}; installed: {names}. Import it or name its folder.")
    _ask_consent(bundle, consent)
    if consent and bundle.card.licence.restricted:
        _note(bundle.hash, licence=True)
    return replace(bundle, trusted=bundle.trusted or trust)


def look_up(name_or_folder: str | Path) -> Bundle:
    """As ``find``, to look at: looking needs no consent.

    Raises:
        BundleError: no such bundle, or its card is wrong.
    """
    key = str(name_or_folder)
    bundles, broken = _survey()
    if key in bundles:
        return bundles[key]
    if key not in broken and Path(name_or_folder).is_dir():
        return Bundle.open(name_or_folder)
    return find(name_or_folder)


def import_bundle(source: str | Path, *, trust: bool = False, consent: bool = False) -> Imported:
    """Bring a bundle into the user's store. Everything is checked before anything can be found there.

    Checked are the paths and sizes, the card, the hash of every file, that no file is added or missing, the
    licence text, and that the weights fit the card's network exactly and are finite.

    Args:
        source: a bundle's folder, or a zip of it.
        trust: let a foreign model (TorchScript, ONNX) in; it is a program by somebody else.
        consent: the user agrees to a restricted licence; remembered for this very bundle.

    Raises:
        ConsentRequired: the licence is restricted and was not agreed to.
        BundleError: anything about the bundle is not in order, or a version as high is installed already.
        OutputError: the store cannot be written.
    """
    store = user_store()
    made = [folder for folder in (store, *store.parents) if not folder.exists()]
    try:
        store.mkdir(parents=True, exist_ok=True)
        _sweep(store)
        staging = Path(tempfile.mkdtemp(dir=store, prefix=".import-"))
    except OSError as error:
        raise OutputError(
            f"The store of bundles cannot be written ({error.strerror}); set CROSSMODALSYNTH_HOME."
        ) from error
    try:
        unpack(Path(source), staging / "bundle")
        bundle = Bundle.open(staging / "bundle", trusted=trust)
        bundle.verify()
        _ask_consent(bundle, consent)
        return _admit(bundle, store, consent)
    except OSError as error:
        raise OutputError(
            f"The store of bundles cannot be written ({error.strerror}); free some space."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()  # stops at the first that holds something


def _sweep(store: Path) -> None:
    """Remove what an import left that was killed; one that goes on is younger."""
    for left in store.glob(".import-*"):
        if time.time() - left.stat().st_mtime > _LEFT_S:
            shutil.rmtree(left, ignore_errors=True)


def remove(name: str) -> None:
    """Remove an imported bundle; one that ships under the same name takes its place again.

    Raises:
        BundleError: no such bundle, or it ships with the program.
        OutputError: its folder cannot be removed.
    """
    store = user_store()
    places = {folder.name: folder for folder in _folders(store)}
    if name not in places:
        if name in {folder.name for folder in _folders(shipped_folder())}:
            raise BundleError(
                f"Bundle {name!r} ships with the program and cannot be removed; simply do not use it."
            )
        raise BundleError(
            f"There is no imported bundle {name!r}; imported: {', '.join(sorted(places)) or 'none'}."
        )
    try:
        bin_ = Path(tempfile.mkdtemp(dir=store, prefix=".remove-"))
        try:
            os.rename(places[name], bin_ / name)
        finally:
            shutil.rmtree(bin_, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"Bundle {name!r} cannot be removed ({error.strerror}); check the store's permissions."
        ) from error


def _admit(bundle: Bundle, store: Path, consent: bool) -> Imported:
    """Move the checked ``bundle`` from its staging folder into the store, if what is there allows it."""
    name, version = bundle.name, bundle.version
    present = _survey()[0].get(name)
    if present is not None and _is_whole(present):
        if present.hash == bundle.hash:
            _note_all(bundle, consent)
            return Imported(
                present, "already there", f"Bundle {name!r} {version} is already there; nothing was changed."
            )
        if version_key(version) <= version_key(present.version):
            raise BundleError(
                f"Another bundle {name!r} with version {present.version} is installed and {version} is not "
                "higher: remove it first, or raise the version in the card."
            )
    move_into_place(bundle.folder, store / name)
    _note_all(bundle, consent)
    placed = Bundle.open(store / name, trusted=bundle.trusted)
    if present is None:
        return Imported(placed, "imported", f"Bundle {name!r} {version} was imported.")
    return Imported(placed, "replaced", f"Bundle {name!r} {version} replaces {present.version}.")


def _is_whole(bundle: Bundle) -> bool:
    try:
        bundle.verify_files()
    except BundleError:
        return False
    return True


def _ask_consent(bundle: Bundle, consent: bool) -> None:
    if bundle.card.licence.restricted and not consent and not _noted(bundle.hash, "licence"):
        raise ConsentRequired(bundle)


def _survey() -> tuple[dict[str, Bundle], dict[str, str]]:
    bundles: dict[str, Bundle] = {}
    broken: dict[str, str] = {}
    for root in (shipped_folder(), user_store()):
        for folder in _folders(root):
            try:
                bundle = Bundle.open(folder)
            except BundleError as error:
                broken[folder.name] = str(error)
                continue
            rival = bundles.get(bundle.name)
            if rival is None or version_key(bundle.version) >= version_key(rival.version):
                bundles[bundle.name] = replace(bundle, trusted=_noted(bundle.hash, "trusted"))
    return bundles, {name: why for name, why in broken.items() if name not in bundles}


def _folders(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _notes() -> dict[str, dict[str, bool]]:
    try:
        notes = json.loads((user_store() / CONSENTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # whoever agreed is asked again
    return notes if isinstance(notes, dict) else {}


def _noted(bundle_hash: str, what: str) -> bool:
    entry = _notes().get(bundle_hash)
    return isinstance(entry, dict) and entry.get(what) is True


def _note_all(bundle: Bundle, consent: bool) -> None:
    restricted, foreign = bundle.card.licence.restricted, bundle.card.format != "safetensors"
    if restricted or foreign:
        _note(bundle.hash, licence=restricted and consent, trusted=foreign and bundle.trusted)


def _note(bundle_hash: str, *, licence: bool = False, trusted: bool = False) -> None:
    """Remember what the user agreed to; what was agreed before stays."""
    notes = _notes()
    entry = notes.setdefault(bundle_hash, {})
    for key, value in (("licence", licence), ("trusted", trusted)):
        if value:
            entry[key] = True
    store = user_store()
    try:
        store.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=store, prefix=".consents-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(notes, stream, indent=2, sort_keys=True)
            os.replace(temporary, store / CONSENTS_FILE)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OutputError(
            f"Your consent cannot be stored ({error.strerror}); set CROSSMODALSYNTH_HOME."
        ) from error
