"""The heart under the slider: as the hand moves the newest that the worker has made, all of it at rest."""

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.preview import volumeOf
from CrossModalSynthLib.session import failureOf
from CrossModalSynthLib.translation import CANCELLED
from SynthLogic.worker import Latest

REST_MS = 300
NONE, SLICE, ALL = range(3)
WORDS = ("none", "slice", "all")


class HeartSlider(VTKObservationMixin):
    """Draws what lies between two hearts into a Preview.

    While the hand moves, each answer of the worker is the newest heart with the slice that is looked at; what
    comes faster than that is dropped. When the hand rests, the whole heart is painted.

    Args:
        session: of the module.
        pair: the HeartPair.
        preview: the Preview.
        options: gives arguments of ``heart_blend`` as they are chosen now, without hearts and styles.
        possible: says whether anything can be drawn now.
        drawn: told the worker's answer that is in the preview now.
        failed: told a Failure.
        changed: called when something else about it has changed.

    Attributes:
        answer: of the worker, which the preview shows; or None.
    """

    def __init__(self, session, pair, preview, options, possible, drawn, failed, changed):
        VTKObservationMixin.__init__(self)
        self.session, self.pair, self.preview = session, pair, preview
        self._options, self._possible = options, possible
        self._toldDrawn, self._toldFailed, self._changed = drawn, failed, changed
        self.latest = Latest(session.client)
        self.answer, self._rest = None, None
        # Which heart is wanted, and which is drawn how far.
        self._generation, self._drawn, self._wanted = 0, (None, NONE), False
        # Of another scene, or before a preview was removed: what comes of it is for nobody.
        self._epoch = 0
        self._watched = False
        self._resting = qt.QTimer()
        self._resting.setSingleShot(True)
        self._resting.setInterval(REST_MS)
        self._resting.connect("timeout()", self._onRest)
        session.needed.append(self._isDrawing)

    @property
    def drawing(self):
        """Whether the worker has been asked for something."""
        return not self.latest.idle or self._rest is not None

    @property
    def whole(self):
        """Whether the preview is what is wanted now, all of it."""
        return self.shows(self._goal)

    def shows(self, quality):
        """Whether the preview is what is wanted now, at least so far."""
        return self._drawn[0] == self._generation and self._drawn[1] >= quality

    def change(self):
        """Another heart is wanted: now with the slice that is looked at, soon all of it."""
        self._generation += 1
        self._wanted = True
        if self._possible():
            self._dropRest()
            self._resting.start()
            self._draw(SLICE if self._goal == ALL else NONE)
        self._changed()

    def resume(self):
        """Something can be drawn again: what is wanted still."""
        waits = self._wanted and not self.whole and not self.drawing and not self._resting.isActive()
        if waits and self._possible():
            self.change()

    def pause(self):
        """Ask for nothing more; the worker is needed for something else."""
        self._resting.stop()
        self.latest.clear()
        self._dropRest()

    def stop(self):
        """Nothing is wanted, and what is under way is for nobody."""
        self.pause()
        self.removeObservers()
        self._watched = False
        self._generation += 1
        self._epoch += 1
        self._drawn, self.answer, self._wanted = (None, NONE), None, False

    def cleanup(self):
        """The module ends."""
        self.stop()
        self.session.needed.remove(self._isDrawing)

    @property
    def _goal(self):
        return WORDS.index(self._options()["paint"])

    def _isDrawing(self):
        return self.drawing

    def _onRest(self):
        """The hand rests: paint all of it, once the newest labels are there."""
        if not self._possible() or self._goal != ALL or self._drawn[0] != self._generation:
            return  # labels that are on their way come back here
        if self._drawn[1] < ALL and self._rest is None:
            self._draw(ALL)

    def _onView(self, caller=None, event=None):
        """Another slice is looked at, which may not be painted yet."""
        known = self._drawn[1] == SLICE and self.preview.shown and self._goal == ALL
        if known and self.preview.visibleSlice(self.preview.grid) != self.answer["slice"]:
            self.change()

    def _draw(self, quality):
        generation, options = self._generation, self._options()
        self.pair.prepare(
            lambda arguments, uploads: self._ask(generation, quality, {**options, **arguments}, uploads),
            lambda failure: self._onFailed(generation, failure),
        )

    def _ask(self, generation, quality, arguments, uploads):
        if generation != self._generation:
            return
        names, epoch = ["labels"] if quality == NONE else ["labels", "image"], self._epoch
        arguments["paint"] = WORDS[quality]
        if quality == SLICE:
            grid = self.preview.grid
            known = grid is not None and grid.shape[0] == arguments["slices"]
            place = self.preview.visibleSlice(grid) if known else arguments["slices"] // 2
            arguments["slice"] = place

        def finished(result):
            if quality == ALL:
                self._rest = None
            try:
                if epoch == self._epoch:
                    self._onDrawn(generation, quality, result)
            except Exception as error:
                self._onFailed(generation, failureOf(error))
            finally:
                result.close()

        def failed(failure):
            if quality == ALL:
                self._rest = None
            if epoch == self._epoch:
                self._onFailed(generation, failure)

        if quality == ALL:
            # Apart from the newest moves, so that the next of them can stop it.
            self._rest = self.session.client.submit(
                "heart_blend", arguments, uploads=uploads, results=names, finished=finished, failed=failed
            )
        else:
            self.latest.ask(
                "heart_blend", arguments, uploads=uploads, results=names, finished=finished, failed=failed
            )

    def _dropRest(self):
        run, self._rest = self._rest, None
        if run is not None and run.state == "pending":
            self.session.client.cancel(run)

    def _onDrawn(self, generation, quality, result):
        if not self._possible() and not self.preview.shown:
            return
        if quality == ALL and generation != self._generation:
            return
        answer = result.answer
        labels = volumeOf(answer, result.arrays["labels"])
        self.preview.update(
            self.pair.title,
            labels,
            answer["record"],
            result.arrays.get("image"),
            answer["slice"],
            answer["background"] or 0.0,
        )
        self._watchViews()
        self.answer, self._drawn = answer, (generation, quality)
        self._toldDrawn(answer)
        if generation == self._generation and not self._resting.isActive():
            self._onRest()

    def _onFailed(self, generation, failure):
        if generation == self._generation and failure.kind != CANCELLED:
            self._wanted = False
        self._toldFailed(failure)

    def _watchViews(self):
        if not self._watched:
            self._watched = True
            for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
                view = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceNode")
                self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onView)
