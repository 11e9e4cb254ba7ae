"""One piece of work of a panel for hearts: its progress, Cancel, and what went wrong."""

from slicer.i18n import tr as _

from CrossModalSynthLib.messages import Messages
from CrossModalSynthLib.questions import agreesToLicence
from CrossModalSynthLib.session import failureOf
from CrossModalSynthLib.translation import CANCELLED
from SynthLogic.worker import Failure

# How the worker goes on after a doubt: advice for the command line.
FORCE = "; add --force"


class HeartWork:
    """Owns the widgets of HeartRun.ui. At most one piece of work at a time; it ends in exactly one way.

    Args:
        ui: its widgets by name.
        session: of the module.
        changed: called when work begins or ends.
        declined: told a Failure whose licence the user does not agree to; by default a message says so.

    Attributes:
        asking: whether the user is being asked about a licence.
    """

    def __init__(self, ui, session, changed, declined=None):
        self.ui, self.session, self._changed = ui, session, changed
        self._declined = declined or self._tellDeclined
        self.asking = False
        self.messages = Messages(ui)
        self._title, self._run, self._chore, self._ended = "", None, None, None
        self._again = self._stopped = None
        ui.cancelButton.connect("clicked(bool)", self._onCancel)
        session.needed.append(self._isBusy)
        session.changed.append(self._onSession)

    @property
    def busy(self):
        """Whether there is some."""
        return self._ended is not None

    def begin(self, title, again, ended=lambda: None, stopped=lambda: None):
        """Work begins.

        Args:
            title: what it is.
            again: does the same with ``consent``, once the user agreed to a licence.
            ended: called when it is over, however.
            stopped: called when the user cancelled it.
        """
        self._title, self._again, self._ended, self._stopped = title, again, ended, stopped
        self.messages.hide()
        self.messages.note(title)
        self.ui.cancelButton.enabled = True
        self.ui.progressBar.value = 0
        self.ui.progressFrame.visible = True
        self._say("")
        self._changed()

    def guarded(self, function):
        """Like ``function``, but does nothing once this work is over, and fails it on an exception."""
        mine = self._ended

        def called(*arguments):
            if mine is None or self._ended is not mine:
                for argument in arguments:
                    if hasattr(argument, "close"):
                        argument.close()
                return
            try:
                function(*arguments)
            except Exception as error:
                self.fail(failureOf(error))

        return called

    def submit(self, kind, arguments, uploads, results, finished):
        """A job of the worker for this work; ``finished`` is told its answer or Result."""
        self._run = self.session.client.submit(
            kind,
            arguments,
            uploads=uploads,
            results=results,
            progress=self._onProgress,
            finished=self.guarded(finished),
            failed=self.guarded(self.fail),
        )

    def spread(self, steps, finished):
        """Steps in the window for this work, one a turn; see ``Session.spread``."""
        self._chore = self.session.spread(steps, self.guarded(finished), self.guarded(self.fail))

    def advance(self, fraction, text):
        """Show how far it is."""
        self.ui.progressBar.value = round(100 * fraction)
        self._say(text)

    def end(self, note=""):
        """It is done."""
        if note:
            self.messages.note(note)
        self._over()

    def fail(self, failure):
        """Nothing came of it; the user is told why."""
        again, stopped = self._again, self._stopped
        if failure.kind == "ConsentRequired":
            # First, so that nothing else begins once this is over.
            self.ask(failure, lambda: again(True))
            self._over()
            return
        self._over()
        if failure.kind == CANCELLED:
            self.messages.note(_("{title}: cancelled").format(title=self._title))
            stopped()
        else:
            self.tell(failure)

    def ask(self, failure, agreed):
        """Ask whether the user agrees to a licence, one event later, unless that is being asked.

        Args:
            failure: of kind "ConsentRequired".
            agreed: called if so.
        """
        if self.asking:
            return
        self.asking = True

        def question():
            try:
                agrees = agreesToLicence(failure)
            finally:
                self.asking = False
            if agrees:
                agreed()
            else:
                self._declined(failure)

        self.session.later(question)

    def tell(self, failure, ofLook=False):
        """Show why nothing came of something; where the worker only doubts, "Go on anyway" is offered."""
        if failure.kind == CANCELLED:
            return
        text, doubt = failure.message.partition(FORCE)[:2]
        if doubt:
            text += "."
        self.messages.note(text)
        self.messages.show(text, failure.detail, canForce=bool(doubt), ofLook=ofLook)

    def cancel(self):
        """Stop it, if there is any; what the worker does for it is stopped as well."""
        run, chore = self._run, self._chore
        if not self.busy:
            return
        if chore is not None:
            self.session.abandon(chore)
        if run is not None and run.state == "pending":
            # Its verdict ends the work.
            self.session.client.cancel(run)
        else:
            self.fail(Failure(CANCELLED, _("Cancelled; nothing was changed.")))

    def drop(self):
        """End it at once and tell nobody: its scene closes, or the module ends."""
        if self.busy:
            run = self._run
            if self._chore is not None:
                self.session.abandon(self._chore)
            self._over()
            if run is not None and run.state == "pending":
                self.session.client.cancel(run)
        self.messages.hide()

    def cleanup(self):
        """The module ends."""
        self.drop()
        self.session.needed.remove(self._isBusy)
        self.session.changed.remove(self._onSession)

    def _over(self):
        ended, self._ended = self._ended, None
        self._run = self._chore = self._again = None
        self.ui.progressFrame.visible = False
        if ended is not None:
            ended()
        self._changed()

    def _tellDeclined(self, failure):
        text = _("Nothing was made, as the licence of {name} was not agreed to.")
        text = text.format(name=failure.data.get("name", ""))
        self.messages.note(text)
        self.messages.show(text)

    def _isBusy(self):
        return self.busy

    def _say(self, text):
        if not text:
            starting = self.session.client.state in ("off", "starting")
            text = _("starting the worker...") if starting else _("preparing...")
        self.ui.progressLabel.text = f"{self._title}: {text}"

    def _onProgress(self, step):
        if not self.busy:
            return
        text = ""
        if step.total:
            count = {"done": step.done, "total": step.total}
            if step.unit == "subjects":
                text = _("{done} of {total} subjects").format(**count)
            else:
                text = _("{done} of {total} slices").format(**count)
            if step.seconds_left is not None:
                text += _(", {seconds:.0f} s left").format(seconds=step.seconds_left)
        self.advance(step.fraction, text)

    def _onCancel(self, checked=False):
        self.ui.cancelButton.enabled = False
        self.cancel()

    def _onSession(self):
        self.messages.followWorker(self.session.client.log_text)
