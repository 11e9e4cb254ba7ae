"""What happens beside the iterations: log lines, checkpoints, pictures, the clock, the stop on NaN."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from SynthLogic.errors import Cancelled, TrainingError
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.log_pictures import draw_losses, draw_samples
from SynthLogic.methods.log_table import read_log
from SynthLogic.methods.run_folder import RunFolder, disk_trouble
from SynthLogic.methods.waiting import DataClock

# Of the time; above it, loading holds the training up.
MOST_WAITING = 0.1


@dataclass(frozen=True)
class TrainProgress:
    """Where a training stands.

    Attributes:
        done: finished iterations.
        total: all iterations.
        message: one readable line.
        losses: mean losses since the last line.
        seconds_per_iteration: since the last line.
        seconds_left: until the schedule or the time allowed ends, whichever comes first.
        epoch: samples seen so far, counted in slices that the data have; None where that says nothing.
        seconds_per_epoch: at the pace since the last line; None likewise.
        waiting_for_data: share of the time since the last line, 0 to 1, that the device waited for a batch.
    """

    done: int
    total: int
    message: str
    losses: dict[str, float] = field(default_factory=dict)
    seconds_per_iteration: float | None = None
    seconds_left: float | None = None
    epoch: float | None = None
    seconds_per_epoch: float | None = None
    waiting_for_data: float | None = None


Report = Callable[[TrainProgress], None]


class Overseer(Callback):
    """Counts time, writes log lines, checkpoints and pictures, and ends the training.

    Args:
        config: of the run.
        folder: of the run.
        pictures: fixed batch to show.
        report: told every log line, or None.
        samples_per_epoch: see ``Material``.
        began: called after the first iteration.
        cancelled: asked after each iteration whether to stop there.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        pictures: dict[str, Tensor],
        report: Report | None,
        samples_per_epoch: int = 0,
        began: Callable[[], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.config, self.folder, self.pictures, self.report = config, folder, pictures, report
        self.samples_per_epoch, self.began, self.cancelled = samples_per_epoch, began, cancelled
        self.waiting = DataClock(torch.device("cpu"))
        self.lines, self.advised = 0, False
        self.started = self.last_line = time.monotonic()
        self.since_line = 0
        self.before_s = 0.0
        self.saved = -1

    def on_train_start(self, trainer: Trainer, method: Method) -> None:
        """Start the clock; a run that was already finished ends here."""
        self.started = self.last_line = time.monotonic()
        self.before_s, self.saved = method.elapsed_s, method.iteration
        self.pictures = {key: value.to(method.device) for key, value in self.pictures.items()}
        self.waiting = DataClock(method.device)
        if method.finished:
            trainer.should_stop = True

    def on_train_batch_start(self, trainer: Trainer, method: Method, batch: object, batch_idx: int) -> None:
        """The batch is there."""
        self.waiting.start_step()

    def on_train_batch_end(
        self, trainer: Trainer, method: Method, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Look after the iteration just finished."""
        if self.began is not None:
            self.began()
            self.began = None
        now, every = time.monotonic(), self.config.intervals
        method.elapsed_s = self.before_s + now - self.started
        self.since_line += 1
        if method.plateau is not None and method.iteration % every.log == 0:
            method.plateau.look(
                method.iteration, list(method.sums), method.iteration > method.incomplete_until
            )
        in_time = self.config.max_minutes is None or now - self.started < 60 * self.config.max_minutes
        last = method.finished or not in_time
        if method.iteration % every.log == 0 or last:
            self._line(trainer, method, now)
        if method.iteration % every.pictures == 0 or last:
            self._draw(trainer, method)
        if method.iteration % every.checkpoint == 0 or last:
            self._save(trainer, method)
        if last:
            trainer.should_stop = True
        elif self.cancelled is not None and self.cancelled():
            # Without a log line: the next one says the same as if nothing had happened.
            self._save(trainer, method)
            raise Cancelled(
                f"Stopped at iteration {method.iteration} with a checkpoint; the same command goes on."
            )
        self.waiting.end_step()

    def _line(self, trainer: Trainer, method: Method, now: float) -> None:
        losses = method.take_mean_losses()
        if not all(np.isfinite(list(losses.values()))):
            raise _not_finite(method.iteration, self.saved)
        pace = (now - self.last_line) / self.since_line
        self.last_line, self.since_line = now, 0
        total = method.total
        left = pace * (total - method.iteration)
        if self.config.max_minutes is not None:
            left = min(left, max(0.0, 60 * self.config.max_minutes - (now - self.started)))
        rate = self.config.optimiser.lr * method.schedule.factor(method.iteration)
        waiting = self.waiting.take_share()
        row = {
            **losses,
            "learning_rate": rate,
            "seconds_per_iteration": pace,
            "seconds_left": left,
            "waiting_for_data": waiting,
        }
        epoch = per_epoch = None
        if self.samples_per_epoch:
            epoch = method.iteration * self.config.batch / self.samples_per_epoch
            per_epoch = pace * self.samples_per_epoch / self.config.batch
            row |= {"epoch": epoch, "seconds_per_epoch": per_epoch}
        for logger in trainer.loggers:
            logger.log_metrics(row, step=method.iteration)
            logger.save()
        self.lines += 1
        if self.report is not None:
            where = _where(method.iteration, total, epoch)
            text = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
            speed = f"{pace:.3f} s/iteration" + ("" if per_epoch is None else f"  {_clock(per_epoch)}/epoch")
            message = f"{where}  {text}  {speed}  {_clock(left)} left"
            found = (losses, pace, left, epoch, per_epoch, waiting)
            self.report(TrainProgress(method.iteration, total, message, *found))
            self._advise(method, waiting)

    def _advise(self, method: Method, waiting: float) -> None:
        # Once, and not at the first line: while loaders start, everything waits.
        if self.report is None or self.advised or self.lines < 2 or waiting <= MOST_WAITING:
            return
        self.advised = True
        message = (
            f"Warning: {waiting:.0%} of the time goes into waiting for data; raise data.workers (now "
            f"{self.config.data.workers})."
        )
        self.report(TrainProgress(method.iteration, method.total, message))

    def _save(self, trainer: Trainer, method: Method) -> None:
        if self.saved == method.iteration:
            return
        if not method.is_finite():
            raise _not_finite(method.iteration, self.saved)
        path = self.folder.checkpoint_path(method.iteration)
        partial = path.with_suffix(".partial")
        try:
            trainer.save_checkpoint(partial)
            # A power cut must not leave an empty file under a good name.
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise disk_trouble(error) from error
        self.saved = method.iteration
        self.folder.prune(self.config.intervals.keep)

    def _draw(self, trainer: Trainer, method: Method) -> None:
        epoch = None
        if self.samples_per_epoch:
            epoch = method.iteration * self.config.batch / self.samples_per_epoch
        where = _where(method.iteration, method.total, epoch)
        for picture, columns in method.show(self.pictures).items():
            path = self.folder.pictures / f"iteration-{method.iteration:08d}-{picture}.png"
            names = method.headings(picture, len(columns))
            sheet = draw_samples(columns, names, f"{picture.replace('_', ' ')}, {where}", path)
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_image(picture, (sheet[None] + 1) / 2, method.iteration)
        title = f"{self.config.method}, {where}"
        draw_losses(read_log(self.folder.logs), self.folder.pictures / "losses.png", title)


def _not_finite(iteration: int, saved: int) -> TrainingError:
    kept = f"the checkpoint of iteration {saved} is kept" if saved > 0 else "no checkpoint was made yet"
    return TrainingError(
        f"The losses or weights are no longer numbers at iteration {iteration} ({kept}); lower the learning "
        "rate or choose precision 32-true, and start again."
    )


def _where(iteration: int, total: int, epoch: float | None) -> str:
    return f"iteration {iteration} of {total}" + ("" if epoch is None else f", epoch {epoch:.1f}")


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
