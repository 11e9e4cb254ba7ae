"""A scan with the heart in it, where the worker reads both: one that lends its style, or was made here."""

import json

import numpy as np
from slicer.i18n import tr as _

from CrossModalSynthLib.heart_source import correctionsOf, matched
from CrossModalSynthLib.session import failureOf
from SynthLogic.errors import InputError
from SynthLogic.hearts import HeartLabel
from SynthLogic.scene import grid_of, volume_of
from SynthLogic.scene.label_sources import LabelSource
from SynthLogic.scene.transforms import between


class HeartScan:
    """A scan and the heart in it, sent once, and again only if one of them has changed."""

    def __init__(self, session):
        self.session = session
        self._chore = None
        self._sent = None
        self._uploads = ()

    def prepare(self, scan, labels, parameters, finished, failed):
        """Have both where the worker reads them.

        Args:
            scan: volume node.
            labels: segmentation or label map node.
            parameters: with the user's corrections.
            finished: told the Uploads of image and labels, held as long as nothing changes.
            failed: told a Failure.
        """
        try:
            self._check(scan, labels)
            source = LabelSource(labels)
            corrections = correctionsOf(parameters, labels)
            grid = grid_of(scan)
            image = scan.GetImageData()
            step = between(labels, scan, "segmentation")
            sent = (scan.GetID(), image.GetMTime(), grid.ijk_to_ras.tobytes(), labels.GetID(), source.state)
            sent = (*sent, step.tobytes(), json.dumps(corrections))
        except Exception as error:
            failed(failureOf(error))
            return
        if sent == self._sent and all(upload.finished for upload in self._uploads):
            finished(*self._uploads)
            return
        self.stop()
        self._sent = sent

        def steps():
            array = np.zeros(grid.shape, np.uint8)
            self._uploads = (
                self.session.client.upload(volume_of(scan).array, grid.ijk_to_ras, "MR"),
                self.session.client.upload(array, grid.ijk_to_ras),
            )
            parts = ()
            for answer in source.parts():
                parts = answer or parts
                yield 0
            byValue = {
                part.value: HeartLabel(corrections[part.key]) if corrections[part.key] else None
                for part in parts
                if part.key in corrections
            }
            matching = matched(parts, byValue)
            problem = matching.problem()
            if problem:
                name = labels.GetName()
                raise InputError(_("Labels {name}: {problem}").format(name=name, problem=problem))
            values = {part.key: int(matching.labels[part.value] or 0) for part in parts}
            yield from source.read(values, grid, array, step)
            if not array.any():
                raise InputError(self._outside(scan, labels))
            for upload in self._uploads:
                yield from upload.steps()

        def done():
            self._chore = None
            finished(*self._uploads)

        def gone(failure):
            self._chore = None
            self.stop()
            failed(failure)

        self._chore = self.session.spread(steps(), done, gone)

    def stop(self):
        """Let go of both."""
        if self._chore is not None:
            self.session.abandon(self._chore)
            self._chore = None
        uploads, self._uploads, self._sent = self._uploads, (), None
        for upload in uploads:
            upload.release()

    def _check(self, scan, labels):
        """Raise InputError where one of them is not there."""

    def _outside(self, scan, labels):
        """One sentence: nothing of the segmentation lies in the scan."""
        text = _("No voxel of {name} lies in its segmentation {labels}; leave this heart out.")
        return text.format(name=scan.GetName(), labels=labels.GetName())


class ReferenceScan(HeartScan):
    """One that the user chose, to lend its style."""

    def _check(self, scan, labels):
        if scan is None:
            raise InputError(_("No reference scan is chosen; choose the scan whose look is taken over."))
        if labels is None:
            raise InputError(_("The reference scan needs a segmentation of its heart; choose it."))

    def _outside(self, scan, labels):
        return _("No voxel of the reference scan lies in its segmentation; choose its own.")
