"""MONAI's way through a bundle that takes labels: slices of a short-axis stack, each by itself."""

from __future__ import annotations

from typing import Any

import torch

from SynthLogic.bundles.card import Card
from SynthLogic.bundles.card_parts import LabelChannel
from SynthLogic.networks import build_network

_DRAW = {
    "label-vae": "$lambda x: @values[@network_def(x)[0].argmax(1).cpu()].float()",
    "paint": "$lambda x: @network_def(x, @network_def.style_means[:1])[:, 0].cpu()",
}


def size_of(card: Card) -> int:
    """Pixels of a slice's side."""
    with torch.device("meta"):
        return int(getattr(build_network(card.network.name, card.network.arguments), "size"))  # noqa: B009


def style_input(card: Card) -> dict[str, dict[str, Any]]:
    """What metadata say of the style that a painting network takes beside the labels."""
    if card.task != "paint":
        return {}
    with torch.device("meta"):
        length = int(getattr(build_network(card.network.name, card.network.arguments), "style"))  # noqa: B009
    return {
        "style": {
            "type": "tuples",
            "format": "latent",
            "modality": "n/a",
            "num_channels": length,
            "spatial_shape": [],
            "dtype": "float32",
            "value_range": [],
            "is_patch_data": False,
            "channel_def": {},
        }
    }


def label_channel(channel: LabelChannel, shape: list[Any], *, logits: bool) -> dict[str, Any]:
    """What metadata say of one-hot labels, or of the ``logits`` of them."""
    return {
        "type": "image",
        "format": "labels",
        "modality": "n/a",
        "num_channels": len(channel.labels),
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [] if logits else [0, 1],
        "is_patch_data": False,
        "channel_def": {str(index): name for index, name in enumerate(channel.labels)},
    }


def before_labels(card: Card) -> list[dict[str, Any]]:
    """Transforms of a stack (1, I, J, K), as it is stored: its axes are those of the heart already."""
    size = size_of(card)
    return [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {
            "_target_": "ResizeWithPadOrCropd",
            "keys": "image",
            "spatial_size": [size, size, -1],
            "mode": "constant",
        },
    ]


def label_parts(card: Card) -> dict[str, Any]:
    """The configuration's parts that stand where an image has its inferer: slice by slice, (N, C, J, I)."""
    slices = "[@draw(s[None].to(@device)) for s in @one_hot(data['image'].as_tensor())]"
    return {
        "values": f"$torch.tensor({list(card.label_input.values)})",
        "one_hot": "$lambda stack: (stack[0].permute(2, 1, 0)[:, None] == @values[:, None, None]).float()",
        "draw": _DRAW[card.task],
        "predict": "$torch.no_grad()(lambda data: {**data, 'pred': "
        f"MetaTensor(torch.cat({slices}).permute(2, 1, 0)[None])}})",
    }


__all__ = ["before_labels", "label_channel", "label_parts", "size_of", "style_input"]
