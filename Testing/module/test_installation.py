"""First use without the libraries: one question, what is installed how, a real test of the device."""

import importlib.metadata
import sys

import pytest
import slicer

from SynthLogic.scene import is_synthetic

NEEDED = ["torch", "monai", "pydantic"]


@pytest.fixture
def bare(user, subject, host):
    """The module in a Slicer where some libraries are missing, with a scan chosen."""
    host.packages.missing = set(NEEDED)
    user.panel.installation._complete = False
    user.ui.scanSelector.setCurrentNode(user.add(subject.ct, "CT"))
    host.spin()
    assert "have to be installed" in user.ui.seenLabel.text
    assert user.ui.synthesizeButton.text.startswith("Install")
    return user


def test_nothing_is_installed_without_a_yes(bare, host):
    host.answers.expect(False, kind="confirm", text=r"PyTorch(.|\n)*GB(.|\n)*monai, pydantic")
    bare.click()
    host.spin()
    assert host.packages.installed == []
    assert bare.state == "off"
    assert bare.ui.synthesizeButton.text.startswith("Install")


def test_install_then_try_then_look(bare, host):
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text="Works on")
    bare.click()
    bare.wait(lambda: bare.panel._answer is not None)
    bare.wait(lambda: bare.state == "idle")
    assert host.packages.installed[0] == ("torch", ">=2.4")
    assert {kind for kind, _ in host.packages.installed[1:]} == {"pip"}
    assert bare.ui.synthesizeButton.text == "Synthesize MR"


def test_an_installation_that_fails(bare, host):
    host.packages.failure = "no space left on device"
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error", text="installation failed")
    bare.click()
    host.spin()
    assert bare.ui.synthesizeButton.text.startswith("Install")
    # And once there is space, it works.
    host.packages.failure = None
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text="Works on")
    bare.click()
    bare.wait(lambda: bare.panel._answer is not None and bare.state == "idle")


def test_without_the_pytorch_extension(bare, host, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error", text="Extensions Manager")
    bare.click()
    host.spin()
    assert host.packages.installed == []


def test_models_say_where_to_install(bare, host):
    bare.widget.ui.tabs.currentIndex = 1
    host.spin()
    assert "Translate tab" in bare.widget.modelsPanel.ui.modelMessage.text
    assert bare.state == "off"


@pytest.fixture
def before_5_11(host, monkeypatch):
    """A Slicer without ``slicer.packaging``: versions of packages, and what pip is given."""
    monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    real, versions, installed = importlib.metadata.version, {}, []

    def version(name):
        if name in versions and versions[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    def pip_install(requirements):
        installed.append(requirements)
        versions.clear()

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(slicer.util, "pip_install", pip_install, raising=False)
    return versions, installed


def test_old_slicer_compares_versions_too(user, before_5_11):
    versions, _ = before_5_11
    installation = user.panel.installation
    for found, lacking in [
        ({}, []),
        ({"monai": "1.3.2"}, ["monai"]),
        ({"monai": "1.10.0"}, []),
        ({"monai": "1.4.0rc1+slicer"}, ["monai"]),
        ({"torch": "2.3.1+cu121", "pydantic": None}, ["torch", "pydantic"]),
        ({"safetensors": "unreadable"}, ["safetensors"]),
    ]:
        versions.clear()
        versions.update(found)
        installation._complete = False
        assert installation.missing() == lacking


PACKAGING = "packaging.requirements"
VENDORED = "pip._vendor.packaging.requirements"


@pytest.mark.parametrize("without", [[PACKAGING], [PACKAGING, VENDORED]])
def test_old_slicer_without_the_library_packaging(user, before_5_11, monkeypatch, without):
    versions, _ = before_5_11
    versions["monai"] = "1.3.2"
    for name in without:
        monkeypatch.setitem(sys.modules, name, None)
    user.panel.installation._complete = False
    # Without anything to compare versions with, what is there counts.
    assert user.panel.installation.missing() == ([] if VENDORED in without else ["monai"])


def test_old_slicer_installs_what_is_too_old(user, subject, host, before_5_11):
    versions, installed = before_5_11
    versions["monai"] = "1.3.2"
    user.panel.installation._complete = False
    user.ui.scanSelector.setCurrentNode(user.add(subject.ct, "CT"))
    assert user.ui.synthesizeButton.text.startswith("Install")
    host.answers.expect(True, kind="confirm", text="monai")
    host.answers.expect(None, kind="info", text="Works on")
    user.click()
    user.wait(lambda: user.panel._answer is not None)
    [[option, path]] = installed
    assert option == "-r"
    assert path.endswith("requirements.txt")
    user.click()
    assert is_synthetic(user.finish())


def test_after_an_installation_the_scan_is_looked_at_once(bare, host, monkeypatch):
    jobs, client = [], bare.widget.session.client
    submit = client.submit
    monkeypatch.setattr(
        client, "submit", lambda kind, *rest, **more: jobs.append(kind) or submit(kind, *rest, **more)
    )
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="info", text="Works on")
    bare.click()
    bare.wait(lambda: bare.panel._answer is not None and bare.state == "idle")
    host.select_module("")
    host.select_module("CrossModalSynth")
    host.spin(0.1)
    assert sorted(jobs) == ["check", "try_device"]
