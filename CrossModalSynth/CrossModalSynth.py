"""The Slicer module "Cross-Modal Synthesis": what Slicer is told of it, its widget and its state.

The window's process never imports torch: networks run in a worker process (SynthLogic.worker). The panels
are in CrossModalSynthLib; nodes become volumes, and results nodes, in SynthLogic.scene.
"""

import os
import sys
from typing import Union

import qt
import slicer
from slicer import (
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLSequenceNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

SAMPLE_SEEDS = (1, 2)


def findLibrary() -> None:
    """Let Python find SynthLogic: beside this file when built by CMake, one folder up in a clone."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (here, os.path.dirname(here)):
        if os.path.isfile(os.path.join(folder, "SynthLogic", "__init__.py")):
            if folder not in sys.path:
                sys.path.append(folder)
            return
    raise ImportError(
        _("SynthLogic is not beside the module; install the extension again or clone the repository.")
    )


class CrossModalSynth(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Cross-Modal Synthesis")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["CrossModalSynth contributors"]
        self.parent.helpText = _(
            "Makes a synthetic MR from a CT, or a synthetic CT from an MR, on exactly the scan's voxel grid. "
            "Choose a scan and press the large button. Models shows what the networks were trained on, how "
            "well they did, and their limits. For research, not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "The methods are those of Chartsias 2017, Hiasa 2018, Wang 2018, Amirrajab 2022 and Zhu 2017."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer simulated subjects in the Sample Data module; made on the spot, nothing is downloaded."""
    import SampleData

    icons = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Resources", "Icons")
    for seed in SAMPLE_SEEDS:
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="CrossModalSynth",
            sampleName=f"SimulatedThorax{seed}",
            uris="",
            customDownloader=makeSample,
            thumbnailFileName=os.path.join(icons, f"SimulatedThorax{seed}.png"),
        )


def makeSample(source):
    """Simulate the subject that ``source`` (a SampleDataSource) names; returns its CT and MR nodes."""
    findLibrary()
    from CrossModalSynthLib.sample_data import addSubject

    return addSubject(slicer.mrmlScene, int(source.sampleName[len("SimulatedThorax") :]))


@parameterNodeWrapper
class CrossModalSynthParameterNode:
    """What the user chose; saved with the scene.

    scan - scalar volume, or sequence of them, to translate
    region - segmentation or ROI to which the translation is limited
    outputName - name of the result; empty for one made from the scan's
    bundle - name of the bundle; empty for the best
    device - auto, cpu or cuda:N
    precision - auto, fp32 or bf16
    planes - empty for what suits the bundle, else planes with commas
    """

    scan: Union[vtkMRMLScalarVolumeNode, vtkMRMLSequenceNode, None]  # noqa: UP007
    region: Union[vtkMRMLSegmentationNode, vtkMRMLMarkupsROINode, None]  # noqa: UP007
    outputName: str = ""
    bundle: str = ""
    device: str = "auto"
    precision: str = "auto"
    planes: str = ""


class CrossModalSynthLogic(ScriptedLoadableModuleLogic):
    """Owns the worker; everything else is in SynthLogic, without Qt."""

    def getParameterNode(self):
        """The module's state in the scene."""
        return CrossModalSynthParameterNode(super().getParameterNode())


class CrossModalSynthWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: a banner and one tab for each task."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.session = None
        self.panels = []
        self._parameterNode = None
        self._connection = None
        self._entered = False
        self.translatePanel = None

    def setup(self):
        """Build the panel; called once when the module is first shown."""
        ScriptedLoadableModuleWidget.setup(self)
        findLibrary()
        from CrossModalSynthLib.installation import Installation
        from CrossModalSynthLib.models_panel import ModelsPanel
        from CrossModalSynthLib.session import Session
        from CrossModalSynthLib.translate_panel import TranslatePanel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CrossModalSynth.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.logic = CrossModalSynthLogic()
        self.session = Session()
        installation = Installation(self.resourcePath("requirements.txt"))
        translateWidget = slicer.util.loadUI(self.resourcePath("UI/TranslatePanel.ui"))
        modelsWidget = slicer.util.loadUI(self.resourcePath("UI/ModelsPanel.ui"))
        self.ui.translateTab.layout().addWidget(translateWidget)
        self.ui.modelsTab.layout().addWidget(modelsWidget)
        self.translateWidget = translateWidget
        translateUi = slicer.util.childWidgetVariables(translateWidget)
        modelsUi = slicer.util.childWidgetVariables(modelsWidget)
        self.translatePanel = TranslatePanel(translateUi, self.session, installation)
        self.modelsPanel = ModelsPanel(modelsUi, self.session, installation)
        self.ui.tabs.connect("currentChanged(int)", self.onTab)
        self.panels = [self.translatePanel, self.modelsPanel]
        uiWidget.setMRMLScene(slicer.mrmlScene)
        translateWidget.setMRMLScene(slicer.mrmlScene)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        # A reload shows the module anew without entering it.
        self._entered = True
        self.initializeParameterNode()

    def cleanup(self):
        """End the worker and let go of the scene; called when the module is reloaded or Slicer ends."""
        self._entered = False
        self.setParameterNode(None)
        self.removeObservers()
        for panel in self.panels:
            panel.cleanup()
        if self.session is not None:
            self.session.close()

    def enter(self):
        """The user came to the module."""
        self._entered = True
        self.initializeParameterNode()
        for panel in self.panels:
            panel.enter()

    def exit(self):
        """The user left the module; runs go on."""
        self._entered = False
        for panel in self.panels:
            panel.exit()

    def onSceneStartClose(self, caller, event):
        """Everything of this scene ends with it."""
        self.setParameterNode(None)
        for panel in self.panels:
            panel.sceneCloses()

    def onSceneEndClose(self, caller, event):
        """An empty scene is there."""
        if self._entered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """A scene was loaded, perhaps with our state; selectors know its nodes one event later."""
        qt.QTimer.singleShot(0, self.onSceneLoaded)

    def onSceneLoaded(self):
        """Show the loaded state."""
        if self._entered:
            self.initializeParameterNode()

    def onTab(self, index):
        """Cards are read when somebody wants to see them."""
        if self.ui.tabs.widget(index) is self.ui.modelsTab:
            self.modelsPanel.refresh()

    def initializeParameterNode(self):
        """Attach to the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        """Bind the widgets to ``node``, or to nothing."""
        if self._parameterNode is not None and self._connection is not None:
            self._parameterNode.disconnectGui(self._connection)
        self._parameterNode, self._connection = node, None
        if node is not None:
            self._connection = node.connectGui(self.translateWidget)
        if self.translatePanel is not None:
            self.translatePanel.setParameterNode(node)


class CrossModalSynthTest(ScriptedLoadableModuleTest):
    """Slicer's own self-test: a simulated CT becomes an MR on its grid, in Slicer's worker process."""

    def setUp(self):
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all."""
        self.setUp()
        self.test_SampleData()

    def test_SampleData(self):
        """A simulated subject has a CT and an MR on one grid."""
        findLibrary()
        from CrossModalSynthLib.sample_data import addSubject

        ct, mr = addSubject(slicer.mrmlScene, 1)
        assert slicer.util.arrayFromVolume(ct).shape == slicer.util.arrayFromVolume(mr).shape
        assert slicer.util.arrayFromVolume(ct).min() < -900
