"""Makes PySide6 behave like PythonQt, the Qt binding inside Slicer, and as strict or stricter.

Qt properties become attributes, ``connect`` takes C++ signatures, and what PythonQt refuses is refused: new
attributes on a C++ object, assigning over a method or a signal. The harness itself and PySide6's own Python
code keep PySide6's convention; ``_ours`` tells the two apart by the calling frame.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from harness.signals import connect, disconnect, lookup

_OWN_CODE = ("harness.", "PySide6", "shiboken", "vtkmodules")


class Accessor:
    """How one Qt property of one class is read and written through C++ methods."""

    def __init__(self, cls: type, prop: QtCore.QMetaProperty) -> None:
        self.name = prop.name()
        cap = self.name[0].upper() + self.name[1:]
        getters = (f"is{cap}", f"has{cap}", self.name)
        self.getter = next((g for g in getters if _is_method(lookup(cls, g))), None)
        self.setter = f"set{cap}" if _is_method(lookup(cls, f"set{cap}")) else None
        self.writable = prop.isWritable()

    def get(self, obj: Any) -> Any:
        return _native_get(obj, self.getter)() if self.getter else _native_get(obj, "property")(self.name)

    def set(self, obj: Any, value: Any) -> None:
        kind = type(obj).__name__
        if not self.writable:
            raise AttributeError(f"property '{self.name}' of {kind} can only be read")
        if value is None:
            raise TypeError(f"property '{self.name}' of {kind} cannot be None")
        if self.setter:
            _native_get(obj, self.setter)(value)
        elif not _native_get(obj, "setProperty")(self.name, value):
            raise TypeError(f"property '{self.name}' of {kind} does not take {value!r}")


def _is_method(found: Any) -> bool:
    # A static method of a property's name (QTimer.singleShot) is not that property's getter.
    return found is not None and not isinstance(found, staticmethod | types.FunctionType | QtCore.Property)


_accessors: dict[type, dict[str, Accessor]] = {}
_handlers: dict[str, Callable[[Any], Any]] = {}
# A few classes (QProcess, QFile, QMenu) look attributes up in their own way.
_natives: dict[type, Callable[[Any, str], Any]] = {}


def _native_get(obj: Any, name: str) -> Any:
    cls = type(obj)
    native = _natives.get(cls)
    if native is None:
        native = _natives[cls] = next(_natives[c] for c in cls.__mro__ if c in _natives)
    return native(obj, name)


def accessors(cls: type) -> dict[str, Accessor]:
    """The Qt properties that C++ declares; those a stand-in declares in Python work as they are."""
    table = _accessors.get(cls)
    if table is None:
        meta = cls.staticMetaObject  # type: ignore[attr-defined]
        table = {}
        for prop in map(meta.property, range(meta.propertyCount())):
            if not isinstance(lookup(cls, prop.name()), QtCore.Property | types.FunctionType):
                table[prop.name()] = Accessor(cls, prop)
        _accessors[cls] = table
    return table


def _ours(frame: types.FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name.startswith(_OWN_CODE)


def is_cpp(cls: type) -> bool:
    """Whether PythonQt would see a C++ class: PySide6's own, or a stand-in for one of Slicer's."""
    return cls.__module__.startswith(_OWN_CODE)


def _getattribute(self: Any, name: str) -> Any:
    accessor = accessors(type(self)).get(name)
    handler = _handlers.get(name)
    if (accessor is None and handler is None) or _ours(sys._getframe(1)):
        return _native_get(self, name)
    return accessor.get(self) if accessor else handler(self)  # type: ignore[misc]


def _setattr(self: Any, name: str, value: Any) -> None:
    cls = type(self)
    declared = lookup(cls, name)
    if isinstance(declared, QtCore.Property):
        if not self.setProperty(name, value):
            raise AttributeError(f"property '{name}' of {cls.__name__} refused {value!r}")
        return
    if hasattr(type(declared), "__set__"):
        declared.__set__(self, value)
        return
    if _ours(sys._getframe(1)):
        self.__dict__[name] = value
        return
    accessor = accessors(cls).get("objectName" if name == "name" else name)
    if accessor is not None:
        accessor.set(self, value)
    elif declared is not None and is_cpp(_owner(cls, name)):
        raise AttributeError(f"'{name}' is a method or signal of {cls.__name__}: it cannot be assigned to")
    elif not is_cpp(cls):
        self.__dict__[name] = value
    elif name.encode() in [bytes(n.data()) for n in self.dynamicPropertyNames()]:
        self.setProperty(name, value)
    else:
        raise AttributeError(f"{cls.__name__} has no attribute '{name}', and PythonQt adds none")


def _dispatch(obj: Any, name: str, ours: Callable) -> Callable:
    """PySide6's own C++ code calls ``connect`` too (QTimer.singleShot), with a sender or marked signals."""

    def call(*args: Any) -> Any:
        by_signature = bool(args) and isinstance(args[0], str) and not args[0][:1].isdigit()
        return ours(obj, *args) if by_signature else _native_get(obj, name)(*args)

    return call


def _owner(cls: type, name: str) -> type:
    return next(c for c in cls.__mro__ if name in c.__dict__)


def qt_classes() -> dict[str, Any]:
    """All public names of Qt that Slicer shows as ``qt.X``."""
    names: dict[str, Any] = {}
    for module in (QtCore, QtGui, QtWidgets):
        names.update({n: getattr(module, n) for n in dir(module) if n.startswith("Q")})
    return names


def install(execute: Callable[[Any], Any]) -> types.ModuleType:
    """Patch PySide6 for this process and return the module ``qt``.

    Args:
        execute: called with a dialog whose ``exec()`` the module called.
    """
    if "qt" in sys.modules:
        raise RuntimeError("PySide6 is already patched: one host per process")
    qt = types.ModuleType("qt", "PySide6 in the guise of PythonQt.")
    qt.__dict__.update(qt_classes())
    for cls in [*qt.__dict__.values(), QtUiTools.QUiLoader]:
        # Every PySide6 class has a __setattr__ of its own: patching QObject alone has no effect.
        if isinstance(cls, type) and issubclass(cls, QtCore.QObject):
            cls.__setattr__ = _setattr  # type: ignore[method-assign]
            if "__getattribute__" in cls.__dict__:
                _natives[cls] = cls.__dict__["__getattribute__"]
                cls.__getattribute__ = _getattribute  # type: ignore[method-assign]

    def run(obj: Any) -> Callable[[], Any]:
        return (lambda: execute(obj)) if isinstance(obj, QtWidgets.QDialog) else _native_get(obj, "exec")

    _handlers.update(
        {
            "connect": lambda obj: _dispatch(obj, "connect", connect),
            "disconnect": lambda obj: _dispatch(obj, "disconnect", disconnect),
            "name": lambda obj: obj.objectName(),
            "className": lambda obj: lambda: obj.metaObject().className(),
            "exec": run,
            "exec_": run,
        }
    )
    sys.modules["qt"] = qt
    return qt
