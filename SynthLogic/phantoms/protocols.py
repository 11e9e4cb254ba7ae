"""MR protocols by name for any table of tissues: spin echoes and the spoiled gradient echo, two makers.

``a`` is a 1.5 T scanner, ``b`` a 3 T one: there T1 is longer (by 1.15 in fat and bone to 1.3 in tissue that
holds water; Stanisz 2005, Magn Reson Med 54:507, de Bazelaire 2004, Radiology 230:652) and T2 a tenth
shorter, there is more signal, and the transmit field shades the image more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.canvas import Truth
from SynthLogic.phantoms.mr import receive, spin_echo_signal, spoiled_signal
from SynthLogic.phantoms.tissues import Tissue

VENDORS = ("a", "b")
_LEVEL = 800.0  # stored value of the tissue that a reference is scaled to
_SOLID = 600.0  # ms; tissue with a shorter T1 owes it to fat or bone


@dataclass(frozen=True)
class Weighting:
    """Ranges of one weighting, (low, high): ``tr``, ``te`` in ms, ``flip`` in degrees; None for spin echo."""

    tr: tuple[float, float]
    te: tuple[float, float]
    flip: tuple[float, float] | None = None


@dataclass(frozen=True)
class MRProtocol:
    """One acquisition: times in ms, ``flip`` in degrees (None: a spin echo).

    ``snr`` is that of the tissue with the level asked for; ``bias`` the relative deviation of the receive
    field; ``blur`` (mm, sigma) the filter of the reconstruction; ``gain`` scales what is stored.
    """

    vendor: str
    tr: float
    te: float
    flip: float | None
    snr: float
    bias: float
    blur: float
    gain: float

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        weighting: Weighting,
        vendor: str,
        snr: tuple[float, float] = (18, 45),
    ) -> MRProtocol:
        """Draw an examination's settings at ``vendor``, one of ``VENDORS``."""
        strong = vendor == "b"
        return cls(
            vendor=vendor,
            tr=float(random.uniform(*weighting.tr)),
            te=float(random.uniform(*weighting.te)),
            flip=None if weighting.flip is None else float(random.uniform(*weighting.flip)),
            snr=float(random.uniform(*snr)) * (1.3 if strong else 1.0),
            bias=float(random.uniform(0.10, 0.22) if strong else random.uniform(0.04, 0.14)),
            blur=float(random.uniform(0.3, 0.7)),
            gain=float(np.exp(random.uniform(np.log(0.3), np.log(4)))),
        )

    def noise_free(self, weighting: Weighting) -> MRProtocol:
        """The middle of ``weighting`` at 1.5 T without noise, field and blur: the reference."""
        return replace(
            self,
            vendor="a",
            tr=float(np.mean(weighting.tr)),
            te=float(np.mean(weighting.te)),
            flip=None if weighting.flip is None else float(np.mean(weighting.flip)),
            snr=np.inf,
            bias=0.0,
            blur=0.0,
            gain=1.0,
        )


def check_vendor(vendor: str | None) -> None:
    """Raise ConfigError unless ``vendor`` is None or one of ``VENDORS``."""
    if vendor is not None and vendor not in VENDORS:
        raise ConfigError(f"The vendor {vendor!r} is unknown: choose one of {', '.join(VENDORS)}.")


def signals(protocol: MRProtocol, tissues: Mapping[int, Tissue], unit: int) -> np.ndarray:
    """Signal of each label, float32 (labels,), scaled so that label ``unit`` gives 800 x gain."""
    size = max(tissues) + 1
    t1, t2, pd = np.ones(size), np.ones(size), np.zeros(size)
    for label, tissue in tissues.items():
        t1[label], t2[label], pd[label] = tissue.t1, tissue.t2, tissue.pd
    if protocol.vendor == "b":
        t1, t2 = t1 * np.where(t1 < _SOLID, 1.15, 1.3), t2 * 0.9
    if protocol.flip is None:
        signal = spin_echo_signal(t1, t2, pd, protocol.tr, protocol.te)
    else:
        signal = spoiled_signal(t1, t2, pd, protocol.tr, protocol.te, protocol.flip)
    return (signal / signal[unit] * _LEVEL * protocol.gain).astype(np.float32)


def scan(
    truth: Truth,
    protocol: MRProtocol,
    tissues: Mapping[int, Tissue],
    unit: int,
    texture: np.ndarray,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
    infiltration: tuple[np.ndarray, int] | None = None,
) -> np.ndarray:
    """Image ``truth`` (K, J, I); returns float32 in arbitrary units, zero or above.

    Args:
        truth: labels with partial volume.
        protocol: the acquisition.
        tissues: what the labels are.
        unit: the label that gives 800 x gain.
        texture: (K, J, I), mean 0 and deviation 1; modulates each tissue by its own relative amount.
        spacing: (I, J, K) mm.
        random: source of field and noise.
        infiltration: share (K, J, I) of another tissue between the fibres, and that tissue's label.
    """
    values = signals(protocol, tissues, unit)
    amount = np.zeros_like(values)
    for label, tissue in tissues.items():
        amount[label] = tissue.texture * values[label]
    image = truth.look_up(values)
    if infiltration is not None:
        share, label = infiltration
        image += share * (values[label] - image)
    image += truth.look_up(amount) * texture
    np.maximum(image, 0, out=image)
    if protocol.blur:
        image = ndimage.gaussian_filter(image, [protocol.blur / s for s in spacing[::-1]])
    sigma = _LEVEL * protocol.gain / protocol.snr if np.isfinite(protocol.snr) else 0.0
    return receive(image, protocol.bias, sigma, spacing, random)
