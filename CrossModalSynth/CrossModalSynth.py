"""The Slicer module "Cross-Modal Synthesis": what Slicer is told of it, its widget and its state.

The window's process never imports torch: networks run in a worker process (SynthLogic.worker). The panels
are in CrossModalSynthLib; nodes become volumes, and results nodes, in SynthLogic.scene.
"""

import os
import sys
from typing import Annotated, Union

import qt
import slicer
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLSequenceNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
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
    heart, heartA, heartB - segmentation or label map to paint, and the two to interpolate between
    heartStyle and so on - style of each: "named:" and a name, "seed", "scan", or empty for the first
    heartSeed and so on - of a style drawn at random
    heartReference, heartReferenceLabels and so on - scan that lends its style, and the heart in it
    heartCorrections - what the user says segments are: JSON, node ID -> segment ID or value -> label
    """

    scan: Union[vtkMRMLScalarVolumeNode, vtkMRMLSequenceNode, None]  # noqa: UP007
    region: Union[vtkMRMLSegmentationNode, vtkMRMLMarkupsROINode, None]  # noqa: UP007
    outputName: str = ""
    bundle: str = ""
    device: str = "auto"
    precision: str = "auto"
    planes: str = ""
    heart: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartStyle: str = ""
    heartSeed: Annotated[int, WithinRange(0, 999999)] = 1
    heartReference: Union[vtkMRMLScalarVolumeNode, None]  # noqa: UP007
    heartReferenceLabels: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartA: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartAStyle: str = ""
    heartASeed: Annotated[int, WithinRange(0, 999999)] = 1
    heartAReference: Union[vtkMRMLScalarVolumeNode, None]  # noqa: UP007
    heartAReferenceLabels: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartB: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartBStyle: str = ""
    heartBSeed: Annotated[int, WithinRange(0, 999999)] = 1
    heartBReference: Union[vtkMRMLScalarVolumeNode, None]  # noqa: UP007
    heartBReferenceLabels: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    heartCorrections: str = ""


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
        self._scenic, self._bound = [], []
        self._parameterNode = None
        self._connections = []
        self._entered = False
        self.translatePanel = None

    def setup(self):
        """Build the panel; called once when the module is first shown."""
        ScriptedLoadableModuleWidget.setup(self)
        findLibrary()
        from CrossModalSynthLib.export_panel import ExportPanel
        from CrossModalSynthLib.generate_panel import GeneratePanel
        from CrossModalSynthLib.installation import Installation
        from CrossModalSynthLib.interpolate_panel import InterpolatePanel
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
        self._bound = [translateWidget]
        self._scenic = [translateWidget]
        translateUi = slicer.util.childWidgetVariables(translateWidget)
        modelsUi = slicer.util.childWidgetVariables(modelsWidget)
        self.translatePanel = TranslatePanel(translateUi, self.session, installation)
        self.modelsPanel = ModelsPanel(modelsUi, self.session, installation)
        self.ui.tabs.connect("currentChanged(int)", self.onTab)
        pieces = {"heart": "HeartSource", "style": "StyleChoice", "run": "HeartRun"}
        generateUi = self.loadPanel("GeneratePanel", self.ui.generateTab, pieces)
        self.generatePanel = GeneratePanel(*generateUi, self.session, installation)
        run = {"run": "HeartRun"}
        pieces = {
            f"{kind}{x}": ui
            for x in "AB"
            for kind, ui in (("heart", "HeartSource"), ("style", "StyleChoice"))
        }
        interpolateUi = self.loadPanel("InterpolatePanel", self.ui.interpolateTab, {**pieces, **run})
        self.interpolatePanel = InterpolatePanel(*interpolateUi, self.session, installation)
        exportUi = self.loadPanel("ExportPanel", self.ui.exportTab, run)
        self.exportPanel = ExportPanel(*exportUi, self.session, installation)
        self.heartPanels = [
            (self.ui.generateTab, self.generatePanel),
            (self.ui.interpolateTab, self.interpolatePanel),
            (self.ui.exportTab, self.exportPanel),
        ]
        self.panels = [self.translatePanel, *(panel for tab, panel in self.heartPanels), self.modelsPanel]
        uiWidget.setMRMLScene(slicer.mrmlScene)
        for widget in self._scenic:
            widget.setMRMLScene(slicer.mrmlScene)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        # A reload shows the module anew without entering it.
        self._entered = True
        self.initializeParameterNode()

    def loadPanel(self, name, tab, pieces):
        """Load a panel into its tab and pieces into its places.

        Args:
            name: of the .ui file.
            tab: widget.
            pieces: name -> .ui file; "heartA" goes into the widget "heartPlaceA".

        Returns:
            The panel's widgets by name, and those of each piece.
        """
        widget = slicer.util.loadUI(self.resourcePath(f"UI/{name}.ui"))
        tab.layout().addWidget(widget)
        ui, found = slicer.util.childWidgetVariables(widget), {}
        for piece, file in pieces.items():
            kind = piece.rstrip("AB")
            part = slicer.util.loadUI(self.resourcePath(f"UI/{file}.ui"))
            getattr(ui, f"{kind}Place{piece[len(kind) :]}").layout().addWidget(part)
            found[piece] = slicer.util.childWidgetVariables(part)
            self._bound.append(part)
        self._scenic += [widget, *self._bound[-len(pieces) :]]
        return ui, found

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
        """Cards are read, and hearts looked at, when somebody wants to see them."""
        tab = self.ui.tabs.widget(index)
        if tab is self.ui.modelsTab:
            self.modelsPanel.refresh()
        for own, panel in self.heartPanels:
            panel.show(own is tab)

    def initializeParameterNode(self):
        """Attach to the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        """Bind the widgets to ``node``, or to nothing."""
        for connection in self._connections:
            self._parameterNode.disconnectGui(connection)
        self._parameterNode, self._connections = node, []
        if node is not None:
            self._connections = [node.connectGui(widget) for widget in self._bound]
        for panel in self.panels:
            if panel is not self.modelsPanel:
                panel.setParameterNode(node)


class CrossModalSynthTest(ScriptedLoadableModuleTest):
    """Slicer's own self-test; a translation is tested in Testing/Python."""

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
