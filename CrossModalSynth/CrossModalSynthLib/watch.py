"""Watching the chosen scan: what it was seen to be, and when it has to be looked at again."""

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.look import Look

QUIET_MS = 300
# What is due: a check where the same voxels lie now, or all of it.
PLACE, VOXELS = 1, 2


class Watch(VTKObservationMixin):
    """Keeps one ``Look`` up to date. Many changes in a row (a dragged transform, painting, a playing
    sequence) are one look, once they have ended.

    Args:
        session: of the module.
        seen: told the worker's answer of every look.
        notSeen: told a Failure.
        changed: called when something else about it has changed.
    """

    def __init__(self, session, seen, notSeen, changed):
        VTKObservationMixin.__init__(self)
        self.session = session
        self._seen, self._notSeen, self._changed = seen, notSeen, changed
        self._node, self._model = None, ""
        self._look = self._failure = None
        self._due = 0
        self._quiet = qt.QTimer()
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_MS)
        self._quiet.connect("timeout()", self.settle)

    @property
    def look(self):
        """The last Look that did not fail, or None."""
        return self._look

    @property
    def answer(self):
        """What the worker said last, of the scan as it was then (see ``due``); None while it looks."""
        return None if self._look is None else self._look.answer

    @property
    def failure(self):
        """Why the scan could not be looked at, or None."""
        return self._failure

    @property
    def due(self):
        """Whether the scan has changed since it was looked at."""
        return self._due > 0

    def uploadOf(self, node):
        """The voxels as ``node`` has them now, if the worker can read them already, else None."""
        # Changes of a frame inside of a sequence are not told by the sequence.
        known = self._look is not None and node is self._node and node.IsA("vtkMRMLVolumeNode")
        return self._look.upload if known and self._due < VOXELS else None

    def choose(self, node, model):
        """Watch another scan, or None, and look at it for the bundle ``model``, "" for the best."""
        if self._node is not None:
            for observer in (self._onModified, self._onImage, self._onTransform):
                self.removeObservers(observer)
        self._stop()
        self._node, self._model = node, model
        if node is not None:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified)
            if node.IsA("vtkMRMLVolumeNode"):
                self.addObserver(node, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._onImage)
                moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
                self.addObserver(node, moved, self._onTransform)

    def again(self, model):
        """Look at once: the voxels are sent anew only if they have changed."""
        self._model = model
        if self._look is None or self._due == VOXELS:
            self.lookAnew()
        else:
            self._done()
            self._look.again(model)

    def lookAnew(self):
        """Look at once, with the voxels as they are now."""
        self._stop()
        if self._node is not None:
            self._look = Look(
                self.session, slicer.mrmlScene, self._node, self._model, self._seen, self._onNotSeen
            )
            self._look.start()

    def settle(self):
        """Do at once what is due."""
        if self._due:
            self.again(self._model)
            self._changed()

    def _stop(self):
        self._done()
        self._failure = None
        if self._look is not None:
            self._look.stop()
            self._look = None

    def _done(self):
        self._quiet.stop()
        self._due = 0

    def _onNotSeen(self, failure):
        self._look.stop()
        self._look, self._failure = None, failure
        self._notSeen(failure)

    # -- the scan changes -----------------------------------------------------------------------------------

    def _onModified(self, caller=None, event=None):
        """Spacing, origin and directions change without an event of their own; so do a sequence's frames."""
        known = self._look is not None and self._node.IsA("vtkMRMLVolumeNode")
        if not known or not self._look.isCurrent():
            self._expect(VOXELS)

    def _onImage(self, caller=None, event=None):
        self._expect(VOXELS)

    def _onTransform(self, caller=None, event=None):
        self._expect(PLACE)

    def _expect(self, due):
        if self._look is None and self._failure is None:
            return  # nobody has looked yet: libraries are missing
        before, self._due = self._due, max(due, self._due)
        self._quiet.start()
        if self._due != before:
            self._changed()
