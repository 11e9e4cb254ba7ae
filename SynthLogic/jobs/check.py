"""What a scan is, and whether a bundle may translate it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from SynthLogic.bundles import Card, Plane
from SynthLogic.errors import InputError
from SynthLogic.inference import STACK_AXIS, acquisition_plane
from SynthLogic.jobs.anatomy import body_extent_mm, coarse, lung_fraction
from SynthLogic.jobs.modality import ModalityGuess, guess_modality
from SynthLogic.jobs.requests import Document, Modality
from SynthLogic.volume import Scan, Volume

_SAMPLE_VOXELS = 2_000_000
# Below this the histogram is a hint, above it a fact to stop at.
_SURE = 0.85
_LABEL_VALUES = 12
_OBLIQUE_DEGREES = 1.0


class Finding(Document):
    """One thing found. An error stops; a warning with ``needs_force`` stops unless the user forces on."""

    level: Literal["error", "warning", "note"]
    code: str
    message: str
    needs_force: bool = False


class CheckReport(Document):
    """What a scan is.

    Attributes:
        modality: the guess, None for a constant image; with ``confidence`` 0 to 1 and ``reasons``.
        value_range: smallest and largest value.
        percentiles: values at 1, 50 and 99 %.
        dtype: voxel type as read.
        shape: voxels along (K, J, I).
        spacing: (I, J, K) in mm.
        orientation: directions in which I, J and K run, for example "RAS".
        acquisition_plane: plane of a stack of thick slices, else None.
        oblique_degrees: largest angle between an axis and its nearest patient axis.
        field_of_view_mm: along (I, J, K).
        body_mm: bounding box of the body to right, anterior and superior; where it is cut, the scan's.
        lung_fraction: share of lung in the tissue of a CT, else None.
        coverage: whether the scan lies within what the bundle covers; "unknown" without a bundle.
        findings: everything worth saying, errors first.
    """

    modality: Modality | None
    confidence: float
    reasons: tuple[str, ...]
    value_range: tuple[float, float]
    percentiles: tuple[float, float, float]
    dtype: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    orientation: str
    acquisition_plane: Plane | None
    oblique_degrees: float
    field_of_view_mm: tuple[float, float, float]
    body_mm: tuple[float, float, float]
    lung_fraction: float | None
    coverage: Literal["covered", "outside", "unknown"]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that nothing can override."""
        return tuple(f for f in self.findings if f.level == "error")

    def raise_if_stopped(self, force: bool = False) -> None:
        """Stop at the first error, or at everything that needs force unless ``force``.

        Raises:
            InputError: with what was found and what to do.
        """
        if self.errors:
            raise InputError(self.errors[0].message)
        doubts = [f.message.rstrip(".") for f in self.findings if f.needs_force]
        if doubts and not force:
            raise InputError(f"{'; '.join(doubts)}; add --force to go on all the same.")


def check_scan(
    scan: Scan, card: Card | None = None, target: str | None = None, *, second: bool = False
) -> CheckReport:
    """Say what ``scan`` is and whether a bundle with ``card`` may translate it, or find structures in it.

    Never raises for what it finds; see ``CheckReport.raise_if_stopped``.

    Args:
        scan: as read; voxels finite.
        card: of the bundle that is to run, if one is chosen already.
        target: modality to make ("CT" or "MR"), if no card is given.
        second: the scan is the card's second image; what it covers is then asked of the first one alone,
            on whose grid it lies.
    """
    volume = scan.volume
    grid = volume.grid
    canonical, _ = volume.canonical()
    low, high = float(volume.array.min()), float(volume.array.max())
    sample = _sample(volume.array)
    guess: ModalityGuess | None = None
    body, lung = (0.0, 0.0, 0.0), None
    findings: list[Finding] = []
    if low == high:
        findings.append(
            _error("constant", f"Every voxel is {low:g}: there is no image; choose another file.")
        )
    else:
        guess = guess_modality(sample, scan.meta.modality)
        blocks = coarse(canonical)
        shifted = Volume(blocks.array - 1024, blocks.ijk_to_ras) if guess.missing_offset else blocks
        k, j, i = body_extent_mm(shifted, guess.modality)
        body = (i, j, k)
        lung = lung_fraction(shifted) if guess.modality == "CT" else None
        findings += _findings_of_values(sample, scan, guess, _Wanted.by(card, target, second))
    plane = acquisition_plane(canonical.grid)
    outside: list[Finding] = []
    covering = None if second else card
    if covering is not None and guess is not None:
        outside = _findings_of_coverage(covering, guess, body, lung, plane)
        findings += outside + _findings_of_spacing(covering, canonical)
    findings += [Finding(level="note", code="reading", message=note) for note in scan.meta.notes]
    order = ("error", "warning", "note")
    verdict: Literal["covered", "outside", "unknown"] = "outside" if outside else "covered"
    return CheckReport(
        modality=guess.modality if guess else None,
        confidence=guess.confidence if guess else 0.0,
        reasons=guess.reasons if guess else (),
        value_range=(low, high),
        percentiles=_percentiles(sample),
        dtype=scan.meta.dtype,
        shape=grid.shape,
        spacing=_rounded(grid.spacing),
        orientation=grid.axis_codes,
        acquisition_plane=plane,
        oblique_degrees=_oblique_degrees(canonical),
        field_of_view_mm=_rounded(grid.extent_mm),
        body_mm=_rounded(body),
        lung_fraction=None if lung is None else round(lung, 4),
        coverage="unknown" if covering is None or guess is None else verdict,
        findings=tuple(sorted(findings, key=lambda f: order.index(f.level))),
    )


@dataclass(frozen=True)
class _Wanted:
    """What a scan must be, None for either, and how sentences speak of it."""

    modality: str | None
    name: str
    instead: str
    """What else the user may choose."""
    made: str

    @classmethod
    def by(cls, card: Card | None, target: str | None, second: bool) -> _Wanted:
        name = "The second image" if second else "The scan"
        if card is None or card.task == "translate":
            needed = card.input.modality if card else {"CT": "MR", "MR": "CT"}.get(target or "")
            return cls(needed, name, "another target", "image")
        channel = card.second if second else card.input
        return cls(channel.modality if channel else None, name, "another bundle", "result")


def _findings_of_values(
    sample: np.ndarray, scan: Scan, guess: ModalityGuess, wanted: _Wanted
) -> list[Finding]:
    found = []
    name, needed = wanted.name, wanted.modality
    tag = scan.meta.modality
    if tag not in (None, "CT", "MR"):
        found.append(_error("modality", f"{name} is {tag}, neither CT nor MR; choose a CT or MR."))
    elif needed not in (None, guess.modality):
        what = f"{_a(guess.modality)} ({guess.reasons[0]})"
        if guess.confidence >= _SURE:
            advice = f"choose another scan or {wanted.instead}"
            found.append(_error("modality", f"{name} is {what}, but {_a(needed)} is needed; {advice}."))
        else:
            found.append(_doubt("modality", f"{name} looks like {what}, but {_a(needed)} is needed"))
    elif guess.missing_offset:
        what = f"looks like a CT stored without its HU offset ({guess.reasons[-1]})"
        advice = f"subtract 1024 from all voxels and save it again, since wrong HU give a wrong {wanted.made}"
        found.append(_error("no-hu-offset", f"{name} {what}; {advice}."))
    if len(np.unique(sample)) <= _LABEL_VALUES:
        found.append(_doubt("labels", f"{name} has so few different values that it looks like a label map"))
    return found


def _findings_of_coverage(
    card: Card,
    guess: ModalityGuess,
    body: tuple[float, float, float],
    lung: float | None,
    plane: Plane | None,
) -> list[Finding]:
    """In-plane size of the body, and for CT its share of lung, against what the card covers."""
    coverage, found = card.coverage, []
    axis = STACK_AXIS[plane or card.spatial.planes[0]]
    inside = [body[2 - a] for a in range(3) if a != axis]
    low, high = coverage.field_of_view_mm
    if min(inside) < low or max(inside) > high:
        size = " x ".join(f"{mm:.0f}" for mm in inside)
        covered = f"{low:.0f} to {high:.0f} mm ({coverage.anatomy})"
        found.append(
            _doubt("field-of-view", f"The scan shows {size} mm in-plane, the bundle covers {covered}")
        )
    if lung is not None and coverage.lung_fraction is not None and guess.modality == "CT":
        least, most = coverage.lung_fraction
        if not least <= lung <= most:
            expected = f"{lung:.0%} of it is lung, where {least:.0%} to {most:.0%} are expected"
            found.append(_doubt("anatomy", f"The scan does not look like {coverage.anatomy}: {expected}"))
    return found


def _findings_of_spacing(card: Card, canonical: Volume) -> list[Finding]:
    if card.spatial.spatial_dims == 3:
        spacings = list(canonical.spacing)
    else:
        axis = STACK_AXIS[acquisition_plane(canonical.grid) or card.spatial.planes[0]]
        spacings = [canonical.spacing[2 - a] for a in range(3) if a != axis]
    limit = 1.5 * card.spatial.spacing_range_mm[1]
    if max(spacings) <= limit:
        return []
    message = f"Voxels of {max(spacings):.1f} mm are coarser than in training: expect a blurred result."
    return [Finding(level="warning", code="coarse", message=message)]


def _a(modality: str | None) -> str:
    return f"an {modality}" if modality == "MR" else f"a {modality}"


def _error(code: str, message: str) -> Finding:
    return Finding(level="error", code=code, message=message)


def _doubt(code: str, message: str) -> Finding:
    return Finding(level="warning", code=code, message=f"{message}.", needs_force=True)


def _sample(array: np.ndarray) -> np.ndarray:
    """Every n-th voxel along each axis, so that about two million remain."""
    step = max(1, math.ceil((array.size / _SAMPLE_VOXELS) ** (1 / 3)))
    return array[::step, ::step, ::step].ravel()


def _percentiles(sample: np.ndarray) -> tuple[float, float, float]:
    first, middle, last = (float(value) for value in np.percentile(sample, (1, 50, 99)))
    return first, middle, last


def _oblique_degrees(canonical: Volume) -> float:
    cosine = float(np.abs(np.diag(canonical.grid.direction)).min())
    angle = math.degrees(math.acos(min(1.0, cosine)))
    return round(angle, 2) if angle >= _OBLIQUE_DEGREES / 100 else 0.0


def _rounded(values: tuple[float, float, float]) -> tuple[float, float, float]:
    a, b, c = (round(float(value), 4) for value in values)
    return a, b, c


__all__ = ["CheckReport", "Finding", "check_scan"]
