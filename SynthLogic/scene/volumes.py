"""Volume nodes: reading one without copying it, and adding one that is complete when it appears."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import DTypeLike, NDArray
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from SynthLogic.errors import InputError, OutputError
from SynthLogic.scene.display import Window, label_display, scalar_display, window_for
from SynthLogic.scene.nodes import Node, Scene, add_displayed, from_vtk, new_node, to_vtk
from SynthLogic.scene.transforms import put_below
from SynthLogic.volume import Grid, Volume

_PART = 1 << 22
"""Voxels that ``PendingVolume.fill`` copies at a time."""


def volume_of(node: Node) -> Volume:
    """Return a volume node's voxels (K, J, I) and its own IJK-to-RAS, without any parent transform.

    The array is a read-only view of the node's voxels: nothing is copied, it stays valid after the node is
    gone, and it shows what others write into the node's voxels meanwhile.

    Raises:
        InputError: no volume node, no voxels, several numbers a voxel, or a matrix that is no geometry.
    """
    image = _image_of(node)
    scalars = image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise InputError("The chosen volume has no voxels; load its image again or choose another volume.")
    if scalars.GetNumberOfComponents() != 1:
        raise InputError(
            f"The chosen volume has {scalars.GetNumberOfComponents()} numbers a voxel, as colour, vector and "
            "diffusion images do; choose a volume with one, or extract one component first."
        )
    if scalars.GetDataType() == vtk.VTK_BIT:
        raise InputError("The chosen volume stores one bit a voxel; cast it to unsigned char first.")
    array = vtk_to_numpy(scalars).reshape(_shape(image))
    array.flags.writeable = False
    return Volume(array, _matrix(node, image))


def grid_of(node: Node) -> Grid:
    """Return the grid of a volume node, whatever its voxels are, without any parent transform.

    Raises:
        InputError: no volume node, no voxels, or a matrix that is no geometry.
    """
    image = _image_of(node)
    return Grid(_shape(image), _matrix(node, image))


def add_volume(
    scene: Scene,
    volume: Volume,
    name: str,
    *,
    label_map: bool = False,
    window: Window | None = None,
    parent: Node | None = None,
) -> Node:
    """Add a copy of ``volume`` as a scalar or label map volume node with a display node; return the node.

    Args:
        scene: where to.
        volume: bool becomes unsigned char, float16 becomes float; all else keeps its type.
        name: of the node.
        label_map: a ``vtkMRMLLabelMapVolumeNode``.
        window: (width, level); chosen from the voxels by default.
        parent: transform node to hang it below.

    Raises:
        OutputError: not enough memory.
    """
    pending = PendingVolume(volume.grid, volume.array.dtype, label_map=label_map)
    pending.fill(volume.array)
    return pending.add_to(scene, name, window=window, parent=parent)


class PendingVolume:
    """A volume that is filled piece by piece and is in no scene until it is complete.

    Attributes:
        grid: where its voxels lie.
        array: (K, J, I), writable until the node is made, not initialised. To give the volume up, forget it.

    Raises:
        OutputError: not enough memory.
    """

    def __init__(self, grid: Grid, dtype: DTypeLike, *, label_map: bool = False) -> None:
        self.grid = grid
        self._label_map = label_map
        self._image = _allocated(grid.shape, stored_type(dtype))
        self.array: NDArray[Any] = vtk_to_numpy(self._image.GetPointData().GetScalars()).reshape(grid.shape)

    def fill(self, array: NDArray[Any]) -> None:
        """Copy all voxels (K, J, I) from an array of the same shape; several MB at a time."""
        if array.shape != self.grid.shape:
            raise ValueError(f"array has shape {array.shape}; the grid has {self.grid.shape}")
        step = max(1, _PART // (self.grid.shape[1] * self.grid.shape[2]))
        for k in range(0, self.grid.shape[0], step):
            self.array[k : k + step] = array[k : k + step]

    def make(self, scene: Scene, name: str, *, like: Node | None = None) -> Node:
        """Return the volume node, not yet in the scene and without display node; see ``give_to``."""
        node = new_node(scene, "vtkMRMLLabelMapVolumeNode" if self._label_map else "vtkMRMLScalarVolumeNode")
        node.SetName(name)
        self.give_to(node, like=like)
        return node

    def give_to(self, node: Node, *, like: Node | None = None) -> None:
        """Make the voxels and the matrix those of ``node``; from now on ``array`` can only be read.

        A node keeps spacing and directions apart, and putting the matrix together again may cost the last
        bit; on the grid of the volume node ``like`` it has that node's matrix to the bit.
        """
        self.array.flags.writeable = False
        self._image.Modified()
        if like is not None and np.array_equal(_stored_matrix(like), self.grid.ijk_to_ras):
            directions = vtk.vtkMatrix4x4()
            like.GetIJKToRASDirectionMatrix(directions)
            node.SetIJKToRASDirectionMatrix(directions)
            node.SetSpacing(like.GetSpacing())
            node.SetOrigin(like.GetOrigin())
        else:
            node.SetIJKToRASMatrix(to_vtk(self.grid.ijk_to_ras))
        node.SetAndObserveImageData(self._image)

    def make_display(self, scene: Scene, window: Window | None = None) -> Node:
        """Return a display node for it, not yet in the scene."""
        if self._label_map:
            return label_display(scene)
        return scalar_display(scene, window or window_for(self.array))

    def add_to(
        self, scene: Scene, name: str, *, window: Window | None = None, parent: Node | None = None
    ) -> Node:
        """Add it to the scene, with a display node, below the transform node ``parent``; return the node."""
        node = self.make(scene, name)
        put_below(node, parent)
        add_displayed(scene, node, self.make_display(scene, window))
        return node


def stored_type(dtype: DTypeLike) -> np.dtype[Any]:
    """The type a volume node stores: bool as uint8, float16 as float32, any other real type as it is."""
    stored: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if stored.kind == "b":
        return np.dtype(np.uint8)
    if stored == np.float16:
        return np.dtype(np.float32)
    if stored.kind not in "uif" or stored.itemsize > 8:
        raise ValueError(f"dtype is {stored}; it must be a real number of at most 8 bytes")
    return stored


def _allocated(shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Any:
    try:
        # VTK ends the process where numpy raises.
        np.empty(shape, dtype)
    except MemoryError:
        needed = dtype.itemsize * float(np.prod(shape, dtype=np.float64)) / 2**20
        raise OutputError(
            f"There is not enough memory for a volume of {needed:.0f} MB; close other data and run again."
        ) from None
    image = vtk.vtkImageData()
    image.SetDimensions(*shape[::-1])
    image.AllocateScalars(get_vtk_array_type(dtype), 1)
    return image


def _image_of(node: Node) -> Any:
    if node is None or not node.IsA("vtkMRMLVolumeNode"):
        raise InputError("No volume is chosen; choose a scalar volume.")
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise InputError("The chosen volume has no voxels; load its image again or choose another volume.")
    return image


def _shape(image: Any) -> tuple[int, int, int]:
    count_i, count_j, count_k = image.GetDimensions()
    return count_k, count_j, count_i


def _matrix(node: Node, image: Any) -> NDArray[np.float64]:
    result = _stored_matrix(node)
    # An image may start at another index than 0; IJK are its own indices.
    first = image.GetExtent()[::2]
    if any(first):
        result[:3, 3] += result[:3, :3] @ np.asarray(first, np.float64)
    return result


def _stored_matrix(node: Node) -> NDArray[np.float64]:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return from_vtk(matrix)
