"""The slider of Interpolate, from the drag to the pixels: ``python Testing/module/slider.py FOLDER``.

Two simulated hearts and the bundles that ship, in the harness, which is not Slicer. The clock stops when the
red slice view has drawn what belongs to the new place. Run it on an idle machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))

MOVES, SEED = 15, 2026
LOOK_EVERY_S = 0.001
PLACES = np.linspace(0.1, 0.9, MOVES + 1)
GATES_MS = {
    "labels of the whole subject": 100,
    "image of the visible slice": 150,
    "the whole subject painted": 600,
}


def main(folder: Path) -> None:
    """Measure, and write the table as ``folder/heart-slider`` with its endings."""
    from harness.host import Host

    host = Host()
    module = host.load_module(ROOT / "CrossModalSynth" / "CrossModalSynth.py")
    from CrossModalSynthLib.heart_slider import ALL, NONE, SLICE

    from SynthLogic.benchmarks.cases import environment
    from SynthLogic.phantoms import make_heart
    from SynthLogic.review.tables import Column, Table, write_tables
    from SynthLogic.scene import Segment, add_segmentation

    segments = [Segment(1, "LV blood pool"), Segment(2, "Myocardium"), Segment(3, "RV")]
    hearts = [
        add_segmentation(host.scene, make_heart(SEED, n).ed_labels, segments, f"Heart {n}") for n in (0, 1)
    ]
    panel = module.interpolatePanel
    module.ui.tabs.setCurrentWidget(module.ui.interpolateTab)
    for picker, heart in zip(panel.pair.pickers, hearts, strict=True):
        picker.ui.heartSelector.setCurrentNode(heart)
    host.wait(lambda: panel.ui.keepButton.enabled or panel.work.ui.messageFrame.visible, 300)
    if panel.work.ui.messageFrame.visible:
        raise SystemExit(panel.work.ui.messageLabel.text)
    view = host.view("Red")

    given = [0.0]
    update = panel.preview.update

    def updated(*arguments: object) -> None:
        update(*arguments)
        given.append(time.perf_counter())

    # A view is drawn after the preview has what belongs there.
    panel.preview.update = updated

    def clock(quality: int) -> float:
        """Median milliseconds from a drag until the view shows it."""
        panel.ui.paintCheck.checked = quality != NONE
        panel.slider._resting.setInterval(0 if quality == ALL else 3_600_000)
        found = []
        for place in PLACES:
            before = view.pixels()
            start = time.perf_counter()
            panel.ui.positionSlider.value = float(place)
            host.wait(lambda: panel.slider.shows(quality), 60, LOOK_EVERY_S)
            shown = time.perf_counter()
            if quality != NONE:
                # The harness draws volumes; of segmentations it has the nodes, with labels and surfaces.
                host.wait(lambda given=given[-1]: view.drawn_at > given, 60, LOOK_EVERY_S)
                shown = view.drawn_at
                if np.array_equal(before, view.pixels()):
                    raise SystemExit("The view did not change; the measurement is void.")
            found.append(1000 * (shown - start))
            host.spin(0.3)
        return statistics.median(found[1:])

    rows = []
    for (name, wanted), quality in zip(GATES_MS.items(), (NONE, SLICE, ALL), strict=True):
        took = clock(quality)
        rows.append((name, took, f"≤ {wanted}", took <= wanted))
        print(*rows[-1])
    table = Table(
        "The slider from the drag to the pixels, 32 slices of 128 x 128",
        (Column("what"), Column("median", "ms", 0), Column("wanted"), Column("reached")),
        tuple(rows),
        (
            f"{MOVES} moves each between two simulated hearts, in the test harness. The whole subject is "
            "painted after its visible slice; the 300 ms for which the hand has to rest first are left out. "
            "The harness draws volumes only, so of labels the clock stops when the segmentation holds them, "
            "surfaces included.",
            environment(),
        ),
    )
    write_tables([table], folder / "heart-slider")
    host.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "benchmarks")
