"""What cannot be translated is said in the panel, with details to copy; nothing stays in the scene."""

import numpy as np
import pytest
import vtk

from SynthLogic.scene import is_synthetic
from SynthLogic.volume import Volume


def flawed(subject, kind):
    array = subject.ct.array.astype(np.float32)
    if kind == "nan":
        array[3, 4, 5] = np.nan
    elif kind == "infinite":
        array[3, 4, 5] = np.inf
    elif kind == "constant":
        array[:] = 40
    elif kind == "no HU offset":
        array = (array + 1024).clip(0)
    return Volume(array.astype(np.int16) if kind == "no HU offset" else array, subject.ct.ijk_to_ras)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nan", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
        ("constant", "no image"),
        ("no HU offset", "subtract 1024"),
    ],
)
def test_bad_voxels(user, subject, host, kind, words):
    scan = user.add(flawed(subject, kind), "Bad")
    nodes = host.scene.GetNumberOfNodes()
    user.choose(scan)
    assert words in user.ui.messageLabel.text
    assert user.ui.messageFrame.visible
    assert not user.ui.synthesizeButton.enabled
    assert "cannot be translated" in user.ui.seenLabel.text
    assert host.scene.GetNumberOfNodes() == nodes


def test_colour_image(user, host):
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Colour")
    node.SetAndObserveImageData(image)
    user.choose(node)
    assert "3 numbers a voxel" in user.ui.messageLabel.text


def test_volume_without_voxels(user, host):
    user.choose(host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    assert "no voxels" in user.ui.messageLabel.text
    assert not user.ui.synthesizeButton.enabled


def test_warped_scan(user, subject, host):
    scan = user.add(subject.ct, "CT")
    warp = host.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    scan.SetAndObserveTransformNodeID(warp.GetID())
    user.choose(scan)
    assert "harden" in user.ui.messageLabel.text.lower()


def test_small_field_of_view_needs_a_decision(user, subject, host):
    cut = subject.ct.array[:, 24:40, 24:40]
    scan = user.add(Volume(np.ascontiguousarray(cut), subject.ct.ijk_to_ras), "Cut")
    user.choose(scan)
    assert user.ui.messageFrame.visible
    assert user.ui.forceButton.visible
    assert not user.ui.synthesizeButton.enabled
    user.ui.forceButton.click()
    user.click()
    assert is_synthetic(user.finish())


def test_device_that_does_not_exist(user, subject):
    user.choose(user.add(subject.ct, "CT"))
    user.panel._parameters.device = "cuda:7"
    user.click()
    user.wait(lambda: not user.panel.runs)
    assert "cuda:7" in user.ui.messageLabel.text
    assert user.synthetic() == []
    user.panel._parameters.device = "auto"
    user.click()
    assert is_synthetic(user.finish())
    assert not user.ui.messageFrame.visible


def test_region_beside_the_scan(user, subject, host):
    user.choose(user.add(subject.ct, "CT"))
    roi = host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Elsewhere")
    roi.SetCenter(5000, 0, 0)
    roi.SetSize(10, 10, 10)
    user.ui.regionSelector.setCurrentNode(roi)
    user.click()
    user.wait(lambda: not user.panel.runs)
    assert "region" in user.ui.messageLabel.text.lower()
    assert user.synthetic() == []


def test_details_can_be_copied(user, subject, host):
    import qt

    user.choose(user.add(flawed(subject, "constant"), "Doe^John"))
    user.ui.copyDetailsButton.click()
    text = qt.QApplication.clipboard().text()
    assert user.ui.messageLabel.text in text
    assert "Doe" not in text
    user.ui.dismissButton.click()
    assert not user.ui.messageFrame.visible
