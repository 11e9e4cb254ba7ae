"""Gates as they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from SynthLogic.review.tables import Cell, Column, Table


def gate_table(title: str, rows: Sequence[tuple[Cell, ...]], more: Sequence[Column] = ()) -> Table:
    """What, measured, wanted, reached; p of a gain, where the rows have a fifth cell; ``more`` columns."""
    columns = [Column("gate"), Column("measured", "", 3), Column("wanted"), Column("reached")]
    if rows and len(rows[0]) > len(columns):
        columns.append(Column("p of a gain (Wilcoxon, one-sided)", "", 4))
    return Table(title, (*columns, *more), tuple(rows))
