"""One translation: from the scan in the scene through the worker into the scene. No Qt."""

import json
from itertools import chain

import numpy as np
from slicer.i18n import tr as _

from CrossModalSynthLib.session import failureOf
from SynthLogic.errors import InputError
from SynthLogic.scene import (
    PendingSequence,
    PendingVolume,
    Region,
    add_result,
    frame_of,
    index_of,
    parent_to_world,
    proxy_of,
    volume_of,
)
from SynthLogic.worker import Failure, copy_in_steps

CANCELLED = "Cancelled"
SLICES_A_TURN = 4


class Translation:
    """A volume, or every frame of a sequence; what was chosen at the click is what is translated.

    Where the scan lies in the world is that of the click, too; voxels are as they are when it starts. Nothing
    is in the scene until everything is there. Exactly one of ``finished`` and ``failed`` is called.

    Args:
        session: of the module.
        scene: of ``node``.
        node: scalar volume, or sequence of them; only read.
        request: a TranslateRequest as plain data; the parent transform is put in here, unless it is there.
        modality: what ``node`` is, "CT" or "MR", if that is known.
        region: segmentation or ROI node, or None for all of the scan.
        name: that the user wishes for the result, or "".
        uploaded: asked when it starts for an Upload of the very voxels of ``node``; None if there is none.
        progress: told the fraction done and a SynthLogic.worker.Step, or None while voxels are copied.
        finished: told the node that shows the result.
        failed: told a Failure.
    """

    def __init__(
        self,
        session,
        scene,
        node,
        request,
        *,
        modality=None,
        region=None,
        name="",
        uploaded=lambda: None,
        consent=False,
        progress=lambda fraction, step: None,
        finished=lambda node: None,
        failed=lambda failure: None,
    ):
        self.session, self.scene, self.node = session, scene, node
        self.title = node.GetName()
        self.target = request["target"]
        self.started = False
        self._options = {"modality": modality, "region": region, "name": name}
        self._modality, self._name, self._consent = modality, name, consent
        self._progress, self._finished, self._failed = progress, finished, failed
        self._uploaded, self._region = uploaded, region
        self._chore = self._run = self._upload = self._maskUpload = self._result = None
        self._over = False
        self._frame, self._frames, self._sequence = 0, 1, None
        self._problem = None
        self._request = dict(request)
        if "parent_transform" not in request:
            try:
                shown = self._shown()
                matrix = None if shown is None else parent_to_world(shown)
                self._request["parent_transform"] = None if matrix is None else matrix.tolist()
            except Exception as error:
                self._problem = error

    @property
    def again(self):
        """Arguments ``request`` and others for the same translation once more."""
        return {"request": self._request, **self._options}

    def start(self):
        """Begin; what is wrong with the choice is told by ``failed``."""
        self.started = True
        try:
            self._checkPresent()
            if self.node.IsA("vtkMRMLSequenceNode"):
                self._frames = len(index_of(self.node))
                self._sequence = PendingSequence(self.scene, self.node)
            if self._region is not None:
                self._region = Region(self._region, self._shown() or self.node)
            self._send()
        except Exception as error:
            self._fail(failureOf(error))

    def _shown(self):
        """The node that hangs below the scan's transform."""
        return proxy_of(self.scene, self.node) if self.node.IsA("vtkMRMLSequenceNode") else self.node

    def _checkPresent(self):
        if self._problem is not None:
            raise self._problem
        if not self.scene.IsNodePresent(self.node):
            raise InputError(
                _("The scan was removed from the scene before its turn came; load it and run again.")
            )
        if self._region is not None and not self.scene.IsNodePresent(self._region):
            raise InputError(
                _("The region was removed from the scene before its turn came; choose another and run again.")
            )

    def cancel(self):
        """Stop; ``failed`` is told of it at once or, if the worker has to be stopped, soon."""
        if self._over:
            return
        if self._run is not None and self._run.state == "pending":
            self.session.client.cancel(self._run)
        else:
            self._fail(Failure(CANCELLED, _("Cancelled; nothing was changed.")))

    # -- to the worker --------------------------------------------------------------------------------------

    def _send(self):
        """Copy the next frame, and the region with the first, to where the worker reads them."""
        volume = volume_of(self.node) if self._sequence is None else frame_of(self.node, self._frame)
        client = self.session.client
        uploaded = self._uploaded() if self._sequence is None else None
        if uploaded is not None and np.array_equal(uploaded.ijk_to_ras, volume.ijk_to_ras):
            self._upload = uploaded
            self._upload.hold()
            steps = iter(())
        else:
            self._upload = client.upload(volume.array, volume.ijk_to_ras, self._modality)
            steps = self._upload.steps()
        if self._region is not None:
            steps = chain(steps, self._sendRegion(volume.ijk_to_ras))
        self._grid = volume.grid
        self._chore = self.session.spread(steps, self._submit, self._fail)

    def _sendRegion(self, matrix):
        for k in range(0, self._region.slices, SLICES_A_TURN):
            self._region.fill(k, min(k + SLICES_A_TURN, self._region.slices))
            yield k
        self._maskUpload = self.session.client.upload(self._region.mask(), matrix)
        yield from self._maskUpload.steps()

    def _submit(self):
        self._chore = None
        self._run = self.session.client.translate(
            self._request,
            self._upload,
            region=self._maskUpload,
            consent=self._consent,
            progress=self._onProgress,
            finished=self._onTranslated,
            failed=self._fail,
        )
        self._releaseUploads()

    def _releaseUploads(self):
        """The run holds them from now on."""
        for upload in (self._upload, self._maskUpload):
            if upload is not None:
                upload.release()
        self._upload = self._maskUpload = None

    def _onProgress(self, step):
        self._progress((self._frame + step.fraction) / self._frames, step)

    # -- back from it ---------------------------------------------------------------------------------------

    def _onTranslated(self, result):
        try:
            pending = PendingVolume(self._grid, result.array.dtype)
        except Exception as error:
            result.close()
            self._fail(failureOf(error))
            return
        self._result = result

        def arrived():
            self._chore = None
            record = json.dumps(result.record)
            self._closeResult()
            self._take(pending, record)

        self._chore = self.session.spread(copy_in_steps(result.array, pending.array), arrived, self._fail)

    def _take(self, pending, record):
        if self._sequence is None:
            node = add_result(self.scene, pending, self.node, record, name=self._name)
            self._end(lambda: self._finished(node))
            return
        self._sequence.append(pending, record)
        self._frame += 1
        self._progress(self._frame / self._frames, None)
        if self._frame < self._frames:
            self._run = None
            self._send()
        else:
            shown = self._sequence.add_to_scene(name=self._name)[1]
            self._end(lambda: self._finished(shown))

    def _fail(self, failure):
        self._end(lambda: self._failed(failure))

    def _end(self, tell):
        if self._over:
            return
        self._over = True
        if self._chore is not None:
            self.session.abandon(self._chore)
            self._chore = None  # its steps hold a mapped file
        self._releaseUploads()
        self._closeResult()
        self._sequence = self._region = None
        tell()

    def _closeResult(self):
        result, self._result = self._result, None
        if result is not None:
            result.close()
