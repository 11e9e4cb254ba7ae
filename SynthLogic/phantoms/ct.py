"""A simulated CT scanner: HU with contrast agent, beam hardening, correlated noise, and a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from SynthLogic.phantoms.canvas import Truth, smooth_noise
from SynthLogic.phantoms.tissues import BLOOD, NOT_PATIENT, TISSUES, Label, Tissue

_LEFT = (Label.LV_CAVITY, Label.LA_CAVITY, Label.ASCENDING_AORTA, Label.AORTA, Label.PULMONARY_VEIN)


@dataclass(frozen=True)
class CTScanner:
    """One acquisition. HU are those of tissue without agent unless said otherwise.

    ``agent_left`` and ``agent_right`` are the rise in HU of the blood in the left heart with aorta and in the
    right heart with pulmonary arteries; ``noise`` is the standard deviation (HU) in the middle of the body;
    ``hardening`` scales the beam-hardening artefact; ``blur`` is the reconstruction kernel (mm, sigma).
    """

    agent_left: float
    agent_right: float
    noise: float
    hardening: float
    blur: float
    table: bool = True

    @classmethod
    def draw(cls, random: np.random.Generator) -> CTScanner:
        """Draw a contrast-enhanced chest protocol; one scan in six is without contrast agent."""
        left = float(np.clip(random.normal(300, 35), 200, 400))
        right = float(np.clip(left + random.normal(-20, 30), 150, 430))
        plain = random.random() < 1 / 6
        return cls(
            agent_left=0.0 if plain else left,
            agent_right=0.0 if plain else right,
            noise=float(random.uniform(8, 28)),
            hardening=float(random.uniform(0.3, 1.0)),
            blur=float(random.uniform(0.4, 0.9)),
        )

    @classmethod
    def draw_plain(cls, random: np.random.Generator, noise: tuple[float, float]) -> CTScanner:
        """Draw a protocol without contrast agent, its ``noise`` (HU) between the two."""
        return cls(
            agent_left=0.0,
            agent_right=0.0,
            noise=float(random.uniform(*noise)),
            hardening=float(random.uniform(0.2, 0.7)),
            blur=float(random.uniform(0.4, 0.9)),
        )

    def noise_free(self) -> CTScanner:
        """The same protocol without noise, artefacts, blur and table: the reference for figures."""
        return replace(self, noise=0.0, hardening=0.0, blur=0.0, table=False)


def tissue_hu(scanner: CTScanner, random: np.random.Generator) -> np.ndarray:
    """HU of each label in this subject, float32 (labels,), contrast agent included."""
    values = np.zeros(max(Label) + 1, np.float32)
    offsets: dict[int, float] = {}
    for label, tissue in TISSUES.items():
        # Tissues that are one material (all fat, all unenhanced blood) vary together.
        shared = offsets.setdefault(id(tissue), float(random.normal(0, 1)) * tissue.hu_spread)
        agent = scanner.agent_left
        if label in BLOOD:
            agent = scanner.agent_left if label in _LEFT else scanner.agent_right
        if label == Label.VENA_CAVA:
            agent = 0.6 * scanner.agent_right
        if label == Label.LUNG_VESSEL:
            agent = 0.5 * (scanner.agent_left + scanner.agent_right)
        values[label] = tissue.hu + shared + tissue.uptake * agent
    return values


def plain_hu(tissues: Mapping[int, Tissue], random: np.random.Generator) -> np.ndarray:
    """HU of each label in this subject without contrast agent, float32 (labels,)."""
    values = np.zeros(max(tissues) + 1, np.float32)
    shifts: dict[int, float] = {}
    for label, tissue in tissues.items():
        shared = shifts.setdefault(id(tissue), float(random.normal(0, 1)) * tissue.hu_spread)
        values[label] = tissue.hu + shared
    return values


def scan_ct(
    truth: Truth,
    scanner: CTScanner,
    values: np.ndarray,
    texture: np.ndarray,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
    tissues: Mapping[Any, Tissue] = TISSUES,
    not_patient: Sequence[int] = NOT_PATIENT,
    infiltration: np.ndarray | None = None,
) -> np.ndarray:
    """Image ``truth`` (K, J, I), k superior, j anterior; returns int16 HU.

    Args:
        truth: labels with partial volume.
        scanner: the acquisition.
        values: HU of each label (``tissue_hu``).
        texture: (K, J, I), mean 0 and deviation 1; modulates each tissue's density by its own amount.
        spacing: (I, J, K) mm.
        random: source of the noise.
        tissues: what the labels are.
        not_patient: labels of what lies round the patient.
        infiltration: (K, J, I) HU that fat between a tissue's fibres adds.
    """
    amount = np.zeros_like(values)
    for label, tissue in tissues.items():
        amount[label] = tissue.texture * (1000 + values[label]) * 0.5
    patient = np.ones_like(values)
    patient[list(not_patient)] = 0
    image = truth.look_up(values) + truth.look_up(amount) * texture
    if infiltration is not None:
        image += infiltration
    if scanner.table:
        _add_table(image, truth.look_up(patient), spacing)
    if scanner.hardening:
        image += scanner.hardening * beam_hardening(image, spacing)
    if scanner.blur:
        image = ndimage.gaussian_filter(image, [scanner.blur / s for s in spacing[::-1]])
    if scanner.noise:
        image += _noise(image, scanner.noise, spacing, random)
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


def _add_table(image: np.ndarray, patient: np.ndarray, spacing: tuple[float, float, float]) -> None:
    """A curved couch of foam in a thin shell, touching the back."""
    rows = np.flatnonzero(patient.max(axis=(0, 2)) > 0.5)
    if not len(rows):
        return
    j = np.arange(image.shape[1])[None, :, None] * spacing[1]
    i = (np.arange(image.shape[2])[None, None, :] - image.shape[2] / 2) * spacing[0]
    depth = (rows[0] * spacing[1] + 6) - j + 0.0011 * i**2
    inside = (np.abs(i) < 200) & (patient < 0.05)
    image[:] = np.where(inside & (depth > 0) & (depth < 30), TISSUES[Label.TABLE_FOAM].hu, image)
    shell = inside & (((depth > 0) & (depth < 2.5)) | ((depth > 27.5) & (depth < 30)))
    image[:] = np.where(shell, TISSUES[Label.TABLE_SHELL].hu, image)


def beam_hardening(image: np.ndarray, spacing: tuple[float, float, float], angles: int = 30) -> np.ndarray:
    """Error in HU that a polychromatic beam leaves after water correction, (K, J, I) float32.

    Second-order model of Joseph and Spital 1978 (J Comput Assist Tomogr 2:100): what remains after the water
    correction grows with the product of the bone's and all material's path lengths. The projections of both
    are taken in the axial plane at a third of the resolution, their product is reconstructed by filtered
    back-projection: dark bands between dense bones, as on real scans.
    """
    step = [max(1, round(6.0 / s)) for s in (spacing[1], spacing[0])]
    small = image[:, :: step[0], :: step[1]]
    pixel = 0.5 * (spacing[1] * step[0] + spacing[0] * step[1]) / 10  # cm
    water = np.clip(small / 1000 + 1, 0, 1.2).astype(np.float32)
    bone = np.clip((small - 150) / 1000, 0, 2).astype(np.float32)
    side = int(np.ceil(np.hypot(*small.shape[1:]))) | 1
    pad = [(0, 0), *(((side - n) // 2, side - n - (side - n) // 2) for n in small.shape[1:])]
    water, bone = np.pad(water, pad), np.pad(bone, pad)
    frequency = np.abs(np.fft.rfftfreq(2 * side)).astype(np.float32) * 2
    window = np.cos(np.pi / 2 * np.minimum(1, frequency)) ** 2
    total = np.zeros_like(water)
    for theta in np.arange(angles) * 180.0 / angles:
        turn = _turner(side, theta)
        p_water, p_bone = (turn(a).sum(1) * pixel * 0.19 for a in (water, bone))
        error = -0.06 * p_bone * (p_bone + 0.5 * p_water)
        filtered = np.fft.irfft(np.fft.rfft(error, 2 * side) * frequency * window, 2 * side)[:, :side]
        total += _turner(side, -theta)(np.repeat(filtered[:, None, :], side, 1).astype(np.float32))
    hu = (
        total[:, pad[1][0] : side - pad[1][1], pad[2][0] : side - pad[2][1]]
        * (np.pi / (2 * angles * pixel))
        / 0.19
        * 1000
    )
    grow = (1, image.shape[1] / hu.shape[1], image.shape[2] / hu.shape[2])
    large = ndimage.zoom(hu.astype(np.float32), grow, order=1, mode="nearest", grid_mode=True)
    return np.clip(large, -250, 120) * (image > -980)


def _turner(side: int, degrees: float) -> Callable[[np.ndarray], np.ndarray]:
    """Function that rotates (K, side, side) about the middle of each slice, bilinear."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle = (side - 1) / 2
    j, i = np.mgrid[:side, :side].astype(np.float32) - middle
    v, u = c * j - s * i + middle, s * j + c * i + middle
    v0, u0 = np.clip(np.floor(v), 0, side - 2).astype(int), np.clip(np.floor(u), 0, side - 2).astype(int)
    inside = (v >= 0) & (u >= 0) & (v <= side - 1) & (u <= side - 1)
    fv, fu = (v - v0).astype(np.float32), (u - u0).astype(np.float32)
    flat = v0 * side + u0
    weights = [((1 - fv) * (1 - fu), 0), ((1 - fv) * fu, 1), (fv * (1 - fu), side), (fv * fu, side + 1)]

    def turn(stack: np.ndarray) -> np.ndarray:
        lines = stack.reshape(len(stack), -1)
        result = sum(lines[:, flat + shift] * (w * inside) for w, shift in weights)
        return np.asarray(result, np.float32)

    return turn


def _noise(
    image: np.ndarray, level: float, spacing: tuple[float, float, float], random: np.random.Generator
) -> np.ndarray:
    """Noise correlated by the kernel, stronger where the beam crossed more material."""
    white = random.standard_normal(image.shape, dtype=np.float32)
    sigma = [0.0 if s > 2.5 else 0.7 / s for s in spacing[::-1]]
    coarse = ndimage.gaussian_filter(white, sigma)
    band = coarse - ndimage.gaussian_filter(coarse, [4 * q for q in sigma]) if any(sigma) else coarse
    water = np.clip(image / 1000 + 1, 0, 2).mean(axis=(1, 2), keepdims=True)
    slice_level = np.sqrt(np.exp(3.0 * (water - water.mean())))  # shoulders are noisier than lungs
    radial = 0.75 + 0.5 * np.clip(ndimage.uniform_filter(np.clip(image / 1000 + 1, 0, 1), 15), 0, 1)
    return np.asarray(band / max(float(band.std()), 1e-6) * level * slice_level * radial, np.float32)


def density_texture(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], random: np.random.Generator
) -> np.ndarray:
    """The subject's own density variations, (K, J, I) float32, mean 0 and deviation 1."""
    return (
        0.8 * smooth_noise(shape, 9, spacing, random) + 0.6 * smooth_noise(shape, 40, spacing, random)
    ).astype(np.float32)
