"""What ``slicer.util`` needs the application for. The rest of ``slicer.util`` is slicer-core's own."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from harness.answers import Answers, Dialog
from harness.ui_loader import load_ui

_POLL_MS = 20


def _displays(answers: Answers) -> dict[str, Any]:
    """The message functions, answered by the test's queue."""
    buttons = QtWidgets.QMessageBox.StandardButton

    def display(kind: str, level: int, testing: Any, icon: Any, standard: Any) -> Any:
        def show(
            text: str,
            windowTitle: str | None = None,
            parent: Any = None,
            standardButtons: Any = None,
            **kwargs: Any,
        ) -> Any:
            logging.log(level, text)
            if slicer.app.testingEnabled():
                return testing
            if answers.interactive:
                box = QtWidgets.QMessageBox(icon, windowTitle or "Slicer", text, standard)
                box.setDetailedText(kwargs.get("detailedText", ""))
                pressed = box.exec()
                return pressed in (buttons.Ok, buttons.Yes, buttons.Retry) if kind == "confirm" else pressed
            return answers.ask(Dialog(kind, text, windowTitle or "", kwargs.get("detailedText", "")))

        return show

    icons = QtWidgets.QMessageBox.Icon
    ok = buttons.Ok
    confirm = ("confirm", logging.INFO, True, icons.Question)
    return {
        "errorDisplay": display("error", logging.ERROR, ok, icons.Critical, ok),
        "warningDisplay": display("warning", logging.WARNING, ok, icons.Warning, ok),
        "infoDisplay": display("info", logging.INFO, ok, icons.Information, ok),
        "messageBox": display("box", logging.INFO, ok, icons.NoIcon, ok),
        "confirmOkCancelDisplay": display(*confirm, ok | buttons.Cancel),
        "confirmYesNoDisplay": display(*confirm, buttons.Yes | buttons.No),
        "confirmRetryCloseDisplay": display(*confirm, buttons.Retry | buttons.Close),
        "delayDisplay": lambda message, *args, **kwargs: slicer.app.processEvents(),
    }


def _load_volume(filename: str, properties: Any = None, **_: Any) -> Any:
    options = properties or {}
    logic = slicer.app.applicationLogic().GetModuleLogic("Volumes")
    flags = 1 if options.get("labelmap") else 0
    node = logic.AddArchetypeVolume(
        str(filename), options.get("name", Path(filename).name.split(".")[0]), flags
    )
    if node is None:
        raise RuntimeError(f"Failed to load node from file: {filename}")
    if options.get("show", True):
        slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node


def _save_node(node: Any, filename: str, properties: Any = None) -> bool:
    node.AddDefaultStorageNode(str(filename))
    storage = node.GetStorageNode()
    storage.SetFileName(str(filename))
    return bool(storage.WriteData(node))


def _save_scene(filename: str, properties: Any = None) -> bool:
    if str(filename).endswith(".mrb"):
        return bool(slicer.mrmlScene.WriteToMRB(str(filename)))
    return bool(slicer.mrmlScene.Commit(str(filename)))


def _load_scene(filename: str, properties: Any = None) -> bool:
    clear = bool((properties or {}).get("clear", False))
    if str(filename).endswith(".mrb"):
        done = slicer.mrmlScene.ReadFromMRB(str(filename), clear)
    else:
        slicer.mrmlScene.SetURL(str(filename))
        done = slicer.mrmlScene.Connect() if clear else slicer.mrmlScene.Import()
    if not done:
        raise RuntimeError(f"Failed to load scene from file: {filename}")
    return True


def _launch(
    args: list[str],
    useStartupEnvironment: bool = True,
    updateEnvironment: dict[str, str] | None = None,
    cwd: str | None = None,
    blocking: bool = True,
    logCallback: Any = None,
    completedCallback: Any = None,
) -> subprocess.Popen:
    """Start a process; without ``blocking`` its lines and its end are told from the event loop."""
    process = subprocess.Popen(
        list(map(str, args)),
        env={**os.environ, **(updateEnvironment or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if blocking:
        return process
    lines: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    timer = QtCore.QTimer(slicer.app)

    def poll() -> None:
        while True:
            try:
                line = lines.get_nowait()
            except Empty:
                return
            if line is None:
                timer.stop()
                timer.deleteLater()
                code = process.wait()
                if completedCallback:
                    completedCallback(code)
                return
            (logCallback or print)(line)

    timer.timeout.connect(poll)
    timer.start(_POLL_MS)
    return process


def install(answers: Answers, window: Any, select: Any) -> None:
    """Put the harness's functions into ``slicer.util``.

    Args:
        answers: the queue for dialogs.
        window: stands for Slicer's main window.
        select: called with the name of a module to show.
    """
    replaced = {
        **_displays(answers),
        "launchConsoleProcess": _launch,
        "loadScene": _load_scene,
        "loadUI": lambda path: load_ui(str(path)),
        "loadVolume": _load_volume,
        "loadLabelVolume": lambda f, properties=None: _load_volume(
            f, {**(properties or {}), "labelmap": True}
        ),
        "mainWindow": lambda: window,
        "saveNode": _save_node,
        "saveScene": _save_scene,
        "selectModule": lambda module: select(module if isinstance(module, str) else module.name),
    }
    for name, function in replaced.items():
        setattr(slicer.util, name, function)
