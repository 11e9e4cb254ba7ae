"""The window's side: what is asked of the worker, what came of it, and when it has to be put down.

No Qt, no threads, no waiting: the skin gives a transport, feeds in what comes from it, and calls ``tick`` a
few times a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike, NDArray

from SynthLogic.worker.protocol import (
    Cancel,
    Done,
    Failed,
    Job,
    Lines,
    Message,
    Progress,
    ProtocolError,
    Quit,
    Ready,
    decode,
    encode,
)
from SynthLogic.worker.runs import Gone, Result, Run, Step, Told, Translated
from SynthLogic.worker.verdicts import CANCELLED, Failure, verdict
from SynthLogic.worker.voxels import Upload, VoxelFolder

if TYPE_CHECKING:
    from SynthLogic.worker.pipes import Transport

OBEY_S = 1.5
START_S = 60.0
_LOG_CHARACTERS = 16_000

State = Literal["off", "starting", "idle", "busy", "stopping"]


class Client:
    """Runs jobs in a worker process, one at a time, in the order they were submitted.

    Every run gets exactly one verdict, ``finished`` or ``failed``. A worker that dies takes only the running
    job with it: the next one gets a new process.

    Args:
        connect: makes the transport from the three functions it must call: ``received(bytes)`` for standard
            output, ``log(bytes)`` for standard error, ``ended(exit_code, crashed)`` once after all of both.
        clock: seconds that only grow.
        folder: for the voxels; a private one by default.
        changed: called whenever ``state`` may have changed.
    """

    def __init__(
        self,
        connect: Callable[[Told, Told, Gone], Transport],
        *,
        clock: Callable[[], float] = time.monotonic,
        folder: VoxelFolder | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = connect(self.received, self.log, self.ended)
        self._clock = clock
        self._changed = changed
        self.folder = folder or VoxelFolder()
        self._lines = Lines()
        self._waiting: deque[Run] = deque()
        self._running: Run | None = None
        self._worker: Ready | None = None
        self._deadline: float | None = None
        self._stopping = False
        self._reason: Failure | None = None
        self._release = False
        self._closed = False
        self._last_id = 0
        self._log = ""

    @property
    def state(self) -> State:
        """What the worker does; a process that was told to end is "stopping" until it is gone."""
        if not self._transport.running:
            return "off"
        if self._stopping or (self._running is not None and self._running.cancelled):
            return "stopping"
        if self._worker is None:
            return "starting"
        return "idle" if self._running is None else "busy"

    @property
    def log_text(self) -> str:
        """The last of what the worker wrote to its standard error."""
        return self._log

    @property
    def pending(self) -> tuple[Run, ...]:
        """Runs without verdict, the running one first."""
        return ((self._running,) if self._running else ()) + tuple(self._waiting)

    # -- what the skin asks ---------------------------------------------------------------------------------

    def upload(self, array: NDArray[Any], ijk_to_ras: ArrayLike, modality: str | None = None) -> Upload:
        """Take the room for a scan (K, J, I) or region; ``Upload.steps`` copies it.

        Raises:
            OutputError: too little room.
        """
        return Upload.begin(self.folder, array, ijk_to_ras, modality)

    def submit(
        self,
        kind: str,
        arguments: dict[str, Any] | None = None,
        *,
        uploads: Sequence[Upload] = (),
        results: Sequence[str] = (),
        read: Callable[[Result], Any] | None = None,
        progress: Callable[[Step], None] | None = None,
        finished: Callable[[Any], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Put a job in the queue and start a worker if there is none.

        Args:
            kind: see ``tasks``.
            arguments: of the job, as JSON.
            uploads: that the job reads; held until its verdict.
            results: names of arrays that the job may make; a path for each is in its argument "results".
            read: makes of a ``Result`` what ``finished`` is told.
            progress: told a ``Step``.
            finished: told the answer, a dictionary, or for a job with results a ``Result``.
            failed: told a ``Failure``; one of kind "Cancelled" too.

        Raises:
            OutputError: nowhere is room for results.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        self._last_id += 1
        arguments, paths = dict(arguments or {}), {}
        if results:
            place = uploads[0].path if uploads else self.folder.new_path(0)
            paths = {name: place.with_name(f"{place.stem}-{self._last_id}-{name}.npy") for name in results}
            arguments["results"] = {name: str(path) for name, path in paths.items()}
        run = Run(Job(self._last_id, kind, arguments), uploads, paths, progress, finished, failed, read)
        self._waiting.append(run)
        self._next()
        return run

    def translate(
        self,
        request: dict[str, Any],
        scan: Upload,
        *,
        region: Upload | None = None,
        consent: bool = False,
        progress: Callable[[Step], None] | None = None,
        finished: Callable[[Translated], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Translate an uploaded scan; ``request`` is a TranslateRequest as plain data."""
        arguments = {
            "request": request,
            "scan": scan.reference(),
            "region": None if region is None else str(region.path),
            "consent": consent,
        }
        uploads = [scan] if region is None else [scan, region]
        return self.submit(
            "translate",
            arguments,
            uploads=uploads,
            results=("image", "disagreement"),
            read=Translated.of,
            progress=progress,
            finished=finished,
            failed=failed,
        )

    def cancel(self, run: Run) -> None:
        """Stop a run: at once if it waits; else the worker is asked, and killed if it does not obey soon."""
        if run in self._waiting:
            self._waiting.remove(run)
            run.fail(CANCELLED)
        elif run is self._running and not run.cancelled:
            run.cancelled = True
            self._deadline = self._clock() + OBEY_S
            self._write(Cancel(run.job.id))
        self._changed()

    def withdraw(self, run: Run) -> None:
        """Take a run out of the queue if it still waits; one that runs goes on to its end."""
        if run in self._waiting:
            self.cancel(run)

    def release(self) -> None:
        """Put the worker down, which frees the device, as soon as nothing is left to do."""
        self._release = True
        self._next()

    def close(self) -> None:
        """Cancel everything, kill the worker and remove all files."""
        if self._closed:
            return
        self._closed = True
        pending = self.pending
        self._running = None
        self._waiting.clear()
        self._kill()
        self._call(*[lambda run=run: run.fail(CANCELLED) for run in pending])
        self.folder.close()

    def tick(self) -> None:
        """Look at the clock; to be called a few times a second while ``state`` is not "off"."""
        if self._deadline is not None and self._clock() >= self._deadline:
            if self._worker is None:
                text = f"The worker process was not ready after {START_S:.0f} s; close other programs."
                self._reason = Failure("NotStarted", text, self._log)
            self._kill()

    # -- what the transport tells ---------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes of the worker's standard output."""
        if self._closed or self._stopping:
            return
        messages = []
        try:
            for line in self._lines.feed(data):
                try:
                    messages.append(decode(line))
                except ProtocolError:
                    if self._worker is not None or any(isinstance(m, Ready) for m in messages):
                        raise
                    # Before the worker took standard output for itself, Python's own start may write there.
                    self.log(line + b"\n")
        except ProtocolError as error:
            text = "The worker process said what is not part of the protocol; run again, or install it anew."
            self._reason = Failure("Unexpected", text, f"{error}\n{self._log}")
            self._kill()
        self._call(*[lambda message=message: self._take(message) for message in messages])

    def log(self, data: bytes) -> None:
        """Bytes of the worker's standard error."""
        self._log = (self._log + data.decode("utf-8", "replace"))[-_LOG_CHARACTERS:]

    def ended(self, exit_code: int, crashed: bool) -> None:
        """The process is gone; everything it wrote was fed in before."""
        failure = self._reason or verdict(exit_code, crashed, self._worker is not None, self._log)
        victims = [] if self._running is None else [self._running]
        if self._worker is None:
            # It would not start for the next one either.
            victims = list(self._waiting)
            self._waiting.clear()
        self._worker, self._running, self._deadline, self._reason = None, None, None, None
        self._stopping = False
        self._lines = Lines()
        if self._closed:
            return
        tell = [lambda run=run: run.fail(CANCELLED if run.cancelled else failure) for run in victims]
        self._call(*tell, self._next)

    # -- inside ---------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        if isinstance(message, Ready):
            self._worker, self._deadline = message, None
            self._next()
            return
        run = self._running
        if run is None or getattr(message, "id", None) != run.job.id:
            return
        if isinstance(message, Progress):
            run.advance(message, self._clock())
        elif isinstance(message, Done | Failed):
            self._running, self._deadline = None, None
            if run.cancelled:
                last = CANCELLED
            elif isinstance(message, Failed):
                last = Failure(message.kind, message.message, message.detail, message.data)
            else:
                self._call(lambda: run.finish(message.answer), self._next)
                return
            self._call(lambda: run.fail(last), self._next)

    def _next(self) -> None:
        """Do what is due: send the next job, start a process for it, or put an idle one down."""
        if not self._closed and self._running is None and not self._stopping:
            if self._waiting and not self._transport.running:
                self._log = ""
                self._deadline = self._clock() + START_S
                self._transport.start()
            elif self._waiting and self._worker is not None:
                self._running = self._waiting.popleft()
                self._write(self._running.job)
            elif not self._waiting and self._release and self._worker is not None:
                self._stopping = True
                self._deadline = self._clock() + OBEY_S
                self._write(Quit())
        if not self._transport.running or self._stopping:
            self._release = False
        self._changed()

    def _write(self, message: Message) -> None:
        self._transport.write(encode(message))

    def _kill(self) -> None:
        """End the process itself, whatever launcher stands before it, and then the launcher."""
        self._stopping, self._deadline = True, None
        if not self._transport.running:
            return
        if self._worker is not None:
            with contextlib.suppress(OSError):
                os.kill(self._worker.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._transport.kill()

    def _call(self, *functions: Callable[[], None]) -> None:
        """Call all; an exception of the skin's in one of them comes out after the last."""
        errors = []
        for function in functions:
            try:
                function()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


__all__ = ["Client", "State"]
