"""Stand-ins for Slicer's other widgets: containers, slider, segments, and the frame of a module."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.ctk_widgets import ctkSliderWidget
from harness.node_combo_box import qMRMLNodeComboBox
from harness.standin import stored


class _HasScene:
    """Passes the scene on to whatever asked to be told: connections of .ui files start here."""

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self.mrmlScene():
            self.__dict__["_scene"] = scene
            self.mrmlSceneChanged.emit(scene)  # type: ignore[attr-defined]


_SCENE_SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
_SCENE_SLOTS = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}


class qMRMLWidget(_HasScene, QtWidgets.QWidget):
    """The widget at the root of a module's .ui file."""

    SIGNALS = _SCENE_SIGNALS
    SLOTS = _SCENE_SLOTS
    mrmlSceneChanged = QtCore.Signal(object)


class qSlicerWidget(_HasScene, QtWidgets.QWidget):
    """Another such root."""

    SIGNALS = _SCENE_SIGNALS
    SLOTS = _SCENE_SLOTS
    mrmlSceneChanged = QtCore.Signal(object)


class qMRMLSliderWidget(_HasScene, ctkSliderWidget):
    """A slider that knows units in Slicer; here it shows plain numbers."""

    SIGNALS = _SCENE_SIGNALS
    SLOTS = _SCENE_SLOTS
    mrmlSceneChanged = QtCore.Signal(object)
    quantity = stored(str, "quantity", "")


class qMRMLSegmentsTableView(_HasScene, QtWidgets.QWidget):
    """The segments of a segmentation by name, to select from. Neither colours nor visibility are shown."""

    SIGNALS = {**_SCENE_SIGNALS, "selectionChanged(QItemSelection,QItemSelection)": "selectionChanged"}  # noqa: RUF012
    SLOTS = {**_SCENE_SLOTS, "setSegmentationNode(vtkMRMLNode*)": "setSegmentationNode"}  # noqa: RUF012
    mrmlSceneChanged = QtCore.Signal(object)
    selectionChanged = QtCore.Signal(object, object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node = None
        self._list = QtWidgets.QListWidget(self)
        self._list.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.ExtendedSelection)
        QtWidgets.QVBoxLayout(self).addWidget(self._list)
        self._list.itemSelectionChanged.connect(lambda: self.selectionChanged.emit(None, None))

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node
        self._list.clear()
        segmentation = node.GetSegmentation() if node is not None else None
        for index in range(segmentation.GetNumberOfSegments() if segmentation else 0):
            item = QtWidgets.QListWidgetItem(segmentation.GetNthSegment(index).GetName(), self._list)
            item.setData(QtCore.Qt.ItemDataRole.UserRole, segmentation.GetNthSegmentID(index))

    def _items(self) -> list[QtWidgets.QListWidgetItem]:
        return [self._list.item(i) for i in range(self._list.count())]

    def selectedSegmentIDs(self) -> list[str]:
        return [i.data(QtCore.Qt.ItemDataRole.UserRole) for i in self._items() if i.isSelected()]

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        for item in self._items():
            item.setSelected(item.data(QtCore.Qt.ItemDataRole.UserRole) in ids)

    selectionMode = stored(int, "selectionMode", 3)
    headerVisible = stored(bool, "headerVisible", True)
    visibilityColumnVisible = stored(bool, "visibilityColumnVisible", True)
    colorColumnVisible = stored(bool, "colorColumnVisible", True)
    opacityColumnVisible = stored(bool, "opacityColumnVisible", True)
    statusColumnVisible = stored(bool, "statusColumnVisible", True)
    readOnly = stored(bool, "readOnly", False)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The frame in which a module builds its widget; ``self()`` is the module's Python object."""

    def __init__(self, build: Any) -> None:
        super().__init__()
        self._build = build
        self._python = None
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        """Build the widget again from the module as it is loaded now."""
        self._python = self._build(self)
        self._python.setup()

    def setup(self) -> None:
        self._python.setup()

    def enter(self) -> None:
        getattr(self._python, "enter", lambda: None)()

    def exit(self) -> None:
        getattr(self._python, "exit", lambda: None)()


CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        qMRMLNodeComboBox,
        qMRMLSegmentsTableView,
        qMRMLSliderWidget,
        qMRMLWidget,
        qSlicerScriptedLoadableModuleWidget,
        qSlicerWidget,
    )
}
