"""The worker's process as Qt runs it: its pipes are read by the event loop, nothing is ever waited for."""

import os
import shutil
import sys

import qt


def pythonExecutable():
    """Python with Slicer's packages; in Slicer, ``sys.executable`` is the application."""
    return shutil.which("PythonSlicer") or sys.executable


class QtTransport:
    """A worker in a QProcess; what SynthLogic.worker.Client asks of a transport.

    Args:
        received, log, ended: told the process's output, its errors, and its end; see ``Client``.
    """

    def __init__(self, received, log, ended):
        self._received, self._log, self._ended = received, log, ended
        self._process = None
        self._past = []

    @property
    def running(self):
        """Whether there is a process; True until ``ended`` is told."""
        return self._process is not None

    def start(self):
        """Start one; failing to is told by ``ended`` as well."""
        process = qt.QProcess()
        process.setProcessEnvironment(_environment())
        process.connect("readyReadStandardOutput()", self._readOutput)
        process.connect("readyReadStandardError()", self._readLog)
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onError)
        self._process = process
        process.start(pythonExecutable(), ["-m", "SynthLogic.worker"])

    def write(self, data):
        """Write to its standard input; silently nothing if it is gone."""
        if self._process is not None:
            self._process.write(qt.QByteArray(data))

    def kill(self):
        """End it at once; ``ended`` follows."""
        if self._process is not None:
            self._process.kill()

    def _readOutput(self):
        if self._process is not None:
            self._received(self._process.readAllStandardOutput().data())

    def _readLog(self):
        if self._process is not None:
            self._log(self._process.readAllStandardError().data())

    def _onError(self, error):
        # All other errors are followed by the end of the process.
        if error == qt.QProcess.FailedToStart:
            self._log(self._process.errorString().encode())
            self._gone(127, False)

    def _onFinished(self, exitCode, exitStatus):
        if self._process is not None:
            self._readOutput()
            self._readLog()
            self._gone(exitCode, exitStatus == qt.QProcess.CrashExit)

    def _gone(self, exitCode, crashed):
        # It still is in one of its own signals, and the last reference to it would delete it.
        self._past.append(self._process)
        qt.QTimer.singleShot(0, self._past.clear)
        self._process = None
        self._ended(exitCode, crashed)


def _environment():
    environment = qt.QProcessEnvironment.systemEnvironment()
    library = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["SynthLogic"].__file__)))
    known = environment.value("PYTHONPATH", "")
    environment.insert("PYTHONPATH", os.pathsep.join([library, known]) if known else library)
    return environment
