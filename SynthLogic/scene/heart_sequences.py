"""Hearts from one to another as a sequence that plays: labels and images in step, counted by t."""

from __future__ import annotations

from typing import Any

from SynthLogic.scene.atomic import all_or_nothing
from SynthLogic.scene.display import scalar_display, window_for
from SynthLogic.scene.heart_results import (
    LABELS_OF,
    SURFACE,
    free_name,
    heart_segments,
    mark_heart,
    oriented,
    surfaces_of,
)
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.nodes import Node, Scene, add_displayed, add_together, new_node
from SynthLogic.scene.segmentations import BINARY
from SynthLogic.scene.volumes import PendingVolume
from SynthLogic.volume import Volume

KIND = "kept"


class PendingHearts:
    """Two sequences, of segmentations and of images, in no scene until they are complete.

    Args:
        scene: where to.
        title: of the two.
    """

    def __init__(self, scene: Scene, title: str) -> None:
        self._scene, self._title = scene, title
        self._labels, self._images = (new_node(scene, "vtkMRMLSequenceNode") for _ in range(2))
        for sequence in (self._labels, self._images):
            sequence.SetIndexName("t")
            sequence.SetIndexUnit("")
            sequence.SetIndexType(sequence.NumericIndex)
        self._records: list[str] = []
        self._window = (1.0, 0.5)

    def __len__(self) -> int:
        """Hearts so far."""
        return len(self._records)

    def append(self, t: float, labels: Volume, record: str, image: PendingVolume | None) -> None:
        """Add the next heart; ``image`` for all of them or for none.

        Raises:
            ConfigError: no record.
        """
        import slicer

        value = f"{t:.4f}".rstrip("0").rstrip(".")
        segmentation = new_node(self._scene, "vtkMRMLSegmentationNode")
        segmentation.SetName("Heart")
        if segmentation.GetSegmentation() is None:
            segmentation.SetAndObserveSegmentation(slicer.vtkSegmentation())
        held = segmentation.GetSegmentation()
        held.SetSourceRepresentationName(BINARY)
        picture = oriented(labels)
        present = [s for s in heart_segments() if (labels.array == s.value).any()]
        surfaces = surfaces_of(labels, [s.value for s in present])
        for segment in present:
            made = slicer.vtkSegment()
            made.SetName(segment.name)
            made.SetLabelValue(segment.value)
            if segment.colour is not None:
                made.SetColor(*segment.colour)
            if segment.terminology is not None:
                made.SetTag(made.GetTerminologyEntryTagName(), segment.terminology.to_text())
            made.AddRepresentation(BINARY, picture)
            made.AddRepresentation(SURFACE, surfaces[segment.value])
            held.AddSegment(made, segment.id)
        mark_heart(segmentation, record, KIND)
        self._labels.SetDataNodeAtValue(segmentation, value)
        if image is not None:
            frame = new_node(self._scene, "vtkMRMLScalarVolumeNode")
            frame.SetName("Heart MR")
            mark_heart(frame, record, KIND)
            if not self._records:
                self._window = window_for(image.array, "MR")
            image.give_to(self._images.SetDataNodeAtValue(frame, value))
        self._records.append(record)

    def add_to_scene(self, beside: Node | None = None) -> tuple[Node, Node, Node | None]:
        """Add both and a browser that plays them.

        Args:
            beside: node to file them beside.

        Returns:
            The browser, and what shows the present labels and the present image.
        """
        scene, record = self._scene, self._records[0]
        with all_or_nothing(scene):
            browser = new_node(scene, "vtkMRMLSequenceBrowserNode")
            browser.SetName(free_name(scene, self._title))
            mark_heart(browser, record, KIND)
            self._labels.SetName(free_name(scene, f"{self._title} labels"))
            mark_heart(self._labels, record, KIND)
            add_together(scene, [self._labels, browser])
            browser.SetAndObserveMasterSequenceNodeID(self._labels.GetID())
            labels = self._play(browser, self._labels, "vtkMRMLSegmentationNode", beside)
            image = None
            if self._images.GetNumberOfDataNodes():
                self._images.SetName(free_name(scene, f"{self._title} MR"))
                mark_heart(self._images, record, KIND)
                add_together(scene, [self._images])
                image = self._play(browser, self._images, "vtkMRMLScalarVolumeNode", labels)
                image.SetNodeReferenceID(LABELS_OF, labels.GetID())
            browser.SetSelectedItemNumber(0)
        return browser, labels, image

    def _play(self, browser: Node, sequence: Node, kind: str, beside: Node | None) -> Node:
        shown = new_node(self._scene, kind)
        shown.CopyContent(sequence.GetNthDataNode(0), True)
        shown.SetName(free_name(self._scene, f"{self._title} shown"))
        mark_heart(shown, self._records[0], KIND)
        display: Any
        if kind == "vtkMRMLSegmentationNode":
            display = new_node(self._scene, "vtkMRMLSegmentationDisplayNode")
        else:
            display = scalar_display(self._scene, self._window)
        add_displayed(self._scene, shown, display)
        if beside is not None:
            file_beside(self._scene, shown, beside)
        # As one change, or the sequences' logic would show it in a node of its own.
        modifying = browser.StartModify()
        try:
            if not browser.IsSynchronizedSequenceNode(sequence, True):
                browser.AddSynchronizedSequenceNode(sequence)
            browser.AddProxyNode(shown, sequence, False)
            browser.SetOverwriteProxyName(sequence, False)
        finally:
            browser.EndModify(modifying)
        return shown


__all__ = ["PendingHearts"]
