"""A whole module: loaded, bound to its parameter node, closed, reloaded, unloaded."""

import pathlib

import numpy as np
import pytest
import slicer


def volume(name="scan"):
    return slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name)


def test_it_opens_with_its_defaults(host, sample):
    assert sample.calls == ["enter"]
    assert sample.parent.parentWidget() is not None
    ui, node = sample.ui, sample._parameterNode
    assert (ui.opacitySlider.value, ui.invertBox.checked, ui.sideBox.currentText) == (40.0, True, "RIGHT")
    assert (ui.labelEdit.text, ui.planesBox.value, ui.cornerBox.value) == ("untitled", 1, 2)
    assert (node.scan, node.other, node.names == [], node.corner.y) == (None, None, True, 2)
    assert not ui.runButton.enabled
    assert slicer.modules.SampleWidget is sample
    assert slicer.util.getModule("Sample").title == "Sample"


def test_text_is_kept_as_in_slicer(sample):
    node = sample._parameterNode
    node.names = ["a", "b"]
    stored = sample.logic.getParameterNode()
    expected = {
        "opacity": "40.0",
        "invert": "True",
        "side": "RIGHT",
        "names.len": "2",
        "names.1": "b",
        "corner.y": "2",
    }
    assert {k: stored.GetParameter(k) for k in expected} == expected


def test_widgets_write_parameters(sample):
    ui, node = sample.ui, sample._parameterNode
    scan = volume()
    ui.scanSelector.setCurrentNode(scan)
    ui.opacitySlider.value = 70
    ui.invertBox.checked = False
    ui.deviceBox.currentIndex = 1
    ui.sideBox.setCurrentIndex(0)
    ui.planesBox.value = 3
    ui.labelEdit.text = "new"
    ui.folderEdit.currentPath = "/x"
    ui.cornerBox.value = 7
    assert (node.scan, node.opacity, node.invert, node.device) == (scan, 70.0, False, "cuda:0")
    assert (node.side.value, node.planes, node.label, node.folder) == ("left", 3, "new", pathlib.Path("/x"))
    assert node.corner.y == 7
    assert ui.runButton.enabled
    assert not ui.labelEdit.enabled
    assert sample.logic.getParameterNode().GetNodeReference("scan") is scan


def test_parameters_write_widgets(sample):
    ui, node = sample.ui, sample._parameterNode
    scan = volume()
    node.scan, node.opacity, node.invert, node.device = scan, 5, False, "cuda:0"
    node.corner.y = 4
    assert (ui.scanSelector.currentNode(), ui.opacitySlider.value, ui.invertBox.checked) == (scan, 5.0, False)
    assert (ui.deviceBox.currentText, ui.cornerBox.value) == ("cuda:0", 4)


def test_validators(sample):
    node = sample._parameterNode
    for name, value in [
        ("opacity", 101),
        ("device", "tpu"),
        ("planes", None),
        ("names", [1]),
        ("invert", "yes"),
    ]:
        with pytest.raises((ValueError, TypeError)):
            setattr(node, name, value)
    with pytest.raises(ValueError, match="within"):
        node.corner.y = 10
    assert node.opacity == 40.0


def test_optional_nodes_and_lists_change_in_place(sample):
    node = sample._parameterNode
    node.other = volume()
    assert node.other.GetName() == "scan"
    node.other = None
    assert node.other is None
    node.names.append("c")
    assert list(node.names) == ["c"]


def test_the_selector_follows_the_scene(sample):
    selector = sample.ui.scanSelector
    first, second = volume("a"), volume("b")
    assert (selector.nodeCount(), selector.currentNode()) == (2, None)
    selector.setCurrentNode(second)
    second.SetName("renamed")
    assert selector.findChild(type(sample.ui.deviceBox)).currentText == "renamed"
    slicer.mrmlScene.RemoveNode(second)
    assert selector.currentNode() is first
    assert sample._parameterNode.scan is first
    first.SetHideFromEditors(True)
    assert selector.nodeCount() == 0


def test_selector_filters_by_attribute(host):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Synthetic", "1")
    selector.setMRMLScene(slicer.mrmlScene)
    node = volume()
    assert selector.nodeCount() == 0
    node.SetAttribute("Synthetic", "1")
    assert selector.currentNodeID == node.GetID()


def test_closing_the_scene(host, sample):
    sample._parameterNode.scan = volume()
    sample._parameterNode.opacity = 9
    host.close_scene()
    assert sample.ui.scanSelector.nodeCount() == 0
    assert sample._parameterNode is not None
    assert (sample._parameterNode.scan, sample.ui.opacitySlider.value) == (None, 40.0)
    sample._parameterNode.scan = volume()
    assert sample.ui.runButton.enabled


def test_reloading(host, sample):
    sample._parameterNode.opacity = 9
    fresh = host.reload_module()
    assert sample.calls == ["enter", "cleanup"]
    assert fresh is not sample
    assert type(fresh) is not type(sample)
    assert fresh.ui.opacitySlider.value == 9
    assert not sample.ui.runButton.visible
    host.unload_module("Sample")
    assert (sample.calls.count("cleanup"), fresh.calls) == (1, ["exit", "cleanup"])
    assert not hasattr(slicer.modules, "SampleWidget")


def test_a_process_round_trip(host, sample):
    sample._parameterNode.scan = volume()
    sample.ui.runButton.click()
    host.wait(lambda: sample.ui.progressBar.value == 100, 20)
    assert sample.ui.statusLabel.text == "HELLO"
    assert sample.calls[-1] == ("run", False)


def test_collapsible_sections_hide_their_contents(host, sample):
    button, section = sample.ui.failButton, sample.ui.advanced
    assert not button.visible
    button.show()
    assert not button.visible
    section.collapsed = False
    assert button.visible
    section.checked = False
    assert (button.visible, section.collapsed) == (False, True)
    assert sample.note.visible


def test_sample_data(host, sample):
    import SampleData

    (block,) = SampleData.SampleDataLogic().press("Block")
    assert block.GetName() == "Block"
    with pytest.raises(TypeError, match="uris"):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="None", customDownloader=print)


def test_packages(host, tmp_path):
    import PyTorchUtils
    import slicer.packaging

    file = tmp_path / "requirements.txt"
    file.write_text("# comment\nnumpy>=1.20\nnowhere-to-be-found>=2\n")
    requirements = slicer.packaging.load_requirements(str(file))
    host.answers.expect(True, kind="confirm", text="nowhere-to-be-found")
    slicer.packaging.pip_ensure(requirements, requester="Sample")
    slicer.packaging.pip_ensure(requirements, requester="Sample")
    assert host.packages.installed == [("pip", "nowhere-to-be-found>=2")]
    host.packages.missing = {"torch"}
    assert not PyTorchUtils.PyTorchUtilsLogic.torchInstalled()
    host.answers.expect(False, kind="confirm")
    assert PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is None
    host.packages.failure = "no network"
    with pytest.raises(Exception, match="returned non-zero"):
        PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=">=2")
    host.packages.failure = None
    PyTorchUtils.PyTorchUtilsLogic().installTorch()
    assert PyTorchUtils.PyTorchUtilsLogic.torchInstalled()


def test_console_process(host):
    import sys

    lines, codes = [], []
    slicer.util.launchConsoleProcess(
        [sys.executable, "-c", "print('a'); print('b'); raise SystemExit(3)"],
        blocking=False,
        logCallback=lines.append,
        completedCallback=codes.append,
    )
    host.wait(lambda: codes, 20)
    assert (lines, codes) == (["a", "b"], [3])


def test_modules_test_runs(host, sample):
    slicer.selfTests["Sample"](msec=1)


def test_unknown_module_attributes_raise(host):
    from harness.scripted_module import ModuleParent

    with pytest.raises(AttributeError):
        ModuleParent("x", "/x.py").titel = "x"
