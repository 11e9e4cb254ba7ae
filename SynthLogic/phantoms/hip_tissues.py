"""Tissues of a simulated hip: labels, HU and relaxation times at 1.5 T.

Times (ms) of muscle, fat, marrow, cortex, cartilage, cerebrospinal fluid and blood are those of ``tissues``,
with their sources. Also:

* Fatty (yellow) marrow: T1 288 ms, T2 165 ms (Gold et al. 2004, AJR 183:343, marrow of the knee);
  haematopoietic marrow: T1 549 ms, T2 49 ms (de Bazelaire et al. 2004, Radiology 230:652). An adult's pelvis
  holds about as much of either: the values here lie between, chosen; the femoral head's near those of
  yellow marrow.
* Urine: T1 and T2 near those of water. Uterus and prostate: T1 1274 and 1317 ms, T2 79 and 88 ms
  (de Bazelaire 2004, myometrium and prostate).

HU at 120 kV: ICRU 44 compositions (Schneider 1996, Phys Med Biol 41:111). Those of spongy bone and marrow,
which differ from place to place and person to person, are chosen: dense in the femoral head, near fat in the
shaft.
Values marked "chosen" have no good published counterpart.
"""

from __future__ import annotations

from enum import IntEnum

from SynthLogic.phantoms.tissues import TISSUES, Tissue
from SynthLogic.phantoms.tissues import Label as Thoracic


class HipLabel(IntEnum):
    """Voxel labels of a hip; both sides have the same."""

    AIR = 0
    PELVIS_CORTEX = 1
    PELVIS_MARROW = 2
    FEMUR_CORTEX = 3
    FEMUR_HEAD_MARROW = 4
    FEMUR_MARROW = 5
    GLUTEUS_MAXIMUS = 6
    GLUTEUS_MEDIUS = 7
    GLUTEUS_MINIMUS = 8
    MUSCLE = 9
    CARTILAGE = 10
    FIBROCARTILAGE = 11
    INTERMUSCULAR_FAT = 12
    SUBCUTANEOUS_FAT = 13
    SKIN = 14
    VISCERAL_FAT = 15
    BLADDER = 16
    BOWEL = 17
    BOWEL_GAS = 18
    PELVIC_ORGAN = 19
    VESSEL = 20
    VERTEBRA_CORTEX = 21
    VERTEBRA_MARROW = 22
    SPINAL_CANAL = 23


PELVIS = (HipLabel.PELVIS_CORTEX, HipLabel.PELVIS_MARROW)
FEMUR = (HipLabel.FEMUR_CORTEX, HipLabel.FEMUR_HEAD_MARROW, HipLabel.FEMUR_MARROW)
MUSCLES = (
    HipLabel.GLUTEUS_MAXIMUS, HipLabel.GLUTEUS_MEDIUS, HipLabel.GLUTEUS_MINIMUS, HipLabel.MUSCLE,
)  # fmt: skip

_T = TISSUES
_FAT = _T[Thoracic.SUBCUTANEOUS_FAT]
_MUSCLE = _T[Thoracic.MUSCLE]
_MARROW = Tissue(150, 430, 75, 0.82, hu_spread=30, texture=0.12)
_CORTEX = Tissue(900, 200, 0.5, 0.20, hu_spread=90, texture=0.10)

HIP_TISSUES: dict[int, Tissue] = {
    HipLabel.AIR: _T[Thoracic.AIR],
    HipLabel.PELVIS_CORTEX: _CORTEX,
    HipLabel.PELVIS_MARROW: _MARROW,
    HipLabel.FEMUR_CORTEX: Tissue(1150, 200, 0.5, 0.20, hu_spread=90, texture=0.08),
    HipLabel.FEMUR_HEAD_MARROW: Tissue(270, 310, 120, 0.82, hu_spread=50, texture=0.14),
    HipLabel.FEMUR_MARROW: Tissue(-20, 288, 165, 0.88, hu_spread=25, texture=0.08),
    HipLabel.GLUTEUS_MAXIMUS: _MUSCLE,
    HipLabel.GLUTEUS_MEDIUS: _MUSCLE,
    HipLabel.GLUTEUS_MINIMUS: _MUSCLE,
    HipLabel.MUSCLE: _MUSCLE,
    HipLabel.CARTILAGE: Tissue(80, 1024, 30, 0.75, hu_spread=12),
    HipLabel.FIBROCARTILAGE: Tissue(95, 1100, 30, 0.70, hu_spread=12),
    HipLabel.INTERMUSCULAR_FAT: _FAT,
    HipLabel.SUBCUTANEOUS_FAT: _FAT,
    HipLabel.SKIN: _T[Thoracic.SKIN],
    HipLabel.VISCERAL_FAT: _FAT,
    HipLabel.BLADDER: Tissue(8, 3200, 700, 1.00, hu_spread=5, texture=0.01),
    HipLabel.BOWEL: Tissue(35, 1100, 80, 0.85, hu_spread=10, texture=0.10),  # wall and content, chosen
    HipLabel.BOWEL_GAS: _T[Thoracic.AIR],
    HipLabel.PELVIC_ORGAN: Tissue(45, 1290, 84, 0.85, texture=0.05),
    HipLabel.VESSEL: _T[Thoracic.AORTA],
    HipLabel.VERTEBRA_CORTEX: _CORTEX,
    HipLabel.VERTEBRA_MARROW: _MARROW,
    HipLabel.SPINAL_CANAL: _T[Thoracic.CSF],
}
