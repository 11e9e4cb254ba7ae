"""Translation between two domains: the family of CycleGAN and of its supervised yardstick."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

from SynthLogic.bundles import (
    Card,
    Channel,
    Coverage,
    DataSource,
    NetworkSpec,
    Plane,
    Precision,
    Spatial,
)
from SynthLogic.data import Batches, DataConfig, DomainConfig, SamplingConfig, load_library
from SynthLogic.data.files import list_files, refuse_shared_files
from SynthLogic.data.library import refuse_absent_labels
from SynthLogic.errors import ConfigError
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import BundleText, TrainConfig
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

Direction = Literal["a_to_b", "b_to_a"]
# Low precision is worth its speed while it stays within this share of the output range (1.9 HU of 2524).
_TOLERANCE = 0.00075


class CoverageConfig(BaseModel):
    """What the exported bundle is for; ``field_of_view_mm`` is in-plane, smallest and largest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anatomy: str
    field_of_view_mm: tuple[float, float]


class TranslationConfig(TrainConfig):
    """A training of generators between two domains.

    Attributes:
        bundles: what to export, per direction; domain ``a`` and ``b`` are those of ``data``.
        pool_size: generated images remembered for the discriminators (Shrivastava 2017); 0 is none.
        data: see there.
        coverage: for the card.
    """

    bundles: dict[Direction, BundleText] = Field(min_length=1)
    pool_size: int = Field(default=50, ge=0)
    data: DataConfig
    coverage: CoverageConfig

    @field_validator("bundles")
    @classmethod
    def _names_differ(cls, bundles: dict[Direction, BundleText]) -> dict[Direction, BundleText]:
        names = [text.name for text in bundles.values()]
        if len(set(names)) < len(names):
            raise ValueError(f"both bundles are called {names[0]!r}; give each a name of its own")
        return bundles

    def exports(self) -> dict[str, BundleText]:
        """One bundle for each direction that is named."""
        return {str(direction): text for direction, text in self.bundles.items()}


class Translation(Family):
    """Patches of two domains; one bundle for each direction."""

    config_class = TranslationConfig

    def read(self, config: TranslationConfig, say: Callable[[str], None]) -> Material:
        """Read the volumes of both domains."""
        data = config.data
        refuse_shared_files(data)
        a, b = (load_library(data, domain, say) for domain in (data.a, data.b))
        refuse_absent_labels(data.masks, (a, b), "masks")
        if data.label_groups and not any(stack.labels is not None for stack in (*a.stacks, *b.stacks)):
            raise ConfigError("label_groups are set, and no volume has a label map; give sources 'labels'.")
        volumes = {"a": a.counts(data.a), "b": b.counts(data.b)}
        stream = Batches(data, a, b, size=config.batch, seed=config.seed)
        held_out = held_out_of(data, (data.a, data.b))
        return Material(stream, volumes, (*a.notes, *b.notes), max(a.drawable, b.drawable), held_out=held_out)

    def arguments(self, config: TranslationConfig) -> dict[str, Any]:
        """The configuration's, with those that follow from the data.

        Raises:
            ConfigError: one of these is in the configuration too.
        """
        data = config.data
        given = {
            "spatial_dims": data.sampling.spatial_dims,
            "in_channels": data.channels,
            "out_channels": data.channels,
        }
        return completed(config, given)

    def card(self, config: TranslationConfig, trained: Trained) -> tuple[Card, dict[str, Tensor]]:
        """The card of one direction."""
        ends = {"a": config.data.a, "b": config.data.b}
        source, target = ends[trained.key[0]], ends[trained.key[-1]]
        text, sampling = config.exports()[trained.key], config.data.sampling
        output = channel_of(target, output=True)
        window = output.intensity.steps[-1] if output.intensity.steps else None
        half_range = 1.0
        if window is not None and window.kind == "window":
            half_range = (window.upper - window.lower) / 2
        difference = _bf16_difference(trained.network, trained.pictures[f"{trained.key[0]}_input"])
        card = Card(
            **text.model_dump(),
            input=channel_of(source, output=False),
            output=output,
            network=NetworkSpec(name=config.network.name, arguments=self.arguments(config)),
            spatial=spatial_of(sampling, trained.network),
            masks=config.data.masks,
            coverage=Coverage(
                anatomy=config.coverage.anatomy,
                field_of_view_mm=config.coverage.field_of_view_mm,
                value_range=source.value_range,
                lung_fraction=source.lung_fraction,
            ),
            precision=Precision(
                bf16_mean_difference=difference * half_range, tolerance=_TOLERANCE * 2 * half_range
            ),
            training=training_of(config, trained, _sources(config, trained.account)),
            licence=licence_of(config),
            limits=(*config.limits, *trained.account["notes"]),
        )
        return card, trained.state


class TranslationMethod(Method):
    """A method that trains one generator for each direction."""

    family = Translation()
    needs_pairs: ClassVar[bool] = False
    config: TranslationConfig

    @classmethod
    @abstractmethod
    def directions(cls, config: Any) -> tuple[Direction, ...]:
        """Which generators are trained."""

    @classmethod
    def check(cls, config: TranslationConfig) -> None:
        """Refuse pairs where none are wanted, and their absence where they are."""
        if config.data.paired != cls.needs_pairs:
            word = "needs" if cls.needs_pairs else "does not take"
            raise ConfigError(f"Method {config.method!r} {word} paired data; set data.paired accordingly.")

    @classmethod
    def build(cls, config: TranslationConfig) -> dict[str, nn.Module]:
        """A generator for each direction."""
        name, arguments = config.network.name, cls.family.arguments(config)
        return {d: build_network(name, arguments) for d in cls.directions(config)}

    def check_parent(self, key: str, card: Card) -> None:
        """Refuse a bundle of the other direction."""
        data = self.config.data
        wanted = tuple((data.a if letter == "a" else data.b).modality for letter in (key[0], key[-1]))
        given = (card.input.modality, card.output.modality)
        if given != wanted:
            raise ConfigError(
                f"start_from.{key} wants a bundle from {' to '.join(wanted)}; {card.name!r} goes from "
                f"{' to '.join(given)}."
            )

    def slices(self, x: Tensor) -> Tensor:
        """The images (N, slices, *spatial) of what a generator reads or gives, without the masks."""
        return x[:, : self.config.data.sampling.slices]

    def middle(self, x: Tensor) -> Tensor:
        """The one slice that is meant, or the cube: (N, 1, *spatial)."""
        place = self.config.data.sampling.neighbours
        return x[:, place : place + 1]

    def _pictured(self, x: Tensor) -> Tensor:
        """(N, 1, J, I) to look at: the slice that is meant, or a cube's middle one."""
        image = self.middle(x)
        return image if image.ndim == 4 else image[:, :, image.shape[2] // 2]

    def _pictured_masks(self, x: Tensor) -> Tensor:
        """(N, 1, J, I): at each place the clearest mask."""
        masks = x[:, self.config.data.sampling.slices :].amax(1, keepdim=True)
        return masks if masks.ndim == 4 else masks[:, :, masks.shape[2] // 2]

    @torch.no_grad()
    def show(self, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
        """Per direction: input, output, and the way back if trained; then the masks of all these."""
        columns: dict[str, list[Tensor]] = {}
        for direction in self.directions(self.config):
            image = batch[f"{direction[0]}_input"]
            fake = self.mean[direction](image)
            back: Direction = "b_to_a" if direction == "a_to_b" else "a_to_b"
            shown = [image, fake, *([self.mean[back](fake)] if back in self.mean else [])]
            columns[direction] = [self._pictured(x) for x in shown]
            if self.config.data.masks:
                columns[direction] += [self._pictured_masks(x) for x in shown]
        return columns

    def headings(self, picture: str, columns: int) -> list[str]:
        """Those of all methods; of masks too where there are any."""
        if not self.config.data.masks:
            return super().headings(picture, columns)
        names = super().headings(picture, columns // 2)
        return [*names, *(f"mask of {name}" for name in names)]


def channel_of(domain: DomainConfig, *, output: bool) -> Channel:
    """The card's account of a domain's images."""
    intensity = domain.output_intensity if output and domain.output_intensity else domain.intensity
    return Channel(
        modality=domain.modality,
        units=domain.units,
        intensity=intensity,
        background=domain.background,
        dtype=domain.dtype,
    )


def spatial_of(sampling: SamplingConfig, network: nn.Module) -> Spatial:
    """What a network that was trained on such patches expects of a grid."""
    low, high = sampling.spacing_range_mm
    if low == high:
        # A card has a range; within a hundredth of its pixels a scan need not be resampled.
        low, high = 0.99 * low, 1.01 * high
    return Spatial(
        spatial_dims=sampling.spatial_dims,
        planes=_planes(sampling),
        spacing_mm=round(math.sqrt(low * high), 2),
        spacing_range_mm=(low, high),
        neighbours=sampling.neighbours,
        divisor=int(getattr(network, "divisor", 1)),
        tile=_tile(sampling, network),
    )


def held_out_of(data: DataConfig, domains: Sequence[DomainConfig]) -> tuple[tuple[str, str], ...]:
    """(Subject, file) of everything that the split keeps out."""
    if data.split is None:
        return ()
    files = [file for domain in domains for file in list_files(data, domain, held_out=True)[0]]
    return tuple((file.subject, str(file.path)) for file in files)


def _tile(sampling: SamplingConfig, network: nn.Module) -> tuple[int, ...] | None:
    """A 3D network runs in cubes as large as those that it was trained on, or a little larger."""
    if sampling.spatial_dims == 2:
        return None
    divisor = int(getattr(network, "divisor", 1))
    return (-(-sampling.patch // divisor) * divisor,) * 3


def _planes(sampling: SamplingConfig) -> tuple[Plane, ...]:
    """Trained planes, most often seen first."""
    used = [plane for plane, weight in sampling.planes.items() if weight > 0]
    return tuple(sorted(used, key=lambda plane: -sampling.planes[plane]))


def _sources(config: TranslationConfig, account: dict[str, Any]) -> tuple[DataSource, ...]:
    return tuple(
        data_source(source, f"{source.name} ({domain.modality})", volumes)
        for letter, domain in (("a", config.data.a), ("b", config.data.b))
        for source, volumes in zip(domain.sources, account["volumes"][letter], strict=True)
        if volumes
    )


@torch.no_grad()
def _bf16_difference(network: nn.Module, patches: Tensor) -> float:
    """Mean difference between bf16 and fp32 on the run's fixed patches, in network range [-1, 1]."""
    exact = network(patches)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(patches)
    return float((rough.float() - exact).abs().mean())
