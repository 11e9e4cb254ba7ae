"""nnU-Net raw, version 2: imagesTr, labelsTr, imagesTs, labelsTs and dataset.json."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from SynthLogic import __version__
from SynthLogic.cohorts.layout import Files, as_json, readme, rows_of
from SynthLogic.cohorts.subject import MARK, CohortInfo, Row
from SynthLogic.errors import ConfigError, OutputError


class NnUNet:
    """DatasetXXX_TITLE inside the folder nnUNet_raw, or that folder itself.

    Validation subjects lie in imagesTr, as nnU-Net has no folder for them; splits_final.json, to be copied
    beside the preprocessed data, tells it which they are.
    """

    name = "nnunet"
    folders: tuple[str, ...] = ("imagesTr", "labelsTr")

    def root(self, folder: Path, info: CohortInfo) -> Path:
        """``folder`` where it is called DatasetXXX_NAME, else DatasetXXX_TITLE in it."""
        _check_labels(info)
        if re.fullmatch(r"Dataset\d{3}_[A-Za-z0-9_-]+", folder.name):
            return folder
        if not 1 <= info.dataset_id <= 999:
            raise ConfigError(f"{info.dataset_id} is no number for an nnU-Net data set; give 1 to 999.")
        title = re.sub(r"[^A-Za-z0-9]+", "", info.title) or "SyntheticHearts"
        root = folder / f"Dataset{info.dataset_id:03d}_{title}"
        others = folder.glob(f"Dataset{info.dataset_id:03d}_*") if folder.is_dir() else ()
        taken = sorted(other.name for other in others if other.name != root.name)
        if taken:
            raise OutputError(f"The folder already holds {taken[0]}; choose another data set number.")
        return root

    def files(self, name: str, split: str) -> Files:
        """Image as channel 0000; records and pictures beside the folders that nnU-Net reads."""
        part = "Ts" if split == "test" else "Tr"
        return Files(
            f"images{part}/{name}_0000.nii.gz",
            f"labels{part}/{name}.nii.gz",
            f"records/{name}.json",
            f"pictures/{name}.png",
        )

    def record(self, record: dict[str, Any], info: CohortInfo) -> dict[str, Any]:
        """The record as it is."""
        return record

    def tables(self, rows: Sequence[Row], info: CohortInfo) -> dict[str, bytes]:
        """dataset.json, README.md, and the split where there are validation subjects."""
        test, val, train = (rows_of(rows, split) for split in ("test", "val", "train"))
        tables = {
            "README.md": readme(rows, info, "nnU-Net raw, version 2"),
            "dataset.json": as_json(
                {
                    "channel_names": {"0": info.channel},
                    "labels": dict(sorted(info.labels.items(), key=lambda item: item[1])),
                    "numTraining": len(train) + len(val),
                    "numTest": len(test),
                    "file_ending": ".nii.gz",
                    "name": info.title,
                    "description": info.description,
                    "reference": info.reference,
                    "licence": info.licence,
                    **({"authors": list(info.authors)} if info.authors else {}),
                    "synthetic": True,
                    "notice": MARK,
                    "converted_by": f"CrossModalSynth {__version__}",
                }
            ),
        }
        if val:
            split = {"train": sorted(r.name for r in train), "val": sorted(r.name for r in val)}
            tables["splits_final.json"] = as_json([split])
        return tables


def _check_labels(info: CohortInfo) -> None:
    values = sorted(info.labels.values())
    if values != list(range(len(values))) or info.labels.get("background") != 0 or len(values) < 2:
        raise ConfigError("nnU-Net wants labels 0, 1, 2 .. without gaps, and 0 called background.")
