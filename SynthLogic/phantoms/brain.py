"""One simulated head examination: T1-, T2- and PD-weighted MR and a CT, on one grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.brain_folds import paint_brain
from SynthLogic.phantoms.brain_lesions import LESIONS, paint_lesion
from SynthLogic.phantoms.brain_tissues import BRAIN_TISSUES, BrainLabel
from SynthLogic.phantoms.canvas import pose_canvas
from SynthLogic.phantoms.ct import CTScanner, density_texture, plain_hu, scan_ct
from SynthLogic.phantoms.head import Head, draw_head, own, paint_head
from SynthLogic.phantoms.lattice import AXIAL, Lattice, plan
from SynthLogic.phantoms.protocols import VENDORS, MRProtocol, Weighting, check_vendor, scan
from SynthLogic.volume import Volume

FIELD = (230.4, 230.4, 201.6)  # mm to the right, anterior, superior
SPACING = (1.8, 1.8, 1.8)
_MIDDLE = (0.0, 4.0, -9.0)
# Spin echoes; those of PD and T2 are the two echoes of one sequence (as in the IXI data, paper 3).
CONTRASTS: dict[str, Weighting] = {
    "t1": Weighting(tr=(450, 650), te=(8, 15)),
    "t2": Weighting(tr=(4500, 8000), te=(85, 105)),
    "pd": Weighting(tr=(4500, 8000), te=(8, 15)),
}
_UNIT = {"t1": BrainLabel.WHITE_MATTER, "t2": BrainLabel.GREY_MATTER, "pd": BrainLabel.GREY_MATTER}


@dataclass(frozen=True)
class BrainSubject:
    """Images of one subject, (K, J, I), an axial stack (axes towards L, P, S), all on one grid.

    ``images`` by name: ``t1``, ``t2``, ``pd`` (float32, arbitrary units) and ``ct`` (int16 HU) as acquired,
    and their ``_reference`` without noise or artefact (white matter at 800 in T1, grey matter in the others).
    ``labels`` is uint8, ``BrainLabel``.
    """

    images: dict[str, Volume]
    labels: Volume
    parameters: dict[str, Any]

    @property
    def files(self) -> dict[str, Volume | np.ndarray]:
        """What a folder of this subject holds, by name."""
        return {**self.images, "labels": self.labels}

    @property
    def legend(self) -> dict[str, int]:
        """Names of the label values."""
        return {label.name.lower(): int(label) for label in BrainLabel}


def make_brain(
    seed: int,
    index: int = 0,
    *,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = SPACING,
    lesions: str = "none",
    vendor: str | None = None,
) -> BrainSubject:
    """Simulate subject ``index`` of the cohort ``seed``; the same arguments give the same voxels.

    Args:
        seed: of the cohort, 0 or more.
        index: of the subject in the cohort.
        shape: voxels (K, J, I); None covers the head.
        spacing: (I, J, K) in mm, along left, posterior, superior.
        lesions: one of ``LESIONS``; the rest of the head is the same with any.
        vendor: of the MR scanner, one of ``VENDORS``; None draws one.

    Raises:
        ConfigError: unknown lesions or vendor, or sizes that cannot be simulated.
    """
    check_vendor(vendor)
    if lesions not in LESIONS:
        raise ConfigError(f"The lesions {lesions!r} are unknown: choose one of {', '.join(LESIONS)}.")
    lattice = plan(AXIAL, shape, spacing, FIELD, _MIDDLE)
    names = ("body", "form", "lesion", "texture", "vendor", "ct", *CONTRASTS)
    keys = np.random.SeedSequence([seed, index, 7]).spawn(len(names))
    randoms = {name: np.random.default_rng(key) for name, key in zip(names, keys, strict=True)}
    body = draw_head(randoms["body"])
    drawn = VENDORS[int(randoms["vendor"].integers(len(VENDORS)))]
    truth, lesion = _paint(lattice, body, lesions, randoms)
    texture = density_texture(lattice.shape, lattice.spacing, randoms["texture"])

    images: dict[str, Volume] = {}
    protocols = {}
    for name, weighting in CONTRASTS.items():
        random = randoms[name]
        protocol = MRProtocol.draw(random, weighting, vendor or drawn)
        protocols[name] = asdict(protocol)
        for kind, taken in (("", protocol), ("_reference", protocol.noise_free(weighting))):
            image = scan(truth, taken, BRAIN_TISSUES, _UNIT[name], texture, lattice.spacing, random)
            images[name + kind] = lattice.volume(image)
    scanner = CTScanner.draw_plain(randoms["ct"], (2.5, 6))
    values = plain_hu(BRAIN_TISSUES, randoms["ct"])
    for kind, machine in (("", scanner), ("_reference", scanner.noise_free())):
        image = scan_ct(
            truth, machine, values, texture, lattice.spacing, randoms["ct"], BRAIN_TISSUES, (BrainLabel.AIR,)
        )
        images[f"ct{kind}"] = lattice.volume(image)
    counts = np.bincount(truth.label.ravel(), minlength=max(BrainLabel) + 1)
    voxel_ml = float(np.prod(spacing)) / 1000
    parameters = {
        "anatomy": "brain",
        "seed": seed,
        "index": index,
        "lesions": lesions,
        "lesion": lesion,
        "body": asdict(body),
        "ct": asdict(scanner),
        "mr": protocols,
        "volume_ml": {
            label.name.lower(): round(float(counts[label]) * voxel_ml, 2)
            for label in BrainLabel
            if counts[label]
        },
    }
    return BrainSubject(images, lattice.volume(truth.label), parameters)


def _paint(
    lattice: Lattice, body: Head, lesions: str, randoms: dict[str, np.random.Generator]
) -> tuple[Any, dict[str, Any]]:
    shift = np.subtract(body.shift, lattice.middle)
    form = randoms["form"]
    canvas = own(pose_canvas(lattice.shape, lattice.spacing, body.tilt, shift, 1.5 * body.size, form), body)
    inner = paint_head(canvas, body)
    paint_brain(canvas, body, inner)
    lesion = paint_lesion(canvas, lesions, randoms["lesion"])
    return canvas.truth, lesion
