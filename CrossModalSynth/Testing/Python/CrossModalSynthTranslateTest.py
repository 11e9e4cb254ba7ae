"""In Slicer itself: the module opens, offers its sample data, and translates a simulated CT.

Without the worker's libraries, as on a build machine, there can be no translation; then the panel has to say
so and offer to install them.
"""

import time
import unittest

import slicer
import vtk

WAIT_S = 300


class CrossModalSynthTranslateTest(unittest.TestCase):
    """Run by ctest, with the worker's libraries in Slicer's Python or without them."""

    def setUp(self):
        """Begin with an empty scene and the module open."""
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule("CrossModalSynth")
        self.widget = slicer.util.getModuleWidget("CrossModalSynth")
        self.panel = self.widget.translatePanel

    def wait(self, predicate):
        """Turn the event loop until the predicate holds."""
        end = time.monotonic() + WAIT_S
        while not predicate():
            if time.monotonic() > end:
                self.fail("nothing happened in time")
            slicer.app.processEvents()

    def simulate(self):
        """Make the first of the module's sample data as the Sample Data module does: nodes of CT and MR."""
        sources = slicer.modules.sampleDataSources["CrossModalSynth"]
        names = [source.sampleName for source in sources]
        assert names == ["SimulatedThorax1", "SimulatedThorax2"]
        return sources[0].customDownloader(sources[0])

    def test_opens(self):
        """The module is loaded and its panel is there: banner, tabs, no scan chosen yet."""
        assert "not for diagnosis" in self.widget.ui.bannerLabel.text
        tabs = [self.widget.ui.tabs.widget(n) for n in range(self.widget.ui.tabs.count)]
        assert self.widget.ui.translateTab in tabs
        assert self.widget.ui.modelsTab in tabs
        assert self.panel.ui.scanSelector.currentNode() is None
        assert self.panel.ui.synthesizeButton.text

    def test_sample_data(self):
        """A simulated subject has a CT in HU and an MR, on one grid."""
        ct, mr = self.simulate()
        voxels = slicer.util.arrayFromVolume(ct)
        assert voxels.shape == slicer.util.arrayFromVolume(mr).shape
        assert voxels.min() < -900
        assert voxels.max() > 200
        assert geometry(ct) == geometry(mr)

    def test_translate(self):
        """Choose and click: the result has the scan's shape and geometry, and the scan is as it was.

        Where libraries are missing: nothing starts, the panel says so, and the button offers to install them.
        """
        ct = self.simulate()[0]
        before = slicer.util.arrayFromVolume(ct).copy()
        button = self.panel.ui.synthesizeButton
        self.panel.ui.scanSelector.setCurrentNode(ct)
        if self.panel.installation.missing():
            assert "have to be installed" in self.panel.ui.seenLabel.text
            assert button.enabled
            assert button.text.startswith("Install")
            assert self.widget.session.client.state == "off"
            return
        self.wait(lambda: button.enabled)
        assert button.text == "Synthesize MR"
        button.click()
        self.wait(lambda: not self.panel.runs)
        result = self.panel.ui.resultSelector.currentNode()
        assert result.GetName().endswith("(synthetic)")
        assert slicer.util.arrayFromVolume(result).shape == before.shape
        assert geometry(ct) == geometry(result)
        assert (slicer.util.arrayFromVolume(ct) == before).all()


def geometry(node):
    """Return the sixteen numbers that place the voxels of a volume node."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return [matrix.GetElement(element // 4, element % 4) for element in range(16)]
