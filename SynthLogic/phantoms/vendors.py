"""Two makers of MR scanners, as their short-axis cine images differ.

``a`` is a 1.5 T scanner: a large flip angle, fat in opposed phase (a dark line where it meets muscle), a
soft filter, coils left uncorrected so that the chest wall glows. ``b`` is a 3 T scanner: flip angle limited
by heating, longer T1, less contrast, fat in phase, a hard filter over fewer k-space lines that rings, coils
corrected, more noise. Relaxation at 3 T relative to 1.5 T follows Stanisz 2005 (Magn Reson Med 54:507).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Vendor:
    """What one maker's protocols span; each examination draws from the ranges.

    ``tr`` in ms, ``flip`` in degrees; ``t1`` and ``t2`` scale the tissues' times at 1.5 T. ``blood`` scales
    the signal of blood (inflow above 1, dephasing below), ``fat_phase`` is the cosine of fat's phase against
    water. ``cutoff`` is the share of k-space acquired and ``soft`` the share of that over which it fades.
    ``snr`` is that of blood. ``coil`` is the exponent of the coils' falloff, ``shading`` a smooth relative
    deviation over ``shading_mm``. ``texture`` scales that of tissue, of a grain ``grain`` mm. ``level`` is
    the stored value of blood. ``thickness`` and ``gap`` of slices are choices in mm; ``pixels`` are (I, J).
    """

    tr: Range
    flip: Range
    t1: float
    t2: float
    blood: Range
    fat_phase: float
    cutoff: Range
    soft: float
    snr: Range
    coil: Range
    shading: Range
    shading_mm: float
    texture: Range
    grain: float
    level: Range
    thickness: tuple[float, ...]
    gap: tuple[float, ...]
    pixels: tuple[tuple[int, int], ...]
    base_first: float


VENDORS: dict[str, Vendor] = {
    "a": Vendor(
        tr=(2.7, 3.2), flip=(62, 80), t1=1.0, t2=1.0, blood=(1.0, 1.15), fat_phase=-0.85,
        cutoff=(0.88, 1.0), soft=0.9, snr=(26, 48), coil=(0.65, 1.1), shading=(0.03, 0.08), shading_mm=140,
        texture=(1.5, 2.4), grain=5.0, level=(130, 320), thickness=(6.0, 8.0), gap=(0.0, 2.0),
        pixels=((256, 208), (224, 192), (208, 224)), base_first=0.8,
    ),
    "b": Vendor(
        tr=(3.3, 4.0), flip=(38, 50), t1=1.25, t2=0.92, blood=(0.66, 0.82), fat_phase=0.95,
        cutoff=(0.62, 0.74), soft=0.12, snr=(15, 26), coil=(0.0, 0.2), shading=(0.09, 0.17), shading_mm=95,
        texture=(1.6, 2.6), grain=9.0, level=(600, 1300), thickness=(7.0, 8.0, 9.0), gap=(0.0, 0.0, 1.0),
        pixels=((224, 224), (240, 208), (192, 208)), base_first=0.2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """One examination's settings, drawn within a ``Vendor``; the same units."""

    vendor: str
    tr: float
    te: float
    flip: float
    blood: float
    cutoff: float
    snr: float
    coil: float
    shading: float
    texture: float
    level: float

    @classmethod
    def draw(cls, random: np.random.Generator, vendor: str) -> Protocol:
        """Draw the settings of an examination at ``vendor``, a key of ``VENDORS``."""
        maker = VENDORS[vendor]

        def one(span: Range) -> float:
            return float(random.uniform(*span))

        tr = one(maker.tr)
        return cls(
            vendor=vendor,
            tr=tr,
            te=tr / 2,
            flip=one(maker.flip),
            blood=one(maker.blood),
            cutoff=one(maker.cutoff),
            snr=one(maker.snr),
            coil=one(maker.coil),
            shading=one(maker.shading),
            texture=one(maker.texture),
            level=float(np.exp(one((np.log(maker.level[0]), np.log(maker.level[1]))))),
        )
