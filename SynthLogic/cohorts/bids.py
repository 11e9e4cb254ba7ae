"""A BIDS data set of type derivative."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from SynthLogic.cohorts.layout import (
    COLUMNS,
    MANIFEST,
    VOLUME,
    Files,
    as_json,
    as_table,
    common_cells,
    generated_by,
    readme,
)
from SynthLogic.cohorts.names import bids_label
from SynthLogic.cohorts.subject import MARK, CohortInfo, Row

_BIDS_VERSION = "1.10.0"
_ENTITIES = "acq-bssfp_desc-synthetic"
_IMAGE = (
    f"{MARK} Contrast as of balanced steady-state free precession, which depends on T2/T1; BIDS has no "
    "suffix for it, T2w is the nearest."
)
_LABELS = f"{MARK} Labels that the image of the same name was painted from."


class Bids:
    """sub-LABEL/anat with image, labels and a sidecar that holds the record.

    BIDS has neither a heart nor a suffix for steady-state images; both are said in entity and description.
    Pictures lie in docs, which a validator does not enter, as BIDS knows no picture of an image.
    """

    name = "bids"
    folders: tuple[str, ...] = ()

    def root(self, folder: Path, info: CohortInfo) -> Path:
        """``folder`` itself."""
        return folder

    def files(self, name: str, split: str) -> Files:
        """Image and record share a stem, as sidecars do."""
        subject = f"sub-{bids_label(name)}"
        stem = f"{subject}/anat/{subject}_{_ENTITIES}"
        return Files(
            f"{stem}_T2w.nii.gz", f"{stem}_dseg.nii.gz", f"{stem}_T2w.json", f"docs/pictures/{subject}.png"
        )

    def record(self, record: dict[str, Any], info: CohortInfo) -> dict[str, Any]:
        """A sidecar; the record stands under CrossModalSynth."""
        # There is no skull in the picture; BIDS asks of every derived MR whether it was stripped.
        return {
            "Description": _IMAGE,
            "Modality": "MR",
            "BodyPart": "HEART",
            "SkullStripped": False,
            "Synthetic": True,
            "CrossModalSynth": record,
        }

    def tables(self, rows: Sequence[Row], info: CohortInfo) -> dict[str, bytes]:
        """dataset_description.json, participants, the labels' names and colours, README.md."""
        structures = [name for name, value in info.labels.items() if value]
        header = ["participant_id", "name", *COLUMNS, *(_volume(s) for s in structures)]
        participants: list[list[Any]] = [header]
        for row in rows:
            volumes = [row.volumes_ml[s] for s in structures]
            subject = f"sub-{bids_label(row.name)}"
            participants.append([subject, row.name, *common_cells(row).values(), *volumes])
        columns: dict[str, Any] = {"name": {"Description": "Name of the subject in the other layouts."}}
        columns |= {column: {"Description": text} for column, text in COLUMNS.items()}
        columns |= {
            _volume(s): {"Description": f"Volume of: {s}, {VOLUME}.", "Units": "mL"} for s in structures
        }
        lookup: list[list[Any]] = [["index", "name"], *([value, name] for name, value in info.labels.items())]
        return {
            ".bidsignore": f"{MANIFEST}\n".encode(),
            "README.md": readme(rows, info, "BIDS derivatives"),
            "dataset_description.json": as_json(_description(info)),
            "participants.tsv": as_table(participants, "\t", "n/a"),
            "participants.json": as_json(columns),
            f"{_ENTITIES}_dseg.tsv": as_table(lookup, "\t", "n/a"),
            f"{_ENTITIES}_dseg.json": as_json(
                {"Description": _LABELS, "SpatialReference": "orig", "Manual": False, "Synthetic": True}
            ),
        }


def _volume(structure: str) -> str:
    return f"{structure.replace(' ', '_')}_ml"


def _description(info: CohortInfo) -> dict[str, Any]:
    description: dict[str, Any] = {
        "Name": info.title,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "License": info.licence or "not given",
        "HowToAcknowledge": info.reference,
        "Keywords": ["synthetic", "cardiac MR", "segmentation"],
        "GeneratedBy": [generated_by()],
        "Synthetic": True,
        "Notice": MARK,
    }
    if info.authors:
        description["Authors"] = list(info.authors)
    return description
