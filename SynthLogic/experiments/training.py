"""Trainings of an experiment: a recipe from a few numbers, run as any other, and its bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SynthLogic.bundles import Bundle
from SynthLogic.methods import parse_config, train

Plain = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How large a training is.

    Attributes:
        patch: pixels of a side.
        pixel_mm: their size.
        constant: iterations at the full rate.
        decay: iterations with the rate falling to 0.
        features: of generators (first layer) and discriminators.
        blocks: residual blocks.
        batch: samples in an iteration.
        precision: as Lightning names it.
        lr: of Adam.
        clip_norm: largest norm of a step's gradient; a short training needs a high rate, and that a limit.
        skips: generators with skips and nearest neighbours instead of fractional strides, not as published: a
            short training keeps the shapes of what it translates.
    """

    patch: int
    pixel_mm: float
    constant: int
    decay: int
    features: int
    blocks: int
    batch: int = 1
    precision: str = "32-true"
    lr: float = 2e-4
    clip_norm: float | None = None
    skips: bool = False

    @property
    def text(self) -> str:
        """For the note below a table."""
        return (
            f"{self.constant} + {self.decay} iterations of {self.batch}, patches of {self.patch} pixels of "
            f"{self.pixel_mm:g} mm, {self.features} features, {self.blocks} blocks"
            f"{' with skips' if self.skips else ''}, rate {self.lr:g}"
        )


def domain(
    modality: str,
    glob: str,
    *,
    subjects: str = "all",
    window: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
    reference: str | None = None,
    labels: str | None = None,
    subject: str | None = None,
    corruptions: tuple[Plain, ...] = (),
) -> Plain:
    """One side of a translation, of simulated subjects below the root "cohort".

    Args:
        modality: CT or MR.
        glob: of the images.
        subjects: which; see ``SynthLogic.data.config.FileSource``.
        window: of intensities in units, for CT; MR is fitted by percentiles.
        percentiles: of MR.
        reference: clean twin beside each image.
        labels: label map beside each image.
        subject: regular expression that names subjects, where their folders do not.
        corruptions: of what generators read.
    """
    source = {
        "name": f"simulated {modality}",
        "root": "cohort",
        "glob": glob,
        "subjects": subjects,
        "reference": reference,
        "labels": labels,
        "subject": subject,
        "licence": "Apache-2.0",
        "citation": "Simulated by this program.",
    }
    if window is not None:
        steps = [{"kind": "window", "lower": window[0], "upper": window[1]}]
        units, background, output = "HU", -1024, steps
    else:
        steps = [{"kind": "percentiles", "lower": percentiles[0], "upper": percentiles[1]}]
        units, background, output = "a.u.", 0, [{"kind": "window", "lower": 0, "upper": 1000}]
    return {
        "modality": modality,
        "units": units,
        "intensity": {"steps": steps},
        "output_intensity": {"steps": output},
        "background": background,
        "dtype": "float32",
        "sources": [source],
        "corruptions": list(corruptions),
    }


def recipe(
    method: str,
    size: Size,
    cohort: Path,
    a: Plain,
    b: Plain,
    *,
    seed: int,
    name: str,
    losses: Plain | None = None,
    sampling: Plain | None = None,
    data: Plain | None = None,
    device: str = "auto",
) -> Plain:
    """The configuration of a training, as plain data.

    Args:
        method: of the register.
        size: how large.
        cohort: folder of the subjects.
        a: see ``domain``.
        b: likewise.
        seed: of weights and samples.
        name: of the bundles, with "-a-to-b" or "-b-to-a" behind it.
        losses: other than the method's own.
        sampling: other than the defaults.
        data: more of the data's keys, such as masks.
        device: as configured.
    """
    network = "dicycle-generator" if method == "dicyclegan" else "resnet-generator"
    arguments: Plain = {"features": size.features, "blocks": size.blocks}
    if size.skips:
        arguments |= {"skips": True, "upsampling": "resize"}
    text = {"title": name, "description": f"{method}, of an experiment; not for use."}
    directions = {"a_to_b": "a-to-b", "b_to_a": "b-to-a"}
    return {
        "method": method,
        "seed": seed,
        "bundles": {key: {"name": f"{name}-{word}", **text} for key, word in directions.items()},
        "network": {"name": network, "arguments": arguments},
        "discriminator": {"features": size.features, "layers": 3 if size.patch >= 48 else 2},
        "losses": losses or {},
        "optimiser": {"lr": size.lr, "clip_norm": size.clip_norm},
        "schedule": {"constant": size.constant, "decay": size.decay},
        "batch": size.batch,
        "precision": size.precision,
        "channels_last": size.precision != "32-true",
        "ema_decay": 0.99,
        "device": device,
        "intervals": {"log": 100, "checkpoint": 2000, "pictures": 1000, "keep": 1, "rows": 4},
        "data": {
            "roots": {"cohort": str(cohort)},
            "a": a,
            "b": b,
            "sampling": {
                "patch": size.patch,
                "spacing_range_mm": [size.pixel_mm, size.pixel_mm],
                "rotation_deg": 0,
                "slack": 0,
                "field_of_view": 0,
                "min_body": 0.02,
                "max_slice_spacing_mm": 20,
                **(sampling or {}),
            },
            **(data or {}),
        },
        "coverage": {"anatomy": "simulated", "field_of_view_mm": [50, 500]},
        "limits": ["Of an experiment; trained on simulated subjects alone."],
    }


def merged(parts: Sequence[Plain], weights: Sequence[float]) -> Plain:
    """Domains that differ in their files alone as one, each drawn by its weight."""
    sources = [
        {**part["sources"][0], "weight": weight, "name": f"source {number}"}
        for number, (part, weight) in enumerate(zip(parts, weights, strict=True), 1)
    ]
    return {**parts[0], "sources": sources}


def segmenter_recipe(
    size: Size,
    cohort: Path,
    image: Plain,
    structures: Mapping[str, Sequence[int]],
    *,
    seed: int,
    name: str,
    held_out: float | None,
    second: Plain | None = None,
    sampling: Plain | None = None,
) -> Plain:
    """The configuration of a U-Net that finds structures; ``size.blocks`` are its down-samplings.

    Args:
        size: how large.
        cohort: folder of the subjects.
        image: see ``domain``, with labels.
        structures: label values by name.
        seed: of weights, samples and of who is held out.
        name: of the bundle.
        held_out: share of the subjects that validate; None trains on all, to the end of the schedule.
        second: another image of the same subjects.
        sampling: other than the defaults.
    """
    base = recipe("unet", size, cohort, image, image, seed=seed, name=name, sampling=sampling)
    data = {key: base["data"][key] for key in ("roots", "sampling")}
    data |= {
        "image": image,
        "second": second,
        "structures": {key: list(values) for key, values in structures.items()},
        "split": None if held_out is None else {"held_out": held_out, "seed": seed},
    }
    keys = ("method", "seed", "schedule", "batch", "precision", "ema_decay", "device", "intervals")
    return {
        **{key: base[key] for key in (*keys, "coverage", "limits")},
        "bundle": {"name": name, "title": name, "description": "U-Net of an experiment; not for use."},
        "network": {
            "name": "unet-segmenter",
            "arguments": {"features": size.features, "levels": size.blocks, "residual_units": 0},
        },
        "losses": {"validate_every": 50, "patience": 8},
        "optimiser": {"lr": size.lr, "betas": [0.9, 0.999]},
        "data": data,
    }


def trained(plain: Plain, folder: Path) -> dict[str, Bundle]:
    """Train, or go on, in ``folder``; the bundles by "a_to_b" and "b_to_a"."""
    config = parse_config(plain)
    result = train(config, folder)
    names = {text.name: key for key, text in config.exports().items()}
    return {names[path.name]: Bundle.open(path) for path in result.bundles}


__all__ = ["Plain", "Size", "domain", "merged", "recipe", "segmenter_recipe", "trained"]
