"""A result beside the scan it was made from: blended, as a checkerboard, or by turns."""

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.session import failureOf
from SynthLogic.scene import Checkerboard, Overlay, is_synthetic, source_of
from SynthLogic.scene.nodes import nodes_of_class
from SynthLogic.scene.results import remove_result

BLEND, CHECKERBOARD, FLICKER = range(3)
SLICES_A_TURN = 4
SETTLE_MS = 300
ATTRIBUTE = "CrossModalSynth.Target"


class Comparison:
    """The section "Compare with the scan".

    Args:
        ui: with ``compareSection``, ``resultSelector``, ``modeSelector``, ``amountSlider``, ``amountLabel``.
        session: of the module.
        tell: shows a Failure to the user.
    """

    def __init__(self, ui, session, tell):
        self.ui, self.session, self.tell = ui, session, tell
        self._overlay = self._board = self._boardOverlay = self._chore = None
        self._amounts = {BLEND: 100.0, CHECKERBOARD: 20.0, FLICKER: 1.0}
        self._result = False
        self._flicker = qt.QTimer()
        self._flicker.connect("timeout()", self._onFlicker)
        self._settle = qt.QTimer()
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.connect("timeout()", self._makeBoard)
        # Only results with a record: a checkerboard is not one.
        ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", ATTRIBUTE)
        ui.resultSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onResult)
        ui.modeSelector.connect("currentIndexChanged(int)", self._onMode)
        ui.amountSlider.connect("valueChanged(double)", self._onAmount)

    def show(self, node):
        """Lay a result over its scan in all slice views."""
        if self.ui.resultSelector.currentNode() is node:
            self._onResult(node)
        else:
            self.ui.resultSelector.setCurrentNode(node)

    def pause(self):
        """Stop flickering, with the result shown."""
        if self._flicker.isActive():
            self._flicker.stop()
            if self._overlay is not None:
                self._overlay.show(self._amounts[BLEND] / 100)

    def stop(self):
        """Show again what was shown before."""
        self._flicker.stop()
        self._settle.stop()
        self._removeBoard()
        if self._overlay is not None:
            self._overlay.restore()
            self._overlay = None

    def forget(self):
        """The scene closes: nothing is there to be restored."""
        self._flicker.stop()
        self._settle.stop()
        if self._chore is not None:
            self.session.abandon(self._chore)
        self._overlay = self._board = self._boardOverlay = self._chore = None

    def _onResult(self, node):
        self.stop()
        scan = source_of(node) if node is not None and is_synthetic(node) else None
        self.ui.compareSection.enabled = scan is not None
        if scan is not None:
            wasShown = _isShown(scan)
            self._overlay = Overlay(slicer.mrmlScene, scan, node)
            self._overlay.show(self._amounts[BLEND] / 100)
            self._onMode(self.ui.modeSelector.currentIndex)
            if not wasShown:
                # The views look at something else, perhaps far away.
                slicer.util.resetSliceViews()

    def _onMode(self, mode):
        self._flicker.stop()
        self._settle.stop()
        self._removeBoard()
        slider, label = self.ui.amountSlider, self.ui.amountLabel
        wasBlocked = slider.blockSignals(True)
        if mode == BLEND:
            label.text, limits, step, decimals, suffix = _("Opacity:"), (0, 100), 1, 0, " %"
        elif mode == CHECKERBOARD:
            label.text, limits, step, decimals, suffix = _("Field:"), (5, 100), 5, 0, " mm"
        else:
            label.text, limits, step, decimals, suffix = _("Changes:"), (0.5, 5), 0.5, 1, " /s"
        slider.decimals = decimals
        slider.minimum, slider.maximum = limits
        slider.singleStep = step
        slider.suffix = suffix
        slider.value = self._amounts[mode]
        slider.blockSignals(wasBlocked)
        self._apply(mode)

    def _onAmount(self, value):
        mode = self.ui.modeSelector.currentIndex
        self._amounts[mode] = value
        self._apply(mode)

    def _apply(self, mode):
        if self._overlay is None:
            return
        amount = self._amounts[mode]
        if mode == BLEND:
            self._overlay.show(amount / 100)
        elif mode == FLICKER:
            self._flicker.start(round(1000 / amount))
        elif self._board is None and self._chore is None:
            self._makeBoard()
        else:
            self._settle.start()

    def _onFlicker(self):
        self._result = not self._result
        if self._overlay is not None:
            self._overlay.flicker(self._result)

    def _makeBoard(self):
        self._removeBoard()
        result = self.ui.resultSelector.currentNode()
        scan = source_of(result) if result is not None else None
        if scan is None:
            return
        try:
            board = Checkerboard(scan, result, self._amounts[CHECKERBOARD])
        except Exception as error:
            self.tell(failureOf(error))
            return

        def steps():
            for k in range(0, board.slices, SLICES_A_TURN):
                board.fill(k, min(k + SLICES_A_TURN, board.slices))
                yield k

        def done():
            self._chore = None
            self._board = board.add_to(slicer.mrmlScene)
            # Where the user looks at something else by now, it stays.
            self._boardOverlay = Overlay(slicer.mrmlScene, self._board, self._board, instead=self._overlay)
            self._boardOverlay.show(0)

        def failed(failure):
            self._chore = None
            self.tell(failure)

        self._chore = self.session.spread(steps(), done, failed)

    def _removeBoard(self):
        if self._chore is not None:
            self.session.abandon(self._chore)
            self._chore = None
        if self._board is not None:
            board, self._board = self._board, None
            self._boardOverlay.restore()
            remove_result(slicer.mrmlScene, board)


def _isShown(node):
    views = nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode")
    return node.GetID() in (view.GetBackgroundVolumeID() for view in views)
