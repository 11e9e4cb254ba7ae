"""Slice views show the scene's voxels; scenes are saved and read; pictures, stalls and memory."""

import time

import numpy as np
import psutil
import pytest
import slicer
from PySide6.QtGui import QImage


def bright(host, value=1000, background=0, at=(10, 15, 20), shape=(20, 30, 40), name="scan"):
    array = np.full(shape, background, np.int16)
    array[at] = value
    node = slicer.util.addVolumeFromArray(array, name=name)
    node.GetDisplayNode().SetAutoWindowLevel(0)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 1000)
    node.GetDisplayNode().SetInterpolate(0)
    return node


def test_no_volume_is_black(host):
    assert host.view("Red").pixels().max() == 0
    assert host.view("Red").pixels().shape[2] == 3


@pytest.mark.parametrize("name", ["Red", "Green", "Yellow"])
def test_a_voxel_is_where_it_belongs(host, name):
    host.show_volumes(bright(host))
    # addVolumeFromArray without a matrix: I, J, K run to R, A, S in mm.
    host.app.layoutManager().sliceWidget(name).mrmlSliceNode().JumpSliceByOffsetting(20, 15, 10)
    host.app.processEvents()
    view = host.view(name)
    pixels = view.pixels()
    assert pixels.shape[:2] == (view.height, view.width)
    row, column = view.pixel_of((20.0, 15.0, 10.0))
    assert pixels[row, column].tolist() == [255, 255, 255]
    lit = np.argwhere(pixels[..., 0] > 200)
    assert np.abs(lit.mean(0) - (row, column)).max() <= 1.5
    assert len(lit) < 0.02 * pixels[..., 0].size


def test_a_point_out_of_view_has_no_pixel(host):
    host.show_volumes(bright(host))
    with pytest.raises(IndexError):
        host.view("Red").pixel_of((500.0, 0.0, 0.0))


def test_foreground_is_mixed_in(host):
    scan, result = bright(host, 0, 200), bright(host, 0, 1000, name="result")
    host.show_volumes(scan, result, 0.0)
    middle = host.view("Red").pixel_of((12.0, 9.0, 8.0))
    values = []
    for opacity in (0.0, 0.5, 1.0):
        slicer.util.setSliceViewerLayers(foregroundOpacity=opacity)
        values.append(int(host.view("Red").pixels()[middle][0]))
    assert values == [pytest.approx(v, abs=2) for v in (51, 153, 255)]


def test_what_is_painted_is_what_the_pixels_say(host, tmp_path):
    host.show_volumes(bright(host, 600, 600))
    image = QImage(str(host.grab(tmp_path / "a.png")))
    view = host.view("Red")
    corner = view.mapTo(host.window, view.rect.center())
    assert image.pixelColor(corner).red() == pytest.approx(int(view.pixels().max()), abs=2)
    slicer.util.setSliceViewerLayers(background=None)
    image = QImage(str(host.grab(tmp_path / "b.png")))
    assert image.pixelColor(corner).red() == 0


def test_a_changed_array_is_shown(host):
    scan = bright(host)
    host.show_volumes(scan)
    slicer.util.arrayFromVolume(scan)[:] = 500
    slicer.util.arrayFromVolumeModified(scan)
    assert host.view("Red").pixels().max() in (127, 128)


@pytest.mark.parametrize("scale", [1, 2])
def test_pictures(host, sample, tmp_path, scale):
    host.show_volumes(bright(host, 1000, 300))
    image = QImage(str(host.grab(tmp_path / "window.png", scale)))
    assert (image.width(), image.height()) == (host.window.width * scale, host.window.height * scale)
    # The title is drawn anew: at twice the scale its letters have more than twice the dark pixels.
    title = image.copy(0, 0, 200 * scale, 30 * scale)
    dark = sum(
        title.pixelColor(x, y).lightness() < 100 for x in range(title.width()) for y in range(title.height())
    )
    assert dark > 200 * scale * scale


def test_a_stall_is_seen(host, sample):
    with host.watch_stalls() as stall:
        host.spin(0.1)
    quiet = stall.seconds
    with host.watch_stalls() as stall:
        host.spin(0.05)
        sample.ui.stallButton.click()
        host.spin(0.05)
    assert quiet < 0.13
    assert 0.13 < stall.seconds < 5


def test_a_scene_is_saved_and_read(host, tmp_path):
    scan = bright(host, 777)
    scan.SetAttribute("Record", "kept")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    again = slicer.util.getNode("scan")
    assert again.GetAttribute("Record") == "kept"
    assert slicer.util.arrayFromVolume(again).max() == 777
    host.show_volumes(again)
    assert host.view("Green").pixels().shape[0] > 0


def test_a_volume_is_saved_and_loaded(host, tmp_path):
    assert slicer.util.saveNode(bright(host, 55), str(tmp_path / "scan.nrrd"))
    node = slicer.util.loadVolume(str(tmp_path / "scan.nrrd"))
    assert slicer.util.arrayFromVolume(node).max() == 55
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "none.nrrd"))


def test_segmentations_get_surfaces(host):
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    array = np.zeros((10, 10, 10), np.uint8)
    array[3:7, 3:7, 3:7] = 1
    slicer.util.updateVolumeFromArray(labels, array)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    logic = slicer.modules.segmentations.logic()
    assert logic.ImportLabelmapToSegmentationNode(labels, segmentation)
    assert segmentation.CreateClosedSurfaceRepresentation()
    table = slicer.qMRMLSegmentsTableView()
    table.setSegmentationNode(segmentation)
    table.setSelectedSegmentIDs([segmentation.GetSegmentation().GetNthSegmentID(0)])
    assert len(table.selectedSegmentIDs()) == 1


@pytest.mark.slow
def test_scenes_do_not_pile_up(host, sample):
    process = psutil.Process()

    def once():
        host.show_volumes(bright(host, shape=(60, 120, 120)))
        host.close_scene()
        time.sleep(0)

    for _ in range(10):
        once()
    before = process.memory_info().rss
    for _ in range(50):
        once()
    assert process.memory_info().rss - before < 12e6
