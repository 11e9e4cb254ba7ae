"""One move of the slider between two hearts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from SynthLogic.worker.heart_data import Cancel, Data, HeartData, Tell, shared, teller
from SynthLogic.worker.scans import save_results

if TYPE_CHECKING:
    from SynthLogic.jobs.heart_record import StyleId


def blend(data: HeartData, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
    """What the task ``heart_blend`` says."""
    from SynthLogic.inference import Monitor
    from SynthLogic.jobs.heart_requests import InterpolateRequest
    from SynthLogic.jobs.interpolate import step_styles
    from SynthLogic.jobs.offspring import Maker, mixed
    from SynthLogic.jobs.paint import paint_stack, stored
    from SynthLogic.volume import Volume

    data.agree(arguments)
    wanted = arguments.get("paint", "none")
    (first, reference_a), (last, reference_b) = (
        data.style(arguments.get(key), bool(arguments.get("force"))) for key in ("style_a", "style_b")
    )
    fields = {name: arguments[name] for name in ("path", "slices") if name in arguments}
    request = InterpolateRequest.from_data(
        {
            "style_a": first,
            "style_b": None if arguments.get("b") is None else last,
            "codec": arguments.get("codec"),
            "labels_only": wanted == "none",
            **fields,
            **shared(arguments),
        }
    )
    maker = Maker(request, data.hearts, paint=wanted != "none")
    parents = [
        data.hearts.heart(data.scans.open(arguments[key]), name=name)
        for key, name in (("a", "A"), ("b", "B"))
        if arguments.get(key) is not None
    ]
    for heart in parents:
        heart.raise_if_stopped(request.force)
    start = time.perf_counter()
    offspring = maker.labels(parents[0], parents[1] if len(parents) > 1 else None, arguments["t"])
    decoded = time.perf_counter()
    place = None
    styles: tuple[StyleId, ...] = ()
    image = vector = None
    labels = Volume(offspring.labels, offspring.grid.ijk_to_ras)
    made: dict[str, Any] = {"labels": offspring.labels}
    if maker.painter is not None:
        styles = step_styles(maker, request, (reference_a, reference_b), alone=len(parents) == 1)
        vector = mixed([style.vector for style in styles], offspring.t)
        stack = offspring.labels
        if wanted == "slice":
            place = int(np.clip(arguments.get("slice", 0), 0, len(stack) - 1))
            stack = stack[place : place + 1]
        values = paint_stack(maker.painter, stack, vector, Monitor(teller(tell), cancel))
        grid = labels.grid.ijk_to_ras.copy()
        grid[:3, 3] = labels.grid.to_ras((0, 0, place or 0))
        image = stored(Volume(values, grid), maker.painter.bundle.card.image_output.dtype)
        made["image"] = image.array
    seconds = {"decode": decoded - start, "paint": time.perf_counter() - decoded}
    record = maker.record(parents, offspring, styles, vector, labels, image, seconds)
    return {
        "results": save_results(arguments, made),
        "shape": list(offspring.labels.shape),
        "ijk_to_ras": offspring.grid.ijk_to_ras.tolist(),
        "slice": place,
        "volumes_ml": offspring.volumes_ml,
        "t": offspring.t,
        "dtype": None if image is None else image.array.dtype.name,
        "background": None if maker.painter is None else maker.painter.bundle.card.image_output.background,
        "record": record.model_dump(mode="json"),
        "seconds": record.timings,
    }


__all__ = ["blend"]
