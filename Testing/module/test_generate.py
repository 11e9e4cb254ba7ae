"""The tab Generate: labels become an MR on their own grid; every test ends with voxels, nodes or pixels."""

import json
import os
import signal

import numpy as np
import pytest
import vtk

from SynthLogic.scene import Segment, Terminology, add_segmentation, add_volume, grid_of, record_of, source_of
from SynthLogic.scene.terminology import Code
from SynthLogic.volume import Volume
from SynthLogic.worker import Failure

from .heart_user import heart_store, hearts, restrict, tiny_hearts  # noqa: F401

BIG = {"slices": 60, "slice_mm": 1.5}


@pytest.fixture
def tab(hearts):  # noqa: F811
    return Generate(hearts)


class Generate:
    """The tab, opened."""

    def __init__(self, user):
        self.user, self.host = user, user.host
        self.panel = user.widget.generatePanel
        self.ui, self.table = self.panel.ui, self.panel.picker.ui.partsTable
        self.run, self.style = self.panel.work.ui, self.panel.style.ui
        user.open_tab("generate")

    def choose(self, node):
        self.panel.picker.ui.heartSelector.setCurrentNode(node)
        self.user.wait(
            lambda: (
                self.panel.picker.source.problem
                or self.panel._seen is not None
                or self.run.messageFrame.visible
            )
        )

    def click(self):
        self.user.wait(lambda: self.ui.generateButton.enabled, 10)
        self.ui.generateButton.click()

    def generate(self):
        before = set(map(id, self.made()))
        count = len(before)
        self.click()
        self.user.wait(lambda: len(self.made()) > count and not self.panel.work.busy)
        return self.made()[-1]

    def made(self):
        return self.user.synthetic("vtkMRMLScalarVolumeNode")

    def becomes(self):
        return [self.table.cellWidget(row, 1).currentText for row in range(self.table.rowCount)]

    def why(self):
        return [self.table.item(row, 2).text() for row in range(self.table.rowCount)]


def test_choose_click_see(tab, host):
    heart = tab.user.heart("Patient heart", image=True)
    before = [np.array(x) for x in [tab.user.array(host.scene.GetFirstNodeByName("Patient heart scan"))]]
    tab.choose(heart)
    assert tab.becomes() == ["LV cavity", "LV myocardium", "RV cavity"]
    assert tab.why() == ["name"] * 3
    assert "9 slices" in tab.ui.seenLabel.text
    image = tab.generate()
    # On the grid of the scan it was drawn on.
    scan = host.scene.GetFirstNodeByName("Patient heart scan")
    assert grid_of(image).is_close(grid_of(scan))
    assert image.GetName() == "Patient heart MR (synthetic)"
    assert source_of(image) is heart
    array = tab.user.array(image)
    labels = tiny_hearts().heart_labels().array
    assert array[labels > 0].std() > 0
    record = json.loads(record_of(image))
    assert record["request"]["kind"] == "paint"
    assert record["request"]["style"] == {"kind": "named", "name": "vendor-a", "seed": None}
    tree = host.scene.GetSubjectHierarchyNode()
    items = [tree.GetItemByDataNode(node) for node in (heart, image)]
    assert tree.GetItemParent(items[0]) == tree.GetItemParent(items[1])
    assert tree.GetItemPositionUnderParent(items[1]) == tree.GetItemPositionUnderParent(items[0]) + 1
    # Shown with outlines; nothing of the inputs was changed.
    host.spin(0.1)
    for view in ("Red", "Green", "Yellow"):
        node = host.scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{view}")
        assert node.GetBackgroundVolumeID() == image.GetID()
        assert (host.view(view).pixels().max(-1) > 0).mean() > 0.02
    assert heart.GetDisplayNode().GetVisibility2DOutline()
    np.testing.assert_array_equal(tab.user.array(scan), before[0])


def test_it_is_what_the_command_line_makes(tab):
    from SynthLogic.jobs.heart_requests import PaintRequest
    from SynthLogic.jobs.paint import paint_volume
    from SynthLogic.volume import Scan, ScanMeta, content_hash

    heart = tab.user.heart(image=True)
    tab.choose(heart)
    tab.style.styleSelector.currentIndex = tab.style.styleSelector.findData("seed")
    tab.style.seedSpin.value = 6
    tab.style.anotherButton.click()
    image = tab.generate()
    labels = tiny_hearts().heart_labels()
    volume = Volume(labels.array, tab.panel.picker.source.ownMatrix())
    scan = Scan(volume, ScanMeta("memory", "memory", None, "uint8"), content_hash(volume))
    request = PaintRequest.from_data({"style": {"kind": "seed", "seed": 7}})
    wanted = paint_volume(request, scan, None, None).image
    np.testing.assert_array_equal(tab.user.array(image), wanted.array)


def test_terminology_before_name(tab):
    codes = {1: ("87878005", "Left Ventricle"), 2: ("74281007", "Myocardium"), 3: ("53085002", "RV")}
    segments = [
        Segment(n, f"S{n}", None, Terminology(Code("SCT", "123037004", "Structure"), Code("SCT", *code)))
        for n, code in codes.items()
    ]
    tab.choose(tab.user.heart(segments=segments))
    assert tab.why() == ["terminology"] * 3
    assert tab.becomes() == ["LV cavity", "LV myocardium", "RV cavity"]


def test_unknown_segments_are_corrected_in_the_table(tab, host, tmp_path):
    heart = tab.user.heart(segments=[Segment(1, "blue"), Segment(2, "yellow"), Segment(3, "red")])
    tab.choose(heart)
    assert "No segment is the LV cavity" in tab.panel.picker.ui.problemLabel.text
    assert "'blue'" in tab.panel.picker.ui.problemLabel.text
    assert not tab.ui.generateButton.enabled
    assert tab.becomes() == ["Nothing"] * 3
    for row in range(3):
        tab.table.cellWidget(row, 1).currentIndex = row
    assert tab.why() == ["your choice"] * 3
    assert not tab.panel.picker.ui.problemLabel.visible
    image = tab.generate()
    right = tab.user.heart("Right", image=False)
    tab.choose(right)
    tab.user.wait(lambda: tab.panel._seen is not None)
    np.testing.assert_array_equal(tab.user.array(tab.generate()), tab.user.array(image))
    # Corrections outlive the scene file.
    assert host.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    host.close_scene()
    host.scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    host.spin(0.2)
    tab.choose(host.scene.GetFirstNodeByName("Heart"))
    tab.user.wait(lambda: tab.becomes() == ["LV cavity", "LV myocardium", "RV cavity"], 5)


def test_editing_one_segment_changes_only_the_anatomy(tab):
    heart = tab.user.heart(image=True, slices=12)
    tab.choose(heart)
    uploads = count_uploads(tab)
    first = tab.generate()
    again = tab.generate()
    # Nothing was sent again, and the same labels give the same bits.
    assert uploads == []
    np.testing.assert_array_equal(tab.user.array(first), tab.user.array(again))
    paint(heart, 0, lambda labels: labels[6, 20:30, 34:38])
    tab.user.wait(lambda: uploads and tab.panel._seen is not None, 10)
    edited = tab.generate()
    assert len(uploads) == 1
    assert json.loads(record_of(edited))["kept_frame"]
    assert "only the anatomy" in tab.ui.resultLabel.text
    same = tab.user.array(first) == tab.user.array(edited)
    assert not same[6].all()
    # Slices that were not edited are the same to the bit.
    assert same[:5].all()
    assert same[8:].all()


def test_clicked_right_after_an_edit(tab):
    heart = tab.user.heart(image=True)
    tab.choose(heart)
    before = tab.generate()
    paint(heart, 0, lambda labels: labels[4:7, 20:26, 30:40])
    # The quiet time has not passed: what is painted is the edited heart all the same.
    after = tab.generate()
    hashes = [json.loads(record_of(node))["inputs"][0]["content_hash"] for node in (before, after)]
    assert hashes[0] != hashes[1]


def test_below_a_parent_transform(tab, host):
    heart = tab.user.heart(image=True)
    tab.choose(heart)
    plain = tab.generate()
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    turn = vtk.vtkTransform()
    turn.RotateX(40)
    turn.Translate(5, 6, 7)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    heart.SetAndObserveTransformNodeID(transform.GetID())
    moved = tab.generate()
    assert moved.GetTransformNodeID() == transform.GetID()
    assert grid_of(moved).is_close(grid_of(plain))
    difference = tab.user.array(moved).astype(float) - tab.user.array(plain)
    assert np.abs(difference).mean() < 0.05 * tab.user.array(plain).std()


def test_label_map(tab, host):
    labels = tiny_hearts().heart_labels()
    node = add_volume(host.scene, labels, "Labels", label_map=True)
    tab.choose(node)
    assert tab.why() == ["value"] * 3
    image = tab.generate()
    np.testing.assert_array_equal(grid_of(image).ijk_to_ras, grid_of(node).ijk_to_ras)
    assert image.GetName() == "Labels MR (synthetic)"


def test_style_of_a_reference_scan(tab, host):
    heart = tab.user.heart("Mine", image=True)
    other = tiny_hearts().heart_labels(radius=20)
    scan = add_volume(host.scene, tiny_hearts().heart_image(other), "Reference")
    drawn = tab.user.heart("Its heart", radius=20)
    tab.choose(heart)
    vendor = tab.generate()
    tab.style.styleSelector.currentIndex = tab.style.styleSelector.findData("scan")
    tab.click()
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "No reference scan is chosen" in tab.run.messageLabel.text
    tab.style.referenceSelector.setCurrentNode(scan)
    tab.style.referenceLabelsSelector.setCurrentNode(drawn)
    image = tab.generate()
    record = json.loads(record_of(image))
    assert record["styles"][0]["choice"] == {"kind": "scan"}
    assert record["styles"][0]["image_hash"]
    assert not np.array_equal(tab.user.array(image), tab.user.array(vendor))


def test_a_doubtful_reference_scan_asks_before_it_goes_on(tab, host):
    heart = tab.user.heart("Mine")
    sound = tiny_hearts().heart_image(tiny_hearts().heart_labels(radius=20))
    scan = add_volume(host.scene, sound.with_array(1000 - sound.array), "Dark blood")
    tab.choose(heart)
    tab.style.styleSelector.currentIndex = tab.style.styleSelector.findData("scan")
    tab.style.referenceSelector.setCurrentNode(scan)
    tab.style.referenceLabelsSelector.setCurrentNode(tab.user.heart("Its heart", radius=20))
    tab.click()
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "no brighter" in tab.run.messageLabel.text
    assert "--force" not in tab.run.messageLabel.text
    assert tab.made() == []
    assert tab.run.forceButton.visible
    tab.run.forceButton.click()
    tab.user.wait(lambda: tab.made() and not tab.panel.work.busy)
    assert tab.user.array(tab.made()[0]).any()
    # That was said of this scan, and not of another one.
    other = add_volume(host.scene, sound.with_array(900 - sound.array), "Dark blood too")
    tab.style.referenceSelector.setCurrentNode(other)
    tab.click()
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "no brighter" in tab.run.messageLabel.text
    assert len(tab.made()) == 1
    # An offer to go on is gone with the scan that it was about.
    tab.style.referenceSelector.setCurrentNode(scan)
    assert not tab.run.messageFrame.visible


def test_a_doubt_about_the_labels_comes_back_with_another_reference_scan(tab, host):
    exchanged = [Segment(1, "RV"), Segment(2, "Myocardium"), Segment(3, "LV blood pool")]
    tab.choose(tab.user.heart(segments=exchanged))
    tab.run.forceButton.click()
    assert tab.ui.generateButton.enabled
    assert tab.made() == []
    tab.style.styleSelector.currentIndex = tab.style.styleSelector.findData("scan")
    assert "seem exchanged" in tab.run.messageLabel.text
    assert not tab.ui.generateButton.enabled
    tab.run.forceButton.click()
    assert tab.ui.generateButton.enabled


def test_a_declined_licence_makes_nothing_and_says_so(hearts, host, tmp_path):  # noqa: F811
    restrict(tmp_path / "home" / "bundles")
    tab = Generate(hearts)
    tab.choose(tab.user.heart())
    host.answers.expect(False, kind="confirm", text="Research only")
    tab.click()
    tab.user.wait(lambda: tab.run.messageFrame.visible)
    assert "licence of heart-labels-to-mr was not agreed to" in tab.run.messageLabel.text
    assert tab.made() == []
    host.answers.expect(True, kind="confirm")
    assert tab.user.array(tab.generate()).any()


def test_empty_segmentation(tab, host):
    nothing = Volume(np.zeros((4, 8, 8), np.uint8), np.eye(4))
    node = add_segmentation(host.scene, nothing, [Segment(1, "LV"), Segment(2, "Myo")], "Empty")
    before = host.scene.GetNumberOfNodes()
    tab.panel.picker.ui.heartSelector.setCurrentNode(node)
    tab.user.wait(lambda: tab.ui.generateButton.enabled or tab.panel.picker.source.problem)
    if tab.ui.generateButton.enabled:
        tab.click()
        tab.user.wait(lambda: tab.run.messageFrame.visible)
        assert "draw" in tab.run.messageLabel.text
    assert host.scene.GetNumberOfNodes() == before
    assert tab.made() == []


def test_cancel_and_scene_closed_meanwhile(tab, host):
    heart = tab.user.heart(**BIG)
    tab.choose(heart)
    nodes = host.scene.GetNumberOfNodes()
    tab.click()
    assert tab.run.progressFrame.visible
    tab.run.cancelButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy and tab.user.state in ("idle", "off"), 10)
    assert host.scene.GetNumberOfNodes() == nodes
    assert not tab.run.messageFrame.visible
    tab.click()
    host.spin(0.05)
    host.close_scene()
    tab.user.wait(lambda: tab.user.state in ("idle", "off"), 10)
    assert tab.made() == []
    assert not tab.panel.work.busy
    tab.choose(tab.user.heart("Next"))
    assert tab.generate().GetName() == "Next MR (synthetic)"


def test_worker_killed_meanwhile(tab, worker_pids):
    tab.choose(tab.user.heart(**BIG))
    tab.click()
    tab.user.wait(lambda: tab.user.state == "busy")
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    tab.user.wait(lambda: not tab.panel.work.busy, 10)
    assert "was killed" in tab.run.messageLabel.text
    assert tab.made() == []
    assert tab.generate().GetName() == "Heart MR (synthetic)"
    assert not tab.run.messageFrame.visible


def test_without_a_bundle(tab):
    tab.choose(tab.user.heart())
    problem = "No installed bundle paints labels; import one."
    tab.panel.known._take({"bundle": None, "codec": None, "styles": [], "problem": problem})
    assert tab.ui.seenLabel.text == problem
    assert not tab.ui.generateButton.enabled


def test_bundles_change_while_the_worker_is_asked_for_styles(tab):
    tab.user.wait(lambda: tab.panel.known.answer is not None)
    session, asked = tab.user.widget.session, []
    session.client.submit = lambda kind, arguments, finished, failed: asked.append((finished, failed))
    for name in ("One", "Two"):
        for function in session.bundlesListed:
            function([], name)
    problem = "No installed bundle paints labels; import one."
    (_, failed), (answered, _) = asked
    failed(Failure("Died", "The worker is gone."))
    assert not tab.run.messageFrame.visible
    answered({"bundle": None, "codec": None, "styles": [], "problem": problem})
    assert tab.ui.seenLabel.text == problem


@pytest.mark.alone
def test_no_stall(tab, host):
    tab.choose(tab.user.heart(image=True))
    tab.generate()
    longest = []
    # What really waits does so every time.
    while len(longest) < 5 and min(longest, default=1) >= 0.1:
        with host.watch_stalls() as stall:
            tab.generate()
            host.spin(0.2)
        longest.append(stall.longest)
    assert min(longest) < 0.1, longest


def count_uploads(tab):
    client, found = tab.user.widget.session.client, []
    upload = client.upload

    def counted(*arguments, **options):
        found.append(arguments)
        return upload(*arguments, **options)

    client.upload = counted
    return found


def paint(node, segment, where):
    """As the Segment Editor does: voxels of one segment become another's, and everybody is told."""
    from vtk.util.numpy_support import vtk_to_numpy

    held = node.GetSegmentation().GetNthSegment(segment)
    image = held.GetRepresentation("Binary labelmap")
    extent = image.GetExtent()
    full = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    size = 72
    whole = np.zeros((40, size, size), np.uint8)
    view = whole[extent[4] : extent[5] + 1, extent[2] : extent[3] + 1, extent[0] : extent[1] + 1]
    view[...] = full
    part = where(whole)
    part[part == 2] = held.GetLabelValue()
    full[...] = view
    image.GetPointData().GetScalars().Modified()
    image.Modified()
