"""Tissues of the simulated subjects: what a CT and a 1.5 T MR scanner see of them.

Relaxation times at 1.5 T, in ms:

* Stanisz et al. 2005, Magn Reson Med 54:507, table 1: blood, heart, skeletal muscle, liver, cartilage,
  spinal cord.
* de Bazelaire et al. 2004, Radiology 230:652, table 1: subcutaneous fat, bone marrow (L4), spleen.
* Hatabu et al. 1999, Eur J Radiol 29:152: T2* of lung parenchyma, 1 to 2 ms; taken as T2, since both
  sequences here are gradient-recalled or balanced over air-tissue interfaces.
* Reichert et al. 2005, Magn Reson Imaging 23:611: cortical bone, T1 140 to 260 ms, T2* 0.4 to 0.5 ms.
* Rooney et al. 2007, Magn Reson Med 57:308: T1 of cerebrospinal fluid, about 4300 ms.

Proton densities are relative to water; those of muscle-like tissue follow their water content
(ICRU report 44), lung its inflation (about a quarter of muscle), marrow and fat are near 0.9. Values marked
"chosen" have no good published counterpart. HU are at 120 kV without contrast agent (Schneider 1996,
Phys Med Biol 41:111, from ICRU 44 compositions), rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Label(IntEnum):
    """Voxel labels of a thorax; 1 to 7 are the whole-heart structures of paper 1 (Chartsias 2017)."""

    AIR = 0
    LV_CAVITY = 1
    RV_CAVITY = 2
    LA_CAVITY = 3
    RA_CAVITY = 4
    LV_MYOCARDIUM = 5
    ASCENDING_AORTA = 6
    PULMONARY_ARTERY = 7
    HEART_WALL = 8
    INFARCT = 9
    PERICARDIAL_FLUID = 10
    MEDIASTINAL_FAT = 11
    AORTA = 12
    VESSEL_WALL = 13
    VENA_CAVA = 14
    PULMONARY_VEIN = 15
    LUNG = 16
    LUNG_VESSEL = 17
    LUNG_NODULE = 18
    AIRWAY = 19
    AIRWAY_WALL = 20
    OESOPHAGUS = 21
    PLEURAL_FLUID = 22
    DIAPHRAGM = 23
    LIVER = 24
    SPLEEN = 25
    STOMACH = 26
    BOWEL_GAS = 27
    VISCERAL_FAT = 28
    CORTICAL_BONE = 29
    BONE_MARROW = 30
    CARTILAGE = 31
    SPINAL_CORD = 32
    CSF = 33
    MUSCLE = 34
    SUBCUTANEOUS_FAT = 35
    SKIN = 36
    GLAND = 37
    TABLE_SHELL = 38
    TABLE_FOAM = 39


BLOOD = (
    Label.LV_CAVITY, Label.RV_CAVITY, Label.LA_CAVITY, Label.RA_CAVITY, Label.ASCENDING_AORTA, Label.AORTA,
    Label.PULMONARY_ARTERY, Label.PULMONARY_VEIN, Label.VENA_CAVA, Label.LUNG_VESSEL,
)  # fmt: skip
BONE = (Label.CORTICAL_BONE, Label.BONE_MARROW)
NOT_PATIENT = (Label.AIR, Label.TABLE_SHELL, Label.TABLE_FOAM)


@dataclass(frozen=True)
class Tissue:
    """Mean properties: ``hu`` without contrast agent, ``hu_spread`` between subjects (standard deviation),
    ``uptake`` (HU per unit of contrast agent, relative to blood), ``t1`` and ``t2`` in ms at 1.5 T,
    ``pd`` relative proton density, ``texture`` (relative standard deviation inside the tissue).
    """  # fmt: skip

    hu: float
    t1: float
    t2: float
    pd: float
    hu_spread: float = 4.0
    uptake: float = 0.0
    texture: float = 0.02


_AIR = Tissue(-1000, 1000, 1, 0.0, hu_spread=0, texture=0)
_BLOOD = Tissue(45, 1441, 290, 0.93, uptake=1.0, texture=0.01)
_MUSCLE = Tissue(55, 1008, 44, 0.80, uptake=0.05, texture=0.03)
_HEART = Tissue(50, 1030, 40, 0.80, uptake=0.18)
_FAT = Tissue(-100, 343, 58, 0.90, hu_spread=6, texture=0.03)
_WATER = Tissue(10, 3500, 800, 1.00)

TISSUES: dict[Label, Tissue] = {
    Label.AIR: _AIR,
    **dict.fromkeys(BLOOD, _BLOOD),
    Label.LV_MYOCARDIUM: _HEART,
    Label.HEART_WALL: _HEART,
    Label.INFARCT: Tissue(30, 1150, 50, 0.80, uptake=0.06),  # oedema lengthens both; amount chosen
    Label.PERICARDIAL_FLUID: _WATER,
    Label.MEDIASTINAL_FAT: _FAT,
    Label.VESSEL_WALL: Tissue(50, 1000, 45, 0.75, uptake=0.1),  # as smooth muscle, chosen
    Label.LUNG: Tissue(-850, 1200, 1.5, 0.20, hu_spread=30, texture=0.10),
    Label.LUNG_NODULE: Tissue(35, 1000, 55, 0.8, uptake=0.1),  # chosen
    Label.AIRWAY: _AIR,
    Label.AIRWAY_WALL: Tissue(20, 1000, 30, 0.6),  # cartilage and mucosa, chosen
    Label.OESOPHAGUS: _MUSCLE,
    Label.PLEURAL_FLUID: _WATER,
    Label.DIAPHRAGM: _MUSCLE,
    Label.LIVER: Tissue(60, 576, 46, 0.80, hu_spread=6, uptake=0.12, texture=0.03),
    Label.SPLEEN: Tissue(50, 1057, 79, 0.82, uptake=0.2),
    Label.STOMACH: Tissue(25, 2000, 120, 0.9, hu_spread=12),  # watery food, chosen
    Label.BOWEL_GAS: _AIR,
    Label.VISCERAL_FAT: _FAT,
    Label.CORTICAL_BONE: Tissue(950, 200, 0.5, 0.20, hu_spread=70, texture=0.06),
    Label.BONE_MARROW: Tissue(180, 549, 49, 0.75, hu_spread=25, texture=0.12),
    Label.CARTILAGE: Tissue(110, 1024, 30, 0.70, hu_spread=15),
    Label.SPINAL_CORD: Tissue(40, 745, 74, 0.75),
    Label.CSF: Tissue(8, 4300, 1500, 1.0),
    Label.MUSCLE: _MUSCLE,
    Label.SUBCUTANEOUS_FAT: _FAT,
    Label.SKIN: Tissue(40, 900, 30, 0.65),  # dermis, chosen
    Label.GLAND: Tissue(30, 1266, 58, 0.85),  # fibroglandular, Rakow-Penner 2006 (JMRI 23:87), 1.5 T
    Label.TABLE_SHELL: Tissue(-60, 1000, 1, 0.0, hu_spread=30),
    Label.TABLE_FOAM: Tissue(-920, 1000, 1, 0.0, hu_spread=10),
}
