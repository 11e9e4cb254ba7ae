"""Jobs: requests, checks of the input, running a request, and the record of how a result was made."""

from SynthLogic.jobs.check import CheckReport, Finding, check_scan
from SynthLogic.jobs.record import Record, disagreement_path, read_record, record_path
from SynthLogic.jobs.requests import TranslateRequest
from SynthLogic.jobs.translate import Rerun, choose_bundle, rerun, translate, translate_volume

__all__ = [
    "CheckReport",
    "Finding",
    "Record",
    "Rerun",
    "TranslateRequest",
    "check_scan",
    "choose_bundle",
    "disagreement_path",
    "read_record",
    "record_path",
    "rerun",
    "translate",
    "translate_volume",
]
