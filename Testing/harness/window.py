"""The main window: the module's panel on the left, the slice views on the right, as in Slicer."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_PANEL_WIDTH = 460


class Window(QtWidgets.QMainWindow):
    """Stands for Slicer's main window."""

    def __init__(self, views: QtWidgets.QWidget) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("Test harness - not 3D Slicer")
        # Offscreen, Qt takes any font it finds: name one that can be read.
        font = QtGui.QFont("DejaVu Sans")
        font.setPixelSize(12)
        QtWidgets.QApplication.setFont(font)
        self._title = QtWidgets.QLabel()
        self._title.setStyleSheet("font-size: 15px; font-weight: bold; padding: 6px;")
        self._scroll = QtWidgets.QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        panel = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(panel)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._title)
        column.addWidget(self._scroll, 1)
        splitter = QtWidgets.QSplitter()
        splitter.addWidget(panel)
        splitter.addWidget(views)
        splitter.setSizes([_PANEL_WIDTH, 800])
        splitter.setStretchFactor(0, 0)
        splitter.setStretchFactor(1, 1)
        self.setCentralWidget(splitter)
        self.statusBar().setSizeGripEnabled(False)
        self.resize(1280, 860)

    def show_module(self, parent: Any, frame: QtWidgets.QWidget) -> None:
        self._title.setText(parent.title)
        if self._scroll.widget() is not frame:
            self._scroll.takeWidget()
            self._scroll.setWidget(frame)
        frame.show()

    def forget(self, frame: QtWidgets.QWidget) -> None:
        if self._scroll.widget() is frame:
            self._scroll.takeWidget()
        frame.hide()
        frame.deleteLater()
