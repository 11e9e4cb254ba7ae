"""Changes to a scene that are made completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from SynthLogic.scene.hierarchy import unfile
from SynthLogic.scene.nodes import Scene, remove


@contextmanager
def all_or_nothing(scene: Scene) -> Iterator[None]:
    """On any exception in the block, remove every node that came into the scene meanwhile, and its item.

    That takes what others added in answer to our nodes with it, as logics do. The block must not wait for
    anything.
    """
    before = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    try:
        yield
    except BaseException:
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        added = [node for node in nodes if node.GetID() not in before]
        for node in added:
            unfile(scene, node)
        # A browser before what it plays, which its logic would make anew.
        remove(scene, added[::-1])
        raise
