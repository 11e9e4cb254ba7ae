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

    heart_pictures(host, module, picture, folder / "cohort")
    module.ui.tabs.setCurrentWidget(module.ui.translateTab)
    # The views lie along the hearts.
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        host.scene.GetNodeByID(f"vtkMRMLSliceNode{name}").SetOrientation(orientation)
    host.show_volumes(ct)

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


def heart_pictures(host: Any, module: Any, picture: Any, cohort: Path) -> None:
    """The tabs about hearts, with two simulated patients."""
    import shutil

    from CrossModalSynthLib.heart_view import alignViews

    from SynthLogic.phantoms import make_heart
    from SynthLogic.scene import Segment, add_segmentation, add_volume

    names = [Segment(1, "LV blood pool"), Segment(2, "Myocardium"), Segment(3, "Right ventricle")]
    hearts = []
    for index, title in enumerate(("Patient A", "Patient B")):
        made = make_heart(31, index)
        image = add_volume(host.scene, made.ed, f"{title} cine")
        hearts.append(add_segmentation(host.scene, made.ed_labels, names, title, source=image))
    tabs, generate, between, export = (
        module.ui.tabs,
        module.generatePanel,
        module.interpolatePanel,
        module.exportPanel,
    )
    tabs.setCurrentWidget(module.ui.generateTab)
    generate.picker.ui.heartSelector.setCurrentNode(hearts[0])
    host.wait(lambda: generate._seen is not None, 120)
    generate.ui.generateButton.click()
    host.wait(lambda: not generate.work.busy, 120)
    alignViews(host.scene.GetFirstNodeByName("Patient A MR (synthetic)"))
    picture("generate")
    strange = [Segment(segment.value, f"Segment_{segment.value}") for segment in names]
    unknown = add_segmentation(host.scene, make_heart(31, 2).ed_labels, strange, "Patient C")
    generate.picker.ui.heartSelector.setCurrentNode(unknown)
    picture("generate-unknown")
    host.scene.RemoveNode(unknown)
    tabs.setCurrentWidget(module.ui.interpolateTab)
    for picker, heart in zip(between.pair.pickers, hearts, strict=True):
        picker.ui.heartSelector.setCurrentNode(heart)
    between.ui.positionSlider.value = 0.4
    host.wait(lambda: between.ui.keepButton.enabled, 120)
    picture("interpolate")
    tabs.setCurrentWidget(module.ui.exportTab)
    export.ui.stepsSpin.value = 2
    # The real folder is none that a reader would know.
    export.ui.folderEdit.text = "/data/cohort"
    host.wait(lambda: export.ui.exportButton.enabled, 60)
    picture("export")
    export.ui.folderEdit.text = str(cohort)
    export.ui.exportButton.click()
    host.wait(lambda: not export.work.busy, 300)
    export.ui.summaryLabel.text = export.ui.summaryLabel.text.replace(str(cohort), "/data/cohort")
    export.ui.folderEdit.text = "/data/cohort"
    picture("exported")
    shutil.rmtree(cohort)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
