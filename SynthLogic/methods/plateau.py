"""Whether a loss still falls: what ``schedule.patience`` needs to know, and what follows from it."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from SynthLogic.errors import ConfigError
from SynthLogic.methods.config import PatienceConfig, ScheduleConfig


class Plateau:
    """Watches one loss, log line by log line; shortens the schedule where it no longer falls.

    It keeps its own sum of the loss, which only a line at a multiple of ``intervals.log`` ends: a run that is
    stopped anywhere and resumed therefore decides as one that was not.

    Args:
        schedule: as configured.
        patience: of the schedule.

    Attributes:
        best: the lowest mean loss of a line so far.
        waited: lines of this stage since the last one that was lower.
        begun: the iteration where the decay began before its time, or None.
        decaying: whether the last line was of the decay stage.
        line: the iteration of the last line.
    """

    def __init__(self, schedule: ScheduleConfig, patience: PatienceConfig) -> None:
        self._configured, self._patience = schedule, patience
        self.best, self.waited = math.inf, 0
        self.begun: int | None = None
        self.decaying, self.line = False, 0
        self._sum: Tensor | None = None
        self._count = 0

    @property
    def schedule(self) -> ScheduleConfig:
        """The schedule that is in force."""
        if self.begun is None:
            return self._configured
        return self._configured.model_copy(update={"constant": min(self.begun, self._configured.constant)})

    @property
    def ended(self) -> bool:
        """Whether the decay stage has waited long enough."""
        return self.decaying and self.waited >= self._patience.decay

    @property
    def total(self) -> int:
        """All iterations, as far as is known by now."""
        return self.line if self.ended else self.schedule.total

    def add(self, losses: dict[str, Tensor]) -> None:
        """Take note of an iteration's losses, detached scalars by name."""
        loss = losses.get(self._patience.watch)
        if loss is not None:
            self._sum = loss if self._sum is None else self._sum + loss
            self._count += 1

    def look(self, iteration: int, losses: list[str], required: bool = True) -> None:
        """Judge a log line, at ``iteration`` finished ones.

        Args:
            iteration: where the line is.
            losses: names of the losses in it, for the sentence.
            required: whether the watched loss must be known by now.

        Raises:
            ConfigError: there is no loss of that name.
        """
        if self._sum is None:
            if required and self.best == math.inf:
                raise ConfigError(
                    f"Configuration key 'schedule.patience.watch' is wrong: {self._patience.watch!r} is no "
                    f"loss of this training; name one of {', '.join(losses)}."
                )
            return
        mean = float(self._sum) / self._count
        self._sum, self._count, self.line = None, 0, iteration
        decaying = iteration > self.schedule.constant
        if decaying != self.decaying:
            self.decaying, self.waited = decaying, 0
        if mean < self.best:
            self.best, self.waited = mean, 0
        else:
            self.waited += 1
        if not decaying and self.waited >= self._patience.constant:
            self.begun = iteration

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "watch": self._patience.watch,
            "best": self.best,
            "waited": self.waited,
            "begun": self.begun,
            "decaying": self.decaying,
            "line": self.line,
            "sum": self._sum,
            "count": self._count,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``; where another loss is watched now, the counting starts anew."""
        self.begun, self.decaying, self.line = state["begun"], state["decaying"], state["line"]
        if state["watch"] == self._patience.watch:
            self.best, self.waited = state["best"], state["waited"]
            self._sum, self._count = state["sum"], state["count"]


__all__ = ["Plateau"]
