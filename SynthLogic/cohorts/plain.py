"""A folder a subject, and one line a subject in cohort.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from SynthLogic.cohorts.layout import Files, as_table, common_cells, readme
from SynthLogic.cohorts.subject import MARK, CohortInfo, Row


class Plain:
    """NAME/NAME.nii.gz, NAME_labels.nii.gz, NAME.json, NAME.png, and cohort.csv beside the folders."""

    name = "plain"
    folders: tuple[str, ...] = ()

    def root(self, folder: Path, info: CohortInfo) -> Path:
        """``folder`` itself."""
        return folder

    def files(self, name: str, split: str) -> Files:
        """All in a folder of the subject's name."""
        stem = f"{name}/{name}"
        return Files(f"{stem}.nii.gz", f"{stem}_labels.nii.gz", f"{stem}.json", f"{stem}.png")

    def record(self, record: dict[str, Any], info: CohortInfo) -> dict[str, Any]:
        """The record as it is."""
        return record

    def tables(self, rows: Sequence[Row], info: CohortInfo) -> dict[str, bytes]:
        """cohort.csv with volumes in ml and a hash of each file, and README.md."""
        structures = [name for name, value in info.labels.items() if value]
        kinds = Files._fields
        lines: list[list[Any]] = []
        for row in rows:
            files = self.files(row.name, row.split)
            common = common_cells(row)
            if not lines:
                volumes = [f"{s.replace(' ', '_')}_ml" for s in structures]
                hashes = [f"{kind}_sha256" for kind in kinds]
                lines.append(["name", *common, *volumes, *kinds, *hashes, "notice"])
            lines.append(
                [
                    row.name,
                    *common.values(),
                    *(row.volumes_ml[s] for s in structures),
                    *files,
                    *(row.files[path] for path in files),
                    MARK,
                ]
            )
        return {
            "README.md": readme(rows, info, "NIfTI and cohort.csv"),
            "cohort.csv": as_table(lines, ",", ""),
        }
