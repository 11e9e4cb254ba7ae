"""Tissues of a simulated head: labels, HU and relaxation times at 1.5 T.

Times in ms:

* Rooney et al. 2007, Magn Reson Med 57:308, 1.5 T: T1 of white matter 656, cortex 1188, cerebrospinal
  fluid 4300; the nuclei, cerebellum and stem lie between white and grey matter, chosen.
* Stanisz et al. 2005, Magn Reson Med 54:507, 1.5 T: T2 of white matter 72, grey matter 95, muscle, blood,
  optic nerve (815 / 77).
* Whittall et al. 1997, Magn Reson Med 37:34: T2 of putamen and pallidum shorter than the cortex's (iron),
  water content of white matter 0.70, grey matter 0.82.
* Oedema, tumour and infarct: both times longer by half to twice (Just and Thelen 1988, Radiology 169:779;
  amounts chosen). The vitreous body is nearly water.

HU at 120 kV: grey matter 37 to 41, white matter 20 to 30, cerebrospinal fluid 0 to 10, infarct some 8 HU
below its tissue, oedema near 20; bone as compact bone with a spongy middle of 300 to 500. Values marked
"chosen" have no good published counterpart.
"""

from __future__ import annotations

from enum import IntEnum

from SynthLogic.phantoms.tissues import TISSUES, Tissue
from SynthLogic.phantoms.tissues import Label as Thoracic


class BrainLabel(IntEnum):
    """Voxel labels of a head."""

    AIR = 0
    GREY_MATTER = 1
    WHITE_MATTER = 2
    CSF = 3
    VENTRICLE = 4
    THALAMUS = 5
    CAUDATE = 6
    PUTAMEN = 7
    PALLIDUM = 8
    CEREBELLAR_CORTEX = 9
    CEREBELLAR_WHITE = 10
    BRAIN_STEM = 11
    SKULL_CORTEX = 12
    DIPLOE = 13
    SCALP_FAT = 14
    SKIN = 15
    MUSCLE = 16
    EYE = 17
    LENS = 18
    ORBIT_FAT = 19
    OPTIC_NERVE = 20
    SINUS = 21
    MUCOSA = 22
    DURA = 23
    BLOOD = 24
    TUMOUR = 25
    NECROSIS = 26
    OEDEMA = 27
    STROKE = 28


LESIONS = (BrainLabel.TUMOUR, BrainLabel.NECROSIS, BrainLabel.OEDEMA, BrainLabel.STROKE)
_T = TISSUES
_FAT = _T[Thoracic.SUBCUTANEOUS_FAT]
_FLUID = Tissue(7, 4300, 1500, 1.00, hu_spread=2, texture=0.002)

BRAIN_TISSUES: dict[int, Tissue] = {
    BrainLabel.AIR: _T[Thoracic.AIR],
    BrainLabel.GREY_MATTER: Tissue(39, 1188, 95, 0.82, hu_spread=1.5, texture=0.004),
    BrainLabel.WHITE_MATTER: Tissue(28, 656, 72, 0.70, hu_spread=1.5, texture=0.004),
    BrainLabel.CSF: _FLUID,
    BrainLabel.VENTRICLE: _FLUID,
    BrainLabel.THALAMUS: Tissue(36, 970, 80, 0.78, hu_spread=1.5, texture=0.004),
    BrainLabel.CAUDATE: Tissue(39, 1110, 88, 0.82, hu_spread=1.5, texture=0.003),
    BrainLabel.PUTAMEN: Tissue(39, 1080, 80, 0.81, hu_spread=1.5, texture=0.003),
    BrainLabel.PALLIDUM: Tissue(38, 746, 66, 0.72, hu_spread=1.5, texture=0.003),
    BrainLabel.CEREBELLAR_CORTEX: Tissue(37, 1100, 92, 0.81, hu_spread=1.5, texture=0.006),
    BrainLabel.CEREBELLAR_WHITE: Tissue(29, 680, 74, 0.71, hu_spread=1.5, texture=0.004),
    BrainLabel.BRAIN_STEM: Tissue(31, 760, 78, 0.73, hu_spread=1.5, texture=0.004),
    BrainLabel.SKULL_CORTEX: Tissue(1250, 200, 0.5, 0.20, hu_spread=90, texture=0.06),
    BrainLabel.DIPLOE: Tissue(480, 480, 60, 0.70, hu_spread=70, texture=0.12),
    BrainLabel.SCALP_FAT: _FAT,
    BrainLabel.SKIN: _T[Thoracic.SKIN],
    BrainLabel.MUSCLE: _T[Thoracic.MUSCLE],
    BrainLabel.EYE: Tissue(10, 4000, 1200, 0.99, hu_spread=2, texture=0.0),
    BrainLabel.LENS: Tissue(90, 1000, 30, 0.65, hu_spread=8),  # chosen
    BrainLabel.ORBIT_FAT: _FAT,
    BrainLabel.OPTIC_NERVE: Tissue(36, 815, 77, 0.74),
    BrainLabel.SINUS: _T[Thoracic.AIR],
    BrainLabel.MUCOSA: Tissue(35, 1300, 110, 0.90),  # chosen
    BrainLabel.DURA: Tissue(65, 900, 30, 0.55),  # as dense connective tissue, chosen
    BrainLabel.BLOOD: Tissue(55, 1441, 60, 0.93),  # flow shortens T2 of the sinus; chosen
    BrainLabel.TUMOUR: Tissue(42, 1500, 130, 0.87, hu_spread=1.5, texture=0.012),
    BrainLabel.NECROSIS: Tissue(15, 2600, 350, 0.95, hu_spread=1.5, texture=0.010),
    BrainLabel.OEDEMA: Tissue(20, 1400, 160, 0.88, hu_spread=1.5, texture=0.006),
    BrainLabel.STROKE: Tissue(25, 1450, 150, 0.86, hu_spread=1.5, texture=0.006),
}
