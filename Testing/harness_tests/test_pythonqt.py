"""Qt as a Slicer module sees it, and everything that has to raise."""

import pytest


@pytest.fixture
def qt(host):
    import qt

    return qt


def test_properties_are_attributes(qt):
    box = qt.QCheckBox("text")
    box.checked = True
    box.toolTip = "tip"
    box.enabled = False
    assert (box.text, box.checked, box.toolTip, box.enabled) == ("text", True, "tip", False)
    assert (box.isChecked(), box.size.width() > 0, box.width > 0) == (True, True, True)


def test_name_is_the_object_name(qt):
    label = qt.QLabel()
    label.name = "mine"
    assert label.objectName == "mine"
    assert label.className() == "QLabel"


def test_enums_are_ints(qt):
    assert int(qt.Qt.AlignLeft) == 1
    assert qt.QProcess.NormalExit == 0
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel == 0x400400


def test_alignment_and_frames_as_properties(qt):
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight
    label.frameShape = qt.QFrame.Box
    assert label.alignment == qt.Qt.AlignRight
    assert label.frameShape == qt.QFrame.Box


def test_timer_attributes(host, qt):
    timer, fired = qt.QTimer(), []
    timer.interval = 5
    timer.singleShot = True
    timer.connect("timeout()", lambda: fired.append(1))
    assert not timer.active
    timer.start()
    assert timer.active
    host.wait(lambda: fired, 2)
    assert (timer.singleShot, timer.interval) == (True, 5)


def test_static_single_shot(host, qt):
    fired = []
    qt.QTimer.singleShot(1, lambda: fired.append(1))
    host.wait(lambda: fired, 2)


def test_a_property_is_no_method(qt):
    with pytest.raises(TypeError):
        qt.QLabel("x").text()


def test_unknown_attributes_raise(qt):
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="has no attribute 'txt'"):
        label.txt = "x"
    with pytest.raises(AttributeError):
        label.txt  # noqa: B018


@pytest.mark.parametrize("name", ["setText", "clicked", "deleteLater"])
def test_assigning_over_methods_and_signals_raises(qt, name):
    with pytest.raises(AttributeError, match="method or signal"):
        setattr(qt.QPushButton(), name, None)


def test_read_only_properties_raise(qt):
    with pytest.raises(AttributeError, match="only be read"):
        qt.QTimer().active = True


def test_wrong_types_raise(qt):
    with pytest.raises(TypeError):
        qt.QLabel().text = None


def test_standins_are_as_strict(host):
    import ctk
    import slicer

    slider = ctk.ctkSliderWidget()
    with pytest.raises(AttributeError):
        slider.valeu = 3
    with pytest.raises(AttributeError, match="method or signal"):
        slider.setValue = None
    with pytest.raises(AttributeError, match="method or signal"):
        slicer.qMRMLNodeComboBox().currentNodeChanged = None
    with pytest.raises(TypeError):
        slider.value()


def test_python_subclasses_take_attributes_but_keep_methods(qt):
    class Mine(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.count = 3

    mine = Mine()
    mine.visible = False
    assert mine.count == 3
    with pytest.raises(AttributeError):
        mine.setVisible = None


def test_dynamic_properties_can_be_assigned(qt):
    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "scan")
    label.SlicerParameterName = "other"
    assert label.property("SlicerParameterName") == "other"


def test_connect_by_signature(qt):
    button, seen = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", seen.append)
    button.connect("clicked()", lambda: seen.append("none"))
    button.connect("clicked(bool)", lambda: seen.append("fewer"))
    button.click()
    assert seen == [True, "none", "fewer"]
    assert button.disconnect("clicked(bool)", seen.append)
    button.click()
    assert seen[3:] == ["none", "fewer"]


def test_connect_to_a_named_slot(qt):
    box, label = qt.QCheckBox(), qt.QLabel()
    box.connect("toggled(bool)", label, "setEnabled(bool)")
    label.enabled = False
    box.checked = True
    assert label.enabled


@pytest.mark.parametrize("signature", ["clickd()", "clicked(int)", "clicked", "currentIndexChanged(QString)"])
def test_unknown_signals_raise(qt, signature):
    with pytest.raises(AttributeError, match="no signal"):
        qt.QPushButton().connect(signature, print)


def test_overloads_of_standins(host):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    seen = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda n: seen.append(n.GetName()))
    selector.connect("currentNodeChanged(bool)", lambda valid: seen.append(valid))
    selector.nodeTypes = ["vtkMRMLTextNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "first")
    assert seen == ["first", True]
    with pytest.raises(AttributeError):
        selector.connect("currentNodeChanged(QString)", print)


def test_unknown_names_of_qt_raise(qt):
    with pytest.raises(AttributeError):
        qt.QNothing  # noqa: B018


def test_settings_are_private(host, qt):
    qt.QSettings().setValue("a/b", 3)
    assert int(qt.QSettings().value("a/b")) == 3
    assert qt.QSettings().fileName().startswith(host.app.temporaryPath)


def test_none_survives_many_calls(qt):
    label = qt.QLabel()
    for _ in range(200_000):
        label.update()
    assert label.update() is None
