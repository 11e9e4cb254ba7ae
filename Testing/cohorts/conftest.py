"""A plan of four subjects, and its export."""

from __future__ import annotations

from pathlib import Path

import pytest

from SynthLogic.cohorts import CohortInfo, CohortReport, Plan, write_cohort

from .small_hearts import REQUEST, SPLITS, make, pairs


@pytest.fixture
def plan() -> list[Plan]:
    """Two subjects for training, two for test."""
    return pairs("Anna Canary", "Bert Canary") + pairs("Cora Canary", "Dora Canary")


@pytest.fixture
def export(plan: list[Plan]):
    """``write_cohort`` with everything given; keywords replace what they name."""

    def run(folder: Path, **changed: object) -> CohortReport:
        given = {
            "layout": "plain",
            "request": REQUEST,
            "splits": SPLITS,
            "info": CohortInfo(licence="CC0-1.0"),
        }
        given |= changed
        return write_cohort(given.pop("plan", plan), given.pop("make", make), folder, **given)

    return run
