"""The module ``slicer.parameterNodeWrapper``: typed access to a parameter node, bound to widgets."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable
from typing import Any

import vtk
from PySide6 import QtWidgets
from slicer.util import NodeModify

from harness import parameter_types
from harness.parameter_gui import PROPERTY, Connector, connect_widget
from harness.parameter_store import Store, default_of, make_store


def _annotation_class(decorator: Callable) -> Callable:
    """Lets a class decorator be written with and without parentheses."""

    @functools.wraps(decorator)
    def either(cls: type | None = None) -> Any:
        return decorator if cls is None else decorator(cls)

    return either


class PackStore(Store):
    """Keeps each member of a pack under ``name.member``."""

    def members(self) -> dict[str, Store]:
        return self.kind._stores

    def has(self, node: Any, name: str) -> bool:
        member, store = next(iter(self.members().items()))
        return store.has(node, f"{name}.{member}")

    def write(self, node: Any, name: str, value: Any) -> None:
        with NodeModify(node):
            for member, store in self.members().items():
                store.write(node, f"{name}.{member}", getattr(value, member))

    def read(self, node: Any, name: str) -> Any:
        values = {m: s.read(node, f"{name}.{m}") for m, s in self.members().items()}
        pack = self.kind(**values)
        # From now on a change of a member goes to the node.
        pack.__dict__["_on_change"] = lambda changed: self.write(node, name, changed)
        return pack

    def remove(self, node: Any, name: str) -> None:
        for member, store in self.members().items():
            store.remove(node, f"{name}.{member}")


@_annotation_class
def parameterPack(cls: Any) -> Any:
    """A group of parameters that is itself the type of a parameter."""
    hints = typing.get_type_hints(cls, include_extras=True)
    if not hints:
        raise ValueError(f"{cls.__name__} has no members")
    stores = {name: make_store(hint) for name, hint in hints.items()}
    defaults = {name: default_of(cls, name, hint, stores[name]) for name, hint in hints.items()}
    for name, value in defaults.items():
        stores[name].validate(value)

    def member(name: str) -> property:
        def put(self: Any, value: Any) -> None:
            stores[name].validate(value)
            self.__dict__[name] = value
            if "_on_change" in self.__dict__:
                self.__dict__["_on_change"](self)

        return property(lambda self: self.__dict__[name], put)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(hints, args, strict=False)) | kwargs
        if unknown := set(given) - set(hints):
            raise TypeError(f"{cls.__name__} has no members {sorted(unknown)}")
        for name in hints:
            setattr(self, name, given.get(name, defaults[name]))

    for name in hints:
        setattr(cls, name, member(name))
    cls._stores, cls._hints, cls._is_parameterPack = stores, hints, True
    cls._make_store = classmethod(PackStore)
    cls.__init__ = init
    cls.__eq__ = lambda self, other: (
        isinstance(other, cls) and all(getattr(self, n) == getattr(other, n) for n in hints)
    )
    cls.__repr__ = lambda self: f"{cls.__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in hints)})"
    cls.getValue = lambda self, path: functools.reduce(getattr, path.split("."), self)
    cls.dataType = staticmethod(lambda path: _hint(cls, path))
    return cls


def _hint(cls: Any, path: str) -> Any:
    """The declared type of a parameter, dotted names reaching into packs."""
    name, _, rest = path.partition(".")
    if name not in cls._hints:
        raise ValueError(f"{cls.__name__} has no parameter '{name}', only {sorted(cls._hints)}")
    hint = cls._hints[name]
    return _hint(parameter_types.split(hint)[0], rest) if rest else hint


class _Wrapper:
    """What every class that ``parameterNodeWrapper`` made can do."""

    parameterNode: Any
    _stores: dict[str, Store]
    _defaults: dict[str, Callable[[], Any]]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        if parameterNode is None:
            raise ValueError("a parameter node is needed")
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._guis: dict[int, tuple[list[Connector], int]] = {}
        self._next_gui = 0
        self._updating = False
        for name, store in self._stores.items():
            if not store.has(parameterNode, self._prefix + name):
                store.write(parameterNode, self._prefix + name, self._defaults[name]())

    def _read(self, name: str) -> Any:
        store, key = self._stores[name], self._prefix + name
        if not store.has(self.parameterNode, key):
            store.write(self.parameterNode, key, self._defaults[name]())
        return store.read(self.parameterNode, key)

    def _write(self, name: str, value: Any) -> None:
        store = self._stores[name]
        store.validate(value)
        with NodeModify(self.parameterNode):
            store.write(self.parameterNode, self._prefix + name, value)

    def getValue(self, name: str) -> Any:
        _hint(type(self), name)
        return functools.reduce(getattr, name.split("."), self)

    def setValue(self, name: str, value: Any) -> None:
        _hint(type(self), name)
        *path, last = name.split(".")
        setattr(functools.reduce(getattr, path, self), last, value)

    def default(self, name: str) -> Any:
        return parameter_types.Default(self._defaults[name]())

    @classmethod
    def dataType(cls, name: str) -> Any:
        return _hint(cls, name)

    # Widgets

    def connectGui(self, gui: Any) -> int:
        """Bind every widget with the dynamic property ``SlicerParameterName``; returns a tag."""
        if isinstance(gui, QtWidgets.QWidget):
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = list(gui.__dict__.values())
        named = {w.property(PROPERTY): w for w in widgets if w.property(PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        connectors = [connect_widget(widget, name, self.dataType(name)) for name, widget in mapping.items()]
        for connector in connectors:
            connector.write(self.getValue(connector.name))
        for connector in connectors:
            connector.connect(lambda c=connector: self._from_gui(c))
        tag = self._next_gui
        self._next_gui += 1
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._to_gui())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for connector in connectors:
                connector.disconnect()
            self.RemoveObserver(observer)

    def _from_gui(self, connector: Connector) -> None:
        if not self._updating:
            self.setValue(connector.name, connector.read())

    def _to_gui(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors, _ in list(self._guis.values()):
                for connector in connectors:
                    connector.write(self.getValue(connector.name))
        finally:
            self._updating = False

    # What the parameter node itself offers

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, before: Any) -> None:
        self.parameterNode.EndModify(before)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


@_annotation_class
def parameterNodeWrapper(cls: Any) -> Any:
    """Turn a class of annotated names into typed access to a parameter node."""
    hints = typing.get_type_hints(cls, include_extras=True)
    reserved = {n for n in dir(_Wrapper) if not n.startswith("_")} | {"parameterNode"}
    if taken := (set(hints) | {n for n in cls.__dict__ if not n.startswith("_")}) & reserved:
        raise ValueError(f"reserved names in {cls.__name__}: {sorted(taken)}")
    stores, defaults = {}, {}
    for name, hint in hints.items():
        stores[name] = make_store(hint)
        defaults[name] = functools.partial(default_of, cls, name, hint, stores[name])
    made = type(cls.__name__, (_Wrapper, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})
    made._stores, made._defaults, made._hints = stores, defaults, hints  # type: ignore[attr-defined]
    made._is_parameter_node_wrapper = True  # type: ignore[attr-defined]
    for name in hints:
        access = property(
            lambda self, n=name: self._read(n), lambda self, value, n=name: self._write(n, value)
        )
        setattr(made, name, access)
    return made


def module() -> types.ModuleType:
    """The module ``slicer.parameterNodeWrapper``."""
    wrapper = types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    names = [n for n in dir(parameter_types) if n[0].isupper() and n not in ("Any", "Callable")]
    wrapper.__dict__.update({n: getattr(parameter_types, n) for n in names})
    wrapper.__dict__.update(
        parameterNodeWrapper=parameterNodeWrapper,
        parameterPack=parameterPack,
        isParameterPack=lambda obj: getattr(obj, "_is_parameterPack", False),
        isParameterNodeWrapper=lambda obj: getattr(obj, "_is_parameter_node_wrapper", False),
        SlicerParameterNamePropertyName=PROPERTY,
    )
    return wrapper
