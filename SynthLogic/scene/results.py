"""Synthetic results in the scene: named, marked, shown and filed beside their source, or not there at all."""

from __future__ import annotations

from SynthLogic.errors import InputError
from SynthLogic.scene.atomic import all_or_nothing
from SynthLogic.scene.display import window_for
from SynthLogic.scene.hierarchy import file_beside, unfile
from SynthLogic.scene.nodes import Node, Scene, add_displayed, remove
from SynthLogic.scene.provenance import Provenance, is_synthetic, set_source, synthetic_name
from SynthLogic.scene.transforms import put_below
from SynthLogic.scene.volumes import PendingVolume


def add_result(
    scene: Scene, pending: PendingVolume, source: Node, record: str, *, name: str | None = None
) -> Node:
    """Add a finished result; return its volume node.

    It hangs below the source's parent transform, has its own window (soft tissue for CT, percentiles for MR),
    carries the record, refers to its source and stands beside it in the subject hierarchy.

    Args:
        scene: that the source is in.
        pending: all voxels are there.
        source: volume node of the scan.
        record: JSON text of the job's record.
        name: that the user wishes; "(synthetic)" is put behind it.

    Raises:
        InputError: the scan has left the scene.
        ConfigError: no record.
    """
    provenance = Provenance.from_record(record)
    check_present(scene, source)
    node = pending.make(scene, synthetic_name(scene, source, provenance.target, name), like=source)
    provenance.mark(node)
    set_source(node, source)
    put_below(node, source.GetParentTransformNode())
    window = window_for(pending.array, provenance.target)
    with all_or_nothing(scene):
        add_displayed(scene, node, pending.make_display(scene, window))
        file_beside(scene, node, source)
    return node


def remove_result(scene: Scene, node: Node) -> None:
    """Remove a synthetic node with its item, its display nodes and storage node, and nothing else.

    A node that is no longer in the scene is left alone.
    """
    if not is_synthetic(node):
        raise ValueError("only synthetic nodes are removed")
    if not scene.IsNodePresent(node):
        return
    unfile(scene, node)
    own = (
        [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())] if _displays(node) else []
    )
    own += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    remove(scene, [*(other for other in own if other is not None), node])


def check_present(scene: Scene, source: Node) -> None:
    """Refuse to add something beside a node that has gone.

    Raises:
        InputError: the source is not in the scene.
    """
    if source is None or not scene.IsNodePresent(source):
        raise InputError(
            "The scan was removed from the scene before its result was ready; load it and run again."
        )


def _displays(node: Node) -> bool:
    return bool(node.IsA("vtkMRMLDisplayableNode"))
