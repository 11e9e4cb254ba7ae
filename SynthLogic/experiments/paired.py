"""Paired tests over subjects, and the table of gates that they go into."""

from __future__ import annotations

import numpy as np
from scipy import stats

from SynthLogic.review.tables import Cell, Column, Table


def positive(differences: np.ndarray) -> float:
    """One-sided p of the Wilcoxon signed-rank test that differences of paired subjects are above 0."""
    if not np.any(differences):
        return 1.0
    return float(getattr(stats.wilcoxon(differences, alternative="greater"), "pvalue", np.nan))


def gates(title: str, rows: list[tuple[Cell, ...]]) -> Table:
    """Gates as they are shown: what, measured, wanted, reached, p."""
    columns = (Column("gate"), Column("measured", "", 3), Column("wanted"), Column("reached"))
    return Table(title, (*columns, Column("p (Wilcoxon)", "", 4)), tuple(rows))
