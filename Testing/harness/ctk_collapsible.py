"""Stand-ins for CTK's widgets that fold their contents away."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from harness.standin import UNLIMITED, setter, stored


class Folding:
    """Hides the direct children of a widget and brings back those that were visible."""

    def __init__(self, owner: QtWidgets.QWidget) -> None:
        self.owner = owner
        self.folded = False
        self._hidden: list[QtWidgets.QWidget] = []
        self._busy = False

    def children(self) -> list[QtWidgets.QWidget]:
        return [c for c in self.owner.children() if isinstance(c, QtWidgets.QWidget) and not c.isWindow()]

    def fold(self, folded: bool) -> None:
        if folded == self.folded:
            return
        self.folded, self._busy = folded, True
        if folded:
            self._hidden = [c for c in self.children() if not c.isHidden()]
            for child in self._hidden:
                child.hide()
        else:
            for child in self._hidden:
                child.show()
            self._hidden = []
        self._busy = False

    def child_shown(self, child: Any) -> None:
        """A module may show a child while all are folded: it appears only when they unfold."""
        if self.folded and not self._busy:
            self._busy = True
            child.hide()
            self._busy = False
            if child not in self._hidden:
                self._hidden.append(child)

    def child_hidden(self, child: Any) -> None:
        if self.folded and not self._busy and child in self._hidden:
            self._hidden.remove(child)


class _Watcher(QtCore.QObject):
    """Tells a Folding when children are shown or hidden behind its back."""

    def __init__(self, folding: Folding) -> None:
        super().__init__(folding.owner)
        self._folding = folding

    def eventFilter(self, child: Any, event: Any) -> bool:
        if event.type() == QtCore.QEvent.Type.ShowToParent:
            self._folding.child_shown(child)
        elif event.type() == QtCore.QEvent.Type.HideToParent:
            self._folding.child_hidden(child)
        return False


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A title that folds what lies below it."""

    SIGNALS = {"contentsCollapsed(bool)": "contentsCollapsed"}  # noqa: RUF012
    contentsCollapsed = QtCore.Signal(bool)
    _HEADER = 24

    def __init__(self, *args: Any) -> None:
        texts = [a for a in args if isinstance(a, str)]
        super().__init__(next((a for a in args if isinstance(a, QtWidgets.QWidget)), None))
        self._folding = Folding(self)
        self._watcher = _Watcher(self._folding)
        self.setText(texts[0] if texts else "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self._HEADER, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.toggled.connect(lambda open_: self._fold(not open_))

    def _fold(self, folded: bool) -> None:
        self._folding.fold(folded)
        self.setMaximumHeight(self._HEADER if folded else UNLIMITED)
        self.updateGeometry()
        self.contentsCollapsed.emit(folded)

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), setCollapsed)
    collapsedHeight = stored(int, "collapsedHeight", 10)
    setCollapsedHeight = setter("collapsedHeight")
    flat = stored(bool, "flat", False)
    setFlat = setter("flat")
    contentsLineWidth = stored(int, "contentsLineWidth", 1)
    contentsMidLineWidth = stored(int, "contentsMidLineWidth", 0)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if event.type() == QtCore.QEvent.Type.ChildPolished and isinstance(child, QtWidgets.QWidget):
            child.installEventFilter(self._watcher)
            if self._folding.folded and not child.isHidden():
                self._folding.child_shown(child)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._HEADER

    def minimumSizeHint(self) -> QtCore.QSize:
        inner = (
            self.layout().totalMinimumSize() if self.layout() and self.isChecked() else QtCore.QSize(60, 0)
        )
        return QtCore.QSize(max(60, inner.width()), max(self._HEADER, inner.height()))

    def sizeHint(self) -> QtCore.QSize:
        if not self.layout() or not self.isChecked():
            return self.minimumSizeHint()
        return self.layout().totalSizeHint().expandedTo(self.minimumSizeHint())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._HEADER)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (self._HEADER - 12) // 2, 12, 12)
        element = QtWidgets.QStyle.PrimitiveElement
        painter.drawPrimitive(
            element.PE_IndicatorArrowDown if self.isChecked() else element.PE_IndicatorArrowRight, arrow
        )
        flags = QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.TextFlag.TextShowMnemonic
        painter.drawText(QtCore.QRect(24, 0, self.width() - 28, self._HEADER), int(flags), self.text())
        if self.isChecked():
            painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.Mid))
            painter.drawRect(0, self._HEADER - 1, self.width() - 1, self.height() - self._HEADER)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box that folds its contents when unchecked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._folding = Folding(self)
        self.setCheckable(True)
        self.toggled.connect(self._fold)

    def _fold(self, open_: bool) -> None:
        self._folding.fold(not open_)
        self.setMaximumHeight(UNLIMITED if open_ else 26)

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), setCollapsed)
    collapsedHeight = stored(int, "collapsedHeight", 14)
    setCollapsedHeight = setter("collapsedHeight")
