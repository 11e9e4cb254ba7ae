"""Loads unmodified ``.ui`` files. Whatever is not known is an error, where Qt would only warn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from harness import ctk_widgets, mrml_widgets
from harness.signals import lookup, normalized, resolve, signatures


class UiError(RuntimeError):
    """A .ui file names something that does not exist."""


_STANDINS = {**ctk_widgets.CLASSES, **mrml_widgets.CLASSES}
_NOT_PROPERTIES = {"Line": {"orientation"}}


class _Loader(QtUiTools.QUiLoader):
    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        if class_name not in _STANDINS:
            return super().createWidget(class_name, parent, name)
        widget = _STANDINS[class_name](parent)
        widget.setObjectName(name)
        return widget


def load_ui(path: str) -> QtWidgets.QWidget:
    """The widget that a .ui file describes.

    Raises:
        UiError: unknown widget class, property, signal or slot; or the file cannot be read.
    """
    if not Path(path).is_file():
        raise UiError(f"no such file: {path}")
    tree = ET.parse(path)
    root = tree.getroot()
    loader = _Loader()
    _check_classes(path, root, loader)
    connections = _take_connections(root)
    enums = _take_standin_enums(root)
    buffer = QtCore.QBuffer()
    buffer.setData(ET.tostring(root))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    loader.setWorkingDirectory(QtCore.QDir(str(Path(path).parent)))
    widget = loader.load(buffer)
    if widget is None:
        raise UiError(f"{path}: {loader.errorString()}")
    for name, prop, value in enums:
        _named(widget, name).setProperty(prop, value)
    _check_properties(path, root, widget)
    for connection in connections:
        _connect(path, connection, widget)
    return widget


def _named(widget: Any, name: str) -> Any:
    return widget if widget.objectName() == name else widget.findChild(QtCore.QObject, name)


def _check_classes(path: str, root: ET.Element, loader: QtUiTools.QUiLoader) -> None:
    known = {*loader.availableWidgets(), *_STANDINS, "Line", "QWidget"}
    unknown = {e.get("class", "") for e in root.iter("widget")} - known
    if unknown:
        raise UiError(f"{path}: unknown widget classes {sorted(unknown)}")


def _take_connections(root: ET.Element) -> list[dict[str, str]]:
    found = [{e.tag: e.text or "" for e in c} for c in root.iter("connection")]
    for element in root.findall("connections"):
        root.remove(element)
    return found


def _take_standin_enums(root: ET.Element) -> list[tuple[str, str, int]]:
    """Enums of stand-ins are plain numbers here: Qt's loader does not know them."""
    found = []
    for widget in root.iter("widget"):
        cls = _STANDINS.get(widget.get("class", ""))
        for element in list(widget.findall("property")):
            value = element.find("set") if element.find("set") is not None else element.find("enum")
            if (
                cls is None
                or value is None
                or not isinstance(lookup(cls, element.get("name", "")), QtCore.Property)
            ):
                continue
            names = re.split(r"[|\s]+", value.text or "")
            number = 0
            for name in filter(None, names):
                bit = lookup(cls, name.split("::")[-1])
                if bit is None:
                    raise UiError(f"{widget.get('name')}: unknown value {name}")
                number |= int(bit)
            found.append((widget.get("name", ""), element.get("name", ""), number))
            widget.remove(element)
    return found


def _check_properties(path: str, root: ET.Element, widget: QtWidgets.QWidget) -> None:
    for element in root.iter("widget"):
        target = _named(widget, element.get("name", ""))
        if target is None:
            raise UiError(f"{path}: {element.get('class')} '{element.get('name')}' was not made")
        for prop in element.findall("property"):
            name = prop.get("name", "")
            if prop.get("stdset") == "0" or name in _NOT_PROPERTIES.get(element.get("class", ""), ()):
                continue
            if target.metaObject().indexOfProperty(name) < 0:
                raise UiError(f"{path}: {element.get('class')} has no property '{name}'")


def _connect(path: str, connection: dict[str, str], widget: QtWidgets.QWidget) -> None:
    sender, receiver = _named(widget, connection["sender"]), _named(widget, connection["receiver"])
    if sender is None or receiver is None:
        raise UiError(f"{path}: connection between unknown widgets: {connection}")
    try:
        signal, _ = resolve(sender, connection["signal"])
    except AttributeError as error:
        raise UiError(f"{path}: {error}") from None
    signature = normalized(connection["slot"])
    slots = signatures(type(receiver), "SLOTS")
    if signature in slots:
        signal.connect(getattr(receiver, slots[signature]))
        return
    meta = receiver.metaObject()
    if meta.indexOfSlot(signature) < 0 and meta.indexOfSignal(signature) < 0:
        raise UiError(f"{path}: {type(receiver).__name__} has no slot '{signature}'")
    signal.connect(getattr(receiver, signature.split("(")[0]))
