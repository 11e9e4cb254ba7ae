"""Tables of an evaluation, and their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SynthLogic.jobs.output import failing_as_output, publish, staging
from SynthLogic.review.measures import Measure
from SynthLogic.review.statistics import RESAMPLES
from SynthLogic.review.tables import Cell, Column, Table

if TYPE_CHECKING:
    from SynthLogic.jobs.evaluate import Evaluation

FILES = ("subjects.csv", "regions.csv", "over-subjects.csv", "compared.csv", "summary.md", "evaluation.json")
"""What an evaluation writes; a table without rows is its heading."""


def tables_of(evaluation: Evaluation) -> tuple[Table, Table, Table, Table]:
    """By subject, by subject and region, over subjects, and compared by subject."""
    e = evaluation
    columns = tuple(_column(m, e.units) for m in e.measures)

    def cells(row: Any) -> tuple[Cell, ...]:
        return tuple(row.figures.get(m.key) for m in e.measures)

    subjects = Table(
        f"By subject ({e.whole})",
        (Column("subject"), Column("images"), Column("voxels"), *columns),
        tuple((r.subject, r.image, r.voxels, *cells(r)) for r in e.rows if r.value is None),
    )
    regions = Table(
        "By region",
        (Column("subject"), Column("images"), Column("region"), Column("value"), Column("voxels"), *columns),
        tuple(
            (r.subject, r.image, r.region, r.value, r.voxels, *cells(r))
            for r in e.rows
            if r.value is not None
        ),
    )
    over = Table(
        "Over subjects",
        tuple(map(Column, ("region", "images", "measure", "units", "better", "n")))
        + tuple(Column(name, digits=4) for name in ("mean", "sd", "median", "95 % low", "95 % high")),
        tuple(
            (region, image, m.name, m.units_of(e.units), m.better, s.n, s.mean, s.sd, s.median)
            + (s.low, s.high)
            for image, region, m, s in e.summaries
        ),
        (f"Interval of the mean: bootstrap over subjects, {RESAMPLES} draws, seed {e.request.seed}.",),
    )
    compared = Table(
        f"{e.images[0]} against others, by subject ({e.whole})",
        tuple(map(Column, ("against", "measure", "units", "better", "n")))
        + tuple(Column(name, digits=4) for name in ("difference", "95 % low", "95 % high", "effect d"))
        + tuple(Column(name, digits=4) for name in ("Wilcoxon p", "Holm", "t-test p", "Holm (t)")),
        tuple(
            (c.other, c.measure.name, c.measure.units_of(e.units), c.measure.better, c.result.n)
            + (c.result.difference, c.result.low, c.result.high, c.result.effect)
            + (c.result.wilcoxon_p, c.wilcoxon_holm, c.result.t_p, c.t_holm)
            for c in e.compared
        ),
        (
            f"Difference: {e.images[0]} less the other, mean over subjects. Effect: mean over standard"
            " deviation of the differences. Holm: p corrected over the measures of one comparison.",
        ),
    )
    return subjects, regions, over, compared


def document_of(evaluation: Evaluation) -> dict[str, Any]:
    """Everything as plain JSON; numbers that do not exist or are infinite are null."""
    subjects, regions, over, compared = (table.to_json() for table in tables_of(evaluation))
    return {
        "request": evaluation.request.model_dump(mode="json"),
        "images": list(evaluation.images),
        "units": evaluation.units,
        "measures": [
            {"key": m.key, "name": m.name, "units": m.units_of(evaluation.units), "better": m.better}
            for m in evaluation.measures
        ],
        "subjects": subjects["rows"],
        "regions": regions["rows"],
        "over_subjects": over["rows"],
        "compared": compared["rows"],
        "warnings": list(evaluation.warnings),
        "failed": evaluation.failed,
    }


def markdown_of(evaluation: Evaluation) -> str:
    """The summary: over subjects, compared, what was measured how, and what a reader must know."""
    request = evaluation.request
    subjects = {row.subject for row in evaluation.rows}
    lines = [
        "# Evaluation",
        "",
        f"{len(subjects)} subject(s); images: {', '.join(evaluation.images)}; region: {evaluation.whole}"
        + (f"; {request.modality}, {request.bins} bins." if request.kind == "images" else "."),
        "",
    ]
    tables = [table for table in tables_of(evaluation)[2:] if table.rows]
    text = "\n".join(lines) + "\n".join(table.to_markdown() for table in tables)
    if evaluation.warnings:
        text += "\n### Notes\n\n" + "".join(f"- {warning}\n" for warning in evaluation.warnings)
    return text


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write `FILES` into ``folder``, which is there: all of them or none, over those of an earlier run.

    Raises:
        OutputError: the folder cannot be written.
    """
    subjects, regions, over, compared = tables_of(evaluation)
    document = json.dumps(document_of(evaluation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    texts = (
        subjects.to_csv(),
        regions.to_csv(),
        over.to_csv(),
        compared.to_csv(),
        markdown_of(evaluation),
        document,
    )
    finals = [folder / name for name in FILES]
    with staging(finals[-1]) as room:
        prepared = []
        for final, text in zip(finals, texts, strict=True):
            with failing_as_output(final.name):
                (room / final.name).write_text(text, encoding="utf-8", newline="\n")
            prepared.append((room / final.name, final))
        publish(prepared, room)
    return finals


def _column(measure: Measure, images: str) -> Column:
    return Column(measure.name, measure.units_of(images), measure.digits)


__all__ = ["FILES", "document_of", "markdown_of", "tables_of", "write_evaluation"]
