"""Connections by C++ signature, as PythonQt makes them: ``button.connect("clicked(bool)", f)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore


def lookup(cls: type, name: str) -> Any:
    """What a class declares under a name, without calling any descriptor."""
    return next((c.__dict__[name] for c in cls.__mro__ if name in c.__dict__), None)


def signatures(cls: type, table: str) -> dict[str, str]:
    """Signatures a stand-in adds to Qt's own: C++ signature -> attribute. ``table``: SIGNALS or SLOTS."""
    merged: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        merged.update(base.__dict__.get(table, {}))
    return merged


def normalized(signature: str) -> str:
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def accepted(target: Callable) -> int | None:
    """How many positional arguments a callable takes; None: any number."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


class Relay:
    """Passes a signal on with as many arguments as its signature names and its target takes.

    ``slot`` is what is connected: PySide6 chooses among overloads by how many arguments a function has.
    """

    def __init__(self, target: Callable, count: int) -> None:
        limit = accepted(target)
        self.target = target
        self.count = count if limit is None else min(count, limit)
        self.slot = (lambda: self._pass(), lambda a: self._pass(a), lambda a, b: self._pass(a, b))[
            min(count, 2)
        ]

    def _pass(self, *args: Any) -> None:
        self.target(*args[: self.count])


def resolve(obj: Any, signature: str) -> tuple[Any, int]:
    """The bound signal of a C++ signature and how many arguments the signature names.

    Raises:
        AttributeError: the object has no such signal. PythonQt only answers False here.
    """
    wanted = normalized(signature)
    inside = wanted[wanted.index("(") + 1 : -1] if "(" in wanted else ""
    count = inside.count(",") + 1 if inside else 0
    cls = type(obj)
    own = signatures(cls, "SIGNALS")
    if wanted in own:
        return getattr(obj, own[wanted]), count
    name = wanted.split("(")[0]
    declared_here = any(n == name for n in own.values())
    if "(" not in wanted or declared_here or obj.metaObject().indexOfSignal(wanted) < 0:
        raise AttributeError(f"{cls.__name__} has no signal '{signature}'")
    signal = getattr(obj, name)
    if "," in inside or not _overloaded(obj.metaObject(), name):
        return signal, count
    # PySide6 names an overload by Python's or Qt's name of its argument.
    return signal[{"double": "float", "QString": "str"}.get(inside, inside)], count


def _overloaded(meta: QtCore.QMetaObject, name: str) -> bool:
    """Whether a signal exists with different first arguments; default arguments make no overload."""
    kinds = set()
    for method in map(meta.method, range(meta.methodCount())):
        types = [bytes(t.data()).decode() for t in method.parameterTypes()]
        signal = method.methodType() == QtCore.QMetaMethod.MethodType.Signal
        if signal and types and bytes(method.name().data()).decode() == name:
            kinds.add(types[0])
    return len(kinds) > 1


def connect(obj: Any, signature: str, receiver: Any, slot: str | None = None) -> bool:
    target = receiver if slot is None else getattr(receiver, slot.split("(")[0])
    if not callable(target):
        raise TypeError(f"connect('{signature}'): {target!r} cannot be called")
    signal, count = resolve(obj, signature)
    relay = Relay(target, count)
    signal.connect(relay.slot)
    obj.__dict__.setdefault("_relays", []).append((normalized(signature), relay))
    return True


def disconnect(obj: Any, signature: str, receiver: Any = None, slot: str | None = None) -> bool:
    """Undo ``connect``. Returns False where nothing was connected, as PythonQt does."""
    target = receiver if slot is None else getattr(receiver, slot.split("(")[0])
    signal, _ = resolve(obj, signature)
    wanted = normalized(signature)
    relays = obj.__dict__.setdefault("_relays", [])
    gone = [r for r in relays if r[0] == wanted and (target is None or r[1].target == target)]
    for entry in gone:
        signal.disconnect(entry[1].slot)
        relays.remove(entry)
    return bool(gone)
