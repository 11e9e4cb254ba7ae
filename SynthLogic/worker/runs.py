"""One job on its way: what the skin holds of it, how far it is, and its one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from SynthLogic.worker.protocol import Job, Progress
from SynthLogic.worker.verdicts import Failure
from SynthLogic.worker.voxels import Upload, open_mapped, remove

Told = Callable[[bytes], None]
Gone = Callable[[int, bool], None]
Finished = Callable[[Any], None]


@dataclass(frozen=True)
class Step:
    """``done`` of ``total`` ``unit``; ``fraction`` never falls; ``seconds_left`` None: cannot be told yet."""

    done: int
    total: int
    unit: str
    message: str
    fraction: float
    seconds_left: float | None


@dataclass(eq=False)
class Result:
    """A job's answer with its arrays, mapped from files; copy them (``copy_in_steps``), then ``close``.

    Attributes:
        answer: what the task says, as plain data.
        arrays: by name, read-only; those that the job was given a path for and made.
    """

    answer: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    paths: tuple[Path, ...]

    def close(self) -> None:
        """Let go of the voxels."""
        self.arrays = {}
        for path in self.paths:
            remove(path)


@dataclass(eq=False)
class Translated:
    """A translation, mapped from files; copy it (``copy_in_steps``), then ``close``.

    Attributes:
        array: (K, J, I) on the scan's grid, read-only.
        disagreement: standard deviation between the planes, float32, if the request asked for it.
        record: how it was made, as plain data.
    """

    array: NDArray[Any] | None
    disagreement: NDArray[Any] | None
    record: dict[str, Any]
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, result: Result) -> Translated:
        """What the task "translate" made."""
        arrays = result.arrays
        return cls(arrays["image"], arrays.get("disagreement"), dict(result.answer["record"]), result.paths)

    def close(self) -> None:
        """Let go of the voxels."""
        self.array = self.disagreement = None
        for path in self.paths:
            remove(path)


class Run:
    """What was submitted. ``outcome`` is its answer or ``Failure``; None while there is none."""

    def __init__(
        self,
        job: Job,
        uploads: Sequence[Upload],
        results: Mapping[str, Path],
        progress: Callable[[Step], None] | None,
        finished: Finished | None,
        failed: Callable[[Failure], None] | None,
        read: Callable[[Result], Any] | None = None,
    ) -> None:
        self.job = job
        self.cancelled = False
        self.step: Step | None = None
        self.outcome: Any = None
        self._uploads = tuple(uploads)
        self._results = dict(results)
        self._read = read
        self._progress, self._finished, self._failed = progress, finished, failed
        self._began: float | None = None
        for upload in self._uploads:
            upload.hold()

    @property
    def state(self) -> Literal["pending", "finished", "failed"]:
        """Whether there is a verdict, and which."""
        if self.outcome is None:
            return "pending"
        return "failed" if isinstance(self.outcome, Failure) else "finished"

    def advance(self, message: Progress, now: float) -> None:
        """Tell how far it is."""
        before = self.step.fraction if self.step else 0.0
        self._began = now if self._began is None else self._began
        left = None
        if 0 < message.done <= message.total and now > self._began:
            left = (now - self._began) / message.done * (message.total - message.done)
        fraction = max(before, message.done / message.total) if message.total > 0 else before
        self.step = Step(message.done, message.total, message.unit, message.message, fraction, left)
        if self._progress is not None and not self.cancelled:
            self._progress(self.step)

    def finish(self, answer: dict[str, Any]) -> None:
        """Give the verdict that it is done."""
        outcome: Any = answer
        if self._results:
            try:
                outcome = self._result(answer)
            except (KeyError, TypeError, ValueError, OSError) as error:
                text = "The worker's result cannot be read; run again."
                self.fail(Failure("Unexpected", text, f"{type(error).__name__}: {error}"))
                return
        self._end(outcome)
        if self._finished is not None:
            self._finished(outcome)

    def fail(self, failure: Failure) -> None:
        """Give the verdict that nothing came of it; no file remains."""
        for path in self._results.values():
            remove(path)
        self._end(failure)
        if self._failed is not None:
            self._failed(failure)

    def _result(self, answer: dict[str, Any]) -> Any:
        arrays = {name: open_mapped(self._results[name]) for name in answer["results"]}
        result = Result(answer, arrays, tuple(self._results.values()))
        read = result if self._read is None else self._read(result)
        for path in self._results.values():
            # Where the system allows it the name goes at once, so that nothing is left whatever happens.
            remove(path)
        return read

    def _end(self, outcome: Any) -> None:
        if self.outcome is not None:
            raise RuntimeError("a second verdict")
        self.outcome = outcome
        for upload in self._uploads:
            upload.release()


__all__ = ["Finished", "Gone", "Result", "Run", "Step", "Told", "Translated"]
