from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import slicer

from SynthLogic.scene import add_volume
from SynthLogic.volume import Volume

LOGICS = (
    "vtkSlicerSegmentationsModuleLogic",
    "vtkSlicerMarkupsLogic",
    "vtkSlicerSequencesLogic",
    "vtkSlicerVolumesLogic",
)


class Application:
    """A scene with the logics that saving, loading and playing need; no window."""

    def __init__(self, folder: str) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetMRMLScene(self.scene)
        self.remote = slicer.vtkMRMLRemoteIOLogic()
        self.data = slicer.vtkDataIOManagerLogic()
        self.data.SetMRMLApplicationLogic(self.logic)
        self.data.SetMRMLScene(self.scene)
        self.remote.SetMRMLScene(self.scene)
        self.remote.AddDataIOToScene()
        # Where a scene is packed and unpacked.
        self.remote.GetDataIOManager().GetCacheManager().SetRemoteCacheDirectory(folder)
        self.logics = {name: getattr(slicer, name)() for name in LOGICS}
        for logic in self.logics.values():
            logic.SetMRMLApplicationLogic(self.logic)
            logic.SetMRMLScene(self.scene)

    def play(self, browser: Any, number: int) -> None:
        browser.SetSelectedItemNumber(number)
        self.logics["vtkSlicerSequencesLogic"].UpdateProxyNodesFromSequences(browser)


@pytest.fixture
def scene() -> Any:
    return slicer.vtkMRMLScene()


@pytest.fixture
def open_application(tmp_path) -> Callable[[], Application]:
    return lambda: Application(str(tmp_path))


@pytest.fixture
def application(open_application) -> Iterator[Application]:
    opened = open_application()
    yield opened
    opened.scene.Clear(1)


@pytest.fixture
def record() -> str:
    """As the jobs write it, with text that file formats like to lose."""
    content = {
        "product": "CrossModalSynth",
        "notice": "Synthetic image. Research use only, not for diagnosis.",
        "request": {"target": "MR"},
        "bundle": {"name": "thorax-ct-to-mr", "version": "1.2.0", "hash": "ab" * 32},
        "input": {"content_hash": "12" * 32, "shape": [5, 6, 7], "spacing": [0.7, 0.9, 2.5]},
        "warnings": ["100% \"quoted\"; 5 < 6 & 'that': ümlaut %20 \\ back", "two\nlines\tand a tab"],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def turned(angles: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        turn = np.eye(3)
        first, second = [n for n in range(3) if n != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


@pytest.fixture(scope="session")
def affine() -> Callable[..., np.ndarray]:
    """A 4x4 of a rotation, scales along its columns, and a place; negative scales are left-handed."""

    def make(
        angles: tuple[float, float, float] = (0, 0, 0),
        scales: tuple[float, float, float] = (1, 1, 1),
        place: tuple[float, float, float] = (0, 0, 0),
    ) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = turned(angles) * np.asarray(scales)
        matrix[:3, 3] = place
        return matrix

    return make


@pytest.fixture(scope="session")
def make_volume(affine) -> Callable[..., Volume]:
    """Distinct values, oblique and anisotropic unless told otherwise."""

    def make(
        shape: tuple[int, int, int] = (5, 6, 7), dtype: Any = np.int16, matrix: np.ndarray | None = None
    ) -> Volume:
        values = np.random.default_rng(7).permutation(int(np.prod(shape))).reshape(shape)
        oblique = affine((12, -20, 33), (0.7, 0.9, 2.5), (-61.3, 17.7, 204.1))
        return Volume(values.astype(dtype), oblique if matrix is None else matrix)

    return make


@pytest.fixture
def scan(scene, make_volume) -> Any:
    return add_volume(scene, make_volume(), "CTChest")


@pytest.fixture
def below(affine) -> Callable[..., Any]:
    """Put a node below a new linear transform; return the transform node."""

    def put(scene: Any, node: Any, matrix: np.ndarray | None = None) -> Any:
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        chosen = affine((5, 60, -40), (1.1, 0.8, 1.3), (30, -20, 10)) if matrix is None else matrix
        slicer.util.updateTransformMatrixFromArray(transform, chosen)
        node.SetAndObserveTransformNodeID(transform.GetID())
        return transform

    return put


@pytest.fixture
def contents() -> Callable[[Any], list[tuple[str, str]]]:
    """What is in a scene: id and name of every node."""

    def listed(scene: Any) -> list[tuple[str, str]]:
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        return [(node.GetID(), node.GetName()) for node in nodes]

    return listed
