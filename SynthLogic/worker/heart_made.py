"""Hearts that are made already, as a folder to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from SynthLogic.worker.heart_data import Cancel, Data, Tell
from SynthLogic.worker.scans import Scans


def save_made(scans: Scans, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
    """``heart_save``: write hearts as they are; progress counts subjects. Needs no network, nor torch.

    Args:
        scans: opens what was uploaded.
        arguments: ``{"hearts": [{"name": str, "image": REF, "labels": REF, "record": {..}, "split": "train" |
            "val" | "test" | None}], "folder": str, "layout": "nnunet" | "bids" | "plain", "title": str,
            "keep_parent_names": False, "dataset_id": 501}``; image and labels on one grid. The last three
            are optional.
        tell: told of every subject.
        cancel: asked before every subject.

    Returns:
        As ``heart_export``.
    """
    from SynthLogic.cohorts import CohortInfo, Made, Plan, write_cohort
    from SynthLogic.hearts import STRUCTURES

    hearts = arguments["hearts"]

    def make(entry: Plan) -> Made:
        heart = hearts[entry.data]
        image, labels = (scans.open(heart[key]).volume for key in ("image", "labels"))
        return Made(image, labels, heart["record"])

    splits = {heart["name"]: heart["split"] for heart in hearts if heart.get("split")}
    hashes = [[scans.open(heart[key]).content_hash for key in ("image", "labels")] for heart in hearts]
    options: dict[str, Any] = {"labels": {"background": 0, **{s.name: int(v) for v, s in STRUCTURES.items()}}}
    for name in ("title", "dataset_id"):
        if name in arguments:
            options[name] = arguments[name]
    report = write_cohort(
        [Plan((heart["name"],), data=n) for n, heart in enumerate(hearts)],
        make,
        Path(arguments["folder"]),
        layout=arguments["layout"],
        request={"kind": "made", "hearts": hashes},
        splits=splits,
        info=CohortInfo(**options),
        unknown_split=None if splits else "train",
        keep_parent_names=bool(arguments.get("keep_parent_names")),
        progress=lambda done, total, name: tell(done, total, "subjects", name),
        cancel=cancel,
    )
    return {
        "folder": str(report.folder),
        "written": list(report.written),
        "skipped": list(report.skipped),
        "left_out": [why._asdict() for why in report.left_out],
        "failed": [why._asdict() for why in report.failed],
        "cancelled": report.cancelled,
        "pseudonyms": dict(report.pseudonyms),
    }


__all__ = ["save_made"]
