"""The tab Models: cards, verify, import, remove."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "Resources" / "bundles"


class Models:
    def __init__(self, user):
        self.user, self.host, self.ui = user, user.host, user.widget.modelsPanel.ui
        user.widget.ui.tabs.currentIndex = 1
        user.wait(lambda: self.ui.modelList.count > 0)

    def names(self):
        return [self.ui.modelList.item(n).text() for n in range(self.ui.modelList.count)]

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
    assert models.names()[0].startswith("Thorax CT to MR")
    text = models.ui.cardBrowser.toPlainText()
    for words in ("MAE", "Limits", "Not for diagnosis", "Trained on", "Apache-2.0", "CT of the thorax"):
        assert words in text
    models.ui.modelList.setCurrentRow(1)
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
