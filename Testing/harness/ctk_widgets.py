"""Stand-ins for the widgets of CTK that scripted modules use, with CTK's names of properties and signals."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.ctk_collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox
from harness.standin import forward, row, setter, stored

_STEPS = 1_000_000


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box beside it. The spin box holds the value; the slider shows it."""

    SIGNALS = {  # noqa: RUF012
        "valueChanged(double)": "valueChanged",
        "valueIsChanging(double)": "valueIsChanging",
        "decimalsChanged(int)": "decimalsChanged",
    }
    SLOTS = {"setValue(double)": "setValue", "reset()": "reset"}  # noqa: RUF012
    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._spin = QtWidgets.QDoubleSpinBox(self)
        row(self, self._slider, self._spin)
        self._slider.valueChanged.connect(self._slid)
        self._spin.valueChanged.connect(self._spun)
        self._scale()

    def _scale(self) -> None:
        """Give the slider as many steps as the range has, and put it where the value is."""
        span = self._spin.maximum() - self._spin.minimum()
        step = self._spin.singleStep() or 1.0
        count = int(min(_STEPS, max(1, round(span / step)))) if span < float("inf") else _STEPS
        self._slider.blockSignals(True)
        self._slider.setRange(0, count)
        share = (self._spin.value() - self._spin.minimum()) / span if 0 < span < float("inf") else 0
        self._slider.setValue(round(share * count))
        self._slider.blockSignals(False)

    def _slid(self, position: int) -> None:
        share = position / max(1, self._slider.maximum())
        low, high = self._spin.minimum(), self._spin.maximum()
        self._spin.setValue(low + share * (high - low))

    def _spun(self, value: float) -> None:
        self._scale()
        self.valueChanged.emit(value)

    def setMinimum(self, value: float) -> None:
        self._spin.setMinimum(value)
        self._scale()

    def setMaximum(self, value: float) -> None:
        self._spin.setMaximum(value)
        self._scale()

    def setRange(self, low: float, high: float) -> None:
        self._spin.setRange(low, high)
        self._scale()

    def setSingleStep(self, value: float) -> None:
        self._spin.setSingleStep(value)
        self._scale()

    def setDecimals(self, count: int) -> None:
        if count != self._spin.decimals():
            self._spin.setDecimals(count)
            self.decimalsChanged.emit(count)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def reset(self) -> None:
        self.setValue(0.0)

    value = forward(float, "_spin", "value", "setValue")
    minimum = QtCore.Property(float, lambda self: self._spin.minimum(), setMinimum)
    maximum = QtCore.Property(float, lambda self: self._spin.maximum(), setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._spin.singleStep(), setSingleStep)
    pageStep = stored(float, "pageStep", 10.0)
    setPageStep = setter("pageStep")
    decimals = QtCore.Property(int, lambda self: self._spin.decimals(), setDecimals)
    prefix = forward(str, "_spin", "prefix", "setPrefix")
    setPrefix = setter("prefix")
    suffix = forward(str, "_spin", "suffix", "setSuffix")
    setSuffix = setter("suffix")
    tickInterval = stored(float, "tickInterval", 0.0)
    tracking = forward(bool, "_slider", "hasTracking", "setTracking")
    setTracking = setter("tracking")
    spinBoxVisible = QtCore.Property(bool, lambda self: not self._spin.isHidden(), setSpinBoxVisible)
    popupSlider = stored(bool, "popupSlider", False)
    invertedAppearance = forward(bool, "_slider", "invertedAppearance", "setInvertedAppearance")


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """Slicer's spin box: here Qt's own, under another name."""


class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box that may have an icon; here it has none."""


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for the case that nothing is chosen."""

    defaultText = stored(str, "defaultText", "")
    setDefaultText = setter("defaultText")
    forceDefault = stored(bool, "forceDefault", False)

    def currentUserData(self) -> str:
        return str(self.currentData() or "")

    def setCurrentUserDataAsString(self, text: str) -> None:
        self.setCurrentIndex(self.findData(text))

    currentUserDataAsString = QtCore.Property(str, currentUserData, setCurrentUserDataAsString)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that can be typed or chosen."""

    SIGNALS = {  # noqa: RUF012
        "currentPathChanged(QString)": "currentPathChanged",
        "validInputChanged(bool)": "validInputChanged",
    }
    SLOTS = {"setCurrentPath(QString)": "setCurrentPath", "browse()": "browse"}  # noqa: RUF012
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Dirs, Drives, Files, NoSymLinks, Readable, Writable, Executable = 1, 4, 2, 8, 0x10, 0x20, 0x40
    AllEntries, NoFilter = 7, -1

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._edit = QtWidgets.QLineEdit(self)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        row(self, self._edit, self._button)
        self._edit.textChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(self.browse)

    def setCurrentPath(self, path: str) -> None:
        self._edit.setText(path)

    def browse(self) -> None:
        dialog = QtWidgets.QFileDialog
        folders = self.filters > 0 and not self.filters & self.Files
        ask = dialog.getExistingDirectory if folders else dialog.getOpenFileName
        path = ask(self, self.label or "Select a path", self.currentPath)
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self) -> None:
        """A history is kept by Slicer only."""

    currentPath = forward(str, "_edit", "text", "setText")
    label = stored(str, "label", "")
    filters = stored(int, "filters", AllEntries)
    options = stored(int, "options", 0)
    nameFilters = stored("QStringList", "nameFilters", [])
    settingKey = stored(str, "settingKey", "")
    showBrowseButton = stored(bool, "showBrowseButton", True)
    showHistoryButton = stored(bool, "showHistoryButton", True)
    minimumContentsLength = stored(int, "minimumContentsLength", 0)


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another."""

    SIGNALS = {  # noqa: RUF012
        "directoryChanged(QString)": "directoryChanged",
        "directorySelected(QString)": "directorySelected",
    }
    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._button = QtWidgets.QPushButton(self)
        row(self, self._button)
        self._button.clicked.connect(self.browse)

    def browse(self) -> None:
        path = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if path:
            self.setDirectory(path)
            self.directorySelected.emit(path)

    def _changed(self) -> None:
        self._button.setText(self.text or self.directory)
        self.directoryChanged.emit(self.directory)

    directory = stored(str, "directory", "", changed="_changed")
    setDirectory = setter("directory")
    caption = stored(str, "caption", "")
    text = stored(str, "text", "", changed="_changed")


class ctkExpandableWidget(QtWidgets.QFrame):
    """A frame that a person can enlarge in Slicer; here it only holds its contents."""


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as tall as its text."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.textChanged.connect(self._fit)

    def _fit(self) -> None:
        document = self.document().clone()
        document.setTextWidth(max(50, self.viewport().width()))
        self.setFixedHeight(int(document.size().height()) + 2 * self.frameWidth() + 2)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fit()

    collapsed = stored(bool, "collapsed", True)
    setCollapsed = setter("collapsed")
    disableMouseScroll = stored(bool, "disableMouseScroll", False)


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    dontShowAgain = stored(bool, "dontShowAgain", False)
    setDontShowAgain = setter("dontShowAgain")
    dontShowAgainVisible = stored(bool, "dontShowAgainVisible", False)
    setDontShowAgainVisible = setter("dontShowAgainVisible")
    dontShowAgainSettingsKey = stored(str, "dontShowAgainSettingsKey", "")
    setDontShowAgainSettingsKey = setter("dontShowAgainSettingsKey")


CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        ctkCheckBox,
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleSpinBox,
        ctkExpandableWidget,
        ctkFittedTextBrowser,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkSliderWidget,
    )
}


def module() -> types.ModuleType:
    """The module ``ctk``."""
    ctk = types.ModuleType("ctk", "Stand-ins for CTK's widgets.")
    ctk.__dict__.update(CLASSES)
    return ctk
