"""Simulated anatomy seen by simulated scanners: subjects with exact truth, without any patient's data."""

from SynthLogic.phantoms.anatomies import ANATOMIES
from SynthLogic.phantoms.brain import BrainSubject, make_brain
from SynthLogic.phantoms.brain_tissues import BrainLabel
from SynthLogic.phantoms.cohort import MARK, write_cohort, write_subject
from SynthLogic.phantoms.deformation import Deformation
from SynthLogic.phantoms.heart import PATHOLOGIES
from SynthLogic.phantoms.hip import HipSubject, make_hip
from SynthLogic.phantoms.hip_tissues import HipLabel
from SynthLogic.phantoms.short_axis import HeartSubject, make_heart
from SynthLogic.phantoms.subject import SHAPE, SPACING, Subject, body_of, make_subject
from SynthLogic.phantoms.tissues import BLOOD, BONE, TISSUES, Label

__all__ = [
    "ANATOMIES",
    "BLOOD",
    "BONE",
    "MARK",
    "PATHOLOGIES",
    "SHAPE",
    "SPACING",
    "TISSUES",
    "BrainLabel",
    "BrainSubject",
    "Deformation",
    "HeartSubject",
    "HipLabel",
    "HipSubject",
    "Label",
    "Subject",
    "body_of",
    "make_brain",
    "make_heart",
    "make_hip",
    "make_subject",
    "write_cohort",
    "write_subject",
]
