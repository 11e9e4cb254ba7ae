"""Hearts from A to B as a sequence that plays."""

import json

import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.heart_view import outline, showPainted
from CrossModalSynthLib.preview import volumeOf
from SynthLogic.errors import InputError
from SynthLogic.scene import PendingVolume
from SynthLogic.scene.heart_sequences import PendingHearts
from SynthLogic.worker import copy_in_steps


class HeartSequence:
    """Makes hearts one after the other; they appear together, or not at all.

    Args:
        work: the HeartWork that shows how far it is.
        pair: the HeartPair; what is chosen now is what is made.
        count: of hearts, at least two.
        options: arguments of ``heart_blend``, without hearts and styles.
        arrived: called when all are there, just before they are shown.
    """

    def __init__(self, work, pair, count, options, arrived):
        self.work, self.pair, self.count = work, pair, count
        self._options, self._arrived = options, arrived
        self._title, self._beside = pair.title, pair.first
        self._pending = PendingHearts(slicer.mrmlScene, self._title)
        self._uploads, self._result = [], None

    def start(self, again, ended):
        """Begin; see ``HeartWork.begin``."""

        def over():
            self._release()
            ended()

        title = _("{count} hearts, {title}").format(count=self.count, title=self._title)
        self.work.begin(title, again, over)
        self.pair.prepare(self.work.guarded(self._hold), self.work.guarded(self.work.fail))

    def _release(self):
        while self._uploads:
            self._uploads.pop().release()
        self._closeResult()

    def _closeResult(self):
        result, self._result = self._result, None
        if result is not None:
            result.close()

    def _hold(self, arguments, uploads):
        for upload in uploads:
            upload.hold()
            self._uploads.append(upload)
        self._options = {**self._options, **arguments}
        self._make()

    def _make(self):
        number = len(self._pending)
        if number == self.count:
            self._add()
            return
        # The bar counts hearts, not slices of one.
        text = _("{n} of {count} hearts").format(n=number, count=self.count)
        self.work.advance(number / self.count, text)
        wanted = {**self._options, "t": number / (self.count - 1)}
        names = ["labels"] if wanted["paint"] == "none" else ["labels", "image"]
        self.work.submit("heart_blend", wanted, self._uploads, names, self._take)

    def _take(self, result):
        self._result = result
        answer, image = result.answer, result.arrays.get("image")
        labels = volumeOf(answer, result.arrays["labels"])
        frame = None if image is None else PendingVolume(labels.grid, image.dtype)

        def copied():
            self._closeResult()
            self._pending.append(answer["t"], labels, json.dumps(answer["record"]), frame)
            self._make()

        self.work.spread(iter(()) if frame is None else copy_in_steps(image, frame.array), copied)

    def _add(self):
        if not slicer.mrmlScene.IsNodePresent(self._beside):
            raise InputError(_("Heart A was removed from the scene; choose it again."))
        browser, labels, image = self._pending.add_to_scene(self._beside)
        self._arrived()
        outline(labels)
        if image is not None:
            showPainted(image, labels)
        playWith(browser)
        self.work.end(_("Made: {name}").format(name=browser.GetName()))


def playWith(browser):
    """Show the browser in Slicer's tool bar, and let it run."""
    modules = getattr(slicer, "modules", None)
    sequences = getattr(modules, "sequences", None)
    if sequences is not None and hasattr(sequences, "setToolBarActiveBrowserNode"):
        sequences.setToolBarActiveBrowserNode(browser)
    browser.SetPlaybackRateFps(5)
    browser.SetPlaybackActive(True)
