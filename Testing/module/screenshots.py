"""Pictures of every state of the module, for the tutorial: ``make screenshots``.

Each is drawn at 1x (NAME.png) and 2x (NAME@2x.png) by the harness, which is not Slicer: fonts differ.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))


def main(folder: Path) -> None:
    """Go through the states and save each."""
    from harness.host import Host

    host = Host()
    module = host.load_module(ROOT / "CrossModalSynth" / "CrossModalSynth.py")
    from CrossModalSynthLib.sample_data import addSubject

    from SynthLogic.scene import add_volume, volume_of

    panel = module.translatePanel
    ui = panel.ui
    folder.mkdir(parents=True, exist_ok=True)

    def picture(name: str) -> None:
        host.spin(0.3)
        host.check()
        for scale, ending in ((1, ""), (2, "@2x")):
            print(host.grab(folder / f"slicer-{name}{ending}.png", scale))

    def seen() -> bool:
        return panel._answer is not None or ui.messageFrame.visible

    picture("start")
    ct, _ = addSubject(host.scene, 1)
    host.show_volumes(ct)
    ui.scanSelector.setCurrentNode(ct)
    host.wait(seen, 120)
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
    ui.modeSelector.currentIndex = 0
    ui.advancedSection.collapsed = False
    host.wait(lambda: ui.deviceSelector.count > 1, 60)
    picture("advanced")
    ui.advancedSection.collapsed = True
    wrong = volume_of(ct)
    shifted = add_volume(
        host.scene, wrong.with_array((wrong.array + 1024).clip(0).astype(np.int16)), "No offset"
    )
    host.show_volumes(shifted)
    ui.scanSelector.setCurrentNode(shifted)
    host.wait(seen, 120)
    picture("refused")
    module.ui.tabs.currentIndex = 1
    host.wait(lambda: module.modelsPanel.ui.modelList.count > 0, 60)
    picture("models")
    module.ui.tabs.currentIndex = 0
    host.packages.missing = {"torch", "monai"}
    panel.installation._complete = False
    panel._lookAtScan()
    picture("install")
    host.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
