"""The translations that were asked for: one at a time, with its progress; the others wait for their turn."""

from slicer.i18n import tr as _

from CrossModalSynthLib.translation import Translation


class Runs:
    """Owns the queue, the progress bar with its text, and Cancel.

    Args:
        ui: with ``progressFrame``, ``progressBar``, ``progressLabel``, ``cancelButton``.
        session: of the module.
        note: writes a line into the log.
        finished: told the node that shows a result.
        failed: told the Translation that ended and why, a Failure; of those that were cancelled too.
    """

    def __init__(self, ui, session, note, finished, failed):
        self.ui, self.session = ui, session
        self._note, self._finished, self._failed = note, finished, failed
        self._queue = []
        self._step = None
        ui.cancelButton.connect("clicked(bool)", self._onCancel)
        session.needed.append(self.any)
        self.show()

    @property
    def all(self):
        """The running Translation and, behind it, those that wait."""
        return self._queue

    def any(self):
        """Whether there is one."""
        return bool(self._queue)

    def add(self, scene, scan, request, **options):
        """Translate ``scan`` as soon as nothing else runs; see ``Translation`` for the options."""
        run = Translation(
            self.session,
            scene,
            scan,
            request,
            **options,
            progress=lambda fraction, step: self._onProgress(run, fraction, step),
            finished=lambda node: self._onFinished(run, node),
            failed=lambda failure: self._onFailed(run, failure),
        )
        self._queue.append(run)
        self._note(_("{title}: to be translated to {target}").format(title=run.title, target=run.target))
        if run is self._queue[0]:
            self._begin()
        else:
            self.show()

    def cancelAll(self):
        """Cancel the last first, so that none gets its turn meanwhile."""
        for run in reversed(list(self._queue)):
            run.cancel()

    def show(self):
        """Show how far the running one is."""
        self.ui.progressFrame.visible = bool(self._queue)
        if not self._queue:
            return
        run, step = self._queue[0], self._step
        text = _("{target} from {title}").format(target=run.target, title=run.title)
        if step is None:
            starting = self.session.client.state == "starting"
            text += ": " + (_("starting the worker...") if starting else _("preparing..."))
        elif step.total:
            text += ": " + _unit(step)
            if step.seconds_left is not None:
                text += _(", {seconds:.0f} s left").format(seconds=step.seconds_left)
        if len(self._queue) > 1:
            text += "\n" + _("Waiting after it: {count}").format(count=len(self._queue) - 1)
        self.ui.progressLabel.text = text

    def _begin(self):
        self.ui.cancelButton.enabled = True
        self.ui.progressBar.value = 0
        self._step = None
        self.show()
        self._queue[0].start()

    def _end(self, run, tell):
        first = run is self._queue[0]
        self._queue.remove(run)
        self.show()
        try:
            tell()
        finally:
            # What was told may have put another one into an empty queue.
            if first and self._queue and not self._queue[0].started:
                self._begin()

    def _onCancel(self, checked=False):
        if self._queue:
            self.ui.cancelButton.enabled = False
            self._queue[0].cancel()

    def _onProgress(self, run, fraction, step):
        if self._queue and run is self._queue[0]:
            self.ui.progressBar.value = round(100 * fraction)
            self._step = step
            self.show()

    def _onFinished(self, run, node):
        self._note(_("{title}: done, {name}").format(title=run.title, name=node.GetName()))
        self._end(run, lambda: self._finished(node))

    def _onFailed(self, run, failure):
        self._note(f"{run.title}: {failure.message}")
        self._end(run, lambda: self._failed(run, failure))


def _unit(step):
    if step.unit == "tiles":
        return _("{done} of {total} blocks").format(done=step.done, total=step.total)
    return _("{done} of {total} slices").format(done=step.done, total=step.total)
