"""How values of parameters are kept in a vtkMRMLScriptedModuleNode: the same text that Slicer writes."""

from __future__ import annotations

import collections.abc
import enum
import pathlib
import typing
from typing import Any

import slicer
from slicer.util import NodeModify

from harness.parameter_types import Default, IsInstance, NotNone, Validator, alternatives, first, split


class Store:
    """Reads and writes one type of value under a name. Subclasses differ in their text only."""

    validators: list[Validator]

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.validators = [NotNone(), IsInstance((int, float) if kind is float else kind)]

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def default(self) -> Any:
        return self.kind()

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(value))

    def read(self, node: Any, name: str) -> Any:
        return self.kind(node.GetParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class BoolStore(Store):
    def read(self, node: Any, name: str) -> bool:
        return node.GetParameter(name) == "True"

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True" if value else "False")


class EnumStore(Store):
    def default(self) -> Any:
        return next(iter(self.kind))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name)

    def read(self, node: Any, name: str) -> Any:
        key = node.GetParameter(name)
        if key not in self.kind.__members__:
            raise ValueError(f"parameter '{name}' holds {key!r}, which is no name in {self.kind}")
        return self.kind[key]


class NodeStore(Store):
    """A reference to a node, and an empty parameter that says the value was set, be it to None."""

    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self.validators = [IsInstance(kind)]

    def default(self) -> Any:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneStore(Store):
    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self.validators = [IsInstance(type(None))]

    def default(self) -> Any:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True")

    def read(self, node: Any, name: str) -> Any:
        return None


class UnionStore(Store):
    """The first member that takes the value keeps it, under the member's number."""

    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self.validators = []
        self.members = [make_store(a) for a in typing.get_args(kind)]

    def default(self) -> Any:
        kinds = alternatives(self.kind) or ()
        optional = len(kinds) == 2 and kinds[1] is type(None)
        return None if optional else self.members[0].default()

    def _member(self, value: Any) -> int:
        wanted = type(value)
        for index, member in enumerate(self.members):
            same = member.kind is wanted or (isinstance(member, NodeStore) and isinstance(value, member.kind))
            if same:
                member.validate(value)
                return index
        raise TypeError(f"no member of {self.kind} takes {value!r}")

    def validate(self, value: Any) -> None:
        super().validate(value)
        self._member(value)

    def _index(self, node: Any, name: str) -> int | None:
        return next((i for i, m in enumerate(self.members) if m.has(node, f"{name}.{i}")), None)

    def has(self, node: Any, name: str) -> bool:
        return self._index(node, name) is not None

    def write(self, node: Any, name: str, value: Any) -> None:
        index = self._member(value)
        with NodeModify(node):
            self.remove(node, name)
            self.members[index].write(node, f"{name}.{index}", value)

    def read(self, node: Any, name: str) -> Any:
        index = self._index(node, name)
        return None if index is None else self.members[index].read(node, f"{name}.{index}")

    def remove(self, node: Any, name: str) -> None:
        for index, member in enumerate(self.members):
            member.remove(node, f"{name}.{index}")


class StoredList(collections.abc.MutableSequence):
    """A list that writes itself to its parameter node at every change."""

    def __init__(self, store: ListStore, node: Any, name: str, values: list) -> None:
        self._place = (store, node, name)
        self._values = values

    def _save(self) -> None:
        store, node, name = self._place
        store.validate(self._values)
        store.write(node, name, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[index] = value
        self._save()

    def __delitem__(self, index: Any) -> None:
        del self._values[index]
        self._save()

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)
        self._save()

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, StoredList) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"StoredList({self._values!r})"


class ListStore(Store):
    def __init__(self, kind: Any) -> None:
        super().__init__(list)
        self.validators = [NotNone(), IsInstance((list, tuple, StoredList))]
        arguments = typing.get_args(kind)
        if len(arguments) != 1:
            raise TypeError(f"{kind}: the type of a list's elements has to be given")
        self.element = make_store(arguments[0])

    def validate(self, value: Any) -> None:
        super().validate(value)
        for item in value:
            self.element.validate(item)

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}.len") or 0)

    def write(self, node: Any, name: str, value: Any) -> None:
        with NodeModify(node):
            before = self._length(node, name)
            for index, item in enumerate(value):
                self.element.write(node, f"{name}.{index}", item)
            node.SetParameter(f"{name}.len", str(len(value)))
            for index in range(len(value), before):
                self.element.remove(node, f"{name}.{index}")

    def read(self, node: Any, name: str) -> Any:
        values = [self.element.read(node, f"{name}.{i}") for i in range(self._length(node, name))]
        return StoredList(self, node, name, values)

    def remove(self, node: Any, name: str) -> None:
        for index in range(self._length(node, name)):
            self.element.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


def make_store(hint: Any) -> Store:
    """The store for a type with its annotations.

    Raises:
        TypeError: no store for that type.
    """
    kind, annotations = split(hint)
    store: Store
    if kind is bool:
        store = BoolStore(kind)
    elif kind in (int, float, str) or (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        store = Store(kind)
    elif alternatives(kind) is not None:
        store = UnionStore(kind)
    elif typing.get_origin(kind) is list:
        store = ListStore(kind)
    elif kind is type(None):
        store = NoneStore(kind)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        store = EnumStore(kind)
    elif isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        store = NodeStore(kind)
    elif getattr(kind, "_is_parameterPack", False):
        store = kind._make_store()
    else:
        raise TypeError(f"no way to store {kind} in a parameter node")
    for annotation in annotations:
        is_class = isinstance(annotation, type) and issubclass(annotation, Validator)
        if is_class or isinstance(annotation, Validator):
            store.validators.append(annotation() if is_class else annotation)
    return store


def default_of(cls: type, name: str, hint: Any, store: Store) -> Any:
    """What a parameter starts with: ``= value`` in the class, ``Default(..)``, or the type's own."""
    if name in cls.__dict__:
        return cls.__dict__[name]
    annotation = first(split(hint)[1], Default)
    return annotation.value if annotation is not None else store.default()
