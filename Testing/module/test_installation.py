"""First use without the libraries: one question, what is installed how, a real test of the device."""

import pytest

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
    import sys

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
