"""Jobs: requests, checks of the input, running a request, and the record of how a result was made."""

from SynthLogic.jobs.check import CheckReport, Finding, check_scan
from SynthLogic.jobs.choose import choose_bundle
from SynthLogic.jobs.describe import describe
from SynthLogic.jobs.record import Record, disagreement_path, read_record, record_path
from SynthLogic.jobs.requests import TranslateRequest
from SynthLogic.jobs.rerun import Rerun, rerun
from SynthLogic.jobs.translate import translate, translate_volume
from SynthLogic.jobs.warm import Warm

__all__ = [
    "CheckReport",
    "Finding",
    "Record",
    "Rerun",
    "TranslateRequest",
    "Warm",
    "check_scan",
    "choose_bundle",
    "describe",
    "disagreement_path",
    "read_record",
    "record_path",
    "rerun",
    "translate",
    "translate_volume",
]
