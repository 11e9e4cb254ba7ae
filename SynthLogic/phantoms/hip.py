"""One simulated hip examination: a pelvis with both hips, its CT and its T1-weighted MR."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.canvas import Truth, pose_canvas, smooth_noise
from SynthLogic.phantoms.ct import CTScanner, density_texture, plain_hu, scan_ct
from SynthLogic.phantoms.hip_body import Hip, draw_hip
from SynthLogic.phantoms.hip_bones import paint_bones
from SynthLogic.phantoms.hip_flesh import paint_flesh
from SynthLogic.phantoms.hip_tissues import HIP_TISSUES, MUSCLES, HipLabel
from SynthLogic.phantoms.lattice import AXIAL, CORONAL, Lattice, plan
from SynthLogic.phantoms.protocols import VENDORS, MRProtocol, Weighting, check_vendor, scan
from SynthLogic.volume import Volume

Grids = Literal["shared", "own"]
FIELD = (352.0, 256.0, 320.0)  # mm to the right, anterior, superior
_MIDDLE = (0.0, -18.0, 2.0)
SPACING = (2.0, 2.0, 2.0)
# T1-weighted spoiled gradient echo at which fat is bright and muscle in between (as paper 2's scans).
SPOILED = Weighting(tr=(8.0, 14.0), te=(2.0, 3.6), flip=(18, 28))
_FAT = HipLabel.SUBCUTANEOUS_FAT


@dataclass(frozen=True)
class HipSubject:
    """Images of one subject, (K, J, I).

    ``ct`` (int16 HU) and ``mr`` (float32, arbitrary units) are as acquired, ``ct_reference`` and
    ``mr_reference`` (fat at 800) the same without noise or artefact, ``labels`` and ``mr_labels`` (uint8,
    ``HipLabel``) lie on the grids of CT and MR. All show the body in the same place in RAS. Where both have
    one grid it is the MR's, a coronal stack (axes towards L, I, P), and the two label maps are the same; the
    CT's own is axial (L, P, S).
    """

    ct: Volume
    mr: Volume
    ct_reference: Volume
    mr_reference: Volume
    labels: Volume
    mr_labels: Volume
    parameters: dict[str, Any]

    @property
    def files(self) -> dict[str, Volume | np.ndarray]:
        """What a folder of this subject holds, by name; with grids of their own also the MR's labels."""
        names = ["ct", "mr", "ct_reference", "mr_reference", "labels"]
        if self.mr_labels is not self.labels:
            names.append("mr_labels")
        return {name: getattr(self, name) for name in names}

    @property
    def legend(self) -> dict[str, int]:
        """Names of the label values."""
        return {label.name.lower(): int(label) for label in HipLabel}


def make_hip(
    seed: int,
    index: int = 0,
    *,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = SPACING,
    grids: Grids = "shared",
    vendor: str | None = None,
) -> HipSubject:
    """Simulate subject ``index`` of the cohort ``seed``; the same arguments give the same voxels.

    Args:
        seed: of the cohort, 0 or more.
        index: of the subject in the cohort.
        shape: voxels (K, J, I) of the coronal stack; None covers the pelvis.
        spacing: (I, J, K) in mm of the coronal stack: along left, inferior, posterior.
        grids: "shared" puts CT and MR on the coronal stack; "own" gives the CT an axial grid of its own.
        vendor: of the MR scanner, one of ``VENDORS``; None draws one.

    Raises:
        ConfigError: an unknown vendor or way with grids, or sizes that cannot be simulated.
    """
    check_vendor(vendor)
    if grids not in ("shared", "own"):
        raise ConfigError(f"The grids {grids!r} are unknown: choose one of shared, own.")
    stack = plan(CORONAL, shape, spacing, FIELD, _MIDDLE)
    body_key, form_key, ct_key, mr_key, texture_key = np.random.SeedSequence([seed, index, 5]).spawn(5)
    body = draw_hip(np.random.default_rng(body_key))
    mr_random, ct_random = np.random.default_rng(mr_key), np.random.default_rng(ct_key)
    drawn = VENDORS[int(mr_random.integers(len(VENDORS)))]
    protocol = MRProtocol.draw(mr_random, SPOILED, vendor or drawn, snr=(16, 40))
    scanner = CTScanner.draw_plain(ct_random, (10, 30))
    values = plain_hu(HIP_TISSUES, ct_random)

    def expose(lattice: Lattice) -> tuple[Truth, np.ndarray, np.ndarray]:
        random = np.random.default_rng(texture_key)
        truth = _paint(lattice, body, np.random.default_rng(form_key))
        texture = density_texture(lattice.shape, lattice.spacing, random)
        return truth, texture, _infiltration(truth, body, lattice, random)

    def take_mr(lattice: Lattice, truth: Truth, texture: np.ndarray, fat: np.ndarray) -> tuple[Volume, ...]:
        kinds = (protocol, protocol.noise_free(SPOILED))
        images = [
            scan(truth, p, HIP_TISSUES, _FAT, texture, lattice.spacing, mr_random, (fat, _FAT)) for p in kinds
        ]
        return tuple(lattice.volume(image) for image in images)

    def take_ct(lattice: Lattice, truth: Truth, texture: np.ndarray, fat: np.ndarray) -> tuple[Volume, ...]:
        more = fat * (values[_FAT] - values[HipLabel.MUSCLE])
        kinds = (scanner, scanner.noise_free())
        images = [
            scan_ct(truth, c, values, texture, lattice.spacing, ct_random, HIP_TISSUES, (HipLabel.AIR,), more)
            for c in kinds
        ]
        return tuple(lattice.volume(image) for image in images)

    seen = expose(stack)
    mr, mr_reference = take_mr(stack, *seen)
    labels = mr_labels = stack.volume(seen[0].label)
    counts = np.bincount(seen[0].label.ravel(), minlength=max(HipLabel) + 1)
    ct_lattice = stack
    if grids == "own":
        ct_lattice = plan(AXIAL, None, (spacing[0], spacing[2], spacing[1]), FIELD, _MIDDLE)
        seen = expose(ct_lattice)
        labels = ct_lattice.volume(seen[0].label)
    ct, ct_reference = take_ct(ct_lattice, *seen)
    voxel_ml = float(np.prod(spacing)) / 1000
    parameters = {
        "anatomy": "hip",
        "seed": seed,
        "index": index,
        "grids": grids,
        "body": asdict(body),
        "ct": asdict(scanner),
        "mr": asdict(protocol),
        "volume_ml": {
            label.name.lower(): round(float(counts[label]) * voxel_ml, 2)
            for label in HipLabel
            if counts[label]
        },
    }
    return HipSubject(ct, mr, ct_reference, mr_reference, labels, mr_labels, parameters)


def _paint(lattice: Lattice, body: Hip, random: np.random.Generator) -> Truth:
    shift = np.subtract(body.shift, lattice.middle)
    canvas = pose_canvas(lattice.shape, lattice.spacing, body.tilt, shift, 1.3 * body.size, random)
    paint_flesh(canvas, body, random)
    paint_bones(canvas, body, random)
    return canvas.truth


def _infiltration(truth: Truth, body: Hip, lattice: Lattice, random: np.random.Generator) -> np.ndarray:
    """Share of fat between the fibres of muscle, (K, J, I): in streaks, most in the smallest gluteus."""
    weight = np.zeros(max(HipLabel) + 1)
    weight[list(MUSCLES)] = body.infiltration
    weight[HipLabel.GLUTEUS_MINIMUS] *= 1.6
    weight[HipLabel.GLUTEUS_MAXIMUS] *= 1.25
    streaks = smooth_noise(lattice.shape, 7, lattice.spacing, random)
    streaks = np.clip(
        1 + 1.1 * streaks + 0.6 * smooth_noise(lattice.shape, 30, lattice.spacing, random), 0, 3.2
    )
    return np.minimum(truth.look_up(weight) * streaks, 0.85).astype(np.float32)
