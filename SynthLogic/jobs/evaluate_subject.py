"""One subject: files in, figures out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.jobs.evaluate_request import EvaluateRequest
from SynthLogic.jobs.modality import ModalityGuess, guess_modality
from SynthLogic.review.body import body_mask
from SynthLogic.review.measures import MISALIGNMENT_MEASURES, Figures, image_figures, label_figures
from SynthLogic.review.misalignment import misalignment
from SynthLogic.review.published import HIASA_WINDOWS
from SynthLogic.volume import MOST_FOREIGN_LABEL, Grid, Scan, Volume, label_fault, read_volume, resample

STRUCTURES = "mean of structures"
_SURE = 0.85
_CLIPPED, _NARROW = 0.5, 0.05


@dataclass(frozen=True)
class Case:
    """The files of one subject; ``images`` are output and others by the name of their set."""

    subject: str
    images: Mapping[str, Path]
    truth: Path | None = None
    source: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True)
class Row:
    """Figures of one image of one subject in one region; ``value`` is the region's label, if it has one."""

    subject: str
    image: str
    region: str
    value: int | None
    voxels: int
    figures: Figures


@dataclass
class Measured:
    """What became of a subject: ``rows``, the whole first, and sentences for the user."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def modality_of(scan: Scan, path: Path) -> str:
    """CT or MR, from DICOM or the values.

    Raises:
        InputError: it is not clear.
    """
    guess = _guess(scan)
    if guess.confidence < _SURE:
        raise InputError(
            f"{path.name} may be CT or MR ({guess.reasons[0]}); say --modality CT or --modality MR."
        )
    return guess.modality


def measure_subject(case: Case, request: EvaluateRequest, modality: str | None) -> Measured:
    """Read a subject's files and measure every image of it.

    Args:
        case: its files; a truth or a source must be there.
        request: what to measure.
        modality: "CT" or "MR" of output and truth; None for label maps.

    Raises:
        InputError: a file cannot be read or compared, with what to do.
    """
    found = Measured()
    reference_path = case.truth or case.source
    if reference_path is None:
        raise ValueError("a case has neither truth nor source")
    reference = _read(reference_path)
    outputs = {name: _read(path) for name, path in case.images.items()}
    for name, scan in outputs.items():
        if scan.content_hash == reference.content_hash:
            found.notes.append(
                f"{case.subject}: {name} and {reference_path.name} are the same image, so every figure is"
                " perfect; check that the paths are what you meant."
            )
    if request.kind == "labels":
        _measure_labels(case, request, reference, outputs, found)
    else:
        assert modality is not None
        _measure_images(case, request, modality, reference, outputs, found)
    return found


def _measure_images(
    case: Case,
    request: EvaluateRequest,
    modality: str,
    reference: Scan,
    outputs: Mapping[str, Scan],
    found: Measured,
) -> None:
    for path, scan in [
        (case.truth or case.source, reference),
        *((case.images[n], s) for n, s in outputs.items()),
    ]:
        _check_not_constant(scan.volume, path)
    grid = reference.volume.grid
    valid = np.ones(grid.shape, bool)
    source: Volume | None = None
    if case.source is not None:
        scan = reference if case.truth is None else _read(case.source)
        _check_not_constant(scan.volume, case.source)
        source = _onto(scan.volume, grid, case.source, case.subject, valid, found)
    images = {
        name: _onto(scan.volume, grid, case.images[name], case.subject, valid, found)
        for name, scan in outputs.items()
    }
    body: NDArray[np.bool_] | None = None
    if request.mask == "body" or request.misalignment:
        body = body_mask(reference.volume, modality if case.truth else _guess(reference).modality)
    whole = valid & body if request.mask == "body" and body is not None else valid
    if not whole.any():
        raise InputError(f"{case.subject}: no voxel of the body lies in both fields of view; use --mask all.")
    regions = _regions(case, request, grid, whole)
    window = request.window or HIASA_WINDOWS[modality]
    if case.truth is not None:
        found.notes += _window_notes(case.subject, reference.volume.array[whole], window)
    masks = {request.mask: whole, **{str(value): mask for value, mask in regions.items()}}
    for name, image in images.items():
        figures = image_figures(
            image.array,
            reference.volume.array if case.truth else None,
            None if source is None else source.array,
            masks,
            window,
            bins=request.bins,
            valid=valid,
        )
        if request.misalignment and body is not None:
            try:
                moved = misalignment(image, source or reference.volume, body & valid)
            except InputError as error:
                found.notes.append(f"{case.subject}, {name}: {error}")
            else:
                figures[request.mask] |= {m.key: getattr(moved, m.key) for m in MISALIGNMENT_MEASURES}
        for key, mask in masks.items():
            value = None if key == request.mask else int(key)
            region = key if value is None else request.names.get(value, key)
            count = int(np.count_nonzero(mask))
            found.rows.append(Row(case.subject, name, region, value, count, figures[key]))


def _window_notes(subject: str, truth: NDArray[Any], window: tuple[float, float]) -> list[str]:
    """What is wrong with the window for the truth's values (N,) that count."""
    low, high = (float(v) for v in np.percentile(truth, (1, 99)))
    above = float(np.mean(truth > window[1]))
    if above > _CLIPPED:
        what = f"{above:.0%} of the truth lie above the window"
    elif high - low < _NARROW * (window[1] - window[0]):
        what = f"the truth's values, {low:.3g} to {high:.3g}, fill little of the window"
    else:
        return []
    ends = f"{window[0]:g} to {window[1]:g}"
    return [
        f"{subject}: {what} {ends}, so MAE and PSNR in [0, 255] say little; choose another with --window."
    ]


def _regions(
    case: Case, request: EvaluateRequest, grid: Grid, whole: NDArray[np.bool_]
) -> dict[int, NDArray[np.bool_]]:
    if case.labels is None:
        return {}
    labels = _labels(_read(case.labels).volume, case.labels)
    if not labels.grid.is_close(grid):
        raise InputError(
            f"The labels {case.labels.name} do not lie on the grid of the truth (or of the input, without"
            " one); resample them onto it first, nearest neighbour."
        )
    values = sorted(request.names) or [v for v in np.unique(labels.array).tolist() if v]
    return {value: (labels.array == value) & whole for value in values}


def _measure_labels(
    case: Case, request: EvaluateRequest, reference: Scan, outputs: Mapping[str, Scan], found: Measured
) -> None:
    assert case.truth is not None
    truth = _labels(reference.volume, case.truth)
    for name, scan in outputs.items():
        output = _labels(scan.volume, case.images[name])
        valid = np.ones(truth.shape, bool)
        array = _onto(output, truth.grid, case.images[name], case.subject, valid, found, order=0).array
        expected = np.where(valid, truth.array, 0)
        present = set(np.unique(array).tolist()) | set(np.unique(expected).tolist())
        values = sorted(request.names) or sorted(present - {0})
        figures = label_figures(array, expected, values, truth.spacing)
        means: Figures = {}
        for key in ("dice", "assd", "hd95"):
            known = [v for f in figures.values() if (v := f[key]) is not None]
            means[key] = float(np.mean(known)) if known else None
        count = int(np.count_nonzero(np.isin(expected, values)))
        found.rows.append(Row(case.subject, name, STRUCTURES, None, count, means))
        for value in values:
            region = request.names.get(value, str(value))
            count = int(np.count_nonzero(expected == value))
            found.rows.append(Row(case.subject, name, region, value, count, figures[value]))


def _read(path: Path) -> Scan:
    return read_volume(path)


def _guess(scan: Scan) -> ModalityGuess:
    array = scan.volume.array
    step = max(1, round((array.size / 2_000_000) ** (1 / 3)))
    return guess_modality(array[::step, ::step, ::step].ravel(), scan.meta.modality)


def _labels(volume: Volume, path: Path) -> Volume:
    """Whole numbers as integers.

    Raises:
        InputError: other values.
    """
    array = volume.array
    fault = label_fault(array, MOST_FOREIGN_LABEL)
    if fault == "fractions":
        raise InputError(f"{path.name} is no label map: it holds fractions; give whole numbers.")
    if fault == "range":
        raise InputError(
            f"{path.name} is no label map: its values run from {array.min():g} to {array.max():g}; give "
            f"whole numbers from 0 to {MOST_FOREIGN_LABEL}."
        )
    return volume.with_array(array.astype(np.int32) if array.dtype.kind == "f" else array)


def _check_not_constant(volume: Volume, path: Path | None) -> None:
    if volume.array.min() == volume.array.max() and path is not None:
        raise InputError(
            f"{path.name} is constant, every voxel {float(volume.array.flat[0]):g}; choose another file."
        )


def _onto(
    volume: Volume,
    grid: Grid,
    path: Path,
    subject: str,
    valid: NDArray[np.bool_],
    found: Measured,
    order: int = 1,
) -> Volume:
    """``volume`` on ``grid``; takes what its field of view does not cover out of ``valid``."""
    if volume.grid.is_close(grid):
        return Volume(volume.array, grid.ijk_to_ras)
    inside = _covered(volume.grid, grid)
    if not (inside & valid).any():
        raise InputError(
            f"The fields of view of {path.name} and what it is compared with do not overlap; check that they"
            " show one patient in one coordinate system."
        )
    found.notes.append(
        f"{subject}: {path.name} lies on another grid and was resampled"
        f" ({'linear' if order else 'nearest neighbour'}); {float(inside.mean()):.0%} of the voxels covered."
    )
    valid &= inside
    dtype: Any = np.float32 if order else volume.array.dtype
    return resample(volume, grid, order=order, dtype=dtype)


def _covered(inner: Grid, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of ``grid`` whose centres lie in the field of view of ``inner``, which ends half a voxel out."""
    to_inner = np.linalg.inv(inner.ijk_to_ras) @ grid.ijk_to_ras
    inside = np.ones(grid.shape, bool)
    k, j, i = (np.arange(n, dtype=np.float64) for n in grid.shape)
    for axis, count in enumerate(inner.shape[::-1]):
        a, b, c, offset = to_inner[axis]
        for number in range(grid.shape[0]):
            at = c * k[number] + offset + (b * j)[:, None] + a * i
            inside[number] &= (at >= -0.5 - 1e-6) & (at <= count - 0.5 + 1e-6)
    return inside


__all__ = ["STRUCTURES", "Case", "Measured", "Row", "measure_subject", "modality_of"]
