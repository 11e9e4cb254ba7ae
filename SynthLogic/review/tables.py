"""One small table, written to the terminal, to Markdown, to CSV and to JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from SynthLogic.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Cell = str | int | float | bool | None
NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A heading, the units written behind it, and the digits after the point of its numbers."""

    name: str
    units: str = ""
    digits: int = 2

    @property
    def heading(self) -> str:
        """Name with units, as it is printed."""
        return f"{self.name} ({self.units})" if self.units else self.name


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; what cannot be measured is None or not a number and prints as a dash."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ConfigError(
                f"Table {self.title!r} has {len(self.columns)} columns but a row of {len(wrong[0])}."
            )

    def to_rich(self) -> RichTable:
        """Table for a rich console."""
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=self.title, title_justify="left", caption="\n".join(self.notes) or None)
        table.caption_justify = "left"
        for index, column in enumerate(self.columns):
            table.add_column(Text(column.heading), justify="right" if self._is_numeric(index) else "left")
        for row in self.rows:
            table.add_row(*(Text(text) for text in self._texts(row)))
        return table

    def to_markdown(self) -> str:
        """Heading of level 3, the table, and its notes."""
        lines = [f"### {self.title}", "", _markdown_row(column.heading for column in self.columns)]
        lines.append(
            _markdown_row("---:" if self._is_numeric(i) else "---" for i in range(len(self.columns)))
        )
        lines += [_markdown_row(self._texts(row)) for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """One heading line and full-precision cells; empty where there is nothing."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.heading for column in self.columns])
        writer.writerows([["" if _is_nothing(cell) else cell for cell in row] for row in self.rows])
        return text.getvalue()

    def to_json(self) -> dict[str, Any]:
        """``{"title", "columns": [{"name", "units"}], "rows": [{name: cell}], "notes"}``, without NaN."""
        names = [column.name for column in self.columns]
        return {
            "title": self.title,
            "columns": [{"name": column.name, "units": column.units} for column in self.columns],
            "rows": [dict(zip(names, map(_json_cell, row), strict=True)) for row in self.rows],
            "notes": list(self.notes),
        }

    def to_texts(self) -> tuple[tuple[str, ...], ...]:
        """Every row as it is printed."""
        return tuple(tuple(self._texts(row)) for row in self.rows)

    def _texts(self, row: Sequence[Cell]) -> list[str]:
        return [_text(cell, column.digits) for cell, column in zip(row, self.columns, strict=True)]

    def _is_numeric(self, index: int) -> bool:
        cells = [row[index] for row in self.rows if row[index] is not None]
        return bool(cells) and all(
            isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells
        )


def print_tables(tables: Iterable[Table], file: TextIO | None = None) -> None:
    """Print ``tables`` to ``file`` (standard output by default)."""
    from rich.console import Console

    console = Console(file=file, highlight=False)
    for table in tables:
        console.print(table.to_rich())
        console.print()


def write_tables(tables: Sequence[Table], stem: Path) -> list[Path]:
    """Write ``tables`` to STEM.md, STEM.json and STEM.csv (STEM-1.csv, ... where there are several).

    Raises:
        OutputError: the folder cannot be written to.
    """
    files = {stem.with_name(f"{stem.name}.md"): "\n".join(table.to_markdown() for table in tables)}
    document = {"tables": [table.to_json() for table in tables]}
    files[stem.with_name(f"{stem.name}.json")] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    for number, table in enumerate(tables, start=1):
        suffix = f"-{number}" if len(tables) > 1 else ""
        files[stem.with_name(f"{stem.name}{suffix}.csv")] = table.to_csv()
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(
            f"The tables cannot be written to {stem.parent} ({error.strerror}); choose another folder."
        ) from error
    return list(files)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _text(cell: Cell, digits: int) -> str:
    if _is_nothing(cell):
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.{digits}f}" if math.isfinite(cell) else ("∞" if cell > 0 else "-∞")
    return str(cell)


def _is_nothing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _json_cell(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
