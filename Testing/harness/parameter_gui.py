"""Binds one widget to one parameter. Which widget goes with which type is as in Slicer, by exact types."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any

from PySide6 import QtWidgets

from harness import ctk_widgets, mrml_widgets
from harness.parameter_types import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    SingleStep,
    WithinRange,
    first,
    node_classes,
    split,
)

PROPERTY = "SlicerParameterName"
_FLOAT_WIDGETS = (
    QtWidgets.QDoubleSpinBox,
    ctk_widgets.ctkSliderWidget,
    ctk_widgets.ctkDoubleSpinBox,
    mrml_widgets.qMRMLSliderWidget,
)
_INT_WIDGETS = (QtWidgets.QSlider, QtWidgets.QSpinBox)
_NUMBER_WIDGETS = {int: (*_INT_WIDGETS, *_FLOAT_WIDGETS), float: _FLOAT_WIDGETS}
_SLIDERS = (QtWidgets.QSlider, ctk_widgets.ctkSliderWidget, mrml_widgets.qMRMLSliderWidget)
_COMBOS = (QtWidgets.QComboBox, ctk_widgets.ctkComboBox)


class Connector:
    """How a widget's value is read, written and watched."""

    def __init__(
        self, name: str, changed: Any, read: Callable[[], Any], write: Callable[[Any], None]
    ) -> None:
        self.name, self.read, self._write = name, read, write
        self._changed = changed
        self._callback: Callable | None = None

    def write(self, value: Any) -> None:
        self._write(value)

    def connect(self, callback: Callable[[], None]) -> None:
        # A callable object, not a bound method: PySide6 would hold a method's object weakly.
        self._callback = lambda *_: callback()
        if self._changed is not None:
            self._changed.connect(self._callback)

    def disconnect(self) -> None:
        if self._changed is not None and self._callback is not None:
            self._changed.disconnect(self._callback)
        self._callback = None


def _set_range(widget: Any, annotations: tuple, unlimited: tuple[float, float]) -> None:
    within = first(annotations, WithinRange)
    low = within or first(annotations, Minimum)
    high = within or first(annotations, Maximum)
    if isinstance(widget, _SLIDERS) and (low is None or high is None):
        raise RuntimeError("a slider needs a parameter with both bounds")
    widget.setRange(low.minimum if low else unlimited[0], high.maximum if high else unlimited[1])
    if step := first(annotations, SingleStep):
        widget.setSingleStep(step.value)


def _number(widget: Any, name: str, kind: type, annotations: tuple) -> Connector:
    if type(widget) in _FLOAT_WIDGETS:
        decimals = first(annotations, Decimals)
        if kind is int or decimals:
            widget.setDecimals(0 if kind is int else decimals.value)
        _set_range(widget, annotations, (float("-inf"), float("inf")))
    else:
        _set_range(widget, annotations, (-(2**31), 2**31 - 1))
    standin = isinstance(widget, ctk_widgets.ctkSliderWidget)
    read = (lambda: widget.value) if standin else widget.value
    return Connector(name, widget.valueChanged, lambda: kind(read()), lambda v: widget.setValue(kind(v)))


def _combo(widget: Any, name: str, labels: list[str], values: list[Any]) -> Connector:
    kept = widget.currentIndex()
    widget.clear()
    widget.addItems(labels)
    widget.setCurrentIndex(kept if 0 <= kept < len(labels) else 0)
    return Connector(
        name,
        widget.currentIndexChanged,
        lambda: values[widget.currentIndex()],
        lambda value: widget.setCurrentIndex(values.index(value)),
    )


def _text(widget: Any, name: str) -> Connector | None:
    if type(widget) is QtWidgets.QLineEdit:
        write = lambda v: widget.setText(v) if v != widget.text() else None  # noqa: E731
        return Connector(name, widget.textChanged, widget.text, write)
    if type(widget) is QtWidgets.QTextEdit:
        write = lambda v: widget.setPlainText(v) if v != widget.toPlainText() else None  # noqa: E731
        return Connector(name, widget.textChanged, widget.toPlainText, write)
    if type(widget) is QtWidgets.QLabel:
        return Connector(name, None, widget.text, widget.setText)
    return None


def _path(widget: Any, name: str, kind: type) -> Connector | None:
    if type(widget) is ctk_widgets.ctkPathLineEdit:
        read = lambda: kind(widget.currentPath)  # noqa: E731
        return Connector(name, widget.currentPathChanged, read, lambda v: widget.setCurrentPath(str(v)))
    if type(widget) is ctk_widgets.ctkDirectoryButton:
        read = lambda: kind(widget.directory)  # noqa: E731
        return Connector(name, widget.directoryChanged, read, lambda v: widget.setDirectory(str(v)))
    return None


def _flag(widget: Any, name: str) -> Connector | None:
    if type(widget) in (QtWidgets.QCheckBox, ctk_widgets.ctkCheckBox, QtWidgets.QPushButton):
        if type(widget) is QtWidgets.QPushButton:
            widget.setCheckable(True)
        return Connector(name, widget.toggled, widget.isChecked, widget.setChecked)
    return None


def connect_widget(widget: Any, name: str, hint: Any) -> Connector:
    """The connector between a widget and a parameter of a declared type.

    Raises:
        RuntimeError: Slicer could not bind these two either.
    """
    kind, annotations = split(hint)
    choice = first(annotations, Choice)
    found: Connector | None = None
    nodes = node_classes(hint)
    if nodes is not None and type(widget) is mrml_widgets.qMRMLNodeComboBox:
        widget.nodeTypes = nodes
        found = Connector(name, widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)
    elif type(widget) in _COMBOS and isinstance(kind, type) and issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda member: member.name)
        found = _combo(widget, name, [label(m) for m in kind], list(kind))
    elif type(widget) in _COMBOS and kind in (int, float, str, bool) and choice is not None:
        found = _combo(widget, name, [str(c) for c in choice.choices], list(choice.choices))
    elif kind is bool:
        found = _flag(widget, name)
    elif type(widget) in _NUMBER_WIDGETS.get(kind, ()):
        found = _number(widget, name, kind, annotations)
    elif kind is str:
        found = _text(widget, name)
    elif isinstance(kind, type) and issubclass(kind, pathlib.PurePath):
        found = _path(widget, name, kind)
    if found is None:
        raise RuntimeError(f"parameter '{name}' of type {hint} cannot be bound to a {type(widget).__name__}")
    return found
