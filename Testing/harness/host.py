"""The host: builds everything once per process, loads modules, turns the event loop, reports failures."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from PySide6 import QtCore, QtGui

from harness import (
    ctk_widgets,
    i18n,
    mrml_widgets,
    packages,
    parameter_node,
    pythonqt,
    sample_data,
    scripted_module,
    slicer_util,
)
from harness.answers import Answers
from harness.scene import SceneRoot
from harness.slicer_app import Application, ScriptedModule, modules
from harness.views import LayoutManager, SliceView
from harness.window import Window

_TICK_MS = 10


class Stall:
    """The longest time in which the event loop did not turn.

    Attributes:
        seconds: by the clock.
        computing: the most that this thread itself computed between two turns. On a machine that is busy with
            other things it tells more than the clock; it misses what only waits.
    """

    def __init__(self) -> None:
        self.seconds = self.computing = 0.0

    def __repr__(self) -> str:
        return f"{1000 * self.longest:.0f} ms"

    @property
    def longest(self) -> float:
        """In seconds; by the clock, unless other programs keep the processor busy."""
        return longest(self.seconds, self.computing)


def longest(seconds: float, computing: float) -> float:
    """Which of a stall's two figures counts: a run itself makes for a load of one a core, and one more."""
    busy = hasattr(os, "getloadavg") and os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    return computing if busy else seconds


class Host:
    """Slicer, as far as a scripted module can tell. One per process.

    Attributes:
        answers: the queue of answers to dialogs.
        packages: the imagined Python environment.
        app: ``slicer.app``; scene: ``slicer.mrmlScene``; window: the main window.
    """

    def __init__(self) -> None:
        self.answers = Answers()
        self.packages = packages.Packages()
        self._failures: list[str] = []
        self._module_name: str | None = None
        sys.modules["ctk"] = ctk_widgets.module()
        pythonqt.install(self.answers.execute)
        self.answers.install()
        self.app = Application()
        slicer.app = self.app
        self._root = SceneRoot(self.app.temporaryPath)
        self.scene = slicer.mrmlScene = self._root.scene
        self._layout_manager = LayoutManager(self._root)
        self.app._attach(self._root, self._layout_manager)
        slicer.selfTests = {}
        slicer.__dict__.update(mrml_widgets.CLASSES)
        self._provide("slicer.modules", modules(self._root))
        self._provide("slicer.i18n", i18n.module())
        self._provide("slicer.packaging", packages.packaging_module(self.packages))
        self._provide("slicer.parameterNodeWrapper", parameter_node.module())
        self._provide("slicer.ScriptedLoadableModule", scripted_module.module())
        sys.modules["SampleData"] = sample_data.module()
        sys.modules["PyTorchUtils"] = packages.pytorch_utils_module(self.packages)
        self.window = Window(self._layout_manager.viewport())
        slicer_util.install(self.answers, self.window, self.select_module)
        self._old_hook = sys.excepthook
        sys.excepthook = self._failed
        self.window.show()
        self.app.processEvents()

    @staticmethod
    def _provide(name: str, module: types.ModuleType) -> None:
        sys.modules[name] = module
        setattr(slicer, name.partition(".")[2], module)

    def _failed(self, kind: Any, error: Any, trace: Any) -> None:
        self._failures.append("".join(traceback.format_exception(kind, error, trace)))
        self._old_hook(kind, error, trace)

    # Modules

    def load_module(self, path: str | Path) -> Any:
        """Load a scripted module and open it. A module of that name is unloaded first.

        Returns:
            the module's own widget object, for which Slicer has ``slicer.util.getModuleWidget(name)``.
        """
        path = Path(path).resolve()
        name = path.stem
        self.unload_module(name)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        python = importlib.util.module_from_spec(spec)
        sys.modules[name] = python
        spec.loader.exec_module(python)
        parent = scripted_module.ModuleParent(name, str(path))
        instance = getattr(python, name)(parent)

        def build(frame: Any) -> Any:
            widget = getattr(sys.modules[name], f"{name}Widget")(frame)
            setattr(slicer.modules, f"{name}Widget", widget)
            return widget

        frame = mrml_widgets.qSlicerScriptedLoadableModuleWidget(build)
        setattr(slicer.modules, f"{name}Instance", instance)
        self.app.moduleManager().add(ScriptedModule(parent, frame))
        self.app.startupCompleted.emit()
        frame.reload()
        frame.setMRMLScene(self.scene)
        self.window.show_module(parent, frame)
        self._module_name = name
        frame.enter()
        self.app.processEvents()
        return frame.self()

    def _frame(self, name: str) -> Any:
        module = self.app.moduleManager().module(name)
        if module is None:
            raise RuntimeError(f"no module '{name}' is loaded")
        return module.widgetRepresentation()

    def select_module(self, name: str) -> None:
        """Leave the open module and open another; an empty name only leaves."""
        if self._module_name is not None:
            self._frame(self._module_name).exit()
        self._module_name = None
        if name:
            module = self.app.moduleManager().module(name)
            self.window.show_module(module.parent, self._frame(name))
            self._frame(name).enter()
            self._module_name = name

    def reload_module(self, name: str | None = None) -> Any:
        """Press Reload: ``slicer.util.reloadScriptedModule``. Returns the new widget object."""
        name = name or self._module_name or ""
        self._frame(name).self().onReload()
        self.app.processEvents()
        return self._frame(name).self()

    def unload_module(self, name: str) -> None:
        """Leave a module and unload it, which calls its ``cleanup()``."""
        module = self.app.moduleManager().module(name)
        if module is None:
            return
        if self._module_name == name:
            self.select_module("")
        self.app.moduleManager().remove(name)
        self.window.forget(module.widgetRepresentation())
        sys.modules.pop(name, None)
        self.app.processEvents()

    # Event loop

    def wait(
        self, predicate: Callable[[], Any], timeout_s: float = 30.0, look_every_s: float = 0.005
    ) -> None:
        """Turn the event loop until the predicate holds.

        Raises:
            TimeoutError: it did not in time.
            AssertionError: a slot failed while waiting.
        """
        deadline = time.monotonic() + timeout_s
        while not predicate():
            if self._failures:
                self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"still waiting after {timeout_s} s")
            self.spin(look_every_s)

    def spin(self, seconds: float = 0.02) -> None:
        """Turn the event loop for a while."""
        loop = QtCore.QEventLoop()
        QtCore.QTimer.singleShot(max(0, int(1000 * seconds)), loop.quit)
        loop.exec()

    @contextmanager
    def watch_stalls(self) -> Iterator[Stall]:
        """Measure the longest stall while the block runs, by a timer of 10 ms.

        The event loop has to turn in the block (``wait``, ``spin``): what the test itself computes counts.
        """
        stall = Stall()
        last, last_computed = time.perf_counter(), time.thread_time()

        def tick() -> None:
            nonlocal last, last_computed
            now, computed = time.perf_counter(), time.thread_time()
            stall.seconds = max(stall.seconds, now - last - _TICK_MS / 1000)
            stall.computing = max(stall.computing, computed - last_computed)
            last, last_computed = now, computed

        timer = QtCore.QTimer()
        timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        timer.timeout.connect(tick)
        timer.start(_TICK_MS)
        try:
            yield stall
        finally:
            tick()
            timer.stop()

    # Pictures

    def view(self, name: str = "Red") -> SliceView:
        """A slice view; its ``pixels()`` are what it shows."""
        widget = self._layout_manager.sliceWidget(name)
        assert widget is not None
        return widget.sliceView()

    def show_volumes(self, background: Any, foreground: Any = None, opacity: float = 0.0) -> None:
        """Show volumes in all slice views, fitted."""
        slicer.util.setSliceViewerLayers(background, foreground, foregroundOpacity=opacity, fit=True)
        self.app.processEvents()

    def grab(self, path: str | Path, scale: float = 1, widget: Any = None) -> Path:
        """Save a picture of the window, or of a widget such as a dialog.

        ``scale`` device pixels a pixel: drawn anew, not enlarged.
        """
        self.app.processEvents()
        widget = widget or self.window
        image = QtGui.QImage(widget.size() * scale, QtGui.QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(scale)
        widget.render(image)
        path = Path(path)
        if not image.save(str(path)):
            raise OSError(f"cannot write {path}")
        return path

    # Scene and end

    def close_scene(self) -> None:
        """File / Close Scene."""
        self._root.close()
        self.app.processEvents()

    def check(self) -> None:
        """Raise what slots, observers and dialogs did wrong since the last check.

        Raises:
            AssertionError: with everything that was found.
        """
        found = [*self._failures, *self.answers.problems()]
        self._failures.clear()
        self.answers.clear()
        if found:
            raise AssertionError("\n".join(found))

    def reset(self) -> None:
        """Between two tests: no modules, an empty scene, no answers, packages as they are."""
        for name in self.app.moduleManager().modulesNames():
            self.unload_module(name)
        self.close_scene()
        slicer.modules.sampleDataSources.clear()
        QtCore.QSettings().clear()
        self.packages.reset()
        self.answers.clear()
        self._failures.clear()
        self.app.setTestingEnabled(False)
        for widget in self.app.topLevelWidgets():
            if widget is not self.window and widget.isVisible():
                widget.close()

    def quit(self) -> None:
        """Quit as Slicer does: tell who listens, clean modules up, empty the scene."""
        self.app.aboutToQuit.emit()
        for name in self.app.moduleManager().modulesNames():
            self.unload_module(name)
        self.window.close()
        self.close_scene()
        sys.excepthook = self._old_hook
