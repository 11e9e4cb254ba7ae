"""What all stand-ins for CTK's and Slicer's widgets share: Qt properties kept in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtWidgets

UNLIMITED = 16777215  # Qt's QWIDGETSIZE_MAX


def stored(kind: Any, name: str, default: Any, changed: str | None = None) -> Any:
    """A Qt property that is kept in the object.

    Args:
        kind: Python type or name of a C++ type.
        name: its name, for where it is kept.
        default: value until it is set.
        changed: method of the object to call after a change.
    """
    field = f"_{name}"

    def get(self: Any) -> Any:
        return self.__dict__.get(field, default)

    def put(self: Any, value: Any) -> None:
        before = self.__dict__.get(field, default)
        self.__dict__[field] = value
        if changed and before != value:
            getattr(self, changed)()

    return QtCore.Property(kind, get, put)


def setter(name: str) -> Callable[[Any, Any], None]:
    """The C++ setter method that goes with a property."""

    def put(self: Any, value: Any) -> None:
        self.setProperty(name, value)

    return put


def forward(kind: Any, inner: str, getter: str, put: str) -> Any:
    """A Qt property that a widget inside the stand-in holds."""
    return QtCore.Property(
        kind,
        lambda self: getattr(self.__dict__[inner], getter)(),
        lambda self, value: getattr(self.__dict__[inner], put)(value),
    )


def row(parent: QtWidgets.QWidget, *widgets: QtWidgets.QWidget) -> None:
    """Lay widgets out in a row without margins; the first takes the room there is."""
    layout = QtWidgets.QHBoxLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == 0 else 0)
