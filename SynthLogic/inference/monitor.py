"""How a run tells how far it is, and how it is asked to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from SynthLogic.errors import Cancelled

Result = TypeVar("Result")
Unit = Literal["slices", "tiles"]
_ASK_EVERY_S = 0.1


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` slices or tiles; ``message`` says what is going on."""

    done: int
    total: int
    unit: Unit
    message: str


ProgressCallback = Callable[[Progress], None]
CancelCallback = Callable[[], bool]


class Monitor:
    """Hands progress to its listener and asks whether the user cancelled."""

    def __init__(
        self, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> None:
        self._progress = progress
        self._cancel = cancel
        self._asked = 0.0
        self.done = 0
        self.total = 0
        self.unit: Unit = "slices"
        self.message = ""

    def check(self) -> None:
        """Raise if the user asked to stop.

        Raises:
            Cancelled: the user asked to stop.
        """
        self._asked = time.monotonic()
        if self._cancel is not None and self._cancel():
            raise Cancelled("Cancelled; nothing was written.")

    def check_now_and_then(self) -> None:
        """As ``check``, at most ten times a second: cheap enough for every layer of a network."""
        if self._cancel is not None and time.monotonic() - self._asked >= _ASK_EVERY_S:
            self.check()

    def begin(self, total: int, unit: Unit, message: str) -> None:
        """Start counting to ``total``."""
        self.done, self.total, self.unit, self.message = 0, total, unit, message
        self.advance(0)

    def advance(self, count: int) -> None:
        """Count ``count`` more as done."""
        self.done += count
        if self._progress is not None:
            self._progress(Progress(self.done, self.total, self.unit, self.message))

    def interruptible(self, work: Callable[[], Result]) -> Result:
        """Run ``work``, which cannot be stopped from inside, so that cancelling need not wait for it.

        It runs in a thread of its own; after ``Cancelled`` its result is thrown away when it ends.
        """
        self.check()
        if self._cancel is None:
            return work()
        results: list[Result] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                results.append(work())
            except BaseException as error:  # handed to the caller below
                errors.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_ASK_EVERY_S)
            self.check()
        if errors:
            raise errors[0]
        return results[0]


__all__ = ["CancelCallback", "Monitor", "Progress", "ProgressCallback"]
