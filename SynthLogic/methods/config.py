"""What every training is configured with, whatever it is trained on. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from SynthLogic.data.config import FilesConfig
from SynthLogic.errors import ConfigError

# A resumed run may change these; anything else would make another experiment of it. Rate and precision are
# what helps where losses are no longer numbers.
_MAY_CHANGE = {
    "optimiser",
    "precision",
    "schedule",
    "intervals",
    "max_minutes",
    "threads",
    "device",
    "bundle",
    "bundles",
    "coverage",
    "limits",
    "licence",
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BundleText(_Strict):
    """What an exported bundle is called."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    title: str
    description: str


class NetworkConfig(_Strict):
    """Generator: a name of the register and its keyword arguments."""

    name: str = "resnet-generator"
    arguments: dict[str, Any] = Field(default_factory=dict)


class DiscriminatorConfig(_Strict):
    """PatchGAN: ``layers=3`` sees 70 x 70 pixels; ``features`` is its first width (ndf)."""

    features: int = Field(default=64, ge=1)
    layers: int = Field(default=3, ge=1)


class OptimiserConfig(_Strict):
    """Adam; ``clip_norm`` is the largest gradient norm of a step, null leaves gradients as they are."""

    lr: float = Field(default=2e-4, gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.999)
    clip_norm: float | None = Field(default=None, gt=0)


class PatienceConfig(_Strict):
    """When a stage of the schedule ends before its time: its loss no longer falls.

    The unit is the log line, of which ``intervals.log`` iterations make one: where a line should stand for
    an epoch, ``intervals.log`` is the iterations of an epoch. A line counts as lower if its mean of the loss
    ``watch`` is below the lowest of all lines before it, of both stages.

    Attributes:
        constant: so many lines in a row without a lower one, and the decay begins.
        decay: so many of the decay's lines in a row without a lower one, and the training ends.
        watch: name of a loss, as in the log; it must be in the first line (after those of ``tissue_first``).
    """

    constant: int = Field(ge=1)
    decay: int = Field(ge=1)
    watch: str = Field(default="generators", min_length=1)


class ScheduleConfig(_Strict):
    """Iterations at full rate, then iterations with the rate falling linearly to 0 (paper 2: 1e5 and 1e5).

    Attributes:
        constant: iterations at full rate; at most, if there is patience.
        decay: iterations of the fall, whenever it begins; at most, if there is patience.
        patience: ends a stage early; null runs both to their end. In log lines, see there.
    """

    constant: int = Field(default=100_000, ge=0)
    decay: int = Field(default=100_000, ge=0)
    patience: PatienceConfig | None = None

    @model_validator(mode="after")
    def _something(self) -> ScheduleConfig:
        if self.total < 1:
            raise ValueError("constant and decay are both 0; there is nothing to train")
        return self

    @property
    def total(self) -> int:
        """All iterations."""
        return self.constant + self.decay

    def factor(self, iteration: int) -> float:
        """Share of the full learning rate for the iteration that follows ``iteration`` finished ones."""
        if iteration < self.constant:
            return 1.0
        return max(0.0, 1.0 - (iteration - self.constant) / max(self.decay, 1))


class IntervalConfig(_Strict):
    """Iterations between log lines, checkpoints and pictures; how many checkpoints stay; pictures' rows."""

    log: int = Field(default=50, ge=1)
    checkpoint: int = Field(default=1000, ge=1)
    pictures: int = Field(default=1000, ge=1)
    keep: int = Field(default=2, ge=1)
    rows: int = Field(default=4, ge=1)


class LicenceConfig(_Strict):
    """Licence of the exported weights."""

    spdx: str = "Apache-2.0"
    restricted: bool = False
    notice: str = ""


class TrainConfig(_Strict):
    """Everything a training needs; a family of methods adds its data and its bundles.

    Attributes:
        method: name in ``SynthLogic.methods.METHODS``.
        seed: of weights, samples and image pools.
        network: what is trained and exported.
        start_from: bundles (names or folders) whose weights the training begins with, by what is exported.
        discriminator: all discriminators, for methods that have them.
        losses: weights and choices by name; each method knows its own.
        optimiser: Adam's arguments.
        schedule: iterations.
        batch: samples in an iteration.
        precision: as Lightning names them.
        ema_decay: of the running mean of the weights, which is what is exported; 0 exports the last weights.
        channels_last: memory layout; faster on recent GPUs.
        device: "auto", "cpu", "cuda" or "cuda:N".
        threads: CPU threads; null leaves torch's choice.
        max_minutes: stop in time, checkpoint included; null trains the schedule to its end.
        intervals: see there.
        data: of the family.
        limits: for the card: what the model cannot do, one sentence each.
        licence: for the card.
    """

    method: str
    seed: int = Field(default=0, ge=0)
    network: NetworkConfig = NetworkConfig()
    start_from: dict[str, str] = Field(default_factory=dict)
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: dict[str, float | str] = Field(default_factory=dict)
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    batch: int = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    channels_last: bool = False
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1)
    max_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    intervals: IntervalConfig = IntervalConfig()
    data: FilesConfig
    limits: tuple[str, ...] = ()
    licence: LicenceConfig = LicenceConfig()

    def exports(self) -> dict[str, BundleText]:
        """The bundles to write, by the name of the trained network that goes into them."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _clips_true_gradients(self) -> TrainConfig:
        if self.precision == "16-mixed" and self.optimiser.clip_norm is not None:
            raise ValueError("clip_norm cannot clip the scaled gradients of 16-mixed; use bf16-mixed")
        return self

    def with_roots(self, roots: dict[str, str]) -> TrainConfig:
        """The same configuration with other folders.

        Raises:
            ConfigError: a name is not among the configuration's roots.
        """
        unknown = sorted(set(roots) - set(self.data.roots))
        if unknown:
            raise ConfigError(
                f"Root {unknown[0]!r} is unknown; this configuration has {sorted(self.data.roots)}."
            )
        data = self.data.model_copy(update={"roots": {**self.data.roots, **roots}})
        return self.model_copy(update={"data": data})

    def recipe(self) -> dict[str, Any]:
        """The configuration as plain data, without folders of this machine."""
        return self.model_dump(mode="json", exclude={"data": {"roots"}, "start_from": True})

    def experiment(self) -> dict[str, Any]:
        """The part of the recipe that must stay the same when a run is resumed."""
        fixed = {key: value for key, value in self.recipe().items() if key not in _MAY_CHANGE}
        # Samples do not depend on who draws them.
        del fixed["data"]["workers"]
        return {**fixed, "start_from": self.start_from}


def explain(error: ValidationError, where: str = "") -> str:
    """One sentence for the first thing that is wrong."""
    first = error.errors()[0]
    key = ".".join(
        [where, *(str(part) for part in first["loc"])] if where else [str(p) for p in first["loc"]]
    )
    if first["type"] == "extra_forbidden":
        return f"Configuration key {key!r} is unknown; remove it or correct its spelling."
    if first["type"] == "missing":
        return f"Configuration key {key!r} is missing; add it."
    message = first["msg"].removeprefix("Value error, ")
    return f"Configuration key {key!r} is wrong: {message[:1].lower()}{message[1:]}; correct it."
