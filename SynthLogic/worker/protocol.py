"""What window and worker say to each other: one JSON object a line, UTF-8. Voxels never go this way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

PROTOCOL = 1
MAX_LINE = 16 * 2**20


class ProtocolError(Exception):
    """A line that is not part of the protocol; the text says what is wrong with it."""


@dataclass(frozen=True)
class Message:
    """Base of all messages; ``type`` names one on the wire."""

    type: ClassVar[str]


@dataclass(frozen=True)
class Job(Message):
    """Window: do this. ``id`` is above 0 and never used twice."""

    type: ClassVar[str] = "job"
    id: int
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel(Message):
    """Window: stop that job."""

    type: ClassVar[str] = "cancel"
    id: int


@dataclass(frozen=True)
class Quit(Message):
    """Window: end when the jobs sent so far are done."""

    type: ClassVar[str] = "quit"


@dataclass(frozen=True)
class Ready(Message):
    """Worker: here I am, as process ``pid``; the first message of all."""

    type: ClassVar[str] = "ready"
    pid: int
    version: str
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class Progress(Message):
    """Worker: ``done`` of ``total`` ``unit`` (slices, tiles) of a job."""

    type: ClassVar[str] = "progress"
    id: int
    done: int
    total: int
    unit: str
    message: str


@dataclass(frozen=True)
class Done(Message):
    """Worker: a job's answer."""

    type: ClassVar[str] = "done"
    id: int
    answer: dict[str, Any]


@dataclass(frozen=True)
class Failed(Message):
    """Worker: why a job gave nothing: one sentence, a detail to copy, ``data`` to act on."""

    type: ClassVar[str] = "failed"
    id: int
    kind: str
    message: str
    detail: str = ""
    data: dict[str, Any] = field(default_factory=dict)


_KINDS = {kind.type: kind for kind in (Job, Cancel, Quit, Ready, Progress, Done, Failed)}
_TYPES = {"int": int, "str": str, "dict[str, Any]": dict}


def encode(message: Message) -> bytes:
    """The line for ``message``, ASCII only, with its line end.

    Raises:
        ValueError: a value that JSON cannot hold, or a line of more than 16 MiB.
    """
    text = json.dumps({"type": message.type, **asdict(message)}, allow_nan=False, separators=(",", ":"))
    if len(text) >= MAX_LINE:
        raise ValueError(f"the message {message.type!r} is {len(text)} bytes long, more than {MAX_LINE}")
    return text.encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message in ``line``.

    Raises:
        ProtocolError: not JSON, of no known type, or a field is missing, unknown or of a wrong type.
    """
    shown = repr(line[:80].decode("utf-8", "replace"))
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError(f"a line is not JSON: {shown}") from None
    kind = _KINDS.get(str(data.pop("type", None))) if isinstance(data, dict) else None
    if kind is None:
        raise ProtocolError(f"a line is no message: {shown}")
    for known in fields(kind):
        if known.name in data and type(data[known.name]) is not _TYPES[str(known.type)]:
            raise ProtocolError(f"{known.name!r} of {kind.type!r} is no {known.type}: {shown}")
    try:
        message: Message = kind(**data)
    except TypeError:
        raise ProtocolError(f"a field of {kind.type!r} is missing or unknown: {shown}") from None
    return message


class Lines:
    """Cuts a stream of bytes into lines, however they arrive."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add ``data`` and give each complete line, without its end; empty lines are left out.

        Raises:
            ProtocolError: a line grows beyond the limit.
        """
        seen = len(self._rest)
        self._rest += data
        while (end := self._rest.find(b"\n", seen)) >= 0:
            line, seen = bytes(self._rest[:end]).strip(), 0
            del self._rest[: end + 1]
            if line:
                yield line
        if len(self._rest) > self._limit:
            self._rest.clear()
            raise ProtocolError(f"a line is longer than {self._limit} bytes")


__all__ = [
    "MAX_LINE",
    "PROTOCOL",
    "Cancel",
    "Done",
    "Failed",
    "Job",
    "Lines",
    "Message",
    "Progress",
    "ProtocolError",
    "Quit",
    "Ready",
    "decode",
    "encode",
]
