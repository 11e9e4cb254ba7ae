"""Writes a cohort subject by subject, so that it can be stopped, killed and taken up again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from SynthLogic.cohorts.bids import Bids
from SynthLogic.cohorts.files import failing_as_output, publish, remove, sha256
from SynthLogic.cohorts.guard import Split, guard
from SynthLogic.cohorts.layout import Layout, as_json
from SynthLogic.cohorts.manifest import STAGING, Manifest, opened
from SynthLogic.cohorts.measure import checked, volumes_ml
from SynthLogic.cohorts.names import name_all, redactor_of
from SynthLogic.cohorts.nnunet import NnUNet
from SynthLogic.cohorts.picture import picture
from SynthLogic.cohorts.plain import Plain
from SynthLogic.cohorts.scrub import Redactor, scrub
from SynthLogic.cohorts.subject import (
    MARK,
    CancelCallback,
    CohortInfo,
    CohortReport,
    Made,
    Make,
    Plan,
    ProgressCallback,
    Row,
    Why,
)
from SynthLogic.cohorts.tables import take_away, write_missing
from SynthLogic.errors import Cancelled, ConfigError, InputError, OutputError
from SynthLogic.volume import Volume, write_volume

LAYOUTS: Mapping[str, Layout] = {layout.name: layout for layout in (NnUNet(), Bids(), Plain())}
"""Ways to lay out a cohort: nnunet, bids, plain."""


class _Subject(NamedTuple):
    plan: Plan
    name: str
    style: str
    split: str
    parents: tuple[str, ...]


def write_cohort(
    plan: Sequence[Plan],
    make: Make,
    folder: str | Path,
    *,
    layout: str,
    request: Mapping[str, Any],
    splits: Mapping[str, str],
    info: CohortInfo | None = None,
    patients: Mapping[str, str] | None = None,
    unknown_split: Split | None = None,
    contents: Mapping[str, str] | None = None,
    keep_parent_names: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
) -> CohortReport:
    """Make the subjects of a plan one at a time and write each whole or not at all.

    Asked for again with the same request and plan, it goes on where it stopped or was killed: complete
    subjects are neither made nor written again. Tables such as dataset.json are there whenever it has
    returned or raised, and missing after a kill, so that nobody trains on half a cohort unaware. A table that
    was edited is left as it is; where subjects are still missing it would become untrue, which is an error.

    Args:
        plan: all subjects, in order; light, as names and splits are known before anything is made.
        make: a plan's entry -> image, labels and record; it must give the same for the same entry. An
            InputError puts the subject among the failed and goes on; any other error stops.
        folder: new, empty, or with this very cohort. For "nnunet" DatasetXXX_NAME, or nnUNet_raw.
        layout: "nnunet", "bids" or "plain".
        request: plain JSON that tells this cohort from others; written without the parents' identity.
        splits: parent or patient -> "train", "val" or "test"; others may be among them, as a patient is in
            one split with all hearts.
        info: title, labels, licence and so on.
        patients: parent -> patient, where several hearts (phases, visits) are one patient's.
        unknown_split: where parents are whose split is not given; None makes them an error.
        contents: parent -> hash of its label map, so that one under two names is in one split.
        keep_parent_names: write the parents' ids, their records as they are, and their place in the scanner.
        progress: told after each subject.
        cancel: asked before each subject.

    Raises:
        ConfigError: layout, names, splits or request are not in order, or the guard left out all subjects.
        InputError: not one subject could be made.
        OutputError: the folder holds something else or another cohort, a file in it was changed (a table
            only if subjects are missing), or the disk is full or not writable. Complete subjects stay.
    """
    plan, info = tuple(plan), info or CohortInfo()
    chosen = LAYOUTS.get(layout)
    if chosen is None:
        raise ConfigError(f"There is no layout '{layout}'; choose one of {', '.join(LAYOUTS)}.")
    names = name_all(plan, patients, keep_parent_names)
    guarded = guard(plan, names, splits, patients, unknown_split, contents)
    subjects = [
        _Subject(entry, name, style, split, tuple(names.parents[p] for p in entry.parents))
        for entry, name, style, split in zip(plan, names.subjects, names.styles, guarded.splits, strict=True)
        if split is not None
    ]
    if not subjects:
        why = f" {guarded.left_out[0].reason}" if guarded.left_out else ""
        raise ConfigError(f"There is no subject to export.{why}")
    own = {entry.style for entry in plan if not entry.style_parents}
    redactor = None if keep_parent_names else redactor_of(names.parents, patients, own)
    root = chosen.root(Path(folder), info)
    with opened(root, _header(subjects, info, chosen, request, redactor)) as manifest:
        export = _Export(manifest, chosen, info, redactor)
        report = export.run(subjects, make, progress, cancel)
    return CohortReport(root, **report, left_out=guarded.left_out, pseudonyms=dict(names.parents))


class _Export:
    def __init__(
        self, manifest: Manifest, layout: Layout, info: CohortInfo, redactor: Redactor | None
    ) -> None:
        self.manifest, self.layout, self.info, self.redactor = manifest, layout, info, redactor
        self.root = manifest.root
        self.staging = manifest.root / STAGING

    def run(
        self,
        subjects: Sequence[_Subject],
        make: Make,
        progress: ProgressCallback | None,
        cancel: CancelCallback | None,
    ) -> dict[str, Any]:
        """Write what is missing; returns fields of the report."""
        self._tidy(subjects)
        skipped = tuple(s.name for s in subjects if s.name in self.manifest.rows)
        written: list[str] = []
        failed: list[Why] = []
        cancelled = False
        try:
            for done, subject in enumerate(subjects, 1):
                if subject.name not in self.manifest.rows:
                    if cancel is not None and cancel():
                        cancelled = True
                        break
                    try:
                        self._write(subject, make)
                        written.append(subject.name)
                    except InputError as error:
                        failed.append(Why(subject.name, str(error)))
                    except Cancelled:
                        cancelled = True
                        break
                if progress is not None:
                    progress(done, len(subjects), subject.name)
        except BaseException:
            with contextlib.suppress(OutputError):
                self._finish(subjects)
            raise
        self._finish(subjects)
        if failed and not self.manifest.rows:
            raise InputError(f"Not one subject could be made. {failed[0].name}: {failed[0].reason}")
        return {
            "written": tuple(written),
            "skipped": skipped,
            "failed": tuple(failed),
            "cancelled": cancelled,
        }

    def _tidy(self, subjects: Sequence[_Subject]) -> None:
        """Take away what a kill left half-written, and tables that will not be true for a while."""
        with failing_as_output(self.root.name):
            complete = self._rows(subjects)
            lost = self.manifest.missing()
            shutil.rmtree(self.staging, ignore_errors=True)
            todo = [s for s in subjects if s.name in lost or s.name not in self.manifest.rows]
            # Tables go before rows do: they are known by what the rows say.
            if todo and complete:
                take_away(self.root, self.layout.tables(complete, self.info))
            self.manifest.drop(lost)
            for subject in todo:
                remove(self.root, self.layout.files(subject.name, subject.split))

    def _write(self, subject: _Subject, make: Make) -> None:
        made = Made(*make(subject.plan))
        image, labels = checked(made.image, made.labels, self.info.labels, self.redactor is not None)
        record = self._record(subject, made.record)
        files = self.layout.files(subject.name, subject.split)
        with failing_as_output(subject.name):
            self.staging.mkdir()
            try:
                staged = {
                    path: self.staging / f"{kind}.{_ending(path)}"
                    for kind, path in zip(files._fields, files, strict=True)
                }
                _save(staged[files.image], image)
                _save(staged[files.labels], labels)
                staged[files.record].write_bytes(record)
                staged[files.picture].write_bytes(picture(image, labels))
                hashes = {path: sha256(place) for path, place in staged.items()}
                publish(staged, self.root)
                try:
                    self.manifest.append(
                        Row(
                            name=subject.name,
                            split=subject.split,
                            parents=subject.parents,
                            step=subject.plan.step,
                            position=_position(subject.plan),
                            style=subject.style,
                            seed=subject.plan.seed,
                            slices=image.shape[0],
                            volumes_ml=volumes_ml(labels, self.info.labels),
                            files=hashes,
                        )
                    )
                except BaseException:
                    remove(self.root, files)
                    raise
            finally:
                shutil.rmtree(self.staging, ignore_errors=True)

    def _record(self, subject: _Subject, record: Mapping[str, Any]) -> bytes:
        kept = dict(record) if self.redactor is None else scrub(record, self.redactor)
        cohort = {
            "name": subject.name,
            "parents": list(subject.parents),
            "step": subject.plan.step,
            "position": _position(subject.plan),
            "style": subject.style,
            "seed": subject.plan.seed,
            "split": subject.split,
        }
        ours = {"synthetic": True, "notice": MARK}
        content = {**ours, **kept, **ours, "cohort": cohort}
        try:
            return as_json(self.layout.record(content, self.info))
        except (TypeError, ValueError):
            raise ConfigError(
                "A subject's record is no plain JSON; give texts, numbers, lists, dicts."
            ) from None

    def _rows(self, subjects: Sequence[_Subject]) -> list[Row]:
        return [self.manifest.rows[s.name] for s in subjects if s.name in self.manifest.rows]

    def _finish(self, subjects: Sequence[_Subject]) -> None:
        """Write the tables about what is complete, where they are missing."""
        rows = self._rows(subjects)
        if not rows:
            return
        with failing_as_output(self.root.name):
            write_missing(self.root, self.layout.tables(rows, self.info), self.staging)
            for name in self.layout.folders:
                (self.root / name).mkdir(exist_ok=True)


def _save(path: Path, volume: Volume) -> None:
    try:
        write_volume(path, volume, MARK)
    except OutputError as error:
        # It names a file that has not got its own name yet; the subject's is what tells the user something.
        cause = error.__context__
        raise cause if isinstance(cause, OSError) else OSError(None, "the disk may be full") from None


def _position(plan: Plan) -> float | None:
    return None if plan.position is None else round(plan.position, 4)


def _ending(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".", 1)[1]


def _header(
    subjects: Sequence[_Subject],
    info: CohortInfo,
    layout: Layout,
    request: Mapping[str, Any],
    redactor: Redactor | None,
) -> dict[str, Any]:
    """The manifest's first line. Its digest tells requests apart, by the parents' ids as well."""
    asked = [
        [s.name, s.split, s.plan.parents, s.plan.style_parents, s.plan.position, s.plan.style]
        for s in subjects
    ]
    told = {"request": request, "subjects": asked, "info": asdict(info), "layout": layout.name}
    try:
        text = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(
            "The cohort's request is no plain JSON; give texts, numbers, lists, dicts."
        ) from None
    return {
        "product": "CrossModalSynth",
        "manifest": 1,
        "synthetic": True,
        "notice": MARK,
        "layout": layout.name,
        "title": info.title,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "request": dict(request) if redactor is None else scrub(request, redactor),
    }
