"""Sequences of volumes: frames in order, and a synthetic sequence that plays in step with its source."""

from __future__ import annotations

from dataclasses import dataclass

from SynthLogic.errors import InputError
from SynthLogic.scene.atomic import all_or_nothing
from SynthLogic.scene.display import scalar_display, window_for
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.nodes import Node, Scene, add_displayed, add_together, new_node, nodes_of_class, remove
from SynthLogic.scene.provenance import Provenance, set_source, synthetic_name
from SynthLogic.scene.results import check_present, remove_result
from SynthLogic.scene.transforms import put_below
from SynthLogic.scene.volumes import PendingVolume, volume_of
from SynthLogic.volume import Volume


@dataclass(frozen=True)
class SequenceIndex:
    """What the frames of a sequence are counted by.

    Attributes:
        name: for example "time".
        unit: for example "ms".
        numeric: whether values are numbers, by which the sequence sorts its frames.
        values: one a frame, in order, as text.
    """

    name: str
    unit: str
    numeric: bool
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)


def index_of(node: Node) -> SequenceIndex:
    """The index of a sequence of volumes.

    Raises:
        InputError: no sequence node, an empty one, or one of other things than volumes.
    """
    if node is None or not node.IsA("vtkMRMLSequenceNode"):
        raise InputError("No sequence is chosen; choose a sequence of volumes.")
    count = node.GetNumberOfDataNodes()
    if count == 0:
        raise InputError("The sequence has no frames; choose another one.")
    for n in range(count):
        frame = node.GetNthDataNode(n)
        if frame is None or not frame.IsA("vtkMRMLVolumeNode"):
            raise InputError(f"Frame {n + 1} of the sequence is no volume; choose a sequence of volumes.")
    return SequenceIndex(
        name=node.GetIndexName() or "",
        unit=node.GetIndexUnit() or "",
        numeric=node.GetIndexType() == node.NumericIndex,
        values=tuple(node.GetNthIndexValue(n) for n in range(count)),
    )


def frame_of(node: Node, number: int) -> Volume:
    """Frame ``number``, from 0, of a sequence of volumes; a view, see ``volumes.volume_of``.

    Raises:
        InputError: there is no such frame, or it is no scalar volume.
    """
    count = len(index_of(node))
    if not 0 <= number < count:
        raise InputError(
            f"The sequence has {count} frames and none with number {number + 1}; choose another."
        )
    return volume_of(node.GetNthDataNode(number))


def proxy_of(scene: Scene, sequence: Node) -> Node | None:
    """The node that shows a sequence's current frame in the scene, if a browser plays it."""
    return next(
        (shown for browser in _browsers_of(scene, sequence) if (shown := browser.GetProxyNode(sequence))),
        None,
    )


class PendingSequence:
    """A synthetic sequence that grows frame by frame and is in no scene until it is complete.

    Args:
        scene: that the source is in.
        source: the sequence node whose index it takes over.
    """

    def __init__(self, scene: Scene, source: Node) -> None:
        self._scene, self._source = scene, source
        self._index = index_of(source)
        self._sequence = new_node(scene, "vtkMRMLSequenceNode")
        self._sequence.SetIndexName(self._index.name)
        self._sequence.SetIndexUnit(self._index.unit)
        # As text it keeps the source's order and values as they are; the type follows when it is complete.
        self._sequence.SetIndexType(source.TextIndex)
        self._sequence.SetNumericIndexValueTolerance(source.GetNumericIndexValueTolerance())
        self._first: Provenance | None = None
        self._window = (1.0, 0.5)

    def __len__(self) -> int:
        """Frames so far."""
        return int(self._sequence.GetNumberOfDataNodes())

    @property
    def is_complete(self) -> bool:
        """Whether there are as many frames as the source has."""
        return len(self) == len(self._index)

    def append(self, pending: PendingVolume, record: str) -> None:
        """Add the next frame, whose voxels are all there, with its own record. Voxels are not copied.

        Raises:
            ConfigError: no record.
        """
        if self.is_complete:
            raise ValueError(f"the sequence already has its {len(self)} frames")
        provenance = Provenance.from_record(record)
        frame = new_node(self._scene, "vtkMRMLScalarVolumeNode")
        frame.SetName("Frame")
        provenance.mark(frame)
        # The sequence copies what it is given: only the empty node, so that voxels are there once.
        number = len(self)
        like = self._source.GetNthDataNode(number)
        pending.give_to(self._sequence.SetDataNodeAtValue(frame, self._index.values[number]), like=like)
        if self._first is None:
            self._first, self._window = provenance, window_for(pending.array, provenance.target)

    def add_to_scene(self, *, name: str | None = None) -> tuple[Node, Node]:
        """Add the complete sequence, and show it in step with its source.

        A browser that plays the source plays the result too; without one, a new browser plays both. What
        shows the current frame hangs below the same transform as what shows the source's.

        Args:
            name: that the user wishes; "(synthetic)" is put behind it.

        Returns:
            The sequence node, and the volume node that shows its current frame.

        Raises:
            InputError: the source has left the scene.
        """
        if self._first is None or not self.is_complete:
            raise ValueError(f"the sequence has {len(self)} of {len(self._index)} frames")
        check_present(self._scene, self._source)
        title = synthetic_name(self._scene, self._source, self._first.target, name)
        self._sequence.SetName(title)
        self._sequence.SetIndexType(self._source.GetIndexType())
        for n in range(len(self)):
            self._sequence.GetNthDataNode(n).SetName(title)
        self._first.mark(self._sequence)
        set_source(self._sequence, self._source)
        with all_or_nothing(self._scene):
            add_together(self._scene, [self._sequence])
            shown = self._play(title, self._first)
        return self._sequence, shown

    def _play(self, title: str, provenance: Provenance) -> Node:
        browser = next(iter(_browsers_of(self._scene, self._source)), None)
        if browser is None:
            browser = new_node(self._scene, "vtkMRMLSequenceBrowserNode")
            browser.SetName(self._source.GetName())
            add_together(self._scene, [browser])
            browser.SetAndObserveMasterSequenceNodeID(self._source.GetID())
        shown_source = browser.GetProxyNode(self._source)
        shown = new_node(self._scene, "vtkMRMLScalarVolumeNode")
        current = self._sequence.GetNthDataNode(min(max(browser.GetSelectedItemNumber(), 0), len(self) - 1))
        shown.CopyContent(current, False)
        shown.SetName(title)
        provenance.mark(shown)
        if shown_source is not None:
            put_below(shown, shown_source.GetParentTransformNode())
            set_source(shown, shown_source)
        add_displayed(self._scene, shown, scalar_display(self._scene, self._window))
        file_beside(self._scene, shown, shown_source or self._source)
        # As one change, or the sequences' logic would show the result in a node of its own.
        modifying = browser.StartModify()
        try:
            browser.AddSynchronizedSequenceNode(self._sequence)
            browser.AddProxyNode(shown, self._sequence, False)
            browser.SetOverwriteProxyName(self._sequence, False)
        finally:
            browser.EndModify(modifying)
        return shown


def remove_sequence(scene: Scene, sequence: Node) -> None:
    """Remove a synthetic sequence with what shows it, and a browser that then has nothing left to play."""
    if not scene.IsNodePresent(sequence):
        return
    for browser in _browsers_of(scene, sequence):
        shown = browser.GetProxyNode(sequence)
        browser.RemoveSynchronizedSequenceNode(sequence.GetID())
        if shown is not None:
            remove_result(scene, shown)
        if browser.GetNumberOfSynchronizedSequenceNodes(True) == 0:
            remove(scene, [browser])
    remove_result(scene, sequence)


def _browsers_of(scene: Scene, sequence: Node) -> list[Node]:
    browsers = nodes_of_class(scene, "vtkMRMLSequenceBrowserNode")
    return [browser for browser in browsers if browser.IsSynchronizedSequenceNode(sequence, True)]
