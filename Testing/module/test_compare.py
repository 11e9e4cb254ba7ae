"""Comparing a result with its scan leaves alone what the user has chosen to see instead."""

import numpy as np
import pytest

from SynthLogic.scene import volume_of


@pytest.fixture
def compared(user, subject, host):
    """The result lies over its scan; also another volume, and the slice views by name."""
    from SynthLogic.scene.nodes import nodes_of_class

    scan, other = user.add(subject.ct, "CT"), user.add(subject.mr, "Other")
    host.show_volumes(scan)
    user.choose(scan)
    user.click()
    result = user.finish()
    views = {node.GetLayoutName(): node for node in nodes_of_class(host.scene, "vtkMRMLSliceCompositeNode")}
    return scan, result, other, views


def shown(view):
    return view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity()


def test_the_slider_changes_the_opacity_alone(user, compared, host):
    scan, result, other, views = compared
    views["Red"].SetBackgroundVolumeID(other.GetID())
    views["Red"].SetForegroundVolumeID(None)
    views["Yellow"].SetForegroundVolumeID(other.GetID())
    before = shown(views["Red"]), shown(views["Yellow"])
    host.spin()
    picture = host.view("Red").pixels().copy()
    user.ui.amountSlider.value = 30
    host.spin()
    assert (shown(views["Red"]), shown(views["Yellow"])) == before
    assert shown(views["Green"]) == (scan.GetID(), result.GetID(), 0.3)
    np.testing.assert_array_equal(host.view("Red").pixels(), picture)


def test_flicker_changes_the_opacity_alone(user, compared, host):
    scan, result, other, views = compared
    views["Red"].SetBackgroundVolumeID(other.GetID())
    before = shown(views["Red"])
    user.ui.modeSelector.currentIndex = 2
    user.ui.amountSlider.value = 5
    seen = set()
    user.wait(lambda: seen.add(shown(views["Green"])) or len(seen) > 1, 5)
    assert seen <= {(scan.GetID(), result.GetID(), opacity) for opacity in (0.0, 1.0)}
    assert shown(views["Red"]) == before
    user.ui.modeSelector.currentIndex = 0
    assert shown(views["Red"]) == before


def test_a_checkerboard_lies_only_where_the_two_were(user, compared, host):
    scan, result, other, views = compared
    user.ui.amountSlider.value = 40
    views["Red"].SetBackgroundVolumeID(other.GetID())
    before = shown(views["Red"])
    user.ui.modeSelector.currentIndex = 1
    user.wait(lambda: len(user.synthetic()) == 2)
    [board] = [node for node in user.synthetic() if node is not result]
    assert shown(views["Green"])[:2] == (board.GetID(), board.GetID())
    assert shown(views["Red"]) == before
    assert volume_of(board).array.max() == 255
    # In one view the user does not want it.
    views["Yellow"].SetBackgroundVolumeID(other.GetID())
    views["Yellow"].SetForegroundVolumeID(None)
    user.ui.modeSelector.currentIndex = 0
    host.spin()
    assert user.synthetic() == [result]
    assert shown(views["Green"]) == (scan.GetID(), result.GetID(), 0.4)
    assert shown(views["Red"]) == before
    assert shown(views["Yellow"])[:2] == (other.GetID(), None)


def test_the_user_can_come_back(user, compared):
    scan, result, other, views = compared
    views["Red"].SetBackgroundVolumeID(other.GetID())
    user.ui.amountSlider.value = 70
    views["Red"].SetBackgroundVolumeID(scan.GetID())
    user.ui.amountSlider.value = 60
    assert shown(views["Red"]) == shown(views["Green"]) == (scan.GetID(), result.GetID(), 0.6)
