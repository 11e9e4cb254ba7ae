"""The tab Interpolate: what the hand drags is in the scene; every test ends with voxels, nodes or pixels."""

import json
import os
import signal

import numpy as np
import pytest

from SynthLogic.scene import Segment, add_volume, grid_of, record_of
from SynthLogic.scene.heart_results import SURFACE
from SynthLogic.scene.label_sources import LabelSource

from .heart_user import PLAIN, heart_store, hearts, restrict, tiny_hearts  # noqa: F401

SLICES = 12


@pytest.fixture
def tab(hearts):  # noqa: F811
    return Interpolate(hearts)


class Interpolate:
    """The tab, opened."""

    def __init__(self, user):
        self.user, self.host = user, user.host
        self.panel = user.widget.interpolatePanel
        self.ui, self.run = self.panel.ui, self.panel.work.ui
        self.ui.slicesSpin.value = SLICES
        user.open_tab("interpolate")

    def choose(self, a, b=None):
        self.panel.pair.pickers[0].ui.heartSelector.setCurrentNode(a)
        self.panel.pair.pickers[1].ui.heartSelector.setCurrentNode(b)
        self.host.spin(0.05)

    def pair(self):
        a = self.user.heart("Small", radius=18, slices=8)
        b = self.user.heart("Large", radius=27, slices=10)
        self.choose(a, b)
        return a, b

    def settle(self):
        """Wait until the heart under the slider is there in full."""
        self.user.wait(lambda: self.ui.keepButton.enabled or self.run.messageFrame.visible)

    @property
    def labels(self):
        return self.panel.preview.labels

    @property
    def image(self):
        return self.panel.preview.image

    def stack(self):
        """The preview's labels on the preview's grid."""
        source = LabelSource(self.labels)
        grid = self.panel.preview.grid
        result = np.zeros(grid.shape, np.uint8)
        ids = {"lv_cavity": 1, "myocardium": 2, "rv_cavity": 3}
        list(source.read({part.key: ids[part.key] for part in next(source.parts())}, grid, result))
        return result

    def count_jobs(self):
        client, found = self.user.widget.session.client, []
        submit = client.submit

        def counted(kind, arguments=None, **options):
            found.append((kind, (arguments or {}).get("paint"), (arguments or {}).get("t")))
            return submit(kind, arguments, **options)

        client.submit = counted
        return found


def expected(tab, t, paint=True):
    """What the library makes of the two hearts that are chosen."""
    from SynthLogic.inference import Monitor
    from SynthLogic.jobs.heart_desk import Hearts
    from SynthLogic.jobs.heart_requests import InterpolateRequest
    from SynthLogic.jobs.offspring import Maker
    from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash

    desk = Hearts()
    request = InterpolateRequest.from_data({"slices": SLICES})
    maker = Maker(request, desk, paint=False)
    parents = []
    for picker in tab.panel.pair.pickers:
        upload = picker.source.current()
        volume = Volume(np.load(upload.path), upload.ijk_to_ras)
        scan = Scan(volume, ScanMeta("memory", "memory", None, "uint8"), content_hash(volume))
        parents.append(desk.heart(scan))
    Monitor(None, None)
    return maker.labels(parents[0], parents[1], t)


def test_the_slider_makes_what_the_library_makes(tab, host):
    tab.pair()
    tab.ui.positionSlider.value = 0.4
    tab.settle()
    wanted = expected(tab, 0.4)
    np.testing.assert_array_equal(tab.stack(), wanted.labels)
    assert "t = 0.40" in tab.ui.volumesLabel.text
    assert f"LV cavity {wanted.volumes_ml['lv_cavity']:.0f} ml" in tab.ui.volumesLabel.text
    # Labels, surface and image lie in one place, and the image is shown.
    assert grid_of(tab.image).is_close(tab.panel.preview.grid)
    held = tab.labels.GetSegmentation()
    for n in range(held.GetNumberOfSegments()):
        surface = held.GetNthSegment(n).GetRepresentation(SURFACE)
        assert surface.GetNumberOfPoints() > 10
    assert tab.labels.GetName() == "Small to Large (synthetic)"
    assert tab.image.GetName() == "Small to Large MR (synthetic)"
    assert json.loads(record_of(tab.image))["t"] == pytest.approx(0.4)
    host.spin(0.1)
    red = host.scene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert red.GetBackgroundVolumeID() == tab.image.GetID()
    assert (host.view("Red").pixels().max(-1) > 0).mean() > 0.02


def test_fifty_quick_moves_are_a_few_jobs_and_the_last_is_shown(tab, host):
    tab.pair()
    tab.settle()
    before = tab.stack()
    count = tab.count_jobs()
    for n in range(1, 51):
        tab.ui.positionSlider.value = n / 50
        host.spin(0.002)
    tab.settle()
    moves = [job for job in count if job[1] == "slice"]
    assert 1 <= len(moves) <= 25
    assert count[-1] == ("heart_blend", "all", 1.0)
    assert len([job for job in count if job[1] == "all"]) <= 3
    np.testing.assert_array_equal(tab.stack(), expected(tab, 1.0).labels)
    assert not np.array_equal(tab.stack(), before)
    # One preview, whatever happened in between.
    assert len(tab.user.synthetic("vtkMRMLSegmentationNode")) == 1
    assert len(tab.user.synthetic("vtkMRMLScalarVolumeNode")) == 1


def test_labels_and_the_visible_slice_come_first(tab, host):
    tab.pair()
    tab.settle()
    tab.panel.slider._resting.setInterval(3_600_000)
    whole = tab.user.array(tab.image)
    tab.ui.positionSlider.value = 0.8
    tab.user.wait(lambda: tab.panel.slider._drawn == (tab.panel.slider._generation, 1))
    place = tab.panel.slider.answer["slice"]
    assert place == tab.panel.preview.visibleSlice(tab.panel.preview.grid)
    now = tab.user.array(tab.image)
    changed = [k for k in range(SLICES) if not np.array_equal(now[k], whole[k])]
    assert changed in ([place], [])
    assert not tab.ui.keepButton.enabled
    tab.panel.slider._resting.setInterval(0)
    tab.panel.slider._resting.start()
    tab.settle()
    np.testing.assert_array_equal(tab.user.array(tab.image)[place], now[place])


def test_one_heart_to_more_slices(tab):
    a = tab.user.heart("Alone", slices=9)
    tab.choose(a)
    tab.settle()
    assert tab.stack().shape[0] == SLICES
    assert not tab.ui.positionSlider.enabled
    assert not tab.ui.sequenceButton.enabled
    tab.ui.slicesSpin.value = 20
    tab.user.wait(lambda: tab.panel.preview.grid.shape[0] == 20)
    tab.settle()
    assert tab.user.array(tab.image).shape == (20, 128, 128)
    assert tab.labels.GetName() == "Alone resliced (synthetic)"


def test_keep_and_remove(tab, host, tmp_path):
    tab.pair()
    tab.ui.positionSlider.value = 0.5
    tab.settle()
    image, labels = tab.image, tab.labels
    array, stack = tab.user.array(image), tab.stack()
    tab.ui.keepButton.click()
    assert labels.GetName() == "Small to Large 0.50 (synthetic)"
    tab.ui.positionSlider.value = 0.9
    tab.settle()
    assert tab.image is not image
    np.testing.assert_array_equal(tab.user.array(image), array)
    tab.ui.removeButton.click()
    host.spin(0.5)
    assert {node.GetName() for node in tab.user.synthetic("vtkMRMLSegmentationNode")} == {labels.GetName()}
    assert not tab.panel.preview.shown
    assert host.scene.WriteToMRB(str(tmp_path / "kept.mrb"))
    host.close_scene()
    host.scene.ReadFromMRB(str(tmp_path / "kept.mrb"), False)
    # The scene says which hearts were chosen, and the open tab draws what lies between them anew.
    tab.settle()
    found = tab.user.synthetic("vtkMRMLScalarVolumeNode")
    [loaded] = [node for node in found if node is not tab.image]
    assert loaded.GetName() == "Small to Large 0.50 MR (synthetic)"
    np.testing.assert_array_equal(tab.user.array(loaded), array)
    assert json.loads(record_of(loaded))["t"] == pytest.approx(0.5)
    assert stack.any()


def test_labels_alone(tab):
    tab.ui.paintCheck.checked = False
    tab.pair()
    tab.settle()
    assert tab.image is None
    assert tab.labels is not None
    assert tab.stack().any()


def test_sequence_of_eight(tab, host):
    tab.pair()
    tab.settle()
    tab.ui.sequenceButton.click()
    assert tab.panel.work.busy
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert not tab.run.messageFrame.visible, tab.run.messageLabel.text
    [browser] = tab.user.synthetic("vtkMRMLSequenceBrowserNode")
    sequences = tab.user.synthetic("vtkMRMLSequenceNode")
    assert len(sequences) == 2
    for sequence in sequences:
        assert sequence.GetNumberOfDataNodes() == 8
        found = [float(sequence.GetNthIndexValue(n)) for n in range(8)]
        np.testing.assert_allclose(found, np.arange(8) / 7, atol=1e-4)
        assert sequence.GetName().endswith("(synthetic)")
    browser.SetPlaybackActive(False)
    images = next(s for s in sequences if s.GetNthDataNode(0).IsA("vtkMRMLScalarVolumeNode"))
    shown = browser.GetProxyNode(images)
    browser.SetSelectedItemNumber(5)
    host.spin(0.2)
    np.testing.assert_array_equal(tab.user.array(shown), tab.user.array(images.GetNthDataNode(5)))
    assert not np.array_equal(tab.user.array(shown), tab.user.array(images.GetNthDataNode(0)))
    labels = next(s for s in sequences if s is not images)
    proxy = browser.GetProxyNode(labels)
    assert proxy.GetSegmentation().GetNumberOfSegments() == 3


def test_different_label_sets(tab, host):
    a = tab.user.heart("Whole")
    b = tab.user.heart("No RV", rv=False, segments=PLAIN[:2])
    tab.choose(a, b)
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "RV cavity" in tab.run.messageLabel.text
    assert tab.user.synthetic() == []


def test_wrong_labels_ask_nothing_of_the_worker(tab, host):
    count = tab.count_jobs()
    tab.choose(tab.user.heart(segments=[Segment(1, "blue"), Segment(2, "grey")], rv=False))
    host.spin(0.3)
    assert [job for job in count if job[0] == "heart_blend"] == []
    assert tab.panel.pair.pickers[0].ui.problemLabel.visible
    tab.panel.pair.pickers[0].ui.partsTable.cellWidget(0, 1).currentIndex = 0
    tab.panel.pair.pickers[0].ui.partsTable.cellWidget(1, 1).currentIndex = 1
    tab.settle()
    assert tab.stack().any()


def test_scene_closed_meanwhile(tab, host):
    tab.pair()
    tab.settle()
    tab.ui.positionSlider.value = 0.6
    host.spin(0.05)
    host.close_scene()
    tab.user.wait(lambda: tab.user.state in ("idle", "off"), 10)
    assert tab.user.synthetic() == []
    tab.pair()
    tab.ui.sequenceButton.click()
    host.spin(0.1)
    host.close_scene()
    tab.user.wait(lambda: tab.user.state in ("idle", "off"), 10)
    assert tab.user.synthetic() == []
    tab.pair()
    tab.settle()
    assert tab.stack().any()


def test_worker_killed_meanwhile(tab, worker_pids):
    tab.pair()
    tab.settle()
    tab.ui.sequenceButton.click()
    tab.user.wait(lambda: tab.user.state == "busy")
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert "was killed" in tab.run.messageLabel.text
    assert tab.user.synthetic("vtkMRMLSequenceNode") == []
    tab.ui.positionSlider.value = 0.3
    tab.user.wait(lambda: tab.ui.keepButton.enabled)
    np.testing.assert_array_equal(tab.stack(), expected(tab, 0.3).labels)


@pytest.mark.alone
def test_no_stall_while_dragging(tab, host):
    tab.pair()
    tab.settle()
    longest = []
    while len(longest) < 5 and min(longest, default=1) >= 0.1:
        with host.watch_stalls() as stall:
            for n in range(10):
                tab.ui.positionSlider.value = (n + 1 + len(longest)) / 20
                host.spin(0.02)
            tab.settle()
            host.spin(0.2)
        longest.append(stall.longest)
    assert min(longest) < 0.1, longest


def test_removed_while_a_move_is_drawn(tab, host):
    tab.pair()
    tab.settle()
    tab.ui.positionSlider.value = 0.7
    tab.ui.removeButton.click()
    tab.user.wait(lambda: tab.panel.slider.latest.idle and tab.user.state == "idle")
    host.spin(0.2)
    assert tab.user.synthetic() == []


def test_hidden_before_all_of_it_is_painted(tab, host):
    tab.pair()
    tab.settle()
    tab.ui.positionSlider.value = 0.6
    tab.user.open_tab("export")
    tab.user.wait(lambda: tab.panel.slider.latest.idle and tab.user.state == "idle")
    host.spin(0.5)
    assert not tab.ui.keepButton.enabled
    tab.user.open_tab("interpolate")
    tab.settle()
    np.testing.assert_array_equal(tab.stack(), expected(tab, 0.6).labels)
    assert json.loads(tab.panel.preview.painted)["t"] == pytest.approx(0.6)
    # What was removed does not come back by that.
    tab.ui.removeButton.click()
    tab.user.open_tab("export")
    tab.user.open_tab("interpolate")
    host.spin(0.5)
    assert tab.user.synthetic() == []


def test_moved_while_a_sequence_was_made_that_was_cancelled(tab, host):
    tab.pair()
    tab.settle()
    tab.ui.sequenceButton.click()
    tab.ui.positionSlider.value = 0.3
    host.spin(0.05)
    tab.run.cancelButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    tab.settle()
    np.testing.assert_array_equal(tab.stack(), expected(tab, 0.3).labels)
    assert tab.user.synthetic("vtkMRMLSequenceNode") == []


def test_a_doubt_can_be_overruled(tab):
    tab.choose(tab.user.heart(segments=[Segment(1, "RV"), PLAIN[1], Segment(3, "LV blood pool")]))
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "seem exchanged" in tab.run.messageLabel.text
    assert "--force" not in tab.run.messageLabel.text
    assert tab.run.forceButton.visible
    tab.run.forceButton.click()
    tab.settle()
    assert not tab.run.messageFrame.visible
    assert tab.stack().any()


def test_a_doubtful_reference_scan_asks_before_it_goes_on(tab, host):
    sound = tiny_hearts().heart_image(tiny_hearts().heart_labels(radius=20))
    dark, darker = (
        add_volume(host.scene, sound.with_array(n - sound.array), f"Dark {n}") for n in (1000, 900)
    )
    lent = tab.user.heart("Its heart", radius=20)
    style = tab.panel.pair.styles[0].ui
    tab.pair()
    tab.settle()
    style.styleSelector.currentIndex = style.styleSelector.findData("scan")
    style.referenceSelector.setCurrentNode(dark)
    style.referenceLabelsSelector.setCurrentNode(lent)
    tab.user.wait(lambda: tab.run.forceButton.visible and tab.run.messageFrame.visible)
    assert "no brighter" in tab.run.messageLabel.text
    assert "--force" not in tab.run.messageLabel.text
    assert not tab.ui.keepButton.enabled
    tab.run.forceButton.click()
    tab.user.wait(lambda: tab.ui.keepButton.enabled)
    assert not tab.run.messageFrame.visible
    assert json.loads(tab.panel.preview.painted)["styles"][0]["choice"] == {"kind": "scan"}
    # That was said of this scan, and not of another one.
    style.referenceSelector.setCurrentNode(darker)
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "no brighter" in tab.run.messageLabel.text
    assert not tab.ui.keepButton.enabled


@pytest.fixture
def restricted(hearts, tmp_path):  # noqa: F811
    """The tab; nobody has agreed yet to the licence of the bundle that paints."""
    restrict(tmp_path / "home" / "bundles")
    return Interpolate(hearts)


def moves(tab, host):
    for place in (0.2, 0.4, 0.6, 0.8):
        tab.ui.positionSlider.value = place
        host.spin(0.1)
    tab.user.wait(lambda: tab.panel.slider.latest.idle and tab.user.state == "idle")
    host.spin(0.5)


def test_a_declined_licence_is_not_asked_again_at_each_move(restricted, host):
    tab = restricted
    asked = host.answers.asked
    host.answers.expect(False, kind="confirm", text="Research only")
    tab.pair()
    tab.user.wait(lambda: len(asked) == 1)
    moves(tab, host)
    assert len(asked) == 1
    assert tab.ui.seenLabel.text.startswith("Nothing is drawn, as the licence of heart-labels-to-mr was not")
    assert tab.user.synthetic() == []
    # Asked again, once each: by a button, by another heart, by another style.
    host.answers.expect(False, kind="confirm")
    tab.ui.sequenceButton.click()
    tab.user.wait(lambda: len(asked) == 2)
    moves(tab, host)
    host.answers.expect(False, kind="confirm")
    tab.panel.pair.pickers[1].ui.heartSelector.setCurrentNode(tab.user.heart("Other", radius=22))
    tab.user.wait(lambda: len(asked) == 3)
    moves(tab, host)
    host.answers.expect(True, kind="confirm")
    style = tab.panel.pair.styles[0].ui.styleSelector
    style.currentIndex = style.findData("seed")
    tab.settle()
    assert len(asked) == 4
    assert tab.stack().any()
    assert not tab.ui.seenLabel.text.startswith("Nothing")


def test_a_declined_licence_of_the_painter_leaves_the_outlines(restricted, host):
    tab = restricted
    host.answers.expect(False, kind="confirm")
    tab.pair()
    tab.user.wait(lambda: len(host.answers.asked) == 1)
    moves(tab, host)
    tab.ui.paintCheck.checked = False
    tab.settle()
    assert tab.image is None
    assert tab.stack().any()
    # Nor does a sequence of outlines need it.
    tab.ui.sequenceButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert len(tab.user.synthetic("vtkMRMLSequenceNode")) == 1


def test_agreeing_for_a_sequence(restricted, host):
    tab = restricted
    host.answers.expect(False, kind="confirm")
    tab.pair()
    tab.user.wait(lambda: len(host.answers.asked) == 1)
    host.answers.expect(True, kind="confirm")
    tab.ui.sequenceButton.click()
    tab.user.wait(lambda: tab.user.synthetic("vtkMRMLSequenceNode") and not tab.panel.work.busy)
    assert len(tab.user.synthetic("vtkMRMLSequenceNode")) == 2
