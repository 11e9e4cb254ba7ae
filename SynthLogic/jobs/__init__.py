"""Jobs: requests, checks of the input, running a request, and the record of how a result was made."""

from SynthLogic.jobs.check import CheckReport, Finding, check_scan
from SynthLogic.jobs.choose import choose_bundle
from SynthLogic.jobs.cohort import CohortStyle, CohortSubject, export_cohort
from SynthLogic.jobs.describe import describe
from SynthLogic.jobs.heart_desk import Hearts, Offspring, Reference
from SynthLogic.jobs.heart_labels import Heart, heart_of, read_heart
from SynthLogic.jobs.heart_record import HeartRecord, read_any_record
from SynthLogic.jobs.heart_requests import (
    CohortRequest,
    InterpolateRequest,
    NamedStyle,
    PaintRequest,
    ScanStyle,
    SeedStyle,
    StyleChoice,
)
from SynthLogic.jobs.interpolate import Interpolated, interpolate
from SynthLogic.jobs.paint import Painted, paint, paint_volume
from SynthLogic.jobs.record import Record, disagreement_path, label_map_path, read_record, record_path
from SynthLogic.jobs.reference import read_reference
from SynthLogic.jobs.requests import TranslateRequest
from SynthLogic.jobs.rerun import Rerun, rerun
from SynthLogic.jobs.translate import translate, translate_volume
from SynthLogic.jobs.warm import Warm

__all__ = [
    "CheckReport",
    "CohortRequest",
    "CohortStyle",
    "CohortSubject",
    "Finding",
    "Heart",
    "HeartRecord",
    "Hearts",
    "InterpolateRequest",
    "Interpolated",
    "NamedStyle",
    "Offspring",
    "PaintRequest",
    "Painted",
    "Record",
    "Reference",
    "Rerun",
    "ScanStyle",
    "SeedStyle",
    "StyleChoice",
    "TranslateRequest",
    "Warm",
    "check_scan",
    "choose_bundle",
    "describe",
    "disagreement_path",
    "export_cohort",
    "heart_of",
    "interpolate",
    "label_map_path",
    "paint",
    "paint_volume",
    "read_any_record",
    "read_heart",
    "read_record",
    "read_reference",
    "record_path",
    "rerun",
    "translate",
    "translate_volume",
]
