"""The two files by which MONAI knows a bundle: metadata.json and inference.json, both made from the card.

MONAI itself is not imported; the format is that of https://docs.monai.io/en/stable/mb_specification.html.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from SynthLogic.bundles.card import Card
from SynthLogic.bundles.card_parts import Channel, LabelChannel
from SynthLogic.bundles.card_types import PLANES
from SynthLogic.bundles.monai_labels import before_labels, label_channel, label_parts, size_of, style_input
from SynthLogic.intensity import Pipeline
from SynthLogic.networks import REGISTER
from SynthLogic.volume import Volume

# As in the engine: no side is fed that is shorter than this many divisors.
_FEWEST_STEPS = 4
MONAI_VERSION = "1.4.0"
_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)


def metadata_json(card: Card) -> str:
    """``configs/metadata.json``: MONAI's metadata, with the network's data format from the card."""
    training = card.training
    data = {
        "schema": _SCHEMA,
        "version": card.version,
        "changelog": {card.version: card.title},
        "monai_version": MONAI_VERSION,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"safetensors": "0.4.5"},
        "supported_apps": {},
        "name": card.title,
        "task": _task(card),
        "description": card.description,
        "authors": "see LICENSE",
        "copyright": f"licence {card.licence.spdx}, see LICENSE",
        "data_source": "; ".join(f"{d.name} ({d.licence})" for d in training.data),
        "data_type": "volumes",
        "intended_use": "Research only; the images are synthetic and not for diagnosis",
        "references": [d.citation for d in training.data],
        "eval_metrics": {f"{f.name} [{f.units}] on {f.on}": f.value for f in card.figures},
        "network_data_format": {
            "inputs": {"image": _channel(card, card.input), **style_input(card)},
            "outputs": {"pred": _channel(card, card.output, output=True)},
        },
    }
    return _dump(data)


def inference_json(card: Card) -> str:
    """``configs/inference.json``: the card's way from file to file in MONAI's parts.

    Run it with ``python -m monai.bundle run --config_file configs/inference.json --bundle_root . --input X
    --output_folder Y``.
    Scans are (1, K, J, I) towards superior, anterior, right, as in the engine; stacks of labels stay as they
    are stored. Nothing is resampled.
    """
    if card.task == "translate":
        plane = PLANES.index(card.spatial.planes[0])
        before = _before(card, plane)
        parts = {
            "inferer": _inferer(card, plane),
            "predict": "$torch.no_grad()(lambda data: {**data, 'pred': "
            "MetaTensor(@inferer(data['image'].as_tensor()[None].to(@device), @network_def)[0].cpu())})",
        }
    else:
        before, parts = before_labels(card), label_parts(card)
    made = "labels" if isinstance(card.output, LabelChannel) else f"synthetic_{card.output.modality.lower()}"
    after: list[dict[str, Any]] = [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "orig_keys": "image",
            "transform": "@preprocessing",
            "nearest_interp": isinstance(card.output, LabelChannel),
        },
        *_inverse(card.output),
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_folder",
            "output_postfix": made,
            "output_ext": ".nii.gz",
            "output_dtype": f"$numpy.{card.output.dtype}",
            "separate_folder": False,
            "resample": False,
        },
    ]
    config: dict[str, Any] = {
        "imports": [
            "$import numpy",
            "$import torch",
            "$from monai.data import MetaTensor",
            "$from safetensors.torch import load_file",
        ],
        "bundle_root": ".",
        "input": "scan.nii.gz" if card.task == "translate" else "labels.nii.gz",
        "output_folder": "output",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": _network(card),
        "preprocessing": {"_target_": "Compose", "transforms": before},
        **parts,
        "postprocessing": {"_target_": "Compose", "transforms": after},
        "initialize": _weights(card),
        "run": ["$@postprocessing(@predict(@preprocessing({'image': @input})))"],
    }
    return _dump(config)


def _task(card: Card) -> str:
    return {
        "translate": f"Synthesis of {card.output.modality} from {card.input.modality}",
        "label-vae": "Encoding of label slices as latent vectors, and decoding",
        "paint": f"Synthesis of {card.output.modality} from labels and a style",
        "segment": f"Segmentation of {card.input.modality}",
    }[card.task]


def _before(card: Card, plane: int) -> list[dict[str, Any]]:
    spatial = card.spatial
    divisors, smallest = [spatial.divisor] * 3, [_FEWEST_STEPS * spatial.divisor] * 3
    if spatial.spatial_dims == 2:
        divisors[plane], smallest[plane] = 1, -1
    padding = {"keys": "image", "method": "end", "mode": "reflect"}
    return [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "SAR"},
        *_intensity(card.image_input),
        {"_target_": "SpatialPadd", "spatial_size": smallest, **padding},
        {"_target_": "DivisiblePadd", "k": divisors, **padding},
    ]


def _channel(card: Card, channel: Channel | LabelChannel, *, output: bool = False) -> dict[str, Any]:
    spatial = card.spatial
    shape: list[Any] = list(spatial.tile or [f"{spatial.divisor}*n"] * spatial.spatial_dims)
    if isinstance(channel, LabelChannel):
        return label_channel(channel, shape if card.task == "segment" else [size_of(card)] * 2, logits=output)
    names: list[str] = [channel.modality] * (2 * spatial.neighbours + 1)
    names += list(card.masks) if card.second is None else [card.second.modality]
    return {
        "type": "image",
        "format": "hounsfield" if channel.modality == "CT" else "magnitude",
        "modality": channel.modality,
        "num_channels": len(names),
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [-1, 1],
        "is_patch_data": spatial.tile is not None,
        "channel_def": {str(index): name for index, name in enumerate(names)},
    }


def _intensity(channel: Channel) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for step in channel.intensity.steps:
        if step.kind == "window":
            steps.append(_scale("ScaleIntensityRanged", a_min=step.lower, a_max=step.upper))
        elif step.kind == "percentiles":
            steps.append(_scale("ScaleIntensityRangePercentilesd", lower=step.lower, upper=step.upper))
        elif step.kind == "z-score" and not step.foreground:
            steps.append({"_target_": "NormalizeIntensityd", "keys": "image"})
            steps.append(_scale("ScaleIntensityRanged", a_min=-step.limit, a_max=step.limit))
        else:
            # MONAI has no equal of this step, so the whole pipeline is ours.
            pipeline = channel.intensity.model_dump(mode="json")
            function = {"_target_": f"{__name__}.CardIntensity", "pipeline": pipeline}
            return [{"_target_": "Lambdad", "keys": "image", "func": function, "track_meta": False}]
    return steps


def _scale(target: str, **limits: float) -> dict[str, Any]:
    return {"_target_": target, "keys": "image", **limits, "b_min": -1, "b_max": 1, "clip": True}


def _inverse(channel: Channel | LabelChannel) -> list[dict[str, Any]]:
    if isinstance(channel, LabelChannel):
        return []
    # The card allows nothing but windows here. Like the engine's inverse, this does not clip.
    steps: list[dict[str, Any]] = [
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "pred",
            "a_min": -1,
            "a_max": 1,
            "b_min": step.lower,
            "b_max": step.upper,
            "clip": False,
        }
        for step in reversed(channel.intensity.steps)
        if step.kind == "window"
    ]
    if channel.dtype == "int16":
        steps.append({"_target_": "Lambdad", "keys": "pred", "func": "$torch.round", "track_meta": False})
    return steps


class CardIntensity:
    """A card's intensity pipeline as a function for MONAI's ``Lambdad``."""

    def __init__(self, pipeline: dict[str, Any]) -> None:
        self.pipeline = Pipeline.model_validate(pipeline)

    def __call__(self, image: Any) -> Any:
        """Map a MetaTensor (1, K, J, I) in units to [-1, 1]; its affine maps (k, j, i) to RAS in mm."""
        kji_to_ras = np.asarray(image.affine, dtype=np.float64)
        volume = Volume(np.asarray(image.as_tensor())[0], kji_to_ras[:, [2, 1, 0, 3]])
        array, _ = self.pipeline.forward(volume)
        result = image.clone()
        result[:] = torch.from_numpy(array)[None]
        return result


def _network(card: Card) -> dict[str, Any]:
    if card.format == "torchscript":
        return {
            "_target_": "torch.jit.load",
            "f": f"$@bundle_root + '/{card.weights_path}'",
            "map_location": "@device",
        }
    if card.format == "onnx":
        content = f"$open(@bundle_root + '/{card.weights_path}', 'rb').read()"
        return {"_target_": "SynthLogic.bundles.foreign.OnnxNetwork", "content": content}
    return {
        "_target_": REGISTER[card.network.name],
        **card.network.arguments,
    }


def _weights(card: Card) -> list[str]:
    steps = ["$@network_def.to(@device).eval()"]
    if card.format == "safetensors":
        weights = f"load_file(@bundle_root + '/{card.weights_path}')"
        steps.insert(0, f"$@network_def.load_state_dict({weights})")
    return steps


def _inferer(card: Card, plane: int) -> dict[str, Any]:
    spatial = card.spatial
    if spatial.spatial_dims == 2:
        return {
            "_target_": "SliceInferer",
            "spatial_dim": plane,
            "roi_size": list(spatial.tile or (-1, -1)),
            "sw_batch_size": 1,
            "overlap": spatial.overlap if spatial.tile else 0,
        }
    return {
        "_target_": "SlidingWindowInferer",
        "roi_size": list(spatial.tile or ()),
        "sw_batch_size": 1,
        "overlap": spatial.overlap,
        "mode": "gaussian",
    }


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
