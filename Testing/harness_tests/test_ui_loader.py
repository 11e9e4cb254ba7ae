"""A .ui file that names what does not exist is refused."""

import pytest
import slicer

HEAD = '<ui version="4.0"><class>T</class>'


def load(tmp_path, widgets, connections=""):
    file = tmp_path / "t.ui"
    file.write_text(f"{HEAD}{widgets}<connections>{connections}</connections></ui>")
    return slicer.util.loadUI(str(file))


def connection(signal, slot, sender="T", receiver="box"):
    tags = {"sender": sender, "signal": signal, "receiver": receiver, "slot": slot}
    return "<connection>" + "".join(f"<{k}>{v}</{k}>" for k, v in tags.items()) + "</connection>"


ROOT = '<widget class="qMRMLWidget" name="T">{}<widget class="QCheckBox" name="box"/></widget>'


def test_a_good_file(host, tmp_path):
    widget = load(tmp_path, ROOT.format(""), connection("toggled(bool)", "setHidden(bool)", "box", "T"))
    assert widget.className() == "qMRMLWidget"
    assert slicer.util.childWidgetVariables(widget).box.checked is False


@pytest.mark.parametrize(
    ("inside", "link", "message"),
    [
        ('<widget class="ctkNothing" name="x"/>', "", "unknown widget classes"),
        ('<property name="colour"><string>x</string></property>', "", "no property 'colour'"),
        ("", connection("nothing()", "click()"), "no signal"),
        ("", connection("toggled(int)", "click()", "box"), "no signal"),
        ("", connection("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"), "no slot"),
        ("", connection("toggled(bool)", "click()", "nobody"), "unknown widgets"),
    ],
)
def test_bad_files(host, tmp_path, inside, link, message):
    with pytest.raises(RuntimeError, match=message):
        load(tmp_path, ROOT.format(inside), link)


def test_a_missing_file(host):
    with pytest.raises(RuntimeError, match="no such file"):
        slicer.util.loadUI("/nowhere.ui")
