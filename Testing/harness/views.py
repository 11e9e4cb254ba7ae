"""Slice views: what the slice logic blends, painted as it is. No segmentations, markups or corner texts."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy

_BAR = 18
_COLORS = {"Red": "#f34a33", "Green": "#6eb04b", "Yellow": "#edd54c"}


class SliceView(QtWidgets.QWidget):
    """The picture of one slice. Its size in pixels is the slice node's size.

    Attributes:
        drawn_at: when it was last drawn on the screen, by ``time.perf_counter``; 0 before.
    """

    def __init__(self, logic: Any, parent: Any = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self.drawn_at = 0.0
        self.setMinimumSize(60, 60)
        # Both events: a new opacity is an event of the composite node only.
        for event in ("ModifiedEvent", slicer.vtkMRMLSliceLogic.CompositeModifiedEvent):
            logic.AddObserver(event, lambda *_: self.update())

    def pixels(self) -> np.ndarray:
        """What is shown now, (height, width, 3) uint8, first row on top."""
        width, height = self._logic.GetSliceNode().GetDimensions()[:2]
        connection = self._logic.GetImageDataConnection()
        if connection is None or width * height == 0:
            return np.zeros((max(1, height), max(1, width), 3), np.uint8)
        producer = connection.GetProducer()
        producer.Update()
        image = producer.GetOutputDataObject(connection.GetIndex())
        columns, rows, _ = image.GetDimensions()
        scalars = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
        # VTK's first row is at the bottom; where nothing is, alpha is 0 and the background is black.
        rgb = scalars[::-1, :, :3]
        shown = scalars[::-1, :, 3:4] > 0 if scalars.shape[2] > 3 else np.ones((rows, columns, 1), bool)
        return np.ascontiguousarray(np.where(shown, rgb, 0).astype(np.uint8))

    def pixel_of(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """(row, column) at which a point of the patient appears, at whatever depth it lies.

        Raises:
            IndexError: outside the picture.
        """
        node = self._logic.GetSliceNode()
        matrix = slicer.util.arrayFromVTKMatrix(node.GetXYToRAS())
        x, y = np.linalg.solve(matrix, [*ras, 1.0])[:2]
        width, height = node.GetDimensions()[:2]
        row, column = height - 1 - round(float(y)), round(float(x))
        if not (0 <= row < height and 0 <= column < width):
            raise IndexError(f"{ras} lies outside the view, at row {row}, column {column}")
        return row, column

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        if self.width() > 0 and self.height() > 0:
            # A size of nothing divides by zero inside the slice node.
            self._logic.ResizeSliceNode(self.width(), self.height())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        rgb = self.pixels()
        image = QtGui.QImage(
            rgb.data, rgb.shape[1], rgb.shape[0], rgb.strides[0], QtGui.QImage.Format.Format_RGB888
        )
        painter = QtGui.QPainter(self)
        painter.drawImage(self.rect(), image)
        painter.end()
        self.drawn_at = time.perf_counter()


class SliceWidget(QtWidgets.QFrame):
    """A slice view below its bar: name and position, as Slicer shows them."""

    def __init__(self, name: str, logic: Any, parent: Any = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._name = name
        self._bar = QtWidgets.QLabel(self)
        self._bar.setFixedHeight(_BAR)
        self._bar.setStyleSheet(f"background: {_COLORS[name]}; color: black; padding-left: 4px;")
        self._view = SliceView(logic, self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._view, 1)
        logic.AddObserver("ModifiedEvent", lambda *_: self._label())
        self._label()

    def _label(self) -> None:
        orientation = self._logic.GetSliceNode().GetOrientation()
        self._bar.setText(f"{self._name[0]}  {orientation}  {self._logic.GetSliceOffset():.1f} mm")

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def sliceLogic(self) -> Any:
        return self._logic

    def sliceView(self) -> SliceView:
        return self._view

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()


class LayoutManager(QtCore.QObject):
    """``slicer.app.layoutManager()``: three slice views, no 3D view."""

    SIGNALS = {"layoutChanged(int)": "layoutChanged"}  # noqa: RUF012
    layoutChanged = QtCore.Signal(int)

    def __init__(self, root: Any) -> None:
        super().__init__()
        self._root = root
        self._widgets = {name: SliceWidget(name, logic) for name, logic in root.slices.items()}
        self._viewport = QtWidgets.QWidget()
        self._viewport.setStyleSheet("background: #101010;")
        grid = QtWidgets.QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        grid.addWidget(self._widgets["Red"], 0, 0, 1, 2)
        grid.addWidget(self._widgets["Green"], 1, 0)
        grid.addWidget(self._widgets["Yellow"], 1, 1)
        for row in (0, 1):
            grid.setRowStretch(row, 1)
            grid.setColumnStretch(row, 1)

    def viewport(self) -> QtWidgets.QWidget:
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._widgets)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._widgets.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._root.application.GetSliceLogics()

    def layoutLogic(self) -> Any:
        return self._root.layout

    def setLayout(self, number: int) -> None:
        """Noted in the layout node; the views stay as they are."""
        self._root.layout.GetLayoutNode().SetViewArrangement(number)
        self.layoutChanged.emit(number)

    def resetSliceViews(self) -> None:
        for logic in self._root.slices.values():
            logic.FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """There is no 3D view."""

    layout = QtCore.Property(
        int, lambda self: self._root.layout.GetLayoutNode().GetViewArrangement(), setLayout
    )
    threeDViewCount = QtCore.Property(int, lambda self: 0)
    tableViewCount = QtCore.Property(int, lambda self: 0)
    plotViewCount = QtCore.Property(int, lambda self: 0)
