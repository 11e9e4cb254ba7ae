"""What happens beside the iterations: log lines, checkpoints, pictures, the clock, the stop on NaN."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imsave
from torch import Tensor

from SynthLogic.errors import TrainingError
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.run_folder import RunFolder, disk_trouble


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
    """

    done: int
    total: int
    message: str
    losses: dict[str, float] = field(default_factory=dict)
    seconds_per_iteration: float | None = None
    seconds_left: float | None = None


Report = Callable[[TrainProgress], None]


class Overseer(Callback):
    """Counts time, writes log lines, checkpoints and pictures, and ends the training.

    Args:
        config: of the run.
        folder: of the run.
        pictures: fixed batch to show.
        report: told every log line, or None.
    """

    def __init__(
        self, config: TrainConfig, folder: RunFolder, pictures: dict[str, Tensor], report: Report | None
    ) -> None:
        self.config, self.folder, self.pictures, self.report = config, folder, pictures, report
        self.started = self.last_line = time.monotonic()
        self.since_line = 0
        self.before_s = 0.0
        self.saved = -1

    def on_train_start(self, trainer: Trainer, method: Method) -> None:
        """Start the clock; a run that was already finished ends here."""
        self.started = self.last_line = time.monotonic()
        self.before_s, self.saved = method.elapsed_s, method.iteration
        self.pictures = {key: value.to(method.device) for key, value in self.pictures.items()}
        if method.iteration >= self.config.schedule.total:
            trainer.should_stop = True

    def on_train_batch_end(
        self, trainer: Trainer, method: Method, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Look after the iteration just finished."""
        now, every = time.monotonic(), self.config.intervals
        method.elapsed_s = self.before_s + now - self.started
        self.since_line += 1
        finished = method.iteration >= self.config.schedule.total
        in_time = self.config.max_minutes is None or now - self.started < 60 * self.config.max_minutes
        last = finished or not in_time
        if method.iteration % every.log == 0 or last:
            self._line(trainer, method, now)
        if method.iteration % every.pictures == 0 or last:
            self._draw(trainer, method)
        if method.iteration % every.checkpoint == 0 or last:
            self._save(trainer, method)
        if last:
            trainer.should_stop = True

    def _line(self, trainer: Trainer, method: Method, now: float) -> None:
        losses = method.take_mean_losses()
        if not all(np.isfinite(list(losses.values()))):
            raise _not_finite(method.iteration, self.saved)
        pace = (now - self.last_line) / self.since_line
        self.last_line, self.since_line = now, 0
        total = self.config.schedule.total
        left = pace * (total - method.iteration)
        if self.config.max_minutes is not None:
            left = min(left, max(0.0, 60 * self.config.max_minutes - (now - self.started)))
        rate = self.config.optimiser.lr * self.config.schedule.factor(method.iteration)
        row = {**losses, "learning_rate": rate, "seconds_per_iteration": pace, "seconds_left": left}
        for logger in trainer.loggers:
            logger.log_metrics(row, step=method.iteration)
            logger.save()
        if self.report is not None:
            text = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
            where = f"iteration {method.iteration} of {total}"
            message = f"{where}  {text}  {pace:.3f} s/iteration  {_clock(left)} left"
            self.report(TrainProgress(method.iteration, total, message, losses, pace, left))

    def _save(self, trainer: Trainer, method: Method) -> None:
        if self.saved == method.iteration:
            return
        if not method.is_finite():
            raise _not_finite(method.iteration, self.saved)
        path = self.folder.checkpoint_path(method.iteration)
        partial = path.with_suffix(".partial")
        try:
            trainer.save_checkpoint(partial)
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise disk_trouble(error) from error
        self.saved = method.iteration
        self.folder.prune(self.config.intervals.keep)

    def _draw(self, trainer: Trainer, method: Method) -> None:
        for direction, columns in method.show(self.pictures).items():
            sheet = contact_sheet(columns)
            path = self.folder.pictures / f"iteration-{method.iteration:08d}-{direction}.png"
            imsave(path, sheet, cmap="gray", vmin=-1, vmax=1)
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_image(direction, (sheet[None] + 1) / 2, method.iteration)


def contact_sheet(columns: list[Tensor]) -> np.ndarray:
    """Input | output | way back, a row for each sample.

    Rows of an image run from posterior or inferior upwards, so they are turned for the eye: anterior and
    superior on top; columns likewise, patient's left on the right side.

    Args:
        columns: each (N, 1, J, I) in [-1, 1].

    Returns:
        (N * J, columns * I) float32.
    """
    images = [c.detach().float().cpu().numpy()[:, 0, ::-1, ::-1] for c in columns]
    return np.concatenate([np.concatenate(list(image)) for image in images], axis=1).clip(-1, 1)


def _not_finite(iteration: int, saved: int) -> TrainingError:
    kept = f"the checkpoint of iteration {saved} is kept" if saved > 0 else "no checkpoint was made yet"
    return TrainingError(
        f"The losses or weights are no longer numbers at iteration {iteration} ({kept}); lower the learning "
        "rate or choose precision 32-true, and start again."
    )


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
