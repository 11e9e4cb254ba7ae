"""Folders of labelled subjects to train on: nnU-Net, BIDS, or NIfTI and a table. No torch."""

from typing import TYPE_CHECKING

from SynthLogic.cohorts.guard import SPLITS, Guarded, guard
from SynthLogic.cohorts.layout import MANIFEST
from SynthLogic.cohorts.names import Names, name_all
from SynthLogic.cohorts.scrub import Redactor, scrub
from SynthLogic.cohorts.subject import MARK, CohortInfo, CohortReport, Made, Plan, Why
from SynthLogic.lazy import on_demand

if TYPE_CHECKING:
    from SynthLogic.cohorts.export import LAYOUTS, write_cohort
else:
    __getattr__ = on_demand(__name__, {"LAYOUTS": "export", "write_cohort": "export"})

__all__ = [
    "LAYOUTS",
    "MANIFEST",
    "MARK",
    "SPLITS",
    "CohortInfo",
    "CohortReport",
    "Guarded",
    "Made",
    "Names",
    "Plan",
    "Redactor",
    "Why",
    "guard",
    "name_all",
    "scrub",
    "write_cohort",
]
