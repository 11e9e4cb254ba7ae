"""Stand-in for qMRMLNodeComboBox: the list of a scene's nodes, kept up to date by observing the scene."""

from __future__ import annotations

import weakref
from typing import Any

import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from harness.standin import row, setter, stored

_SCENE_EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent")


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of the scene, by class and attributes.

    As in Slicer: without "None" the first node that comes is chosen; nothing is told while the scene is in a
    batch (closing, loading) but once at its end; a chosen node that leaves makes room for the next one.
    """

    SIGNALS = {  # noqa: RUF012
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_currentNodeValid",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
        "currentNodeRenamed(QString)": "currentNodeRenamed",
    }
    SLOTS = {  # noqa: RUF012
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
        "setCurrentNode(vtkMRMLNode*)": "setCurrentNode",
        "setCurrentNodeID(QString)": "setCurrentNodeID",
        "setCurrentNodeIndex(int)": "setCurrentNodeIndex",
    }
    currentNodeChanged = QtCore.Signal(object)
    _currentNodeValid = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    currentNodeRenamed = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = None
        self._ids: list[str] = []
        self._told: str | None = None
        self._attributes: list[tuple[str, str, str | None]] = []
        self._observed: list[tuple[Any, int]] = []
        self._watched: dict[str, tuple[Any, int]] = {}
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizeAdjustPolicy(
            QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        row(self, self._combo)
        self._combo.currentIndexChanged.connect(self._tell)
        self._combo.activated.connect(lambda _: self.nodeActivated.emit(self.currentNode()))
        self._combo.setEnabled(False)

    # Scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._forget()
        self._scene = scene
        if scene is not None:
            me = weakref.ref(self)
            for event in _SCENE_EVENTS:
                tag = scene.AddObserver(getattr(scene, event), lambda *_: _alive(me, "_refresh"))
                self._observed.append((scene, tag))
        self._combo.setEnabled(scene is not None)
        self._refresh()

    def _forget(self) -> None:
        for observed, tag in [*self._observed, *self._watched.values()]:
            observed.RemoveObserver(tag)
        self._observed.clear()
        self._watched.clear()

    def _candidates(self) -> list[Any]:
        nodes = []
        for index in range(self._scene.GetNumberOfNodes() if self._scene else 0):
            node = self._scene.GetNthNode(index)
            exact = node.GetClassName() in self.nodeTypes
            if exact or (self.showChildNodeTypes and any(node.IsA(t) for t in self.nodeTypes)):
                nodes.append(node)
        return nodes

    def _shown(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        rules = [(name, value) for kind, name, value in self._attributes if node.IsA(kind)]
        return all(node.GetAttribute(n) is not None and v in (None, node.GetAttribute(n)) for n, v in rules)

    def _refresh(self) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        candidates = self._candidates()
        self._watch(candidates)
        nodes = [n for n in candidates if self._shown(n)]
        current = self.currentNodeID
        new = [n.GetID() for n in nodes if n.GetID() not in self._ids]
        place = self._ids.index(current) if current in self._ids else 0
        self._combo.blockSignals(True)
        self._combo.clear()
        if self.noneEnabled:
            self._combo.addItem(self.noneDisplay, "")
        for node in nodes:
            self._combo.addItem(node.GetName() or "", node.GetID())
        self._ids = [n.GetID() for n in nodes]
        if current in self._ids:
            self._select(current)
        elif current and self._ids:
            self._select(self._ids[min(place, len(self._ids) - 1)])
        elif not current and self._ids and not self.noneEnabled:
            self._select(self._ids[0])
        self._combo.blockSignals(False)
        self._tell()
        for node_id in new:
            self.nodeAdded.emit(self._scene.GetNodeByID(node_id))

    def _watch(self, nodes: list[Any]) -> None:
        """Names, attributes and visibility in editors may change later: follow them."""
        wanted = {n.GetID(): n for n in nodes}
        for gone in set(self._watched) - set(wanted):
            node, tag = self._watched.pop(gone)
            node.RemoveObserver(tag)
        me = weakref.ref(self)
        for new in set(wanted) - set(self._watched):
            tag = wanted[new].AddObserver(
                vtk.vtkCommand.ModifiedEvent, lambda node, _: _alive(me, "_modified", node)
            )
            self._watched[new] = (wanted[new], tag)

    def _modified(self, node: Any) -> None:
        if self._scene.IsBatchProcessing():
            return
        index = self._combo.findData(node.GetID())
        if self._shown(node) != (index >= 0):
            self._refresh()
        elif index >= 0 and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName() or "")

    # Current node

    def _select(self, node_id: str) -> None:
        index = self._combo.findData(node_id)
        self._combo.setCurrentIndex(index if index >= 0 else (0 if self.noneEnabled else -1))

    def _tell(self, *_: Any) -> None:
        node_id = self.currentNodeID
        if node_id == self._told or (self._told is None and not node_id):
            return
        self._told = node_id
        node = self.currentNode()
        self.currentNodeChanged.emit(node)
        self._currentNodeValid.emit(node is not None)
        self.currentNodeIDChanged.emit(node_id)

    def currentNode(self) -> Any:
        node_id = self.currentNodeID
        return self._scene.GetNodeByID(node_id) if self._scene and node_id else None

    def setCurrentNode(self, node: Any) -> None:
        if node is not None and not isinstance(node, str | slicer.vtkMRMLNode):
            raise TypeError(f"setCurrentNode takes a node or its ID, not {node!r}")
        self._select(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        self._select(node_id)

    def setCurrentNodeIndex(self, index: int) -> None:
        self._combo.setCurrentIndex(index + (1 if self.noneEnabled and index >= 0 else 0))

    def nodeCount(self) -> int:
        return len(self._ids)

    def nodeFromIndex(self, index: int) -> Any:
        return self._scene.GetNodeByID(self._ids[index]) if 0 <= index < len(self._ids) else None

    def addNode(self, node_type: str | None = None) -> Any:
        kind = node_type or self.nodeTypes[0]
        base = (
            self.baseName or self._scene.GetTypeDisplayNameByClassName(kind) or kind.removeprefix("vtkMRML")
        )
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(base))
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        node = self.currentNode()
        if node is not None:
            self.nodeAboutToBeRemoved.emit(node)
            self._scene.RemoveNode(node)

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.append((node_type, name, None if value is None else str(value)))
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes = [a for a in self._attributes if a[:2] != (node_type, name)]
        self._refresh()

    currentNodeID = QtCore.Property(str, lambda self: self._combo.currentData() or "", setCurrentNodeID)
    nodeTypes = stored("QStringList", "nodeTypes", [], changed="_refresh")
    setNodeTypes = setter("nodeTypes")
    noneEnabled = stored(bool, "noneEnabled", False, changed="_refresh")
    setNoneEnabled = setter("noneEnabled")
    noneDisplay = stored(str, "noneDisplay", "None", changed="_refresh")
    setNoneDisplay = setter("noneDisplay")
    showHidden = stored(bool, "showHidden", False, changed="_refresh")
    setShowHidden = setter("showHidden")
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, changed="_refresh")
    setShowChildNodeTypes = setter("showChildNodeTypes")
    hideChildNodeTypes = stored("QStringList", "hideChildNodeTypes", [])
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    setSelectNodeUponCreation = setter("selectNodeUponCreation")
    addEnabled = stored(bool, "addEnabled", True)
    setAddEnabled = setter("addEnabled")
    removeEnabled = stored(bool, "removeEnabled", True)
    setRemoveEnabled = setter("removeEnabled")
    editEnabled = stored(bool, "editEnabled", False)
    setEditEnabled = setter("editEnabled")
    renameEnabled = stored(bool, "renameEnabled", False)
    setRenameEnabled = setter("renameEnabled")
    baseName = stored(str, "baseName", "")
    setBaseName = setter("baseName")
    interactionNodeSingletonTag = stored(str, "interactionNodeSingletonTag", "")


def _alive(reference: Any, method: str, *args: Any) -> None:
    """Call a method of a widget unless Python or Qt has deleted it: the scene outlives every widget."""
    widget = reference()
    if widget is not None and shiboken6.isValid(widget):
        getattr(widget, method)(*args)
