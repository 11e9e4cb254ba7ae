"""One heart of the scene: what its segments become, and its labels where the worker reads them."""

import json

import numpy as np
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.session import failureOf
from SynthLogic.errors import InputError, SynthError
from SynthLogic.hearts import STRUCTURES, HeartLabel, Matching, NamedSegment, match
from SynthLogic.scene.label_sources import LabelSource

QUIET_MS = 300


class HeartSource(VTKObservationMixin):
    """Follows a segmentation or label map. Its labels are sent once, and again only if they have changed.

    Args:
        session: of the module.
        changed: called when what is known of it may have changed: a choice, an edit, a correction.

    Attributes:
        node: that is followed, or None.
        parts: its segments, or values of a label map; empty until they were looked at.
        matching: what each part becomes (SynthLogic.hearts.Matching), or None.
        problem: one sentence why it cannot be used, or "".
    """

    def __init__(self, session, changed):
        VTKObservationMixin.__init__(self)
        self.session, self._changed = session, changed
        self.node, self.parts, self.matching, self.problem = None, (), None, ""
        self._parameters = None
        self._source = self._upload = self._chore = None
        self._state = self._sent = None
        self._looking, self._matrix = False, None
        self._waiting = []
        self._quiet = qt.QTimer()
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_MS)
        self._quiet.connect("timeout()", self.look)

    @property
    def usable(self):
        """Whether it is known what each part becomes, and that is a heart."""
        return self.matching is not None and not self.problem

    @property
    def state(self):
        """Differs whenever other labels would be sent."""
        return (self._state, self._values())

    @property
    def title(self):
        """The node's name."""
        return self.node.GetName() if self.node is not None else ""

    def choose(self, node, parameters):
        """Follow another node, or None; corrections are in ``parameters``."""
        self._parameters = parameters
        if node is self.node:
            self._rematch()
            return
        self.stop()
        self.node = node
        if node is None:
            self._changed()
            return
        events = [vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
        if node.IsA("vtkMRMLSegmentationNode"):
            kind = slicer.vtkSegmentation
            events += [kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified]
            events += [kind.SourceRepresentationModified]
        else:
            events.append(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
        for event in events:
            self.addObserver(node, event, self._onModified)
        self.look()

    def stop(self):
        """Follow nothing, and let go of the labels."""
        self.removeObservers()
        self._quiet.stop()
        self._drop()
        self._waiting.clear()
        self.node, self.parts, self.matching, self.problem = None, (), None, ""
        self._source = self._state = None
        self._looking = False

    def look(self):
        """See what there is now."""
        self._quiet.stop()
        if self.node is None:
            return
        try:
            source = LabelSource(self.node)
            state = source.state
        except Exception as error:
            self._refuse(error)
            return
        if state == self._state and self._source is not None:
            return
        self._dropChore()
        self._source, self._state, self._looking = source, state, True
        found = []

        def steps():
            for answer in source.parts():
                if answer is not None:
                    found.append(answer)
                yield 0

        def done():
            self._chore, self._looking = None, False
            self.parts = found[-1]
            self._rematch()
            if self._waiting and self._chore is None:
                self._send()

        self._chore = self.session.spread(steps(), done, self._onFailed)

    def correct(self, key, label):
        """The user says what a part is: a HeartLabel, or None for nothing. Kept in the parameter node."""
        known = _corrections(self._parameters)
        mine = known.setdefault(self.node.GetID(), {})
        mine[key] = 0 if label is None else int(label)
        self._parameters.heartCorrections = json.dumps(known)
        self._rematch()

    def ownMatrix(self):
        """IJK to the node's own RAS of the labels that were sent last."""
        return self._matrix

    def corrected(self):
        """Places of the parts that the user has said something about."""
        known = {} if self.node is None else correctionsOf(self._parameters, self.node)
        return {n for n, part in enumerate(self.parts) if part.key in known}

    def prepare(self, finished, failed):
        """Have the labels as they are now where the worker reads them.

        Args:
            finished: told the Upload, at once where it is there already. It is held for as long as nothing
                changes: whoever wants it for longer holds it.
            failed: told a Failure.
        """
        try:
            if self.node is None or not slicer.mrmlScene.IsNodePresent(self.node):
                self.choose(None, self._parameters)
            LabelSource(self.node)
        except Exception as error:
            failed(failureOf(error))
            return
        self._waiting.append((finished, failed))
        self.look()
        if self._chore is None and self._waiting:
            self._send()

    def current(self):
        """The Upload of the labels as they are now, or None."""
        try:
            state = None if self._source is None else LabelSource(self.node).state
        except SynthError:
            return None
        known = self._upload is not None and self._upload.finished and state == self._state
        return self._upload if known and self._sent == (state, self._values()) else None

    # -- inside ---------------------------------------------------------------------------------------------

    def _values(self):
        found = {} if self.matching is None else self.matching.labels
        return tuple((part.key, int(found.get(part.value) or 0)) for part in self.parts)

    def _rematch(self):
        if self._source is None or self._looking:
            self._changed()
            return
        corrections = {
            part.value: HeartLabel(value) if value else None
            for part in self.parts
            if (value := correctionsOf(self._parameters, self.node).get(part.key)) is not None
        }
        self.matching = matched(self.parts, corrections)
        self.problem = self.matching.problem() or ""
        self._changed()
        if self._waiting and self._sent is not None and self._sent != (self._state, self._values()):
            self._dropChore()
            self._send()

    def _send(self):
        if self.problem or self.matching is None:
            self._answer(lambda finished, failed: failed(failureOf(InputError(self.problem))))
            return
        if self.current() is not None:
            self._answer(lambda finished, failed: finished(self._upload))
            return
        self._dropUpload()
        source, state, values = self._source, self._state, self._values()
        try:
            grid = source.grid()
            array = np.zeros(grid.shape, np.uint8)
            matrix = source.to_world() @ grid.ijk_to_ras
            upload = self.session.client.upload(array, matrix)
            self._matrix = grid.ijk_to_ras
        except Exception as error:
            self._onFailed(failureOf(error))
            return

        def steps():
            yield from source.read(dict(values), grid, array)
            if not array.any():
                raise InputError(_("There are no voxels in what was chosen; draw the heart first."))
            yield from upload.steps()

        def done():
            self._chore = None
            self._answer(lambda finished, failed: finished(upload))

        self._upload, self._sent = upload, (state, values)
        self._chore = self.session.spread(steps(), done, self._onFailed)

    def _answer(self, tell):
        waiting, self._waiting = self._waiting, []
        for finished, failed in waiting:
            tell(finished, failed)

    def _refuse(self, error):
        self._drop()
        self.parts, self.matching, self._source = (), None, None
        self.problem = failureOf(error).message
        self._changed()
        self._answer(lambda finished, failed: failed(failureOf(error)))

    def _onFailed(self, failure):
        self._chore = None
        self._dropUpload()
        self._answer(lambda finished, failed: failed(failure))
        if self._looking:
            self._looking, self.parts, self.matching = False, (), None
            self.problem = failure.message
            self._changed()

    def _onModified(self, caller=None, event=None):
        self._quiet.start()

    def _drop(self):
        self._dropChore()
        self._dropUpload()

    def _dropChore(self):
        if self._chore is not None:
            self.session.abandon(self._chore)
            self._chore = None
            if self._upload is not None and not self._upload.finished:
                self._dropUpload()

    def _dropUpload(self):
        upload, self._upload, self._sent = self._upload, None, None
        if upload is not None:
            upload.release()


def matched(parts, corrections):
    """What each part becomes, a Matching; bare values of a label map are 1 LV, 2 myocardium, 3 RV."""
    named = tuple(NamedSegment(part.value, part.name, _codes(part.terminology)) for part in parts)
    found = match(named, corrections)
    bare = all(part.key == str(part.value) and part.terminology is None for part in parts)
    if not bare or any(match(named).labels.values()):
        return found
    labels, reasons = dict(found.labels), dict(found.reasons)
    for part in parts:
        if part.value not in corrections and part.value in set(HeartLabel) and part.value:
            labels[part.value], reasons[part.value] = HeartLabel(part.value), "value"
    shown = tuple(NamedSegment(part.value, _("value {value}").format(value=part.value)) for part in parts)
    return Matching(shown, labels, reasons)


def structureName(label):
    """What a HeartLabel, or None, is called in tables."""
    return STRUCTURES[label].name if label else _("Nothing")


def _codes(terminology):
    if terminology is None:
        return None
    codes = (terminology.type, terminology.modifier, terminology.anatomy, terminology.anatomy_modifier)
    return tuple(code.value for code in codes)


def _corrections(parameters):
    try:
        known = json.loads(parameters.heartCorrections or "{}")
    except ValueError:
        known = {}
    return known if isinstance(known, dict) else {}


def correctionsOf(parameters, node):
    """What the user has said of the parts of a node: values of HeartLabel, 0 for nothing, by key."""
    return {} if parameters is None else _corrections(parameters).get(node.GetID(), {})
