"""Hearts that are made already, as a folder to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SynthLogic.errors import ConfigError
from SynthLogic.worker.heart_data import Cancel, Data, Tell
from SynthLogic.worker.scans import Scans

if TYPE_CHECKING:
    from SynthLogic.cohorts import Plan

Contents = Sequence[Sequence[str]]


def save_made(scans: Scans, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
    """``heart_save``: write hearts as they are; progress counts subjects. Needs no network, nor torch.

    Records tell which hearts these descend from, and which scans lent their style: what shares any of them
    must be in one split. Subjects are called by their parents, or by their own names if those may be written.

    Args:
        scans: opens what was uploaded.
        arguments: ``{"hearts": [{"name": str, "image": REF, "labels": REF, "record": {..}, "split": "train" |
            "val" | "test" | None}], "folder": str, "layout": "nnunet" | "bids" | "plain", "title": str,
            "keep_parent_names": False, "dataset_id": 501, "licence": "", "authors": [str]}``; image and
            labels on one grid. All from "title" on are optional.
        tell: told of every subject.
        cancel: asked before every subject.

    Returns:
        As ``heart_export``; ``pseudonyms`` are what the files call each heart.

    Raises:
        ConfigError: some hearts have a split and some have none, or two that share a parent differ in it.
    """
    from SynthLogic.cohorts import CohortInfo, Made, name_all, write_cohort
    from SynthLogic.hearts import STRUCTURES

    hearts, keep = arguments["hearts"], bool(arguments.get("keep_parent_names"))

    def make(entry: Plan) -> Made:
        heart = hearts[entry.data]
        image, labels = (scans.open(heart[key]).volume for key in ("image", "labels"))
        return Made(image, labels, heart["record"])

    hashes = [[scans.open(heart[key]).content_hash for key in ("image", "labels")] for heart in hearts]
    splits = _splits(hearts, hashes)
    plan = _plan(hearts, hashes, keep)
    options: dict[str, Any] = {"labels": {"background": 0, **{s.name: int(v) for v, s in STRUCTURES.items()}}}
    for name in ("title", "dataset_id", "licence"):
        if name in arguments:
            options[name] = arguments[name]
    options["authors"] = tuple(arguments.get("authors", ()))
    report = write_cohort(
        plan,
        make,
        Path(arguments["folder"]),
        layout=arguments["layout"],
        request={"kind": "made", "hearts": hashes},
        splits=splits,
        info=CohortInfo(**options),
        unknown_split=None if splits else "train",
        keep_parent_names=keep,
        progress=lambda done, total, name: tell(done, total, "subjects", name),
        cancel=cancel,
    )
    called = name_all(plan, keep_parent_names=keep).subjects
    return {
        "folder": str(report.folder),
        "written": list(report.written),
        "skipped": list(report.skipped),
        "left_out": [why._asdict() for why in report.left_out],
        "failed": [why._asdict() for why in report.failed],
        "cancelled": report.cancelled,
        "pseudonyms": {heart["name"]: name for heart, name in zip(hearts, called, strict=True)},
    }


def _ancestors(record: Mapping[str, Any]) -> list[str]:
    """Hashes of the label maps that a heart descends from, and of the scans that lent its style."""
    found = [entry["content_hash"] for entry in record.get("inputs", ())]
    for style in record.get("styles", ()):
        found += [style[key] for key in ("image_hash", "labels_hash") if style.get(key)]
    return list(dict.fromkeys(found))


def _splits(hearts: Sequence[Data], hashes: Contents) -> dict[str, str]:
    """The split of each heart by name, of what it descends from, and of its own voxels by hash."""
    if not any(heart.get("split") for heart in hearts):
        return {}
    first: dict[str, Data] = {}
    splits: dict[str, str] = {}
    for heart, own in zip(hearts, hashes, strict=True):
        name, split = heart["name"], heart.get("split")
        if not split:
            raise ConfigError(f"It is not said whether {name!r} is for training or for test; say so.")
        splits[name] = split
        # A heart may be the parent of another one, or have lent its style.
        for content in (*_ancestors(heart["record"]), *own):
            other = first.setdefault(content, heart)
            if other["split"] != split:
                raise ConfigError(
                    f"{other['name']!r} and {name!r} descend from one heart or scan; put both into one split."
                )
            splits[content] = split
    return splits


def _plan(hearts: Sequence[Data], hashes: Contents, keep_names: bool) -> list[Plan]:
    """What each heart is called, and what it descends from."""
    from SynthLogic.cohorts import Plan

    families = [_parents(heart["record"]) or (own[1],) for heart, own in zip(hearts, hashes, strict=True)]
    ways: dict[tuple[str, ...], set[float]] = {}
    for heart, parents in zip(hearts, families, strict=True):
        if len(parents) > 1:
            ways.setdefault(parents, set()).add(heart["record"]["t"])
    plan = []
    for number, (heart, parents) in enumerate(zip(hearts, families, strict=True)):
        record, step = heart["record"], None
        style, seed = _style(record)
        if len(parents) > 1:
            places = sorted(ways[parents])
            step = (places.index(record["t"]) + 1, len(places))
        others = tuple(content for content in _ancestors(record) if content not in parents)
        entry = Plan(
            parents,
            step=step,
            position=record["t"] if step else None,
            style=style,
            style_parents=others,
            seed=seed,
            slices=record["frame"]["shape"][0] if len(parents) == 1 and record.get("t") is not None else None,
            data=number,
        )
        if keep_names:
            # Records know the parents by content alone; the user knows the hearts by their names.
            entry = replace(entry, parents=(heart["name"],), step=None, style_parents=(*parents, *others))
        plan.append(entry)
    return _numbered(plan)


def _parents(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The hearts that it is between, or the one that it was; of an edited heart, what it was before."""
    inputs = tuple(entry["content_hash"] for entry in record.get("inputs", ()))
    between = len(inputs) == 2 and record.get("t") is not None and not record.get("kept_frame")
    return inputs if between else inputs[-1:]


def _style(record: Mapping[str, Any]) -> tuple[str, int | None]:
    """What the style is called, and its seed."""
    choices = [style["choice"] for style in record.get("styles", ())]
    names = [choice.get("name") or {"seed": "any"}.get(choice["kind"], choice["kind"]) for choice in choices]
    seeds = {choice.get("seed") for choice in choices}
    return "-to-".join(dict.fromkeys(names)), seeds.pop() if len(seeds) == 1 else None


def _numbered(plan: Sequence[Plan]) -> list[Plan]:
    """Tell apart what would be called the same."""
    keys = [(entry.parents, entry.step, entry.slices, entry.style, entry.seed) for entry in plan]
    counts, seen = Counter(keys), Counter[Any]()
    result = []
    for entry, key in zip(plan, keys, strict=True):
        seen[key] += 1
        result.append(replace(entry, take=seen[key]) if counts[key] > 1 else entry)
    return result


__all__ = ["save_made"]
