"""A simulated 1.5 T MR scanner: bSSFP and T1 spoiled gradient echo, bias field, motion, Rician noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import ndimage

from SynthLogic.phantoms.canvas import Truth, smooth_noise
from SynthLogic.phantoms.tissues import BLOOD, TISSUES, Label

Sequence = Literal["bssfp", "t1"]


@dataclass(frozen=True)
class MRScanner:
    """One acquisition: times in ms, ``flip`` in degrees.

    ``snr`` is that of blood (bSSFP) or fat (T1); ``bias`` the relative deviation of the receive field;
    ``motion`` the breathing amplitude in mm; ``slab`` the slice thickness in mm that blurs along k.
    """

    sequence: Sequence
    tr: float
    te: float
    flip: float
    snr: float
    bias: float
    motion: float
    slab: float
    gain: float

    @classmethod
    def draw(cls, random: np.random.Generator, sequence: Sequence = "bssfp") -> MRScanner:
        """Draw a protocol: cardiac bSSFP (Kramer 2020, J Cardiovasc Magn Reson 22:17) or T1."""
        if sequence == "bssfp":
            tr = float(random.uniform(3.0, 4.0))
            te, flip = tr / 2, float(random.uniform(50, 70))
        else:
            tr, te, flip = (
                float(random.uniform(4, 7)),
                float(random.uniform(1.8, 2.6)),
                float(random.uniform(12, 18)),
            )
        return cls(
            sequence=sequence,
            tr=tr,
            te=te,
            flip=flip,
            snr=float(random.uniform(18, 50)),
            bias=float(random.uniform(0.05, 0.25)),
            motion=float(random.uniform(0, 3)),
            slab=float(random.uniform(0, 4)),
            gain=float(np.exp(random.uniform(np.log(0.2), np.log(5)))),
        )

    def noise_free(self) -> MRScanner:
        """The sequence's standard protocol without noise, bias, motion and slab: the reference."""
        tr, te, flip = (3.4, 1.7, 60.0) if self.sequence == "bssfp" else (5.0, 2.2, 15.0)
        return replace(self, tr=tr, te=te, flip=flip, snr=np.inf, bias=0.0, motion=0.0, slab=0.0, gain=1.0)


def bssfp_signal(
    t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, tr: float, te: float, flip: float
) -> np.ndarray:
    """Steady-state signal of balanced SSFP on resonance (Scheffler and Lehnhardt 2003, Eur Radiol 13:2409).

    S = PD sin(a) (1 - E1) / (1 - (E1 - E2) cos(a) - E1 E2) exp(-TE / T2), E = exp(-TR / T); times in ms,
    ``flip`` in degrees.
    """
    a = np.deg2rad(flip)
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    return pd * np.sin(a) * (1 - e1) / (1 - (e1 - e2) * np.cos(a) - e1 * e2) * np.exp(-te / t2)


def spoiled_signal(
    t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, tr: float, te: float, flip: float
) -> np.ndarray:
    """Ernst equation of the spoiled gradient echo: PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE / T2)."""
    a = np.deg2rad(flip)
    e1 = np.exp(-tr / t1)
    return pd * np.sin(a) * (1 - e1) / (1 - np.cos(a) * e1) * np.exp(-te / t2)


def spin_echo_signal(t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, tr: float, te: float) -> np.ndarray:
    """Signal of a spin echo, TE much shorter than TR: PD (1 - exp(-TR / T1)) exp(-TE / T2); times in ms."""
    return pd * (1 - np.exp(-tr / t1)) * np.exp(-te / t2)


def tissue_signal(scanner: MRScanner) -> np.ndarray:
    """Signal of each label, float32 (labels,), scaled so that blood (bSSFP) or fat (T1) gives 800 x gain.

    Blood that flows into a T1-weighted slab is partly fresh: half of its longitudinal magnetisation is taken
    as unsaturated (chosen).
    """
    size = max(Label) + 1
    t1, t2, pd = np.ones(size), np.ones(size), np.zeros(size)
    for label, tissue in TISSUES.items():
        t1[label], t2[label], pd[label] = tissue.t1, tissue.t2, tissue.pd
    if scanner.sequence == "bssfp":
        signal = bssfp_signal(t1, t2, pd, scanner.tr, scanner.te, scanner.flip)
        unit = signal[Label.LV_CAVITY]
    else:
        signal = spoiled_signal(t1, t2, pd, scanner.tr, scanner.te, scanner.flip)
        fresh = pd * np.sin(np.deg2rad(scanner.flip)) * 0.5
        blood = list(BLOOD)
        signal[blood] = 0.85 * signal[blood] + 0.15 * fresh[blood]
        unit = signal[Label.SUBCUTANEOUS_FAT]
    return (signal / unit * 800 * scanner.gain).astype(np.float32)


def scan_mr(
    truth: Truth,
    scanner: MRScanner,
    texture: np.ndarray,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
) -> np.ndarray:
    """Image ``truth`` (K, J, I), k superior; returns float32 in arbitrary units, zero or above.

    ``texture`` (K, J, I), mean 0 and deviation 1, modulates each tissue by its own relative amount;
    ``spacing`` is (I, J, K) mm; ``random`` gives bias and noise.
    """
    values = tissue_signal(scanner)
    amount = np.zeros_like(values)
    for label, tissue in TISSUES.items():
        amount[label] = tissue.texture * values[label]
    image = truth.look_up(values) + truth.look_up(amount) * texture
    np.maximum(image, 0, out=image)
    if scanner.slab:
        image = ndimage.gaussian_filter1d(image, scanner.slab / spacing[2] / 2.355, axis=0)
    if scanner.motion:
        image = _breathe(image, scanner.motion, spacing)
    sigma = 800 * scanner.gain / scanner.snr if np.isfinite(scanner.snr) else 0.0
    return receive(image, scanner.bias, sigma, spacing, random)


def receive(
    image: np.ndarray,
    bias: float,
    sigma: float,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
) -> np.ndarray:
    """What the coils make of the signal (K, J, I): a smooth field of relative deviation ``bias`` and Rician
    noise of ``sigma``; returns float32. ``spacing`` is (I, J, K) mm."""
    if bias:
        image *= np.exp(bias * smooth_noise(image.shape, 160, spacing, random))
    if sigma:
        # Magnitude of a complex signal with Gaussian noise in both parts: Rician.
        real = image + sigma * random.standard_normal(image.shape, dtype=np.float32)
        imaginary = sigma * random.standard_normal(image.shape, dtype=np.float32)
        image = np.hypot(real, imaginary)
    return np.asarray(image, np.float32)


def _breathe(image: np.ndarray, amplitude: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """Average over a breath: superior-inferior, and a third of it anterior-posterior near the front."""
    moved = np.zeros_like(image)
    weights = (0.5, 0.3, 0.2)
    for weight, share in zip(weights, (0.0, 0.5, 1.0), strict=True):
        shift = (share * amplitude / spacing[2], share * amplitude / 3 / spacing[1])
        moved += weight * _shift(_shift(image, shift[0], 0), shift[1], 1)
    return moved


def _shift(image: np.ndarray, voxels: float, axis: int) -> np.ndarray:
    """Shift along one axis by less than a few voxels, linear, edges repeated."""
    whole, part = int(np.floor(voxels)), float(voxels - np.floor(voxels))
    n = image.shape[axis]
    first = np.clip(np.arange(n) - whole, 0, n - 1)
    second = np.clip(first - 1, 0, n - 1)
    return (1 - part) * np.take(image, first, axis) + part * np.take(image, second, axis)
