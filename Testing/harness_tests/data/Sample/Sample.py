# ruff: noqa: F403, F405 - the star import is how Slicer modules are written
"""A small scripted module, written as for Slicer, with which the harness tests itself."""

import enum
import sys
import time
from pathlib import Path
from typing import Annotated

import ctk
import numpy as np
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Choice,
    Default,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


@parameterPack
class Corner:
    x: float
    y: Annotated[int, WithinRange(0, 9)] = 2


@parameterNodeWrapper
class SampleParameterNode:
    scan: vtkMRMLScalarVolumeNode
    other: vtkMRMLScalarVolumeNode | None = None
    opacity: Annotated[float, WithinRange(0, 100)] = 40.0
    invert: bool = True
    planes: Annotated[int, WithinRange(1, 3)] = 1
    device: Annotated[str, Choice(["cpu", "cuda:0"])] = "cpu"
    side: Side = Side.RIGHT
    label: Annotated[str, Default("untitled")]
    folder: Path
    names: list[str]
    corner: Corner


class Sample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Sample")
        parent.categories = ["Testing"]
        parent.contributors = ["nobody"]
        parent.helpText = _("Help")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Sample",
        sampleName="Block",
        uris="",
        fileNames="",
        nodeNames="Block",
        customDownloader=lambda source: [SampleLogic().makeBlock(source.nodeNames[0])],
    )


class SampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNode = None
        self._guiTag = None
        self.calls = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Sample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleLogic()
        self.extra = ctk.ctkCollapsibleButton()
        self.extra.text = "More"
        form = qt.QFormLayout(self.extra)
        self.note = qt.QLabel("note")
        form.addRow(self.note)
        self.layout.addWidget(self.extra)
        self.layout.addStretch(1)
        self.ui.runButton.connect("clicked(bool)", self.onRun)
        self.ui.failButton.clicked.connect(self.onFail)
        self.ui.stallButton.connect("clicked()", lambda: time.sleep(0.15))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.process = qt.QProcess()
        self.process.connect("readyReadStandardOutput()", self.onOutput)
        self.process.connect("finished(int,QProcess::ExitStatus)", self.onFinished)
        self.output = b""
        self.initializeParameterNode()

    def cleanup(self):
        self.calls.append("cleanup")
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.calls.append("enter")
        self.initializeParameterNode()

    def exit(self):
        self.calls.append("exit")

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(SampleParameterNode(self.logic.getParameterNode()))

    def setParameterNode(self, node):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self._parameterNode = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onModified)
            self.onModified()

    def onModified(self, caller=None, event=None):
        scan = self._parameterNode.scan
        self.ui.runButton.enabled = scan is not None
        self.ui.runButton.toolTip = _("Run") if scan else _("Choose a scan")

    def onRun(self, checked):
        self.calls.append(("run", checked))
        self.ui.progressBar.value = 0
        self.process.start(sys.executable, ["-c", "import sys; print(sys.stdin.readline().upper())"])
        self.process.write(b"hello\n")

    def onOutput(self):
        self.output += self.process.readAllStandardOutput().data()

    def onFinished(self, code, status):
        if status == qt.QProcess.NormalExit and code == 0:
            self.ui.progressBar.value = 100
            self.ui.statusLabel.text = self.output.decode().strip()

    def onFail(self, checked=False):
        with slicer.util.tryWithErrorDisplay("It failed."):
            raise ValueError("broken on purpose")


class SampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return super().getParameterNode()

    def makeBlock(self, name):
        return slicer.util.addVolumeFromArray(np.ones((4, 5, 6), np.int16), name=name)


class SampleTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.setUp()
        self.delayDisplay("done")
