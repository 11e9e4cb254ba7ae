"""Which share of a training's time its device has nothing to do because the next batch is not there yet."""

from __future__ import annotations

import time
from typing import Any

import torch


class DataClock:
    """Counts the gaps between one step and the next.

    On a CPU a gap is the time from the end of a step to the next one's start. A GPU works on while the
    processor prepares what follows, so there the gap is measured on the GPU itself, by events: from where it
    has finished a step to where it begins the next one; copying the batch counts as waiting.

    Args:
        device: that trains.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.since = time.monotonic()
        self.waited = 0.0
        self.end: Any = None
        self.gaps: list[tuple[Any, Any]] = []

    def start_step(self) -> None:
        """The batch is there."""
        if self.end is None:
            return
        if self.device.type == "cuda":
            self.gaps.append((self.end, self._event()))
        else:
            self.waited += time.monotonic() - self.end

    def end_step(self) -> None:
        """The step is done, and all that is done beside it; from here on it is waited for a batch."""
        self.end = self._event() if self.device.type == "cuda" else time.monotonic()

    def take_share(self) -> float:
        """Share in [0, 1] of the time since the last call that went into waiting."""
        if self.gaps:
            self.gaps[-1][1].synchronize()
            self.waited += sum(end.elapsed_time(start) for end, start in self.gaps) / 1000
        now = time.monotonic()
        share = self.waited / max(now - self.since, 1e-9)
        self.since, self.waited, self.gaps = now, 0.0, []
        return min(1.0, max(0.0, share))

    def _event(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event
