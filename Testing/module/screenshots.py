"""Pictures of every state of the module, for the tutorial: ``make screenshots``.

Each is drawn at 1x (NAME.png) and 2x (NAME@2x.png) by the harness, which is not Slicer: fonts differ.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))


def main(folder: Path) -> None:
    """Go through the states and save each."""
    from harness.host import Host

    host = Host()
    import qt

    module = host.load_module(ROOT / "CrossModalSynth" / "CrossModalSynth.py")
    from CrossModalSynthLib.sample_data import addSubject

    from SynthLogic.scene import add_volume, volume_of
    from SynthLogic.volume import Volume

    panel = module.translatePanel
    ui = panel.ui
    folder.mkdir(parents=True, exist_ok=True)

    def picture(name: str, widget: Any = None) -> None:
        host.spin(0.3)
        host.check()
        for scale, ending in ((1, ""), (2, "@2x")):
            print(host.grab(folder / f"slicer-{name}{ending}.png", scale, widget))

    def dialog(name: str, came: Any) -> None:
        """A dialog that came up and was answered at once, as Slicer would show it."""
        box = qt.QMessageBox(host.window)
        box.icon = qt.QMessageBox.Critical if came.kind == "error" else qt.QMessageBox.Question
        box.windowTitle, box.text, box.detailedText = came.title, came.text, came.details
        if came.kind == "confirm":
            box.standardButtons = qt.QMessageBox.Ok | qt.QMessageBox.Cancel
        box.show()
        picture(name, box)
        box.close()

    def seen() -> bool:
        return panel._answer is not None or ui.messageFrame.visible

    def choose(node: Any) -> None:
        host.show_volumes(node)
        ui.scanSelector.setCurrentNode(node)
        host.wait(seen, 120)

    def kill_worker() -> None:
        os.kill(module.session.client._worker.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    picture("start")
    ct, _ = addSubject(host.scene, 1)
    choose(ct)
    picture("scan")
    ui.synthesizeButton.click()
    host.wait(lambda: ui.progressBar.value >= 30, 120)
    picture("running")
    host.wait(lambda: not panel.runs, 120)
    picture("result")
    ui.modeSelector.currentIndex = 1
    ui.amountSlider.value = 30
    host.spin(1)
    picture("checkerboard")
    ui.modeSelector.currentIndex = 2
    picture("flicker")
    ui.modeSelector.currentIndex = 0
    ui.advancedSection.collapsed = False
    host.wait(lambda: ui.deviceSelector.count > 1, 60)
    picture("advanced")
    ui.advancedSection.collapsed = True

    # What goes wrong.
    ui.synthesizeButton.click()
    host.wait(lambda: ui.progressBar.value >= 10, 120)
    kill_worker()
    host.wait(lambda: not panel.runs, 30)
    picture("killed")
    scan = volume_of(ct)
    shifted = scan.with_array((scan.array + 1024).clip(0).astype(np.int16))
    choose(add_volume(host.scene, shifted, "No offset"))
    picture("refused")
    rows, columns = (slice(3 * n // 10, 6 * n // 10) for n in scan.shape[1:])
    cut = Volume(np.ascontiguousarray(scan.array[:, rows, columns]), scan.ijk_to_ras)
    choose(add_volume(host.scene, cut, "Heart only"))
    picture("anyway")
    ui.scanSelector.setCurrentNode(ct)
    host.wait(lambda: module.session.client.state == "busy", 60)
    kill_worker()
    host.wait(lambda: ui.messageFrame.visible, 30)
    host.show_volumes(ct)
    picture("look-again")

    module.ui.tabs.currentIndex = 1
    host.wait(lambda: module.modelsPanel.ui.modelList.count > 0, 60)
    picture("models")
    module.ui.tabs.currentIndex = 0

    # First use.
    ui.scanSelector.setCurrentNode(None)
    host.packages.missing = {"torch", "monai", "pydicom"}
    panel.installation._complete = False
    ui.scanSelector.setCurrentNode(ct)
    picture("install")
    host.packages.failure = "no space left on device"
    host.answers.expect(True, kind="confirm")
    host.answers.expect(None, kind="error")
    ui.synthesizeButton.click()
    for name, came in zip(("install-question", "install-failed"), list(host.answers.asked), strict=True):
        dialog(name, came)
    host.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
