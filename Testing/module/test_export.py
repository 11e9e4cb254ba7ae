"""The tab Export: what is in the folder; every test ends with files."""

import csv
import json
import os
import signal

import numpy as np
import pytest

from SynthLogic.scene import Segment

from .heart_user import PLAIN, heart_store, hearts, tiny_hearts  # noqa: F401

STEPS = 2


@pytest.fixture
def tab(hearts):  # noqa: F811
    return Export(hearts)


class Export:
    """The tab, opened."""

    def __init__(self, user):
        self.user, self.host = user, user.host
        self.panel = user.widget.exportPanel
        self.ui, self.run = self.panel.ui, self.panel.work.ui
        self.ui.stepsSpin.value, self.ui.slicesSpin.value = STEPS, 6
        user.open_tab("export")
        user.wait(lambda: self.panel.known.answer is not None)

    def hearts(self, count=3, **shape):
        nodes = [self.user.heart(f"Doe {n}", radius=18 + 2 * n, **shape) for n in range(count)]
        self.wait_for(count)
        return nodes

    def wait_for(self, count):
        self.user.wait(lambda: len(self.panel.subjects.rows) == count and "looking" not in self.notes(), 10)

    def notes(self):
        return " | ".join(row.note.text() for row in self.panel.subjects.rows)

    def split(self, *places):
        for row, place in zip(self.panel.subjects.rows, places, strict=True):
            row.split.currentIndex = place

    def styles(self, *ticked):
        import qt

        for n in range(self.ui.stylesList.count):
            state = qt.Qt.Checked if n in ticked else qt.Qt.Unchecked
            self.ui.stylesList.item(n).setCheckState(state)

    def ticks(self):
        import qt

        items = [self.ui.stylesList.item(n) for n in range(self.ui.stylesList.count)]
        return {item.text(): item.checkState() == qt.Qt.Checked for item in items}

    def export(self, folder, layout="plain"):
        self.ui.layoutSelector.currentIndex = self.ui.layoutSelector.findData(layout)
        self.ui.folderEdit.text = str(folder)
        assert self.ui.exportButton.enabled, self.ui.estimateLabel.text
        self.ui.exportButton.click()
        self.user.wait(lambda: not self.panel.work.busy)
        assert not self.run.messageFrame.visible, self.run.messageLabel.text


def test_a_cohort_with_splits(tab, tmp_path):
    tab.hearts(3)
    assert "LV, Myo, RV" in tab.notes()
    tab.styles(0)
    tab.split(0, 0, 2)
    # One pair within training; two mix train and test.
    assert tab.ui.estimateLabel.text.startswith("2 subjects")
    assert "4 more would mix two splits" in tab.ui.estimateLabel.text
    folder = tmp_path / "cohort"
    tab.export(folder)
    images = sorted(folder.rglob("*.nii.gz"))
    assert len([p for p in images if "label" in p.name.lower() or "label" in p.parent.name.lower()]) == 2
    from SynthLogic.volume import read_volume

    for path in images:
        assert read_volume(path).volume.shape == (6, 128, 128)
    [table] = folder.rglob("*.csv")
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 2
    assert {row["split"] for row in rows} == {"train"}
    text = "".join(p.read_text(errors="ignore") for p in folder.rglob("*") if p.suffix in (".csv", ".json"))
    assert "Doe" not in text
    assert not any("Doe" in p.name for p in folder.rglob("*"))
    assert "2 subjects written" in tab.ui.summaryLabel.text
    assert "4 left out" in tab.ui.summaryLabel.text
    assert tab.ui.openFolderButton.visible


def test_nnunet_with_parents_and_their_names(tab, tmp_path):
    tab.hearts(2)
    tab.styles(0, 1)
    tab.ui.parentsCheck.checked = True
    assert not tab.ui.namesWarning.visible
    tab.ui.namesCheck.checked = True
    assert tab.ui.namesWarning.visible
    assert tab.ui.estimateLabel.text.startswith("8 subjects")
    tab.ui.licenceEdit.text, tab.ui.authorsEdit.plainText = (
        " CC-BY-4.0 ",
        "A. Author; B. Author\n C. Author;\n",
    )
    tab.export(tmp_path / "raw", "nnunet")
    [dataset] = (tmp_path / "raw").rglob("dataset.json")
    told = json.loads(dataset.read_text())
    assert (told["numTraining"], told["licence"]) == (8, "CC-BY-4.0")
    assert told["authors"] == ["A. Author", "B. Author", "C. Author"]
    assert len(list((dataset.parent / "imagesTr").iterdir())) == 8
    assert len(list((dataset.parent / "labelsTr").iterdir())) == 8
    assert any("Doe" in path.name for path in (dataset.parent / "labelsTr").iterdir())


def test_ticks_of_styles_outlast_an_import(tab, tmp_path):
    styles = [
        {"name": name, "title": name, "description": name} for name in ("vendor-c", "vendor-b", "vendor-a")
    ]
    paints = {"name": "heart-labels-to-mr", "styles": styles}
    paints["network"] = {
        "name": "spade-generator",
        "arguments": {**tiny_hearts().NETWORKS["paint"], "styles": 3},
    }
    newer = tiny_hearts().heart_bundle(tmp_path / "newer", "paint", version="99.1.0", **paints)
    tab.styles(1)
    assert tab.ticks() == {"Vendor-A": False, "Vendor-B": True}
    models = tab.user.widget.modelsPanel
    tab.user.open_tab("models")
    tab.host.answers.expect(str(newer.folder), kind="file")
    models.ui.importFolderButton.click()
    tab.user.open_tab("export")
    tab.user.wait(lambda: tab.ui.stylesList.count == 3)
    assert tab.ticks() == {"vendor-c": True, "vendor-b": True, "vendor-a": False}
    # A style that is gone for a while comes back as it was.
    known = tab.panel.known.answer
    tab.panel.known._take({**known, "styles": styles[:2]})
    tab.panel.known._take(known)
    assert tab.ticks() == {"vendor-c": True, "vendor-b": True, "vendor-a": False}


def test_cancel_and_go_on(tab, tmp_path):
    tab.hearts(2)
    tab.styles(0)
    tab.ui.stepsSpin.value = 30
    folder = tmp_path / "bids"
    tab.ui.layoutSelector.currentIndex = tab.ui.layoutSelector.findData("bids")
    tab.ui.folderEdit.text = str(folder)
    tab.ui.exportButton.click()
    tab.user.wait(lambda: "of 30 subjects" in tab.run.progressLabel.text)
    tab.run.cancelButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert "Stopped" in tab.ui.summaryLabel.text
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*_MR*.nii.gz")} or {
        path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")
    }
    assert 0 < len(kept) < 60
    tab.export(folder, "bids")
    assert "were complete before" in tab.ui.summaryLabel.text
    assert len(list(folder.rglob("*.nii.gz"))) == 60
    for path, time in kept.items():
        assert path.stat().st_mtime_ns == time


def test_worker_killed_meanwhile(tab, tmp_path, worker_pids):
    tab.hearts(2)
    tab.styles(0)
    tab.ui.stepsSpin.value = 20
    tab.ui.folderEdit.text = str(tmp_path / "out")
    tab.ui.exportButton.click()
    tab.user.wait(lambda: "of 20 subjects" in tab.run.progressLabel.text)
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert "was killed" in tab.run.messageLabel.text
    tab.export(tmp_path / "out", "nnunet")
    assert "were complete before" in tab.ui.summaryLabel.text


def test_hearts_made_in_the_scene(tab, tmp_path, host):
    heart = tab.user.heart("Doe", image=True)
    tab.ui.whatSelector.currentIndex = 1
    assert "No heart was made" in tab.ui.estimateLabel.text
    generate = tab.user.widget.generatePanel
    tab.user.open_tab("generate")
    generate.picker.ui.heartSelector.setCurrentNode(heart)
    for _ in range(2):
        tab.user.wait(lambda: generate.ui.generateButton.enabled)
        generate.ui.generateButton.click()
        tab.user.wait(lambda: not generate.work.busy)
    images = tab.user.synthetic("vtkMRMLScalarVolumeNode")
    assert len(images) == 2
    tab.user.open_tab("export")
    tab.wait_for(2)
    tab.split(0, 2)
    assert "descend from one heart" in tab.ui.estimateLabel.text
    tab.split(0, 0)
    tab.ui.licenceEdit.text, tab.ui.authorsEdit.plainText = "CC0-1.0", "A. Author; B. Author;"
    tab.export(tmp_path / "made-bids", "bids")
    [account] = [
        p for p in (tmp_path / "made-bids").rglob("dataset_description.json") if "Authors" in p.read_text()
    ]
    told = json.loads(account.read_text())
    assert (told["License"], told["Authors"]) == ("CC0-1.0", ["A. Author", "B. Author"])
    tab.export(tmp_path / "made")
    from SynthLogic.volume import read_volume

    wanted = tab.user.array(images[0])
    found = [read_volume(path).volume.array for path in sorted((tmp_path / "made").rglob("*.nii.gz"))]
    pictures = [array for array in found if array.max() > 3]
    assert len(pictures) == 2
    assert sorted(pictures[0].ravel().tolist()) == sorted(wanted.ravel().tolist())
    labels = [array for array in found if array.max() <= 3]
    counts = np.bincount(tiny_hearts().heart_labels().array.ravel(), minlength=4)
    np.testing.assert_array_equal(np.bincount(labels[0].ravel(), minlength=4), counts)
    assert "Doe" not in "".join(path.name for path in (tmp_path / "made").rglob("*"))


def test_what_is_said_of_a_made_heart_names_it(tab, tmp_path, host):
    heart = tab.user.heart("Doe", image=True)
    generate = tab.user.widget.generatePanel
    tab.user.open_tab("generate")
    generate.picker.ui.heartSelector.setCurrentNode(heart)
    tab.user.wait(lambda: generate.ui.generateButton.enabled)
    generate.ui.generateButton.click()
    tab.user.wait(lambda: not generate.work.busy)
    [image] = tab.user.synthetic("vtkMRMLScalarVolumeNode")
    tab.ui.whatSelector.currentIndex = 1
    tab.user.open_tab("export")
    tab.wait_for(1)
    origin = image.GetOrigin()
    image.SetOrigin(5000, 0, 0)
    tab.ui.folderEdit.text = str(tmp_path / "out")
    tab.ui.exportButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert tab.run.messageLabel.text.startswith(f"No voxel of {image.GetName()} lies in its segmentation Doe")
    assert "eference" not in tab.run.messageLabel.text
    assert not (tmp_path / "out").exists()
    image.SetOrigin(*origin)
    tab.run.dismissButton.click()
    tab.export(tmp_path / "out")
    assert list((tmp_path / "out").rglob("*.nii.gz"))


def test_bad_input(tab, tmp_path, host):
    tab.user.heart("Whole")
    tab.user.heart("No RV", rv=False, segments=PLAIN[:2])
    tab.wait_for(2)
    assert "all hearts need the same labels" in tab.ui.estimateLabel.text
    assert not tab.ui.exportButton.enabled
    tab.user.heart("Unknown", segments=[Segment(1, "blue")])
    tab.wait_for(3)
    import qt

    tab.panel.subjects.rows[0].check.setCheckState(qt.Qt.Unchecked)
    assert tab.panel.subjects.rows[2].check.checkState() == qt.Qt.Unchecked
    tab.panel.subjects.rows[2].check.setCheckState(qt.Qt.Checked)
    assert "Unknown cannot be used" in tab.ui.estimateLabel.text
    tab.panel.subjects.rows[0].check.setCheckState(qt.Qt.Checked)
    for row in tab.panel.subjects.rows[1:]:
        row.check.setCheckState(qt.Qt.Unchecked)
    assert "at least two hearts" in tab.ui.estimateLabel.text
    tab.ui.parentsCheck.checked = True
    tab.styles(0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    tab.ui.layoutSelector.currentIndex = tab.ui.layoutSelector.findData("plain")
    tab.ui.folderEdit.text = str(tmp_path / "full")
    tab.ui.exportButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert tab.run.messageFrame.visible
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_doubt_can_be_overruled(tab, tmp_path):
    exchanged = [Segment(1, "RV"), Segment(2, "Myocardium"), Segment(3, "LV blood pool")]
    tab.hearts(2, segments=exchanged)
    tab.styles(0)
    tab.ui.folderEdit.text = str(tmp_path / "out")
    tab.ui.layoutSelector.currentIndex = tab.ui.layoutSelector.findData("plain")
    tab.ui.exportButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert "seem exchanged" in tab.run.messageLabel.text
    assert "--force" not in tab.run.messageLabel.text
    assert tab.run.forceButton.visible
    tab.run.forceButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert not tab.run.messageFrame.visible, tab.run.messageLabel.text
    assert "2 subjects written" in tab.ui.summaryLabel.text


def test_ticks_and_splits_outlast_a_look_at_other_hearts(tab):
    import qt

    tab.hearts(2)
    tab.panel.subjects.rows[1].check.setCheckState(qt.Qt.Unchecked)
    tab.split(2, 0)
    tab.ui.whatSelector.currentIndex = 1
    assert tab.panel.subjects.rows == []
    tab.ui.whatSelector.currentIndex = 0
    tab.wait_for(2)
    first, second = tab.panel.subjects.rows
    assert (first.ticked, first.split.currentIndex) == (True, 2)
    assert not second.ticked


def test_other_hearts_are_asked_for_while_some_are_written(tab, tmp_path):
    tab.hearts(2)
    tab.styles(0)
    tab.ui.stepsSpin.value = 30
    tab.ui.folderEdit.text = str(tmp_path / "out")
    tab.ui.exportButton.click()
    tab.ui.whatSelector.currentIndex = 1
    tab.ui.randomSpin.value = 1
    assert len(tab.panel.subjects.rows) == 2
    tab.run.cancelButton.click()
    tab.user.wait(lambda: not tab.panel.work.busy)
    assert tab.panel.subjects.rows == []
    assert "No heart was made" in tab.ui.estimateLabel.text


def test_a_heart_that_cannot_be_used_is_not_ticked_however_often_it_is_listed(tab):
    tab.user.heart("Unknown", segments=[Segment(1, "blue")])
    tab.panel.subjects.refresh()
    tab.panel.subjects.refresh()
    tab.wait_for(1)
    assert not tab.panel.subjects.rows[0].ticked


def test_the_folder_is_chosen_and_opened(tab, tmp_path, host, monkeypatch):
    import qt

    tab.hearts(2)
    tab.styles(0)
    host.answers.expect(str(tmp_path / "chosen"), kind="file")
    tab.ui.browseButton.click()
    assert tab.ui.folderEdit.text == str(tmp_path / "chosen")
    tab.export(tmp_path / "chosen")
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    tab.ui.openFolderButton.click()
    assert opened == [str(tmp_path / "chosen")]
