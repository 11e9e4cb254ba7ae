"""Hearts as slices of labels, and of images beside them: the family of the label VAE and of SPADE."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from SynthLogic.bundles import (
    Card,
    Channel,
    Coverage,
    LabelChannel,
    NetworkSpec,
    Precision,
    Spatial,
    Style,
)
from SynthLogic.data import HeartBatches, HeartDataConfig, load_hearts
from SynthLogic.data.find import find_files
from SynthLogic.data.heart_config import StyleConfig
from SynthLogic.data.heart_library import PERCENTILES
from SynthLogic.errors import ConfigError
from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.intensity import Percentiles, Pipeline, Window
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import BundleText, DiscriminatorConfig, TrainConfig
from SynthLogic.methods.family import (
    Family,
    Material,
    Trained,
    completed,
    data_source,
    licence_of,
    training_of,
)
from SynthLogic.networks import build_network
from SynthLogic.networks.spade_generator import SpadeGenerator

_LABELS = LabelChannel(labels={label.name.lower(): label.value for label in HeartLabel})
# The painted image's range, and how large a stack's slices may be.
_BRIGHTEST = 1000.0
# Of the range; bf16 may differ by so much on average, which is far less than the noise of any MR.
_TOLERANCE = 0.002
_FIELD_OF_VIEW_MM = (100.0, 500.0)


class HeartDiscriminatorConfig(DiscriminatorConfig):
    """Discriminators of labels and image together, at ``scales`` sizes; ``loss`` is their kind of contest."""

    features: int = Field(default=24, ge=1)
    scales: int = Field(default=2, ge=1)
    loss: Literal["hinge", "least-squares"] = "hinge"


class HeartConfig(TrainConfig):
    """A training on hearts.

    Attributes:
        bundle: what to export.
        discriminator: see there; for methods that paint.
        data: see there.
    """

    bundle: BundleText
    discriminator: HeartDiscriminatorConfig = HeartDiscriminatorConfig()
    data: HeartDataConfig

    def exports(self) -> dict[str, BundleText]:
        """The one bundle."""
        return {"network": self.bundle}


class HeartFamily(Family):
    """Slices of hearts in the short-axis frame; one bundle.

    Args:
        images: whether the images beside the label maps are read.
    """

    config_class = HeartConfig

    def __init__(self, images: bool) -> None:
        self.images = images

    def read(self, config: HeartConfig, say: Callable[[str], None]) -> Material:
        """Read all hearts."""
        library = load_hearts(config.data, self.images, say)
        volumes = {
            "hearts": [len(library.of_source(index)) for index in range(len(config.data.sources))],
            "styles": [sum(s.style == n for s in library.stacks) for n in range(len(config.data.styles))],
        }
        stream = HeartBatches(config.data, library, images=self.images, size=config.batch, seed=config.seed)
        apart = find_files(config.data, config.data.sources, "heart data", held_out=True)[0]
        return Material(
            stream,
            volumes,
            library.notes,
            sum(len(s.slices) for s in library.stacks),
            held_out=tuple((file.subject, str(file.path)) for file in apart),
        )

    def arguments(self, config: HeartConfig) -> dict[str, Any]:
        """The configuration's, with the number of labels, the size of a slice and the number of styles."""
        given: dict[str, Any] = {"labels": len(HeartLabel), "size": config.data.size}
        if self.images:
            given["styles"] = len(config.data.styles)
        return completed(config, given)

    def card(self, config: HeartConfig, trained: Trained) -> tuple[Card, dict[str, Tensor]]:
        """The card of the network; of a painter without the styles that no heart had."""
        data, text = config.data, config.bundle
        parts: dict[str, Any] = {"task": "label-vae", "output": _LABELS, "precision": Precision(tolerance=0)}
        arguments, state = self.arguments(config), trained.state
        if self.images:
            kept = [n for n, hearts in enumerate(trained.account["volumes"]["styles"]) if hearts]
            state = {k: v[kept] if k in ("style_means", "style_spreads") else v for k, v in state.items()}
            arguments["styles"] = len(kept)
            parts |= self._painting(trained, tuple(data.styles[n] for n in kept))
        sources = tuple(
            data_source(source, source.name, volumes)
            for source, volumes in zip(data.sources, trained.account["volumes"]["hearts"], strict=True)
            if volumes
        )
        card = Card(
            **text.model_dump(),
            input=_LABELS,
            network=NetworkSpec(name=config.network.name, arguments=arguments),
            spatial=Spatial(
                spatial_dims=2,
                spacing_mm=data.pixel_mm,
                spacing_range_mm=(0.99 * data.pixel_mm, 1.01 * data.pixel_mm),
                divisor=int(getattr(trained.network, "divisor", 1)),
            ),
            coverage=Coverage(anatomy="heart", field_of_view_mm=_FIELD_OF_VIEW_MM),
            training=training_of(config, trained, sources),
            licence=licence_of(config),
            limits=(*config.limits, *trained.account["notes"]),
            **parts,
        )
        return card, state

    @staticmethod
    def _painting(trained: Trained, styles: tuple[StyleConfig, ...]) -> dict[str, Any]:
        """What the card of a painter has beside that of any network."""
        painter = cast(SpadeGenerator, trained.network)
        image, labels = trained.pictures["image"], trained.pictures["labels"]
        rough = copy.deepcopy(painter)
        rough.lower_precision(torch.bfloat16)
        with torch.no_grad():
            style, _ = painter.encode_style(image, labels)
            difference = float((rough(labels, style) - painter(labels, style)).abs().mean())
        lower, upper = PERCENTILES
        channel = Channel(
            modality="MR",
            units="a.u.",
            intensity=Pipeline(steps=(Percentiles(lower=lower, upper=upper),)),
            background=0,
            dtype="int16",
        )
        window = Pipeline(steps=(Window(lower=0, upper=_BRIGHTEST),))
        return {
            "task": "paint",
            "output": channel.model_copy(update={"intensity": window}),
            "reference": channel,
            "styles": tuple(Style(**style.model_dump()) for style in styles),
            "precision": Precision(
                bf16_mean_difference=difference * _BRIGHTEST / 2,
                tolerance=_TOLERANCE * _BRIGHTEST,
            ),
        }


class HeartMethod(Method):
    """A method that trains one network on hearts."""

    family: ClassVar[HeartFamily]
    network_name: ClassVar[str]
    config: HeartConfig

    @classmethod
    def check(cls, config: HeartConfig) -> None:
        """Refuse a network that the method cannot train, and images without styles."""
        if config.network.name != cls.network_name:
            raise ConfigError(
                f"Method {config.method!r} trains the network {cls.network_name!r}, not "
                f"{config.network.name!r}; correct network.name."
            )
        if not cls.family.images:
            return
        for source in config.data.sources:
            for key in ("image", "style"):
                if getattr(source, key) is None:
                    raise ConfigError(
                        f"Method {config.method!r} needs images and styles; source {source.name!r} has no "
                        f"{key!r}."
                    )
        if not config.data.styles:
            raise ConfigError(f"Method {config.method!r} needs styles; name them in data.styles.")

    @classmethod
    def build(cls, config: HeartConfig) -> dict[str, nn.Module]:
        """The one network."""
        return {"network": build_network(config.network.name, cls.family.arguments(config))}


def as_grey(one_hot: Tensor) -> Tensor:
    """One-hot labels (N, labels, J, I) as a picture (N, 1, J, I): background black, RV cavity white."""
    steps = torch.linspace(-1, 1, one_hot.shape[1], device=one_hot.device)
    return torch.einsum("nlji,l->nji", one_hot.float(), steps)[:, None]


def drawn(logits: Tensor) -> Tensor:
    """The label map of logits (N, labels, J, I) as a picture (N, 1, J, I)."""
    return logits.argmax(1, keepdim=True).float() / (logits.shape[1] - 1) * 2 - 1
