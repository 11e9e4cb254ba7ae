"""What went wrong and what to do, with details to copy; and the log."""

import qt

from CrossModalSynthLib.translation import CANCELLED

OVERLAP = 400


class Messages:
    """The message below the button, and the section "Log".

    Args:
        ui: with ``messageFrame``, ``messageLabel``, ``forceButton``, ``copyDetailsButton``,
            ``dismissButton``, ``logText``.
    """

    def __init__(self, ui):
        self.ui = ui
        self._details = ""
        self._ofLook = False
        self._workerLog = ""
        ui.copyDetailsButton.connect("clicked(bool)", self._onCopyDetails)
        ui.dismissButton.connect("clicked(bool)", self.hide)

    def show(self, text, details="", canForce=False, ofLook=False):
        """Show ``text``.

        Args:
            text: one sentence or a few.
            details: more to copy.
            canForce: "Go on anyway" is offered.
            ofLook: it is about the scan as it was looked at: another look makes it obsolete.
        """
        self._details = f"{text}\n\n{details}".strip()
        self._ofLook = ofLook
        self.ui.messageLabel.text = text
        self.ui.forceButton.visible = canForce
        self.ui.messageFrame.visible = True

    def showFailure(self, failure, ofLook=False):
        """Show why nothing came of something, unless the user wanted it so."""
        if failure.kind != CANCELLED:
            self.note(failure.message)
            self.show(failure.message, failure.detail, ofLook=ofLook)

    def hide(self, checked=False):
        """Show no message."""
        self.ui.messageFrame.visible = False

    def hideOfLook(self):
        """Show no message about how the scan was."""
        if self._ofLook:
            self.hide()

    def note(self, line):
        """Write a line into the log."""
        self.ui.logText.appendPlainText(line)

    def followWorker(self, log):
        """Write what is new at the end of the worker's own log."""
        last = self._workerLog[-OVERLAP:]
        # The client keeps the end of a long log; another worker begins anew.
        start = log.rfind(last) if last else -1
        new = log[start + len(last) :] if start >= 0 else log
        self._workerLog = log
        if new.strip():
            self.ui.logText.appendPlainText(new.rstrip())

    def _onCopyDetails(self, checked=False):
        qt.QApplication.clipboard().setText(self._details)
