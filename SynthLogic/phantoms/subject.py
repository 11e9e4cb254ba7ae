"""One simulated subject: exact truth, seen by a simulated CT and a simulated MR scanner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.canvas import Canvas, pose_canvas, smooth_noise, warp
from SynthLogic.phantoms.ct import CTScanner, density_texture, scan_ct, tissue_hu
from SynthLogic.phantoms.heart import PATHOLOGIES
from SynthLogic.phantoms.mr import MRScanner, Sequence, scan_mr
from SynthLogic.phantoms.thorax import Thorax, draw_thorax, paint_thorax
from SynthLogic.phantoms.tissues import NOT_PATIENT, Label
from SynthLogic.volume import Volume

SHAPE = (128, 144, 176)
SPACING = (2.0, 2.0, 2.0)


@dataclass(frozen=True)
class Subject:
    """Images of one subject; all (K, J, I), axes towards S, A, R.

    ``ct`` (int16 HU) and ``mr`` (float32, arbitrary units) are as acquired; ``ct_reference`` (int16 HU) and
    ``mr_reference`` (float32, blood at 800) are the same anatomy in the same place without noise or artefact.
    ``ct_labels`` and ``mr_labels`` (uint8, ``Label``) differ only under a deformation: then ``displacement``
    (3, K, J, I), x, y, z in mm, gives for each voxel of the MR the place in the CT's space that it shows.
    """

    ct: Volume
    mr: Volume
    ct_reference: Volume
    mr_reference: Volume
    ct_labels: Volume
    mr_labels: Volume
    displacement: np.ndarray | None
    parameters: dict[str, Any]

    @property
    def files(self) -> dict[str, Volume | np.ndarray]:
        """What a folder of this subject holds, by name; under a deformation also the field and its labels."""
        names = ("ct", "mr", "ct_reference", "mr_reference")
        files: dict[str, Volume | np.ndarray] = {name: getattr(self, name) for name in names}
        files["labels"] = self.ct_labels
        if self.displacement is not None:
            files["mr_labels"] = self.mr_labels
            files["mr_to_ct_displacement"] = self.displacement.astype(np.float32)
        return files

    @property
    def legend(self) -> dict[str, int]:
        """Names of the label values."""
        return {label.name.lower(): int(label) for label in Label}

    @property
    def body(self) -> np.ndarray:
        """Voxels of the CT that belong to the patient, boolean (K, J, I)."""
        return body_of(self.ct_labels.array)


def body_of(labels: np.ndarray) -> np.ndarray:
    """Voxels (K, J, I) of a label map that belong to the patient: neither air around nor table."""
    return ~np.isin(labels, NOT_PATIENT)


@dataclass(frozen=True)
class Region:
    """How a body region seen by CT and MR, with ``Label``'s tissues, is drawn and painted."""

    draw: Callable[[np.random.Generator, str | None, float | None], Thorax]
    paint: Callable[[Canvas, Thorax, np.random.Generator], None]


REGIONS: dict[str, Region] = {"thorax": Region(draw_thorax, paint_thorax)}


def make_subject(
    seed: int,
    index: int = 0,
    *,
    anatomy: str = "thorax",
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    pathology: str | None = None,
    phase: float | None = None,
    sequence: Sequence = "bssfp",
    deformation_mm: float = 0.0,
) -> Subject:
    """Simulate subject ``index`` of the cohort ``seed``; the same arguments give the same voxels.

    Args:
        seed: of the cohort, 0 or more.
        index: of the subject in the cohort.
        anatomy: a key of ``REGIONS``.
        shape: voxels (K, J, I).
        spacing: (I, J, K) in mm.
        pathology: one of ``PATHOLOGIES``; None draws one.
        phase: of the cardiac cycle, 0 (end diastole) to 1; None draws one.
        sequence: "bssfp" or "t1".
        deformation_mm: largest displacement (mm) between the CT's and the MR's space; 0 for one shared space.

    Raises:
        ConfigError: an unknown anatomy, pathology or sequence, or sizes that cannot be simulated.
    """
    _check(anatomy, pathology, sequence, shape, spacing, deformation_mm)
    keys = np.random.SeedSequence([seed, index]).spawn(6)
    body_key, form_key, ct_key, mr_key, field_key, texture_key = keys
    region = REGIONS[anatomy]
    body = region.draw(np.random.default_rng(body_key), pathology, phase)

    def paint(displacement: np.ndarray | None) -> Canvas:
        random = np.random.default_rng(form_key)  # the same form each time
        canvas = pose_canvas(shape, spacing, body.tilt, body.shift, 2.2 * body.size, random, displacement)
        region.paint(canvas, body, random)
        return canvas

    displacement = None
    if deformation_mm:
        random = np.random.default_rng(field_key)
        displacement = np.stack([smooth_noise(shape, 90, spacing, random) for _ in range(3)])
        displacement *= deformation_mm / max(float(np.linalg.norm(displacement, axis=0).max()), 1e-6)
    truth = paint(None).truth
    texture = density_texture(shape, spacing, np.random.default_rng(texture_key))
    mr_truth = truth if displacement is None else paint(displacement).truth
    mr_texture = texture if displacement is None else warp(texture, displacement, spacing)

    ct_random, mr_random = np.random.default_rng(ct_key), np.random.default_rng(mr_key)
    ct_scanner, mr_scanner = CTScanner.draw(ct_random), MRScanner.draw(mr_random, sequence)
    values = tissue_hu(ct_scanner, ct_random)
    ct = scan_ct(truth, ct_scanner, values, texture, spacing, ct_random)
    mr = scan_mr(mr_truth, mr_scanner, mr_texture, spacing, mr_random)
    ct_reference = scan_ct(truth, ct_scanner.noise_free(), values, texture, spacing, ct_random)
    mr_reference = scan_mr(mr_truth, mr_scanner.noise_free(), mr_texture, spacing, mr_random)

    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = [-(n - 1) / 2 * s for n, s in zip(shape[::-1], spacing, strict=True)]
    voxel_ml = float(np.prod(spacing)) / 1000
    counts = np.bincount(truth.label.ravel(), minlength=max(Label) + 1)
    parameters = {
        "anatomy": anatomy,
        "seed": seed,
        "index": index,
        "deformation_mm": deformation_mm,
        "body": asdict(body),
        "ct": asdict(ct_scanner),
        "mr": asdict(mr_scanner),
        "volume_ml": {
            label.name.lower(): round(float(counts[label]) * voxel_ml, 2) for label in Label if counts[label]
        },
    }
    return Subject(
        ct=Volume(ct, matrix),
        mr=Volume(mr, matrix),
        ct_reference=Volume(ct_reference, matrix),
        mr_reference=Volume(mr_reference, matrix),
        ct_labels=Volume(truth.label, matrix),
        mr_labels=Volume(mr_truth.label, matrix),
        displacement=displacement,
        parameters=parameters,
    )


def _check(
    anatomy: str,
    pathology: str | None,
    sequence: str,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    deformation_mm: float,
) -> None:
    def known(what: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            raise ConfigError(f"The {what} {value!r} is unknown: choose one of {', '.join(choices)}.")

    known("anatomy", anatomy, tuple(REGIONS))
    known("sequence", sequence, ("bssfp", "t1"))
    if pathology is not None:
        known("pathology", pathology, PATHOLOGIES)
    if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape)) > 600**3:
        raise ConfigError(
            f"A phantom of {shape} voxels cannot be made: give three sizes from 1 to about 600."
        )
    if len(spacing) != 3 or not all(np.isfinite(s) and 0.2 <= s <= 20 for s in spacing):
        raise ConfigError(f"A phantom with voxels of {spacing} mm cannot be made: give 0.2 to 20 mm.")
    if not 0 <= deformation_mm <= 25:
        raise ConfigError(f"A deformation of {deformation_mm} mm would fold the body: give 0 to 25 mm.")
