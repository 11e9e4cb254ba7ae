"""A simulated cine scan: balanced SSFP of thick slices, coils, k-space filter, correlated Rician noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from SynthLogic.phantoms.canvas import Truth, smooth_noise
from SynthLogic.phantoms.mr import bssfp_signal
from SynthLogic.phantoms.tissues import BLOOD, TISSUES, Label
from SynthLogic.phantoms.vendors import VENDORS, Protocol

_FAT = (Label.MEDIASTINAL_FAT, Label.VISCERAL_FAT, Label.SUBCUTANEOUS_FAT, Label.BONE_MARROW)


@dataclass(frozen=True)
class Surroundings:
    """What both phases of one examination share, each (K, J, I) float32: what the coils see (1 at the
    heart), and the grain of tissue (mean 0, deviation 1)."""

    coil: np.ndarray
    grain: np.ndarray

    @classmethod
    def draw(
        cls,
        protocol: Protocol,
        points: tuple[np.ndarray, np.ndarray, np.ndarray],
        heart: np.ndarray,
        half_depth: float,
        spacing: tuple[float, float, float],
        random: np.random.Generator,
    ) -> Surroundings:
        """For patient coordinates ``points`` (x, y, z; (K, J, I) in mm), the heart's middle ``heart`` (3,),
        a chest of ``half_depth`` mm and ``spacing`` (I, J, K) mm."""
        maker = VENDORS[protocol.vendor]
        shape = points[0].shape

        def seen(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            """Two coils, on the chest and under the back."""
            total = np.zeros_like(x)
            for side in (1, -1):
                away = (x - heart[0]) ** 2 + (z - heart[2]) ** 2
                away = 0.35 * away + (y - side * (half_depth + 30)) ** 2
                total += 1 / (1 + away / 55**2)
            return total

        middle = float(seen(*(np.array([c], float) for c in heart))[0])
        coil = (seen(*points) / np.float32(middle)) ** np.float32(protocol.coil)
        coil *= np.exp(protocol.shading * smooth_noise(shape, maker.shading_mm, spacing, random))
        grain = smooth_noise(shape, maker.grain, spacing, random)
        return cls(coil.astype(np.float32), grain)


def cine_signal(protocol: Protocol) -> np.ndarray:
    """Signal of each label, float32 (labels,), blood 1; fat is negative where it opposes water."""
    maker = VENDORS[protocol.vendor]
    size = max(Label) + 1
    t1, t2, pd = np.ones(size), np.ones(size), np.zeros(size)
    for label, tissue in TISSUES.items():
        t1[label], t2[label], pd[label] = tissue.t1 * maker.t1, tissue.t2 * maker.t2, tissue.pd
    signal = bssfp_signal(t1, t2, pd, protocol.tr, protocol.te, protocol.flip)
    signal[list(BLOOD)] *= protocol.blood
    signal /= signal[Label.LV_CAVITY]
    signal[list(_FAT)] *= maker.fat_phase
    return signal.astype(np.float32)


def scan_cine(
    truth: Truth,
    protocol: Protocol,
    around: Surroundings,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
) -> np.ndarray:
    """Image ``truth`` (K x sub-slices, J, I) as int16 (K, J, I); ``spacing`` is (I, J, K) in mm.

    Sub-slices that follow one another are averaged into the slices of ``around``.
    """
    maker = VENDORS[protocol.vendor]
    shape = around.coil.shape
    parts = len(truth.label) // shape[0]
    signal = cine_signal(protocol)
    mixed = truth.look_up(signal).reshape(shape[0], parts, *shape[1:]).mean(1)
    image = np.abs(mixed) / np.where(mixed < 0, abs(maker.fat_phase), 1).astype(np.float32)
    amount = np.array(
        [TISSUES[Label(n)].texture if n in TISSUES else 0 for n in range(len(signal))], np.float32
    )
    middle = truth.label[parts // 2 :: parts]
    image *= 1 + protocol.texture * amount[middle] * around.grain
    blood = np.isin(middle, (Label.LV_CAVITY, Label.RV_CAVITY, Label.LA_CAVITY, Label.RA_CAVITY))
    # Flow is never even: spins that were moved off resonance leave clouds in the cavities.
    cloud = smooth_noise(shape, 13, spacing, random)
    image *= 1 - blood * np.clip(0.05 * protocol.texture * np.abs(cloud), 0, 0.35)
    image *= around.coil
    noise = random.standard_normal((2, *shape), dtype=np.float32) / np.float32(protocol.snr)
    measured = image + noise[0] + 1j * noise[1]
    window = _window(shape[1:], protocol.cutoff, maker.soft)
    image = np.abs(fft.ifft2(fft.fft2(measured) * window))
    return np.rint(np.clip(image * protocol.level, 0, 32000)).astype(np.int16)


def _window(shape: tuple[int, ...], cutoff: float, soft: float) -> np.ndarray:
    """k-space filter (J, I) float32 in the order of ``fft2``: flat, then a cosine down to ``cutoff``."""
    j, i = (2 * np.abs(fft.fftfreq(n)) / cutoff for n in shape)

    def one(r: np.ndarray) -> np.ndarray:
        return 0.5 + 0.5 * np.cos(np.pi * np.clip((r - 1 + soft) / soft, 0, 1))

    return np.asarray(one(j)[:, None] * one(i)[None, :], np.float32)
