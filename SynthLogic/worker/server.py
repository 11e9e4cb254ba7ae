"""The worker's process: reads jobs, runs one at a time, tells what came of it, never outlives its window."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from SynthLogic import __version__
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

_CHUNK = 2**16
_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 0.05
# A dying window closes its pipes a moment before its lock.
_LOCK_ENDS_WITHIN_S = 1.0


class Server:
    """Jobs from ``source``, answers to ``sink``; both are file descriptors that nobody else uses."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._folders: set[Path] = set()
        self._parent = os.getppid()

    def run(self) -> NoReturn:
        """Run jobs until told to quit; this process then ends, whatever libraries would still like to do."""
        self._send(Ready(os.getpid(), __version__))
        threading.Thread(target=self._listen, daemon=True).start()
        # Only now: numpy, pydantic, and whatever the first job needs.
        from SynthLogic.worker.failures import failed
        from SynthLogic.worker.tasks import Tasks

        tasks = Tasks()
        while (job := self._jobs.get()) is not None:
            self._do(job, tasks.run, failed)
        os._exit(0)

    def _do(self, job: Job, run: Callable[..., Any], failed: Callable[..., Failed]) -> None:
        start = time.monotonic()
        kind = Done.type
        try:
            answer = run(job.kind, job.arguments, self._teller(job), lambda: job.id in self._cancelled)
            line = encode(Done(job.id, answer))
        except BaseException as error:  # SystemExit of a library too: the window waits for a verdict
            kind = Failed.type
            line = encode(failed(job.id, error))
        _log(f"job {job.id} {job.kind}: {kind} after {time.monotonic() - start:.2f} s")
        self._cancelled.discard(job.id)
        self._send_line(line)

    def _teller(self, job: Job) -> Callable[[int, int, str, str], None]:
        last = 0.0

        def tell(done: int, total: int, unit: str, message: str) -> None:
            nonlocal last
            now = time.monotonic()
            if done in (0, total) or now - last >= _TELL_EVERY_S:
                last = now
                self._send(Progress(job.id, done, total, unit, message))

        return tell

    def _send(self, message: Message) -> None:
        self._send_line(encode(message))

    def _send_line(self, line: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):
            while line:
                line = line[os.write(self._sink, line) :]

    # -- the thread that listens ----------------------------------------------------------------------------

    def _listen(self) -> None:
        lines = Lines()
        try:
            while data := self._read():
                try:
                    for line in lines.feed(data):
                        self._take(decode(line))
                except ProtocolError as error:
                    _log(f"not part of the protocol: {error}")
        finally:
            self._end()

    def _read(self) -> bytes:
        """What came next; nothing if the window, or the launcher that started this process, is gone."""
        while os.name != "nt":
            if select.select([self._source], [], [], _LOOK_EVERY_S)[0]:
                break
            if os.getppid() != self._parent:
                return b""
        try:
            return os.read(self._source, _CHUNK)
        except OSError:
            return b""

    def _take(self, message: Message) -> None:
        if isinstance(message, Job):
            self._folders |= {path.parent for path in _voxel_files(message.arguments)}
            self._jobs.put(message)
        elif isinstance(message, Cancel):
            self._cancelled.add(message.id)
        elif isinstance(message, Quit):
            self._jobs.put(None)

    def _end(self) -> NoReturn:
        """The window is gone: so is this process, and the voxels, unless a window still locks them."""
        with contextlib.suppress(BaseException):
            if self._folders:
                from SynthLogic.worker.voxels import PREFIX, remove_if_stale

                end = time.monotonic() + _LOCK_ENDS_WITHIN_S
                left = {folder for folder in self._folders if folder.name.startswith(PREFIX)}
                while left and time.monotonic() < end:
                    left = {folder for folder in left if folder.is_dir() and not remove_if_stale(folder, 0.0)}
                    time.sleep(0.02)
        os._exit(0)


def _voxel_files(data: Any) -> Iterator[Path]:
    """Files of scans, and of results, anywhere in a job's arguments."""
    if isinstance(data, dict):
        if "ijk_to_ras" in data:
            yield Path(str(data.get("path")))
        for key, value in data.items():
            if key == "results" and isinstance(value, dict):
                yield from (Path(str(path)) for path in value.values())
            else:
                yield from _voxel_files(value)
    elif isinstance(data, list):
        for value in data:
            yield from _voxel_files(value)


def _log(text: str) -> None:
    sys.stderr.write(f"worker: {text}\n")
    sys.stderr.flush()


def main() -> NoReturn:
    """Take standard input and output for the protocol alone, and serve."""
    faulthandler.enable()
    # Ctrl-C in a terminal reaches all processes; the window decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = os.dup(0), os.dup(1)
    # Whatever a library prints, or reads, cannot get between.
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdout = sys.stderr
    Server(source, sink).run()


__all__ = ["Server", "main"]
