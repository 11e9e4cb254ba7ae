"""What methods of one kind share: how data are read, what a batch is, how a card is made.

A method is networks, losses and a step; its family is everything else that depends on what it is trained on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from SynthLogic.bundles import Ancestor, Card, DataSource, Licence, Training
from SynthLogic.data import Stream
from SynthLogic.data.config import FileSource
from SynthLogic.data.stream import Batch
from SynthLogic.errors import ConfigError
from SynthLogic.methods.config import TrainConfig


@dataclass(frozen=True)
class Material:
    """What a training reads.

    Attributes:
        stream: the batches.
        volumes: how many volumes each source gave, by group of sources; goes into the run's account.
        notes: one sentence for everything left out.
        samples_per_epoch: how many slices there are to draw, of two domains in the larger one; so many
            samples are an epoch, though which ones come is left to chance. 0 where that says nothing.
        validation: a fixed batch of subjects that are not trained on, for methods that look at one.
        held_out: (subject, file) of everything that the split keeps out.
    """

    stream: Stream
    volumes: dict[str, list[int]]
    notes: tuple[str, ...]
    samples_per_epoch: int = 0
    validation: Batch | None = None
    held_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Trained:
    """A network to be exported, and where it comes from.

    Attributes:
        key: which of the configuration's ``exports`` it is.
        network: with its weights, in evaluation mode.
        state: its weights.
        run: iterations and time, from the checkpoint.
        account: from the run's folder: volumes, notes, hardware, code version, bundles that it began with.
        pictures: the run's fixed batch.
    """

    key: str
    network: nn.Module
    state: dict[str, Tensor]
    run: dict[str, Any]
    account: dict[str, Any]
    pictures: dict[str, Tensor]


class Family(ABC):
    """See the module's text."""

    config_class: ClassVar[type[TrainConfig]]

    @abstractmethod
    def read(self, config: Any, say: Callable[[str], None]) -> Material:
        """Read the data that the configuration names.

        Raises:
            ConfigError: something is missing, or on the training and the held-out side.
            InputError: a file cannot be read.
        """

    @abstractmethod
    def arguments(self, config: Any) -> dict[str, Any]:
        """The network's arguments: the configuration's, and those that follow from the data."""

    @abstractmethod
    def card(self, config: Any, trained: Trained) -> tuple[Card, dict[str, Tensor]]:
        """The card of a trained network, and the weights that go with it.

        Raises:
            BundleError: a value that no card can hold.
            ValueError: likewise.
        """


def completed(config: TrainConfig, given: dict[str, Any]) -> dict[str, Any]:
    """The network's arguments: the configuration's, and those that follow from the data.

    Raises:
        ConfigError: one of these is in the configuration too.
    """
    for key in given:
        if key in config.network.arguments:
            raise ConfigError(f"network.arguments.{key} follows from 'data'; remove it.")
    return {**config.network.arguments, **given}


def training_of(config: TrainConfig, trained: Trained, data: tuple[DataSource, ...]) -> Training:
    """The card's account of the training."""
    return Training(
        method=config.method,
        data=_with_inherited(data, trained.account),
        started_from=tuple(Ancestor(**one) for one in trained.account.get("started_from", ())),
        seed=config.seed,
        iterations=trained.run["iteration"],
        recipe=config.recipe(),
        hardware=trained.account["hardware"],
        duration_s=trained.run["elapsed_s"],
        code_version=trained.account["code_version"],
    )


def _with_inherited(data: tuple[DataSource, ...], account: dict[str, Any]) -> tuple[DataSource, ...]:
    """What the weights have seen: the run's own data, and those of the bundles that it began with."""
    inherited = dict.fromkeys(DataSource(**one) for one in account.get("inherited", ()))
    return (*data, *(source for source in inherited if source not in data))


def licence_of(config: TrainConfig) -> Licence:
    """The card's licence."""
    return Licence(**config.licence.model_dump())


def data_source(source: FileSource, name: str, volumes: int) -> DataSource:
    """A source as the card names it."""
    return DataSource(name=name, licence=source.licence, volumes=volumes, citation=source.citation)
