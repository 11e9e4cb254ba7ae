"""What must not go by unseen: exceptions in slots and observers, dialogs, messages."""

import pytest
import slicer
from harness import UnexpectedDialog


def test_an_exception_in_a_slot_is_reported(host):
    import qt

    button = qt.QPushButton()
    button.clicked.connect(lambda: 1 / 0)
    button.click()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        host.check()
    host.check()


def test_an_exception_in_a_connected_signature_is_reported(host):
    import qt

    button = qt.QPushButton()
    button.connect("clicked()", lambda: [][1])
    button.click()
    with pytest.raises(AssertionError, match="IndexError"):
        host.check()


def test_an_exception_in_an_observer_is_reported(host):
    slicer.mrmlScene.AddObserver("ModifiedEvent", lambda *_: {}["key"])
    slicer.mrmlScene.Modified()
    with pytest.raises(AssertionError, match="KeyError"):
        host.check()
    slicer.mrmlScene.RemoveObservers("ModifiedEvent")


def test_waiting_ends_when_a_slot_fails(host):
    import qt

    qt.QTimer.singleShot(1, lambda: 1 / 0)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        host.wait(lambda: False, 5)


def test_waiting_ends_in_time(host):
    with pytest.raises(TimeoutError):
        host.wait(lambda: False, 0.05)


def test_an_expected_error_is_answered(host, sample):
    host.answers.expect(kind="error", text="broken on purpose")
    sample.ui.failButton.click()
    assert "Traceback" in host.answers.asked[0].details
    # The module raises on after its message, as tryWithErrorDisplay does.
    with pytest.raises(AssertionError, match="broken on purpose"):
        host.check()


def test_an_unexpected_dialog_is_a_failure(host):
    with pytest.raises(UnexpectedDialog):
        slicer.util.warningDisplay("never announced")
    with pytest.raises(AssertionError, match="nobody expected"):
        host.check()


def test_the_wrong_dialog_is_a_failure(host):
    host.answers.expect(True, kind="confirm", text="Delete")
    with pytest.raises(UnexpectedDialog, match="Install"):
        slicer.util.confirmOkCancelDisplay("Install?")
    with pytest.raises(AssertionError):
        host.check()


def test_a_dialog_that_never_comes_is_a_failure(host):
    host.answers.expect(True)
    with pytest.raises(AssertionError, match="never came"):
        host.check()


def test_answers_reach_every_kind_of_dialog(host):
    import ctk
    import qt

    host.answers.expect(True, kind="confirm")
    assert slicer.util.confirmYesNoDisplay("Sure?") is True
    host.answers.expect(qt.QMessageBox.No, kind="question")
    assert qt.QMessageBox.question(None, "Title", "Text") == qt.QMessageBox.No
    host.answers.expect("/somewhere/scan.nrrd", kind="file")
    assert qt.QFileDialog.getOpenFileName(None, "Open") == "/somewhere/scan.nrrd"
    host.answers.expect(lambda box: box.text + "!", kind="box")
    box = ctk.ctkMessageBox()
    box.text = "Really"
    assert box.exec_() == "Really!"
    host.answers.expect(1, kind="dialog")
    assert qt.QDialog().exec_() == 1
    host.answers.expect("/folder", kind="file")
    path = ctk.ctkPathLineEdit()
    path.browse()
    assert path.currentPath == "/folder"


def test_testing_mode_asks_nobody(host):
    host.app.setTestingEnabled(True)
    assert slicer.util.confirmOkCancelDisplay("Sure?") is True
    assert host.answers.asked == []
