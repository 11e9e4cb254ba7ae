import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.scene import (
    Checkerboard,
    Overlay,
    PendingVolume,
    add_result,
    add_volume,
    checkerboard,
    is_synthetic,
    remove_result,
    source_of,
    volume_of,
)
from SynthLogic.volume import Volume


@pytest.fixture
def result(scene, scan, make_volume, record):
    pending = PendingVolume(make_volume().grid, np.int16)
    pending.fill(500 - make_volume().array)
    return add_result(scene, pending, scan, record)


@pytest.fixture
def views(scene):
    nodes = []
    for name in ("Red", "Green", "Yellow"):
        node = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        node.SetLayoutName(name)
        nodes.append(node)
    return nodes


def shown(view):
    return (
        view.GetBackgroundVolumeID(),
        view.GetForegroundVolumeID(),
        view.GetForegroundOpacity(),
        view.GetCompositing(),
    )


def test_the_result_lies_over_the_scan_in_all_views(scene, views, scan, result):
    overlay = Overlay(scene, scan, result)
    overlay.show(0.25)
    assert [shown(view) for view in views] == [(scan.GetID(), result.GetID(), 0.25, 0)] * 3
    assert overlay.opacity == 0.25
    late = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    overlay.show(1.0)
    assert [shown(view)[2] for view in (*views, late)] == [1.0] * 4
    with pytest.raises(ValueError, match="opacity"):
        overlay.show(1.5)


def test_flicker_shows_one_or_the_other(scene, views, scan, result):
    overlay = Overlay(scene, scan, result)
    overlay.show(0.3)
    for chosen in (True, False, True):
        overlay.flicker(chosen)
        assert [shown(view) for view in views] == [(scan.GetID(), result.GetID(), float(chosen), 0)] * 3
    overlay.show(overlay.opacity)
    assert shown(views[0])[2] == 0.3


def test_each_view_gets_back_what_it_showed(scene, views, scan, result, make_volume):
    other = add_volume(scene, make_volume(), "other")
    views[0].SetBackgroundVolumeID(other.GetID())
    views[1].SetForegroundVolumeID(other.GetID())
    views[1].SetForegroundOpacity(0.7)
    views[1].SetCompositing(views[1].Add)
    before = [shown(view) for view in views]
    assert len(set(before)) == 3
    overlay = Overlay(scene, scan, result)
    overlay.show()
    overlay.flicker(True)
    overlay.restore()
    assert [shown(view) for view in views] == before
    overlay.show()
    overlay.restore()
    assert [shown(view) for view in views] == before


def test_what_the_user_chose_meanwhile_stays(scene, views, scan, result, make_volume):
    other = add_volume(scene, make_volume(), "other")
    overlay = Overlay(scene, scan, result)
    overlay.show(0.5)
    views[0].SetBackgroundVolumeID(other.GetID())
    overlay.restore()
    assert shown(views[0]) == (other.GetID(), result.GetID(), 0.5, 0)
    assert shown(views[1])[:2] == (None, None)


def test_a_removed_result_takes_its_view_back(scene, views, scan, result, make_volume):
    other = add_volume(scene, make_volume(), "other")
    views[0].SetBackgroundVolumeID(other.GetID())
    overlay = Overlay(scene, scan, result)
    overlay.show()
    remove_result(scene, result)
    scene.RemoveNode(views[2])
    overlay.restore()
    assert shown(views[0])[:2] == (other.GetID(), None)
    overlay.show()
    scene.RemoveNode(other)
    overlay.restore()
    assert shown(views[0])[:2] == (None, None)


def test_tiles_are_cubes_in_mm():
    first, second = np.full((8, 12, 16), 10), np.full((8, 12, 16), 60)
    board = checkerboard(first, second, ((100, 50), (100, 50)), (1.0, 2.0, 5.0), 10.0)
    for k, j, i in np.ndindex(8, 12, 16):
        # Centres of voxels, from the edge of the first.
        tile = int((k + 0.5) * 5 // 10) + int((j + 0.5) * 2 // 10) + int((i + 0.5) // 10)
        assert board[k, j, i] == round((60 if tile % 2 else 10) * 2.55)


def test_tiles_are_at_least_a_voxel():
    board = checkerboard(*np.indices((3, 3, 3))[:2] * 0 + [[[[0]]], [[[9]]]], ((9, 4.5),) * 2, (1, 1, 9), 2.0)
    np.testing.assert_array_equal(board[:, 0, 0], [0, 255, 0])
    np.testing.assert_array_equal(board[0, 0], [0, 0, 255])
    with pytest.raises(ValueError, match="tile"):
        checkerboard(board, board, ((1, 0),) * 2, (1, 1, 1), 0.0)
    with pytest.raises(ValueError, match="shapes"):
        checkerboard(board, board[1:], ((1, 0),) * 2, (1, 1, 1), 1.0)


def test_each_image_has_its_own_window():
    ct = np.array([[[-160.0, 40, 240, 3000, -2000, np.nan]]])
    mr = np.array([[[0.0, 50, 100, 1000, -7, np.nan]]])
    windows = ((400, 40), (100, 50))
    for images in ((ct, ct), (mr, mr)):
        chosen = windows[0] if images[0] is ct else windows[1]
        board = checkerboard(*images, (chosen, chosen), (1, 1, 1), 1.0)
        np.testing.assert_array_equal(board[0, 0], [0, 128, 255, 255, 0, 0])
    mixed = checkerboard(ct, mr, windows, (1, 1, 1), 1.0)
    np.testing.assert_array_equal(mixed[0, 0], [0, 128, 255, 255, 0, 0])


def test_filled_in_pieces_it_is_the_whole(scene, scan, result, contents, below):
    transform = below(scene, scan)
    result.SetAndObserveTransformNodeID(transform.GetID())
    scan.GetDisplayNode().SetWindowLevel(200, 100)
    result.GetDisplayNode().SetWindowLevel(300, 400)
    before = contents(scene)
    board = Checkerboard(scan, result, tile=2.0)
    for start in range(0, board.slices, 2):
        board.fill(start, min(start + 2, board.slices))
        assert contents(scene) == before
    node = board.add_to(scene)
    expected = checkerboard(
        volume_of(scan).array, volume_of(result).array, ((200, 100), (300, 400)), volume_of(scan).spacing, 2.0
    )
    np.testing.assert_array_equal(volume_of(node).array, expected)
    np.testing.assert_array_equal(volume_of(node).ijk_to_ras, volume_of(scan).ijk_to_ras)
    assert node.GetParentTransformNode() is transform
    assert node.GetName() == "CTChest checkerboard (synthetic)"
    assert is_synthetic(node)
    assert "not for diagnosis" in node.GetDescription()
    assert source_of(node) is scan
    assert (node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) == (255, 127.5)
    remove_result(scene, node)
    assert [name for _, name in contents(scene)] == [name for _, name in before]


def test_different_grids_make_no_checkerboard(scene, scan, result, make_volume, below):
    shifted = make_volume().ijk_to_ras.copy()
    shifted[0, 3] += 1
    other = add_volume(scene, Volume(make_volume().array, shifted), "other")
    with pytest.raises(InputError, match="different grids; choose"):
        Checkerboard(scan, other)
    below(scene, scan)
    with pytest.raises(InputError, match="different grids; choose"):
        Checkerboard(scan, result)
