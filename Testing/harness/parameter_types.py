"""Annotations of parameters: validators, defaults and hints for widgets, named as in Slicer."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

import slicer


class Validator:
    """Raises where a value may not be stored."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    def __init__(self, classtype: Any) -> None:
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, not {type(value)}: {value!r}")


class WithinRange(Validator):
    def __init__(self, minimum: Any, maximum: Any) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    def __init__(self, minimum: Any) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum: Any) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class Choice(Validator):
    def __init__(self, choices: Any) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Exclude(Validator):
    def __init__(self, excludedValues: Any) -> None:
        self.excludedValues = excludedValues

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value must be none of {self.excludedValues}, is {value!r}")


class Default:
    """The value of a parameter that was never set."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._make = generator or (lambda: value)

    @property
    def value(self) -> Any:
        return self._make()


class Decimals:
    """Digits a number's widget shows."""

    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    """How far one step of a number's widget goes."""

    def __init__(self, value: float) -> None:
        self.value = value


def split(hint: Any) -> tuple[Any, tuple]:
    """A type and its annotations: ``Annotated[int, Minimum(0)]`` -> ``int, (Minimum(0),)``."""
    kind, *annotations = typing.get_args(typing.Annotated[hint, None])
    return kind, tuple(annotations[:-1])


def first(annotations: Any, kind: type) -> Any:
    return next((a for a in annotations if isinstance(a, kind)), None)


def alternatives(kind: Any) -> tuple[Any, ...] | None:
    """The members of a union, or None for any other type."""
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return tuple(split(a)[0] for a in typing.get_args(kind)) if is_union else None


def node_classes(hint: Any) -> list[str] | None:
    """Class names of nodes a parameter may hold, None where it holds something else."""
    kind = split(hint)[0]
    kinds = [k for k in alternatives(kind) or (kind,) if k is not type(None)]
    if kinds and all(isinstance(k, type) and issubclass(k, slicer.vtkMRMLNode) for k in kinds):
        return [k.__name__ for k in kinds]
    return None
