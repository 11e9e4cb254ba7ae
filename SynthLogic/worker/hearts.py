"""Tasks about hearts: styles, painting labels, blending two hearts, whole cohorts.

Plain data, shared by the tasks:

- REF: what ``Upload.reference()`` says of an uploaded array. Labels are uint8 (K, J, I) with the values of
  ``SynthLogic.hearts.HeartLabel`` (0 background, 1 LV cavity, 2 myocardium, 3 RV cavity), any grid. An upload
  that is kept and referred to again is not prepared again: hold the uploads of A and B while a slider moves.
- STYLE: ``{"kind": "named", "name": "vendor-a", "seed": int | None}`` (None: the middle of that style),
  ``{"kind": "seed", "seed": int}`` (a random one of all styles), or
  ``{"kind": "scan", "image": REF, "labels": REF}`` (as in that scan; image float or integer, same grid).
- Every task takes, all optional: ``"model"`` (name of a bundle that paints) and ``"codec"`` (of a label VAE),
  None for the best installed; ``"device"`` "auto", ``"precision"`` "auto"; ``"consent"`` False: True once the
  user has agreed to what a failure of kind "ConsentRequired" showed; ``"force"`` False: True once the user
  goes on in spite of findings with ``needs_force``.
- VOLUMES: ``{"lv_cavity": ml, "myocardium": ml, "rv_cavity": ml}``.

Failures: "InputError" for labels that cannot be used, "BundleError" where no such bundle is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SynthLogic.errors import BundleError, Cancelled, InputError
from SynthLogic.worker.heart_blend import blend
from SynthLogic.worker.heart_data import Cancel, Data, HeartData, Tell, shared, teller
from SynthLogic.worker.heart_made import save_made
from SynthLogic.worker.scans import Scans, save_results

if TYPE_CHECKING:
    from SynthLogic.bundles import Bundle
    from SynthLogic.jobs.choose import Task


class HeartTasks:
    """Keeps networks, prepared hearts and styles from one task to the next."""

    def __init__(self, scans: Scans) -> None:
        self._data = HeartData(scans)

    @property
    def tasks(self) -> dict[str, Callable[[Data, Tell, Cancel], Data]]:
        """All tasks by name."""
        return {
            "heart_styles": self.styles,
            "heart_open": self.open,
            "heart_paint": self.paint,
            "heart_blend": self.blend,
            "heart_export": self.export,
            "heart_save": partial(save_made, self._data.scans),
        }

    def release(self) -> None:
        """Let go of all networks."""
        if self._data.used:
            self._data.hearts.release()

    def forget_bundles(self) -> None:
        """The store has changed."""
        if self._data.used:
            self._data.hearts.forget_bundles()

    def styles(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``heart_styles``: which styles there are; needs no torch.

        Answer:
            ``{"bundle": {"name", "version", "title"} | None, "codec": {the same} | None,
            "styles": [{"name", "title", "description"}], "problem": ""}``. ``problem`` says, in one sentence,
            why a bundle is None.
        """
        found: dict[str, Bundle | None] = {}
        problems = []
        wanted: tuple[tuple[str, Task], ...] = (("model", "paint"), ("codec", "label-vae"))
        for key, task in wanted:
            found[key], problem = _looked_up(task, arguments.get(key))
            problems += [problem] if problem else []
        model, codec = found["model"], found["codec"]
        return {
            "bundle": model and _named(model),
            "codec": codec and _named(codec),
            "styles": [] if model is None else [_style_data(style) for style in model.card.styles],
            "problem": " ".join(problems),
        }

    def open(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``heart_open``: look at one heart and prepare it, so that the next tasks are fast.

        Args:
            arguments: ``{"labels": REF, "encode": bool}``; ``encode`` (default False) brings the label VAE
                up and makes the latent vectors that ``heart_blend`` needs.

        Answer:
            ``{"slices": int, "length_mm": float, "slice_mm": float, "pixel_mm": 1.5, "volumes_ml": VOLUMES,
            "wall_mm": float | None, "findings": [{"level": "warning" | "note", "message": str,
            "needs_force": bool}],
            "reconstruction": {"lv_cavity": dice, ..} | None}``; ``slices`` are those with labels, in the
            short-axis frame; ``reconstruction`` is how well the VAE gives the labels back, if encoded.
        """
        from SynthLogic.hearts import dice, wall_thickness_mm
        from SynthLogic.jobs.heart_desk import named_volumes

        heart = self._data.hearts.heart(self._data.scans.open(arguments["labels"]))
        stack, grid = heart.short_axis.labels, heart.short_axis.grid
        agreement = None
        if arguments.get("encode"):
            self._data.agree(arguments)
            chosen, _ = self._data.hearts.choose("label-vae", arguments.get("codec"))
            codec = self._data.hearts.codec(chosen, arguments.get("device", "auto"))
            found = dice(stack, codec.decode(self._data.hearts.latents(codec, heart)))
            agreement = {label.name.lower(): _number(value) for label, value in found.items()}
        return {
            "slices": len(stack),
            "length_mm": round((len(stack) - 1) * grid.spacing[2], 3),
            "slice_mm": round(grid.spacing[2], 3),
            "pixel_mm": round(grid.spacing[0], 3),
            "volumes_ml": named_volumes(stack, grid),
            "wall_mm": _number(wall_thickness_mm(stack, grid.spacing[0]).mean),
            "findings": [
                {"level": f.level, "message": f.message, "needs_force": f.needs_force} for f in heart.findings
            ],
            "reconstruction": agreement,
        }

    def paint(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``heart_paint``: an image on exactly the labels' grid.

        Args:
            arguments: ``{"labels": REF, "style": STYLE, "segmentation": str | None, "keep_frame": bool}`` and
                the result "image". ``segmentation`` is any text that names what the labels were taken from
                (a node's ID). With ``keep_frame`` (default True) labels of a segmentation that was painted
                before are placed as when it was first, and only what lies round an edit is painted anew.

        Answer:
            ``{"results": ["image"], "dtype": "float32" | "int16", "background": float, "units": "a.u.",
            "frame": "new" | "kept", "warnings": [str], "record": {..}}``. The image is (K, J, I);
            ``background`` lies where the network does not see (further than 96 mm from the heart, and beyond
            its first and last labelled slice). ``frame`` is "new" the first time, and with a warning where
            the edited heart does not fit its former place.
        """
        from SynthLogic.jobs.heart_requests import PaintRequest
        from SynthLogic.jobs.paint import paint_volume

        self._data.agree(arguments)
        choice, reference = self._data.style(arguments.get("style"), bool(arguments.get("force")))
        request = PaintRequest.from_data({"style": choice, **shared(arguments)})
        labels = self._data.scans.open(arguments["labels"])
        segmentation = arguments.get("segmentation")
        before = None
        if segmentation is not None and arguments.get("keep_frame", True):
            before = self._data.hearts.painted(segmentation)
        options: Data = {"reference": reference, "hearts": self._data.hearts}
        warnings = []
        try:
            painted = paint_volume(request, labels, teller(tell), cancel, before=before, **options)
        except InputError as problem:
            if before is None:
                raise
            # The edit left the former frame; a new one shows whether that was all.
            painted, before = paint_volume(request, labels, teller(tell), cancel, **options), None
            warnings.append(f"The heart was placed anew, so the whole image changes: {problem}")
        names = save_results(arguments, {"image": painted.image.array})
        if cancel():
            raise Cancelled("Cancelled; nothing was written.")
        if segmentation is not None and before is None:
            self._data.hearts.keep_painted(segmentation, painted.heart)
        card = self._data.hearts.choose("paint", request.model)[0].card.image_output
        return {
            "results": names,
            "dtype": painted.image.array.dtype.name,
            "background": float(card.background),
            "units": card.units,
            "frame": "new" if before is None else "kept",
            "warnings": [*warnings, *painted.record.warnings],
            "record": painted.record.model_dump(mode="json"),
        }

    def blend(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``heart_blend``: the heart at ``t`` between A (0) and B (1); costs one decode and one paint.

        Args:
            arguments: ``{"a": REF, "b": REF | None, "t": 0.0..1.0, "path": "line" | "circle",
                "slices": 2..300 (default 32), "style_a": STYLE | None, "style_b": STYLE | None,
                "paint": "none" | "slice" | "all", "slice": int (for "slice")}`` and the results "labels"
                and "image". Without ``b``, A with more slices. Styles are mixed along with ``t``; without
                ``style_b``, ``style_a`` all the way; None is the middle of the bundle's first style.

        Answer:
            ``{"results": ["labels"] or ["labels", "image"], "shape": [K, 128, 128], "ijk_to_ras": 4x4,
            "slice": int | None, "volumes_ml": VOLUMES, "t": float, "dtype": str | None,
            "background": float | None, "record": {..}, "seconds": {"decode": .., "paint": ..}}``.
            "labels" is (K, 128, 128) uint8; "image" is (K, 128, 128), or (1, 128, 128) of slice ``slice``
            for "slice". K = ``slices``, apex first, placed over A. ``slice`` is clipped to 0..K-1.
        """
        return blend(self._data, arguments, tell, cancel)

    def export(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``heart_export``: write a cohort of offspring; progress counts subjects.

        What is in the folder from an earlier run of the same request is not made again. Cancelled (the
        verdict is a failure of kind "Cancelled"), what is complete stays, and the next run goes on.

        Args:
            arguments: ``{"request": REQUEST, "subjects": [{"name": str, "labels": REF, "split": "train" |
                "val" | "test" | None, "patient": str | None}], "folder": str}``. ``patient`` where several
                hearts are one patient's. Without any split all are for training; with some, each needs one.
                REQUEST is a ``jobs.CohortRequest`` as plain data: ``{"layout": "nnunet" | "bids" | "plain",
                "title": str, "steps": 8, "slices": 32, "path": "line" | "circle", "pairs": "all" |
                [[i, j], ..] (places in subjects), "styles": [STYLE, ..], "parents": False,
                "keep_parent_names": False, "dataset_id": 501 (nnU-Net's), "licence": "", "authors": [],
                "force": False}``; all but ``layout`` optional. A style of kind "scan" has its REFs here too,
                and "of": the name of a subject, for the guard; needed where there are splits, unless a
                subject has its labels.

        Answer:
            ``{"folder": str, "written": [str], "skipped": [str], "left_out": [{"name", "reason"}],
            "failed": [{"name", "reason"}], "cancelled": bool, "pseudonyms": {name: pseudonym}}``: names of
            subjects made now, complete before, kept out by the guard of the splits, and impossible to make.
        """
        from SynthLogic.jobs.cohort import CohortStyle, CohortSubject, export_cohort
        from SynthLogic.jobs.heart_requests import CohortRequest

        self._data.agree({**arguments, **arguments["request"]})
        data = dict(arguments["request"])
        choices, references = [], []
        for style in data.get("styles", ()):
            choice, reference = self._data.style(style, bool(arguments["request"].get("force")))
            choices.append(choice)
            if reference is not None:
                references.append(CohortStyle(reference, (style["of"],) if style.get("of") else ()))
        request = CohortRequest.from_data({**data, "styles": choices})
        subjects = [
            CohortSubject(
                subject["name"],
                partial(self._data.scans.open, subject["labels"]),
                subject.get("split"),
                subject.get("patient"),
            )
            for subject in arguments["subjects"]
        ]
        report = export_cohort(
            request,
            subjects,
            Path(arguments["folder"]),
            lambda done, total, name: tell(done, total, "subjects", name),
            cancel,
            references=references,
            hearts=self._data.hearts,
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


def _looked_up(task: Task, name: str | None) -> tuple[Bundle | None, str]:
    """The bundle that a task would take, and else why there is none; looking needs no consent."""
    from SynthLogic.bundles import ConsentRequired, look_up, pick_task

    try:
        try:
            bundle = look_up(name) if name else pick_task(task)[0]
        except ConsentRequired as question:
            bundle = look_up(question.name)
        bundle.card.expect(task)
    except BundleError as error:
        return None, str(error)
    return bundle, ""


def _named(bundle: Bundle) -> Data:
    return {"name": bundle.name, "version": bundle.version, "title": bundle.card.title}


def _style_data(style: Any) -> Data:
    return {"name": style.name, "title": style.title, "description": style.description}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


__all__ = ["HeartTasks"]
