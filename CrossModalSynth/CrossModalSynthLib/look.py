"""Looking at the chosen scan: its voxels go to the worker, which says what it sees and what it would do."""

import numpy as np

from CrossModalSynthLib.session import failureOf
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
        self.session, self.node = session, node
        self.answer = None
        self._finished, self._failed = finished, failed
        self._upload = self._run = self._chore = None
        self._arguments = {"model": model or None}
        self._over = False
        try:
            shown = node
            if node.IsA("vtkMRMLSequenceNode"):
                volume, shown = frame_of(node, 0), proxy_of(scene, node)
            else:
                volume = volume_of(node)
            matrix = None if shown is None else parent_to_world(shown)
            self._arguments["parent_transform"] = None if matrix is None else matrix.tolist()
            self._upload = session.client.upload(volume.array, volume.ijk_to_ras)
        except Exception as error:
            self._over = True
            failed(failureOf(error))
            return
        self._chore = session.spread(self._upload.steps(), self._ask, self._onFailed)

    @property
    def upload(self):
        """The voxels, once they are where the worker reads them; None before and after."""
        return self._upload if self._upload is not None and self._upload.finished else None

    def isCurrent(self):
        """Whether the scan still lies where it lay when it was looked at."""
        if self._upload is None or not self.node.IsA("vtkMRMLVolumeNode"):
            return True
        return np.array_equal(self._upload.ijk_to_ras, grid_of(self.node).ijk_to_ras)

    def again(self, model):
        """Check the same voxels for another bundle."""
        self.answer = None
        if self._run is not None and self._run.state == "pending":
            self._over = True
            self.session.client.cancel(self._run)
            self._over = False
        self._arguments["model"] = model or None
        if self.upload is not None:
            self._ask()

    def stop(self):
        """Tell nobody anything any more, and let go of the voxels."""
        self._over = True
        if self._chore is not None:
            self.session.abandon(self._chore)
        if self._run is not None and self._run.state == "pending":
            self.session.client.cancel(self._run)
        if self._upload is not None:
            self._upload.release()
            self._upload = None

    def _ask(self):
        self._chore = None
        arguments = {**self._arguments, "scan": self._upload.reference()}
        self._run = self.session.client.submit(
            "check", arguments, uploads=[self._upload], finished=self._onFinished, failed=self._onFailed
        )

    def _onFinished(self, answer):
        if not self._over:
            self.answer = answer
            self._finished(answer)

    def _onFailed(self, failure):
        if not self._over:
            self._failed(failure)
