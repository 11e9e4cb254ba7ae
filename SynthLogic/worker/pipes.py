"""A worker as a plain child process, for tests, scripts and the web page; in Slicer Qt does this."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from SynthLogic.worker.runs import Gone, Told

_CHUNK = 2**16
# A child of the worker may keep its pipes open for ever.
_LAST_WORDS_S = 1.0


class Transport(Protocol):
    """A process and its pipes, as the skin runs them."""

    @property
    def running(self) -> bool:
        """Whether there is a process; True until ``ended`` is told."""

    def start(self) -> None:
        """Start one; whether that worked is told by ``ended``."""

    def write(self, data: bytes) -> None:
        """Write to its standard input; silently nothing if it is gone."""

    def kill(self) -> None:
        """End it at once; ``ended`` follows."""


class PipeTransport:
    """``subprocess`` with two reading threads; ``pump`` tells what they read, in the thread that calls it.

    Args:
        received, log, ended: the client's; see ``Client``.
        command: of the worker; by default this Python.
        environment: of the worker; by default this one's, with this library on its path.
        notify: called from any thread when there is something for ``pump``.
    """

    def __init__(
        self,
        received: Told,
        log: Told,
        ended: Gone,
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._received, self._log, self._ended = received, log, ended
        self._command = list(command or (sys.executable, "-m", "SynthLogic.worker"))
        self._environment = dict(os.environ if environment is None else environment)
        library = str(Path(__file__).parents[2])
        known = self._environment.get("PYTHONPATH")
        self._environment["PYTHONPATH"] = os.pathsep.join([library, known] if known else [library])
        self._notify = notify
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process; True until ``ended`` is told."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Of the process that was started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start a process; failing to is told by ``ended`` as well."""
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment, bufsize=0
            )
        except OSError as error:
            reason = f"{self._command[0]} cannot be started: {error.strerror}\n".encode()
            self._tell(lambda: self._log(reason))
            self._tell(lambda: self._ended(127, False))
            return
        self._process = process
        readers = [
            threading.Thread(target=self._read, args=(stream, listener), daemon=True)
            for stream, listener in ((process.stdout, self._received), (process.stderr, self._log))
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._wait, args=(process, readers), daemon=True).start()

    def write(self, data: bytes) -> None:
        """Write to its standard input; silently nothing if it is gone."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(data)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    def pump(self, timeout_s: float = 0.0) -> bool:
        """Tell the client what came; waits for the first piece. Returns whether there was any."""
        end, told = time.monotonic() + timeout_s, False
        while True:
            try:
                event = self._events.get(timeout=0.0 if told else max(0.0, end - time.monotonic()))
            except queue.Empty:
                return told
            told = True
            event()

    def _tell(self, event: Callable[[], None]) -> None:
        self._events.put(event)
        self._notify()

    def _read(self, stream: IO[bytes], listener: Told) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), _CHUNK):
                self._tell(lambda data=data: listener(data))  # type: ignore[misc]

    def _wait(self, process: subprocess.Popen[bytes], readers: list[threading.Thread]) -> None:
        code = process.wait()
        for reader in readers:
            reader.join(_LAST_WORDS_S)

        def gone() -> None:
            self._process = None
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._ended(abs(code), code < 0)

        self._tell(gone)


__all__ = ["PipeTransport", "Transport"]
