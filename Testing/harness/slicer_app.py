"""``slicer.app``, the module manager and ``slicer.modules``: what a module may meet of the application."""

from __future__ import annotations

import sys
import tempfile
import types
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

_VERSION = (5, 11)


class ModuleManager(QtCore.QObject):
    """``slicer.app.moduleManager()``."""

    SIGNALS = {  # noqa: RUF012
        "moduleLoaded(QString)": "moduleLoaded",
        "moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded",
    }
    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def add(self, module: Any) -> None:
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)
        self.moduleLoaded.emit(module.name)

    def remove(self, name: str) -> None:
        self.moduleAboutToBeUnloaded.emit(name)
        self._modules.pop(name, None)
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            slicer.modules.__dict__.pop(attribute, None)


class CoreModule:
    """A module of Slicer's own, of which only the logic exists."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name, self.title, self.path = name, name, ""
        self._logic = logic

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> Any:
        raise NotImplementedError(f"the harness has no widget for Slicer's module {self.name}")


class ScriptedModule:
    """A scripted module as ``slicer.modules.name`` shows it."""

    def __init__(self, parent: Any, frame: Any) -> None:
        self.name, self.title, self.path = parent.name, parent.title, parent.path
        self.parent, self._frame = parent, frame

    def widgetRepresentation(self) -> Any:
        return self._frame

    def resourcePath(self, name: str) -> str:
        return f"{self.path.rpartition('/')[0]}/Resources/{name}"


class Application(QtWidgets.QApplication):
    """``slicer.app``."""

    SIGNALS = {"startupCompleted()": "startupCompleted"}  # noqa: RUF012
    startupCompleted = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__(["Slicer"])
        self.setApplicationName("Slicer")
        self.setOrganizationName("harness")
        self.setApplicationVersion(".".join(map(str, _VERSION)))
        self.setStyle("Fusion")
        self.setQuitOnLastWindowClosed(False)
        # Removed together with this object, that is with the process.
        self._folder = tempfile.TemporaryDirectory(prefix="harness-")
        formats = QtCore.QSettings.Format
        QtCore.QSettings.setDefaultFormat(formats.IniFormat)
        QtCore.QSettings.setPath(formats.IniFormat, QtCore.QSettings.Scope.UserScope, self._folder.name)
        self._testing = False
        self._root: Any = None
        self._layout_manager: Any = None
        self._module_manager = ModuleManager()

    def _attach(self, root: Any, layout_manager: Any) -> None:
        self._root, self._layout_manager = root, layout_manager

    def applicationLogic(self) -> Any:
        return self._root.application

    def mrmlScene(self) -> Any:
        return self._root.scene

    def layoutManager(self) -> Any:
        return self._layout_manager

    def moduleManager(self) -> ModuleManager:
        return self._module_manager

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def revisionUserSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def testingEnabled(self) -> bool:
        return self._testing

    def setTestingEnabled(self, enabled: bool) -> None:
        """For tests only: Slicer takes this from its command line."""
        self._testing = enabled

    def commandOptions(self) -> Any:
        return types.SimpleNamespace(testingEnabled=self._testing, noMainWindow=False)

    def pauseRender(self) -> None:
        """Views are painted when the event loop comes to it; there is nothing to hold back."""

    def resumeRender(self) -> None:
        """See ``pauseRender``."""

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"https://example.invalid/{name}"

    temporaryPath = QtCore.Property(str, lambda self: self._folder.name)
    slicerHome = QtCore.Property(str, lambda self: self._folder.name)
    extensionsInstallPath = QtCore.Property(str, lambda self: self._folder.name)
    revision = QtCore.Property(str, lambda self: "0")
    repositoryRevision = QtCore.Property(str, lambda self: "harness")
    majorVersion = QtCore.Property(int, lambda self: _VERSION[0])
    minorVersion = QtCore.Property(int, lambda self: _VERSION[1])
    platform = QtCore.Property(str, lambda self: "linux-amd64")
    os = QtCore.Property(str, lambda self: sys.platform.removesuffix("32"))
    launcherExecutableFilePath = QtCore.Property(str, lambda self: "")


def modules(root: Any) -> types.ModuleType:
    """The module ``slicer.modules``."""
    module = types.ModuleType("slicer.modules", __doc__)
    module.sampleDataSources = {}  # type: ignore[attr-defined]
    for name, logic in root.logics.items():
        setattr(module, name.lower(), CoreModule(name, logic))
    return module
