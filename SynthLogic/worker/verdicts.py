"""Why a job gave nothing, and in plain words how a process ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any

# What Windows reports of a process that did not end by itself.
_WINDOWS = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000012D: "out of memory",
    0xC000001D: "illegal instruction",
    0xC00000FD: "stack overflow",
    0xC0000135: "a library is missing",
    0xC0000409: "stack buffer overrun",
}
_ENDED_FROM_OUTSIDE = {"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"}


@dataclass(frozen=True)
class Failure:
    """Why a job gave nothing.

    Attributes:
        kind: the error's class ("InputError", "BundleError", ..), or "Cancelled", "ConsentRequired",
            "MissingPackage", "MemoryError", "Killed", "Crashed", "NotStarted", "Unexpected".
        message: one sentence, fit to be shown.
        detail: more to copy into a report; may be empty.
        data: what to act on, for example ``notice`` of a licence or ``packages`` that are missing.
    """

    kind: str
    message: str
    detail: str = ""
    data: dict[str, Any] = field(default_factory=dict)


CANCELLED = Failure("Cancelled", "Cancelled; nothing was changed.")


def verdict(exit_code: int, crashed: bool, ready: bool, log: str) -> Failure:
    """What to say about a worker that ended without being asked.

    Args:
        exit_code: as the transport gives it; of a crash on POSIX the signal's number, or its negative.
        crashed: whether it did not end by itself.
        ready: whether it ever was ready for jobs.
        log: the last lines of its standard error.
    """
    name = _signal(exit_code, crashed)
    windows = _WINDOWS.get(exit_code & 0xFFFFFFFF)
    how = name or windows or f"exit code {exit_code}"
    detail = f"The worker process ended: {how}.\n{log}".strip()
    if name == "SIGKILL" or windows == "out of memory":
        text = (
            f"The worker process was killed ({how}), most likely because the computer's memory ran out; "
            "close other programs and run again."
        )
        return Failure("Killed", text, detail)
    if name in _ENDED_FROM_OUTSIDE:
        return Failure("Killed", f"The worker process was ended from outside ({how}); run again.", detail)
    if not ready:
        text = f"The worker process could not start ({how}); the details say what it lacks."
        return Failure("NotStarted", text, detail)
    again = "run again, and report the details if it happens again"
    if name or windows or crashed:
        return Failure("Crashed", f"The worker process crashed ({how}); {again}.", detail)
    return Failure("Crashed", f"The worker process ended in the middle of its work ({how}); {again}.", detail)


def _signal(exit_code: int, crashed: bool) -> str | None:
    """Name of the signal that ended a process; shells and launchers pass it on as 128 + number."""
    number = abs(exit_code) if crashed or exit_code < 0 else exit_code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


__all__ = ["CANCELLED", "Failure", "verdict"]
