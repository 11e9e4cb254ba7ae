"""What all panels share: the worker, and work that is done a little at a time between two events."""

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.process import QtTransport
from SynthLogic.errors import SynthError
from SynthLogic.worker import Client, Failure

TICK_MS = 200
IDLE_MS = 10 * 60 * 1000


class Session:
    """One worker for the whole module; it starts with the first job and ends with the module.

    Attributes:
        client: to submit jobs to.
        changed: functions called when the worker's state may have changed.
        bundlesListed: functions called with the installed bundles and the name of the one that was just
            imported or removed, or None.
        needed: functions that say whether the worker will soon have something to do.
        idleMs: time without anything to do after which the worker is put down; it keeps a device's memory.
    """

    def __init__(self):
        self.changed, self.bundlesListed, self.needed = [], [], []
        self.idleMs = IDLE_MS
        self.closed = False
        self.client = Client(QtTransport, changed=self._onChanged)
        self._chores = []
        self._ticker = qt.QTimer()
        self._ticker.setInterval(TICK_MS)
        self._ticker.connect("timeout()", self.client.tick)
        self._turn = qt.QTimer()
        self._turn.setInterval(0)
        self._turn.connect("timeout()", self._onTurn)
        self._idle = qt.QTimer()
        self._idle.setSingleShot(True)
        self._idle.connect("timeout()", self._onIdle)
        # Slicer ends without telling its modules; the worker also sees it by itself.
        slicer.app.connect("aboutToQuit()", self.close)

    def close(self):
        """End the worker; pending runs get their verdict."""
        self.closed = True
        self._chores.clear()
        self._turn.stop()
        self._idle.stop()
        self.client.close()
        self._ticker.stop()
        slicer.app.disconnect("aboutToQuit()", self.close)

    @property
    def canFree(self):
        """Whether the worker runs and has nothing to do, neither now nor soon."""
        return self.client.state == "idle" and not any(need() for need in self.needed)

    def free(self):
        """Put the worker down, which gives back its memory and the device's; the next job starts another."""
        if self.canFree:
            self.client.release()

    def spread(self, steps, finished, failed):
        """Take one of ``steps`` (an iterator) a turn of the event loop, so that the window never waits.

        Args:
            steps: each takes a few milliseconds.
            finished: called after the last.
            failed: called with a Failure if a step, or ``finished``, cannot do its work.

        Returns:
            What ``abandon`` takes.
        """
        chore = (iter(steps), finished, failed)
        self._chores.append(chore)
        self._turn.start()
        return chore

    def abandon(self, chore):
        """Take no more of its steps, and tell nobody."""
        if chore in self._chores:
            self._chores.remove(chore)

    def later(self, function):
        """Call it one event later: a dialog must not hold up the pipe that asked for it."""
        qt.QTimer.singleShot(0, lambda: None if self.closed else function())

    def _onTurn(self):
        if not self._chores:
            self._turn.stop()
            return
        chore = self._chores[0]
        steps, finished, failed = chore
        try:
            if next(steps, None) is not None:
                return
            self.abandon(chore)
            finished()
        except Exception as error:
            self.abandon(chore)
            failed(failureOf(error))
            if not isinstance(error, SynthError):
                raise

    def _onChanged(self):
        busy = self.client.state != "off"
        if busy != self._ticker.isActive():
            (self._ticker.start if busy else self._ticker.stop)()
        self._idle.stop()
        if self.client.state == "idle":
            self._idle.start(self.idleMs)
        for function in self.changed:
            function()

    def _onIdle(self):
        if self.canFree:
            self.free()
        elif self.client.state == "idle":
            self._idle.start(self.idleMs)


def failureOf(error):
    """What to tell the user of an exception in the window itself."""
    if isinstance(error, SynthError):
        return Failure(type(error).__name__, str(error))
    if isinstance(error, MemoryError):
        return Failure(
            "MemoryError", _("Slicer's memory ran out; close other data, or choose a region, and run again.")
        )
    return Failure(
        "Unexpected", _("Something unforeseen went wrong; report it with the details, please."), repr(error)
    )
