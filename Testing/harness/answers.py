"""Dialogs answered by a queue: what nobody expected is a failed test, and so is what never came."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtWidgets


class UnexpectedDialog(AssertionError):
    """A dialog came up that the test had not announced."""


@dataclass(frozen=True)
class Dialog:
    """A dialog that was asked. ``kind``: error, warning, info, confirm, question, file, input, dialog..."""

    kind: str
    text: str
    title: str = ""
    details: str = ""


@dataclass(frozen=True)
class Expected:
    answer: Any
    kind: str | None
    pattern: str | None

    def fits(self, dialog: Dialog) -> bool:
        if self.kind is not None and self.kind != dialog.kind:
            return False
        return self.pattern is None or re.search(self.pattern, dialog.text) is not None


class Answers:
    """The test's side of every dialog, in the order in which they come.

    Attributes:
        asked: every dialog so far in this test.
        interactive: show dialogs to a person instead, for the window that is opened by hand.
    """

    def __init__(self) -> None:
        self._queue: list[Expected] = []
        self._problems: list[str] = []
        self.asked: list[Dialog] = []
        self.interactive = False

    def expect(self, answer: Any = None, kind: str | None = None, text: str | None = None) -> None:
        """Announce a dialog.

        Args:
            answer: what the call returns; for ``kind="dialog"`` it may be a function that gets the dialog.
            kind: its kind, if it matters.
            text: a regular expression to find in its text, if it matters.
        """
        self._queue.append(Expected(answer, kind, text))

    def ask(self, dialog: Dialog, widget: Any = None) -> Any:
        self.asked.append(dialog)
        if not self._queue or not self._queue[0].fits(dialog):
            awaited = f"expected was {self._queue[0]}" if self._queue else "none was expected"
            problem = f"dialog nobody expected: {dialog}; {awaited}"
            self._problems.append(problem)
            raise UnexpectedDialog(problem)
        answer = self._queue.pop(0).answer
        return answer(widget) if widget is not None and callable(answer) else answer

    def problems(self) -> list[str]:
        """What went wrong with dialogs, including those that never came."""
        return self._problems + [f"dialog never came: {e}" for e in self._queue]

    def clear(self) -> None:
        self._queue.clear()
        self._problems.clear()
        self.asked.clear()

    def execute(self, dialog: QtWidgets.QDialog) -> Any:
        """Stand-in for ``dialog.exec()``: a box that blocks would block the test for ever."""
        if self.interactive:
            return dialog.exec()
        if not isinstance(dialog, QtWidgets.QMessageBox):
            return self.ask(Dialog("dialog", "", dialog.windowTitle()), dialog)
        return self.ask(Dialog("box", dialog.text(), dialog.windowTitle(), dialog.detailedText()), dialog)

    def install(self) -> None:
        """Answer the static functions of Qt's dialogs."""

        def patch(cls: type, name: str, replacement: Callable) -> None:
            original = getattr(cls, name)

            def static(*args: Any, **kwargs: Any) -> Any:
                return (original if self.interactive else replacement)(*args, **kwargs)

            setattr(cls, name, staticmethod(static))

        def box(kind: str) -> Callable:
            return lambda parent, title="", text="", *rest, **more: self.ask(Dialog(kind, text, title))

        for name, kind in [
            ("information", "info"),
            ("warning",) * 2,
            ("critical", "error"),
            ("question",) * 2,
        ]:
            patch(QtWidgets.QMessageBox, name, box(kind))
        for name in ("getOpenFileName", "getSaveFileName", "getExistingDirectory", "getOpenFileNames"):
            # PythonQt returns the path alone, PySide6 would return it with the filter.
            patch(
                QtWidgets.QFileDialog,
                name,
                lambda parent=None, caption="", *rest, **more: self.ask(Dialog("file", caption, caption)),
            )
        for name in ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"):
            patch(
                QtWidgets.QInputDialog,
                name,
                lambda parent, title="", label="", *rest, **more: self.ask(Dialog("input", label, title)),
            )
