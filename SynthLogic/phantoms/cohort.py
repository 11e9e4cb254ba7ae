"""A cohort of simulated subjects on disk, one folder a subject."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic import __version__
from SynthLogic.errors import ConfigError, OutputError
from SynthLogic.phantoms.anatomies import ANATOMIES, Simulated, find_anatomy
from SynthLogic.volume import write_volume

MARK = "SIMULATED phantom, not a patient"
_RECORD = "subject.json"
# What a phantom of any anatomy and any options may hold, and what desktops leave in folders.
_OURS = {
    _RECORD,
    *(name + kind for each in ANATOMIES.values() for name in each.names for kind in (".nii.gz", ".npy")),
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
}


def write_subject(folder: Path, subject: Simulated) -> None:
    """Write the subject's volumes (.nii.gz), other arrays (.npy) and ``subject.json`` into ``folder``.

    A phantom that is there already is replaced; anything else of that name, and a phantom with other files
    beside it, is left alone. The folder appears whole or not at all.

    A thorax: ``ct``, ``mr``, their ``_reference``, ``labels``; under a deformation also ``mr_labels`` and
    ``mr_to_ct_displacement`` (3, K, J, I; x right, y anterior, z superior, mm). A heart: ``ed``, ``es`` and
    their ``_labels``. A hip: as a thorax; ``mr_labels`` where CT and MR have grids of their own. A brain:
    ``t1``, ``t2``, ``pd``, ``ct``, their ``_reference``, ``labels``.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
    """
    _check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial_folder = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OutputError(
            f"The folder {folder.parent} cannot be written ({error.strerror}): choose another."
        ) from error
    try:
        for name, content in subject.files.items():
            if isinstance(content, np.ndarray):
                np.save(partial_folder / f"{name}.npy", content)
            else:
                write_volume(partial_folder / f"{name}.nii.gz", content, MARK)
        told = {
            "mark": MARK,
            "version": __version__,
            "labels": dict(subject.legend),
            **subject.parameters,
        }
        (partial_folder / _RECORD).write_text(json.dumps(told, indent=1), encoding="utf-8")
        os.chmod(partial_folder, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial_folder.rename(folder)
    except OSError as error:
        raise OutputError(
            f"The subject {folder.name} cannot be written ({error.strerror}): free some space."
        ) from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists():
        return
    if not _is_phantom(folder):
        raise OutputError(f"{folder} exists and is not a phantom of this program: choose another folder.")
    strange = sorted({path.name for path in folder.iterdir()} - _OURS)
    if strange:
        raise OutputError(
            f"{folder} holds {strange[0]} beside its phantom: move that elsewhere, or choose another folder."
        )


def _is_phantom(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _RECORD).read_text(encoding="utf-8"))["mark"] == MARK)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_cohort(
    folder: Path,
    *,
    anatomy: str = "thorax",
    subjects: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Path]:
    """Write subjects 1 to ``subjects`` of cohort ``seed`` as ``folder/sub-0001`` and so on.

    Args:
        folder: made if it does not exist; phantoms already there are replaced, unless other files lie with
            them, which is found before anything is simulated.
        anatomy: a key of ``ANATOMIES``; further ``options`` go to what makes it.
        subjects: how many, 1 or more.
        seed: of the cohort.
        workers: processes that simulate side by side.
        progress: called with (done, total).

    Raises:
        ConfigError: no subjects asked for, or options that cannot be simulated.
        OutputError: the folder cannot be written, or holds something else.
    """
    if subjects < 1 or seed < 0:
        raise ConfigError(
            f"{subjects} subjects with seed {seed} cannot be made: give at least 1 and a seed from 0."
        )
    find_anatomy(anatomy, options)
    folders = [Path(folder) / f"sub-{n:04d}" for n in range(1, subjects + 1)]
    for place in folders:
        _check_replaceable(place)
    make = partial(_make, seed=seed, anatomy=anatomy, options=options)
    if workers > 1 and subjects > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            done = pool.map(make, folders, range(subjects))
            _drain(done, subjects, progress)
    else:
        _drain(map(make, folders, range(subjects)), subjects, progress)
    return folders


def _make(folder: Path, index: int, *, seed: int, anatomy: str, options: dict[str, Any]) -> None:
    write_subject(folder, find_anatomy(anatomy, options).make(seed, index, **options))


def _drain(done: Any, total: int, progress: Callable[[int, int], None] | None) -> None:
    for count, _ in enumerate(done, 1):
        if progress:
            progress(count, total)
