"""The heart that the slider shows: one segmentation and one image, complete at each moment."""

import json

import numpy as np
import slicer

from CrossModalSynthLib.heart_view import alignViews, outline
from SynthLogic.scene import PendingVolume
from SynthLogic.scene.display import window_for
from SynthLogic.scene.heart_results import (
    add_heart_image,
    add_heart_segmentation,
    free_name,
    mark_heart,
    set_heart_labels,
)
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.nodes import nodes_of_class
from SynthLogic.scene.results import remove_result
from SynthLogic.volume import Grid, Volume

PREVIEW, KEPT = "preview", "kept"
EMPTY = 0.0


class Preview:
    """Owns its two nodes until they are kept or removed. Scene files leave them out."""

    def __init__(self):
        self.labels = self.image = None
        self.grid = None
        # Where the image belongs to: it may be behind the labels while the hand moves.
        self.painted = None

    @property
    def shown(self):
        """Whether its nodes are in the scene."""
        present = slicer.mrmlScene.IsNodePresent
        return self.labels is not None and bool(present(self.labels))

    def update(self, title, labels, record, image=None, place=None, background=EMPTY):
        """Show other labels, and as much of their image as there is.

        Args:
            title: names the heart.
            labels: Volume, (K, 128, 128).
            record: of the worker, plain data.
            image: (K, 128, 128), or (1, 128, 128) of slice ``place``; None where nothing was painted.
            place: slice that ``image`` is of; None: all.
            background: of slices that were not painted yet.
        """
        text = json.dumps(record)
        if not self.shown:
            self.forget()
            name = free_name(slicer.mrmlScene, title)
            self.labels = add_heart_segmentation(slicer.mrmlScene, labels, name, text, PREVIEW)
            self.labels.SetSaveWithScene(False)
            outline(self.labels)
        else:
            set_heart_labels(self.labels, labels)
            mark_heart(self.labels, text, PREVIEW)
        if image is not None:
            self._paint(title, labels.grid, text, image, place, background)
        elif self.grid is not None and labels.grid.shape != self.grid.shape:
            # Of another stack; it would lie beside the labels.
            self.dropImage()
        self.grid = labels.grid

    def _paint(self, title, grid, record, image, place, background):
        whole = place is None
        known = self.image is not None and slicer.mrmlScene.IsNodePresent(self.image)
        fits = known and slicer.util.arrayFromVolume(self.image).shape == grid.shape
        pending = PendingVolume(grid, image.dtype)
        if whole:
            pending.array[...] = image
        else:
            pending.array[...] = slicer.util.arrayFromVolume(self.image) if fits else background
            pending.array[place] = image[0]
        self.painted = record if whole else None
        if known:
            modifying = self.image.StartModify()
            pending.give_to(self.image)
            mark_heart(self.image, record, PREVIEW)
            self.image.EndModify(modifying)
            if whole:
                self.image.GetDisplayNode().SetWindowLevel(*window_for(pending.array, "MR"))
            return
        name = free_name(slicer.mrmlScene, f"{title} MR")
        self.image = add_heart_image(slicer.mrmlScene, pending, self.labels, name, record, PREVIEW)
        self.image.SetSaveWithScene(False)
        self.image.GetDisplayNode().SetSaveWithScene(False)
        if not whole:
            window = window_for(np.asarray(image), "MR")
            self.image.GetDisplayNode().SetWindowLevel(*window)
        for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
            view.SetBackgroundVolumeID(self.image.GetID())
            view.SetForegroundVolumeID(None)
        alignViews(self.image)

    def visibleSlice(self, grid):
        """The slice of ``grid`` that the user looks at: in the view that lies most along it."""
        best, result = -1.0, len(range(grid.shape[0])) // 2
        across = grid.ijk_to_ras[:3, 2] / np.linalg.norm(grid.ijk_to_ras[:3, 2])
        for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceNode"):
            matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
            along = abs(float(across @ matrix[:3, 2]))
            if along > best + 1e-6:
                best = along
                result = round(float(grid.to_ijk(matrix[:3, 3])[2]))
        return int(np.clip(result, 0, grid.shape[0] - 1))

    def keep(self, title, beside):
        """Leave the nodes in the scene under their own names; returns the segmentation."""
        labels, image = self.labels, self.image
        self.forget()
        for node, base in ((labels, title), (image, f"{title} MR")):
            if node is not None:
                node.SetName(free_name(slicer.mrmlScene, base))
                node.SetAttribute("CrossModalSynth.Heart", KEPT)
                node.SetSaveWithScene(True)
                node.GetDisplayNode().SetSaveWithScene(True)
        if beside is not None:
            file_beside(slicer.mrmlScene, labels, beside)
        if image is not None:
            file_beside(slicer.mrmlScene, image, labels)
        return labels

    def dropImage(self):
        """Take the image out of the scene."""
        image, self.image, self.painted = self.image, None, None
        if image is not None:
            remove_result(slicer.mrmlScene, image)

    def remove(self):
        """Take both out of the scene."""
        self.dropImage()
        labels = self.labels
        self.forget()
        if labels is not None:
            remove_result(slicer.mrmlScene, labels)

    def forget(self):
        """Own nothing any more."""
        self.labels = self.image = self.grid = self.painted = None


def volumeOf(answer, labels):
    """Labels of the worker as a Volume of their own."""
    matrix = np.asarray(answer["ijk_to_ras"], np.float64)
    return Volume(np.array(labels), Grid(labels.shape, matrix).ijk_to_ras)
