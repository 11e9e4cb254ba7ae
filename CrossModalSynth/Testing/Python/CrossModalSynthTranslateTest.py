"""In Slicer itself: a simulated CT becomes an MR on its grid, and the window stays alive meanwhile."""

import time
import unittest

import slicer
import vtk

WAIT_S = 300


class CrossModalSynthTranslateTest(unittest.TestCase):
    """Run by ctest; needs the worker's libraries in Slicer's Python."""

    def setUp(self):
        """Begin with an empty scene and the module open."""
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule("CrossModalSynth")
        self.panel = slicer.util.getModuleWidget("CrossModalSynth").translatePanel
        missing = self.panel.installation.missing()
        if missing:
            self.skipTest(f"not installed in Slicer's Python: {', '.join(missing)}")

    def wait(self, predicate):
        """Turn the event loop until the predicate holds."""
        end = time.monotonic() + WAIT_S
        while not predicate():
            if time.monotonic() > end:
                self.fail("nothing happened in time")
            slicer.app.processEvents()

    def test_translate(self):
        """Choose, click, wait: the result has the scan's shape and geometry, and says what it is."""
        from CrossModalSynthLib.sample_data import addSubject

        ct = addSubject(slicer.mrmlScene, 1)[0]
        before = slicer.util.arrayFromVolume(ct).copy()
        self.panel.ui.scanSelector.setCurrentNode(ct)
        self.wait(lambda: self.panel.ui.synthesizeButton.enabled)
        assert self.panel.ui.synthesizeButton.text == "Synthesize MR"
        self.panel.ui.synthesizeButton.click()
        self.wait(lambda: not self.panel.runs)
        result = self.panel.ui.resultSelector.currentNode()
        assert result.GetName().endswith("(synthetic)")
        assert slicer.util.arrayFromVolume(result).shape == before.shape
        matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
        for node, matrix in zip((ct, result), matrices, strict=True):
            node.GetIJKToRASMatrix(matrix)
        for element in range(16):
            assert matrices[0].GetElement(element // 4, element % 4) == matrices[1].GetElement(
                element // 4, element % 4
            )
        assert (slicer.util.arrayFromVolume(ct) == before).all()
