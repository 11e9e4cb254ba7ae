"""The tab Models: cards, verify, import, remove."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.scene import record_of, volume_of

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "Resources" / "bundles"


class Models:
    def __init__(self, user):
        self.user, self.host, self.ui = user, user.host, user.widget.modelsPanel.ui
        user.widget.ui.tabs.currentIndex = 1
        user.wait(lambda: self.ui.modelList.count > 0)

    def names(self):
        return [self.ui.modelList.item(n).text() for n in range(self.ui.modelList.count)]

    def select(self, title):
        [row] = [row for row, name in enumerate(self.names()) if name.startswith(title)]
        self.ui.modelList.setCurrentRow(row)

    def said(self, words):
        self.user.wait(lambda: words in self.ui.modelMessage.text)


@pytest.fixture
def models(user):
    return Models(user)


@pytest.fixture
def own(tmp_path):
    """A bundle of another name in a folder."""
    from SynthLogic.bundles import Bundle, write_bundle

    shipped = Bundle.open(SHIPPED / "thorax-ct-to-mr")
    card = shipped.card.model_copy(update={"name": "mine", "title": "My own"})
    tensors = shipped.load_network().state_dict()
    licence = (shipped.folder / "LICENSE").read_text()
    return write_bundle(tmp_path / "mine", card, tensors, licence=licence).folder


def test_cards_can_be_read(models):
    models.select("Thorax CT to MR")
    text = models.ui.cardBrowser.toPlainText()
    for words in ("MAE", "Limits", "Not for diagnosis", "Trained on", "Apache-2.0", "CT of the thorax"):
        assert words in text
    models.select("Thorax MR to CT")
    assert "MR to CT" in models.ui.cardBrowser.toPlainText()
    assert not models.ui.removeButton.enabled


def test_verify(models):
    models.ui.verifyButton.click()
    models.said("exactly what its card says")


def test_a_bad_bundle_is_not_imported(models, tmp_path):
    bad = shutil.copytree(SHIPPED / "thorax-ct-to-mr", tmp_path / "bad")
    weights = bad / "models" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    before = models.names()
    models.host.answers.expect(str(bad), kind="file")
    models.ui.importFolderButton.click()
    models.said("model.safetensors")
    assert models.names() == before
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_what_is_no_bundle(models, tmp_path):
    (tmp_path / "holiday.zip").write_bytes(b"no zip")
    models.host.answers.expect(str(tmp_path / "holiday.zip"), kind="file")
    models.ui.importZipButton.click()
    models.user.wait(lambda: "Checking" not in models.ui.modelMessage.text)
    assert "zip" in models.ui.modelMessage.text
    models.host.answers.expect("", kind="file")
    models.ui.importZipButton.click()


def test_import_use_remove(models, own, tmp_path):
    models.host.answers.expect(str(own), kind="file")
    models.ui.importFolderButton.click()
    models.user.wait(lambda: any(name.startswith("My own") for name in models.names()))
    assert "My own" in models.ui.cardBrowser.toPlainText()
    assert models.ui.removeButton.enabled
    models.host.answers.expect(False, kind="confirm")
    models.ui.removeButton.click()
    assert any(name.startswith("My own") for name in models.names())
    models.host.answers.expect(True, kind="confirm")
    models.ui.removeButton.click()
    models.user.wait(lambda: not any(name.startswith("My own") for name in models.names()))
    assert not list((tmp_path / "home").rglob("*.safetensors"))


@pytest.fixture
def foreign(tmp_path):
    """A bundle whose model is a TorchScript program: it returns what it gets."""
    import torch

    from SynthLogic.bundles import Bundle, Card, write_bundle

    class Same(torch.nn.Module):
        def forward(self, x):
            return x * 1.0

    torch.jit.save(torch.jit.trace(Same(), torch.zeros(1, 1, 32, 32)), str(tmp_path / "model.ts"))
    shipped = Bundle.open(SHIPPED / "thorax-ct-to-mr")
    data = shipped.card.model_dump(mode="json")
    data.update(name="foreign", title="Foreign", format="torchscript")
    data["network"] = {"name": "torchscript", "arguments": {}}
    licence = (shipped.folder / "LICENSE").read_text()
    return write_bundle(
        tmp_path / "foreign", Card.from_data(data), tmp_path / "model.ts", licence=licence
    ).folder


def importing(models, folder):
    models.host.answers.expect(str(folder), kind="file")
    models.ui.importFolderButton.click()


def test_failures_have_details_to_copy(models, tmp_path):
    import qt

    assert not models.ui.copyModelDetailsButton.visible
    bad = shutil.copytree(SHIPPED / "thorax-ct-to-mr", tmp_path / "bad")
    (bad / "LICENSE").write_text("mine alone")
    importing(models, bad)
    models.said("LICENSE")
    assert models.ui.copyModelDetailsButton.visible
    models.ui.copyModelDetailsButton.click()
    text = qt.QApplication.clipboard().text()
    assert models.ui.modelMessage.text in text
    assert "BundleError" in text
    models.ui.verifyButton.click()
    models.said("exactly what its card says")
    assert not models.ui.copyModelDetailsButton.visible


def test_a_damaged_neighbour_does_not_hide_what_was_done(models, own, tmp_path):
    broken = tmp_path / "home" / "bundles" / "broken"
    broken.mkdir(parents=True)
    (broken / "card.json").write_text("{}")
    importing(models, own)
    models.said("was imported")
    models.said("broken cannot be used")
    assert "was imported" in models.ui.modelMessage.text
    assert models.ui.copyModelDetailsButton.visible
    assert any(name.startswith("My own") for name in models.names())


def test_the_translate_tab_follows(models, own, subject):
    user = models.user
    selector = user.ui.bundleSelector
    user.choose(user.add(subject.ct, "CT"))
    importing(models, own)
    user.wait(lambda: selector.findData("mine") > 0)
    user.wait(lambda: user.panel._answer is not None)
    selector.currentIndex = selector.findData("mine")
    user.wait(lambda: "My own" in user.ui.seenLabel.text)
    models.host.answers.expect(True, kind="confirm")
    models.ui.removeButton.click()
    user.wait(lambda: selector.findData("mine") < 0)
    assert user.panel._parameters.bundle == ""
    user.wait(lambda: user.panel._answer is not None)
    assert "My own" not in user.ui.seenLabel.text
    user.click()
    made = json.loads(record_of(user.finish()))
    assert made["bundle"]["name"] == "thorax-ct-to-mr"


def test_the_best_bundle_is_looked_for_again(models, tmp_path, subject):
    """A better bundle is imported: the next run takes it, and the panel said so before."""
    from SynthLogic.bundles import Bundle, write_bundle

    shipped = Bundle.open(SHIPPED / "thorax-ct-to-mr")
    card = shipped.card.model_copy(update={"version": "99.0.0", "title": "Newer"})
    licence = (shipped.folder / "LICENSE").read_text()
    newer = write_bundle(
        tmp_path / "newer", card, shipped.load_network().state_dict(), licence=licence
    ).folder
    user = models.user
    user.choose(user.add(subject.ct, "CT"))
    assert "Newer" not in user.ui.seenLabel.text
    importing(models, newer)
    user.wait(lambda: "Newer" in user.ui.seenLabel.text)
    user.click()
    assert json.loads(record_of(user.finish()))["bundle"]["version"] == "99.0.0"
    models.host.answers.expect(True, kind="confirm")
    models.ui.removeButton.click()
    user.wait(lambda: user.panel._answer is not None and "Newer" not in user.ui.seenLabel.text)
    assert user.ui.synthesizeButton.enabled


def test_a_foreign_model_is_imported_only_when_trusted(models, foreign, subject, tmp_path):
    import qt

    user, boxes = models.user, []

    def answer(button):
        def press(box):
            boxes.append((box.text, box.informativeText, box.defaultButton().text))
            return button

        return press

    importing(models, foreign)
    models.host.answers.expect(answer(qt.QMessageBox.No), kind="box", text="trust.*foreign")
    models.said("Nothing was imported")
    [(_, explained, default)] = boxes
    assert "program by somebody else" in explained
    assert "No" in default
    assert not list((tmp_path / "home").rglob("*.ts"))
    assert not any(name.startswith("Foreign") for name in models.names())
    importing(models, foreign)
    models.host.answers.expect(answer(qt.QMessageBox.Yes), kind="box", text="trust.*foreign")
    models.said("was imported")
    user.choose(user.add(subject.ct, "CT"))
    user.wait(lambda: user.ui.bundleSelector.findData("foreign") > 0)
    user.panel._parameters.bundle = "foreign"
    user.wait(lambda: user.ui.synthesizeButton.enabled)
    user.click()
    result = user.finish()
    assert json.loads(record_of(result))["bundle"]["name"] == "foreign"
    # What this model makes is the scan itself in another unit: bright bone, dark air.
    made, scan = volume_of(result).array.astype(float), subject.ct.array.clip(-1000, 1000).astype(float)
    assert np.corrcoef(made.ravel(), scan.ravel())[0, 1] > 0.9
