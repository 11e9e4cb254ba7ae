"""Starts MRML as Slicer does: logics in the order they need, default colours, views, .mrb files."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

SLICE_VIEWS = ("Red", "Green", "Yellow")
# Logics of Slicer's own modules. Segmentations need theirs to make surfaces, volumes to read files.
_LOGICS = {
    "Units": "vtkSlicerUnitsLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
}


class SceneRoot:
    """The scene and what has to live as long as it.

    Attributes:
        scene: also ``slicer.mrmlScene``.
        application: the application logic.
        logics: module name -> logic.
        slices: view name -> slice logic.
    """

    def __init__(self, folder: str) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetTemporaryPath(folder)
        self.application.SetMRMLScene(self.scene)
        self._allow_mrb()
        colors = self.application.GetColorLogic()
        colors.SetMRMLScene(self.scene)
        colors.AddDefaultColorNodes()
        # slicer-core ships without terminology files, which its logic reports at length.
        vtk.vtkObject.GlobalWarningDisplayOff()
        self.logics = {name: self._start(name, cls) for name, cls in _LOGICS.items()}
        vtk.vtkObject.GlobalWarningDisplayOn()
        self.layout = slicer.vtkMRMLLayoutLogic()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self.layout.SetMRMLScene(self.scene)
        self.layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._add_crosshair()
        self.slices = {name: self._start_slice(name) for name in SLICE_VIEWS}
        collection = vtk.vtkCollection()
        for logic in self.slices.values():
            collection.AddItem(logic)
        self.application.SetSliceLogics(collection)
        self.application.SetViewLogics(vtk.vtkCollection())

    def _allow_mrb(self) -> None:
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.GetCacheManager().SetRemoteCacheDirectory(self.application.GetTemporaryPath())
        self._remote.SetMRMLScene(self.scene)
        self._data_io = slicer.vtkDataIOManagerLogic()
        self._data_io.SetMRMLApplicationLogic(self.application)
        self._data_io.SetAndObserveDataIOManager(self._remote.GetDataIOManager())
        self._remote.AddDataIOToScene()
        self.application.SetMRMLSceneDataIO(self.scene, self._remote, self._data_io)

    def _start(self, name: str, cls: str) -> Any:
        logic = getattr(slicer, cls)()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name, logic)
        return logic

    def _start_slice(self, name: str) -> Any:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        logic.SetSliceNode(self.scene.GetSingletonNode(name, "vtkMRMLSliceNode"))
        return logic

    def _add_crosshair(self) -> None:
        node = slicer.vtkMRMLCrosshairNode()
        node.SetSingletonTag("default")
        self.scene.AddNode(node)

    def close(self) -> None:
        """Close the scene as File / Close Scene does: nodes go in one batch, views and singletons stay."""
        self.scene.Clear(0)
