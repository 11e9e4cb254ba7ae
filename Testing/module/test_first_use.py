"""First use: which packages Slicer is asked for, when, in which order; which bundles are there and used."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from SynthLogic.scene import record_of

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "Resources" / "bundles"
REQUIREMENTS = (ROOT / "CrossModalSynth" / "Resources" / "requirements.txt").read_text().split()
TORCH = ("torch", ">=2.4")
# The process has them all, so in the harness a package is only missing if it is said to be.
ALL = {"torch", *(line.split(">=")[0] for line in REQUIREMENTS)}


def pip(*names):
    """What pip has to be asked for: with the versions of requirements.txt, in its order."""
    return [("pip", line) for line in REQUIREMENTS if line.split(">=")[0] in names]


@pytest.fixture
def without(user, subject, host):
    """A function: the module in a Slicer that lacks these packages, with a scan chosen."""

    def lacking(*names):
        host.packages.missing = set(names)
        user.panel.installation._complete = False
        user.ui.scanSelector.setCurrentNode(user.add(subject.ct, "CT"))
        host.spin()
        assert user.ui.synthesizeButton.enabled
        return user

    return lacking


def asked(host):
    return [dialog.kind for dialog in host.answers.asked]


@pytest.mark.parametrize(
    ("missing", "installed"),
    [
        (ALL, [TORCH, *pip(*ALL)]),
        ({"torch"}, [TORCH]),
        ({"monai", "pydicom"}, pip("monai", "pydicom")),
    ],
    ids=["all", "torch alone", "all but torch"],
)
def test_exactly_what_is_missing_is_installed(without, host, missing, installed):
    user = without(*missing)
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text=r"^Works on .+")
    user.click()
    assert host.packages.installed == installed
    user.wait(lambda: len(host.answers.asked) == 2 and user.panel._answer is not None)
    # One question, whatever is missing, and it names what was installed and nothing else.
    assert asked(host) == ["confirm", "info"]
    question = host.answers.asked[0].text
    assert ("PyTorch" in question) == ("torch" in missing)
    for name in ALL - {"torch"}:
        assert (re.search(rf"\b{name}\b", question) is not None) == (name in missing)
    assert re.search(r"\d+ (MB|GB)", question)
    assert user.ui.synthesizeButton.text == "Synthesize MR"
    assert user.ui.synthesizeButton.enabled


def test_nothing_is_asked_or_installed_before_the_button(without, host):
    user = without(*ALL)
    user.ui.advancedSection.collapsed = False
    user.widget.ui.tabs.currentIndex = 1
    user.widget.modelsPanel.ui.verifyButton.click()
    user.widget.ui.tabs.currentIndex = 0
    host.spin(0.5)
    assert host.answers.asked == []
    assert host.packages.installed == []
    assert user.state == "off"


@pytest.mark.parametrize("missing", [ALL, {"monai"}], ids=["of torch", "of the rest"])
def test_a_failed_installation_can_be_tried_again(without, host, missing):
    user = without(*missing)
    host.packages.failure = "no space left on device"
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error", text=r"installation failed: .+")
    user.click()
    host.spin(0.3)
    # It stopped at the first, tried no device and asked nothing else.
    assert len(host.packages.installed) == 1
    assert asked(host) == ["confirm", "error"]
    assert host.answers.asked[1].title == "Cross-Modal Synthesis"
    assert user.state == "off"
    assert user.ui.synthesizeButton.enabled
    assert user.ui.synthesizeButton.text.startswith("Install")
    host.packages.failure = None
    host.packages.installed.clear()
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text="Works on")
    user.click()
    user.wait(lambda: len(host.answers.asked) == 4 and user.panel._answer is not None)
    assert host.packages.installed == ([TORCH] if "torch" in missing else []) + pip(*missing)


def test_an_installation_that_changes_nothing(without, host, monkeypatch):
    user = without("torch", "monai")
    monkeypatch.setattr(host.packages, "install", lambda *arguments: None)
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error", text=r"Still missing.*torch, monai.*[Rr]estart Slicer")
    user.click()
    host.spin(0.3)
    assert user.state == "off"
    assert user.ui.synthesizeButton.text.startswith("Install")


def test_without_the_pytorch_extension_nothing_is_installed_at_all(without, host, monkeypatch):
    import sys

    user = without(*ALL)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error", text=r"PyTorch extension.*Extensions Manager.*restart")
    user.click()
    host.spin(0.3)
    assert host.packages.installed == []
    assert user.state == "off"


def test_installing_before_a_scan_is_chosen(user, host):
    host.packages.missing = {"pydantic"}
    user.panel.installation._complete = False
    user.panel._show()
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text="Works on")
    user.click()
    user.wait(lambda: len(host.answers.asked) == 2)
    assert host.packages.installed == pip("pydantic")
    assert "Choose a scan" in user.ui.seenLabel.text
    assert not user.ui.synthesizeButton.enabled


# --- bundles


@pytest.fixture
def models(user):
    """The tab Models, once its list is there."""
    user.widget.ui.tabs.currentIndex = 1
    ui = user.widget.modelsPanel.ui
    user.wait(lambda: ui.modelList.count > 0)
    return ui


def rows(models):
    return [models.modelList.item(n).text() for n in range(models.modelList.count)]


@pytest.fixture
def own(tmp_path):
    """A bundle of another name in a folder."""
    from SynthLogic.bundles import Bundle, write_bundle

    shipped = Bundle.open(SHIPPED / "thorax-ct-to-mr")
    card = shipped.card.model_copy(update={"name": "mine", "title": "My own"})
    tensors = shipped.load_network().state_dict()
    licence = (shipped.folder / "LICENSE").read_text()
    return write_bundle(tmp_path / "mine", card, tensors, licence=licence).folder


def zipped(target, *files):
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return target


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.dat", "neither a folder nor a zip file"),
        ("holiday.zip", "card.json"),
        ("above.zip", "not a plain relative path"),
        ("cut.zip", "neither a folder nor a zip file"),
        ("gone.zip", "no 'gone.zip' to import"),
    ],
)
def test_what_is_no_bundle_is_said_and_not_kept(user, models, own, tmp_path, name, words):
    path = tmp_path / name
    if name == "notes.dat":
        path.write_bytes(b"PK is not enough")
    elif name == "holiday.zip":
        zipped(path, ("beach.jpg", b"sand"))
    elif name == "above.zip":
        zipped(path, ("../../evil.txt", b"up"))
    elif name == "cut.zip":
        whole = zipped(path, *((str(p.relative_to(own)), p.read_bytes()) for p in own.rglob("*.*")))
        path.write_bytes(whole.read_bytes()[:-200])
    before = rows(models)
    user.host.answers.expect(str(path), kind="file")
    models.importZipButton.click()
    user.wait(lambda: models.modelMessage.text and "Checking" not in models.modelMessage.text)
    assert words in models.modelMessage.text
    assert rows(models) == before
    assert [p for p in (tmp_path / "home").rglob("*") if p.is_file()] == []
    assert not list(tmp_path.parent.rglob("evil.txt"))


def test_an_imported_bundle_is_used_until_it_is_removed(user, models, own, subject, tmp_path):
    user.host.answers.expect(str(own), kind="file")
    models.importFolderButton.click()
    user.wait(lambda: any(row.startswith("My own") for row in rows(models)))
    user.widget.ui.tabs.currentIndex = 0
    user.choose(user.add(subject.ct, "CT"))
    user.ui.advancedSection.collapsed = False
    user.wait(lambda: user.ui.bundleSelector.findData("mine") >= 0)
    user.ui.bundleSelector.currentIndex = user.ui.bundleSelector.findData("mine")
    user.wait(lambda: user.ui.synthesizeButton.enabled)
    assert "My own" in user.ui.seenLabel.text
    user.click()
    assert json.loads(record_of(user.finish()))["bundle"]["name"] == "mine"
    user.widget.ui.tabs.currentIndex = 1
    user.wait(lambda: models.removeButton.enabled)
    user.host.answers.expect(True, kind="confirm", text="mine")
    models.removeButton.click()
    user.wait(lambda: not any(row.startswith("My own") for row in rows(models)))
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_verify_names_the_file_that_was_changed(user, own, tmp_path):
    kept = shutil.copytree(own, tmp_path / "home" / "bundles" / "mine")
    weights = kept / "models" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    user.widget.ui.tabs.currentIndex = 1
    models = user.widget.modelsPanel.ui
    user.wait(lambda: any(row.startswith("My own") for row in rows(models)))
    own_row = [row.startswith("My own") for row in rows(models)].index(True)
    models.modelList.setCurrentRow(own_row)
    models.verifyButton.click()
    user.wait(lambda: "model.safetensors" in models.modelMessage.text)
    models.modelList.setCurrentRow(0 if own_row else 1)
    models.verifyButton.click()
    user.wait(lambda: "exactly what its card says" in models.modelMessage.text)
