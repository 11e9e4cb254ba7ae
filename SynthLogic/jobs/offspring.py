"""Makes offspring of prepared hearts: labels, image and record of a heart between two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.hearts import wall_thickness_mm
from SynthLogic.inference import Monitor
from SynthLogic.jobs.heart_desk import Hearts, Offspring
from SynthLogic.jobs.heart_labels import Heart
from SynthLogic.jobs.heart_record import HeartOutput, HeartRecord, StyleId
from SynthLogic.jobs.heart_requests import CohortRequest, InterpolateRequest
from SynthLogic.jobs.paint import device_facts, frame_of, input_id, paint_stack, stored
from SynthLogic.jobs.record import bundle_id
from SynthLogic.volume import Volume, content_hash

if TYPE_CHECKING:
    from SynthLogic.inference import LabelCodec, Painter


@dataclass(frozen=True, eq=False)
class Step:
    """One heart that was made.

    Attributes:
        labels: uint8 (K, size, size) in the first heart's frame.
        image: on the same grid; None where only labels were asked for.
        record: how it was made.
    """

    labels: Volume
    image: Volume | None
    record: HeartRecord


class Maker:
    """Makes offspring of prepared hearts with chosen networks.

    Args:
        request: says which bundles, path and slices.
        hearts: where networks and latents are kept.
        codec_bundle: to use instead of the installed one of that name.
        model_bundle: likewise.
        paint: whether there are images.

    Raises:
        BundleError, DeviceError: see there.
    """

    def __init__(
        self,
        request: InterpolateRequest | CohortRequest,
        hearts: Hearts,
        *,
        codec_bundle: Bundle | None = None,
        model_bundle: Bundle | None = None,
        paint: bool = True,
    ) -> None:
        self.request, self.hearts = request, hearts
        chosen, why = hearts.choose("label-vae", request.codec, codec_bundle)
        self.codec: LabelCodec = hearts.codec(chosen, request.device)
        self.painter: Painter | None = None
        if paint:
            model, reason = hearts.choose("paint", request.model, model_bundle)
            self.painter = hearts.painter(model, request.device, request.precision)
            why = f"{why} {reason}"
        self.choice = why

    def labels(self, a: Heart, b: Heart | None, t: float) -> Offspring:
        """Decode the labels at ``t``."""
        request = self.request
        return self.hearts.offspring(self.codec, a, b, t, path=request.path, slices=request.slices)

    def step(
        self,
        a: Heart,
        b: Heart | None,
        t: float,
        styles: Sequence[StyleId],
        monitor: Monitor,
    ) -> Step:
        """Decode and paint one heart.

        Args:
            a: the first heart.
            b: the second, or None.
            t: place between them.
            styles: at the first heart, and at the second where it differs; none without a painter.
            monitor: told after every few slices.
        """
        start = time.perf_counter()
        offspring = self.labels(a, b, t)
        decoded = time.perf_counter()
        labels = Volume(offspring.labels, offspring.grid.ijk_to_ras)
        image = style = None
        if self.painter is not None:
            style = mixed([s.vector for s in styles], offspring.t)
            stack = paint_stack(self.painter, offspring.labels, style, monitor)
            image = stored(labels.with_array(stack), self.painter.bundle.card.image_output.dtype)
        timings = {"decode": decoded - start, "paint": time.perf_counter() - decoded}
        record = self.record((a,) if b is None else (a, b), offspring, styles, style, labels, image, timings)
        wall = wall_thickness_mm(offspring.labels, offspring.grid.spacing[0]).mean
        record = record.model_copy(update={"wall_mm": None if np.isnan(wall) else round(wall, 3)})
        return Step(labels, image, record)

    def record(
        self,
        parents: Sequence[Heart],
        offspring: Offspring,
        styles: Sequence[StyleId],
        style: NDArray[np.float32] | None,
        labels: Volume,
        image: Volume | None,
        timings: dict[str, float],
    ) -> HeartRecord:
        """How ``image`` was made."""
        painter = self.painter
        found = [f.message for heart in parents for f in heart.findings if f.level == "warning"]
        return HeartRecord(
            request=self.request,
            model=None if painter is None else bundle_id(painter.bundle),
            codec=bundle_id(self.codec.bundle),
            choice=self.choice,
            **device_facts(painter or self.codec),
            inputs=tuple(input_id(heart) for heart in parents),
            t=offspring.t,
            styles=tuple(styles),
            style=None if style is None else tuple(float(value) for value in style),
            frame=frame_of(offspring.grid),
            volumes_ml=offspring.volumes_ml,
            output=HeartOutput(
                image_hash=None if image is None else content_hash(image), labels_hash=content_hash(labels)
            ),
            warnings=(*dict.fromkeys(found), *(() if painter is None else painter.warnings)),
            timings={name: round(seconds, 4) for name, seconds in timings.items()},
        )


def mixed(vectors: Sequence[Sequence[float]], t: float) -> NDArray[np.float32]:
    """The style at ``t`` between one or two style vectors."""
    first, last = (np.asarray(vector, np.float32) for vector in (vectors[0], vectors[-1]))
    return np.asarray((1 - t) * first + t * last, np.float32)


__all__ = ["Maker", "Step", "mixed"]
