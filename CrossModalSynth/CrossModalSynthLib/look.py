"""Looking at the chosen scan: its voxels go to the worker, which says what it sees and what it would do."""

import numpy as np

from CrossModalSynthLib.session import failureOf
from SynthLogic.errors import SynthError
from SynthLogic.scene import frame_of, grid_of, parent_to_world, proxy_of, volume_of


class Look:
    """One look at a scan, or at the first frame of a sequence; its upload serves the translation as well.

    Args:
        session: of the module.
        scene: of ``node``.
        node: scalar volume, or sequence of them; only read.
        model: name of the bundle to check it for, or "" for the best.
        finished: told the worker's answer, a dictionary.
        failed: told a Failure.
    """

    def __init__(self, session, scene, node, model, finished, failed):
        self.session, self.scene, self.node = session, scene, node
        self.answer = None
        self._finished, self._failed = finished, failed
        self._upload = self._run = self._chore = None
        self._asked = 0
        self._arguments = {"model": model or None}
        self._over = False

    def start(self):
        """Begin; what is wrong with the scan is told by ``failed``."""
        try:
            sequence = self.node.IsA("vtkMRMLSequenceNode")
            volume = frame_of(self.node, 0) if sequence else volume_of(self.node)
            self._place()
            self._upload = self.session.client.upload(volume.array, volume.ijk_to_ras)
        except Exception as error:
            self._onFailed(failureOf(error))
            return
        self._chore = self.session.spread(self._upload.steps(), self._ask, self._onFailed)

    @property
    def upload(self):
        """The voxels, once they are where the worker reads them; None before and after."""
        return self._upload if self._upload is not None and self._upload.finished else None

    def isCurrent(self):
        """Whether the scan's grid still is where it was when it was looked at."""
        if self._upload is None or not self.node.IsA("vtkMRMLVolumeNode"):
            return True
        try:
            return np.array_equal(self._upload.ijk_to_ras, grid_of(self.node).ijk_to_ras)
        except SynthError:
            return False

    def again(self, model):
        """Check the same voxels for another bundle, or where they lie in the world now."""
        self.answer = None
        self._dropRun()
        self._arguments["model"] = model or None
        try:
            self._place()
        except Exception as error:
            self._onFailed(failureOf(error))
            return
        if self.upload is not None:
            self._ask()

    def stop(self):
        """Tell nobody anything any more, and let go of the voxels."""
        self._over = True
        if self._chore is not None:
            self.session.abandon(self._chore)
            self._chore = None  # its steps hold a mapped file
        self._dropRun()
        if self._upload is not None:
            self._upload.release()
            self._upload = None

    def _place(self):
        sequence = self.node.IsA("vtkMRMLSequenceNode")
        shown = proxy_of(self.scene, self.node) if sequence else self.node
        matrix = None if shown is None else parent_to_world(shown)
        self._arguments["parent_transform"] = None if matrix is None else matrix.tolist()

    def _dropRun(self):
        run, self._run = self._run, None
        self._asked += 1
        if run is not None:
            # A check that runs cannot be interrupted: cancelled, it would take the worker with it.
            self.session.client.withdraw(run)

    def _ask(self):
        self._chore = None
        self._asked += 1
        asked = self._asked
        self._run = self.session.client.submit(
            "check",
            {**self._arguments, "scan": self._upload.reference()},
            uploads=[self._upload],
            finished=lambda answer: self._onFinished(answer) if asked == self._asked else None,
            failed=lambda failure: self._onFailed(failure) if asked == self._asked else None,
        )

    def _onFinished(self, answer):
        if not self._over:
            self.answer = answer
            self._finished(answer)

    def _onFailed(self, failure):
        if not self._over:
            self._failed(failure)
