"""The modules ``slicer.packaging`` and ``PyTorchUtils``: they record what would be installed, never install.

``Packages`` is the test's side: what is missing, what shall fail, what was asked for.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import types
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class Packages:
    """An imagined Python environment, which starts as the real one.

    Attributes:
        missing: names of packages to pretend are not installed; installing takes them out.
        failure: text of the error with which the next installation fails, None for success.
        installed: what was asked to be installed, in order: ("pip", "torch>=2") or ("torch", ">=2").
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.missing: set[str] = set()
        self.failure: str | None = None
        self.installed: list[tuple[str, str]] = []

    def has(self, requirement: Requirement) -> bool:
        name = canonicalize_name(requirement.name)
        if name in {canonicalize_name(m) for m in self.missing}:
            return False
        if requirement.marker is not None and not requirement.marker.evaluate():
            return True
        if any(canonicalize_name(Requirement(t).name) == name for kind, t in self.installed if kind == "pip"):
            return True
        try:
            return requirement.specifier.contains(importlib.metadata.version(name), prereleases=True)
        except importlib.metadata.PackageNotFoundError:
            return False

    def install(self, kind: str, requirement: str, name: str) -> None:
        self.installed.append((kind, requirement))
        if self.failure is not None:
            raise subprocess.CalledProcessError(1, ["pip", "install", requirement], output=self.failure)
        self.missing = {m for m in self.missing if canonicalize_name(m) != canonicalize_name(name)}


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements in a file, comments and pip's own options left out."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def _requirements(given: Any) -> list[Requirement]:
    if isinstance(given, str):
        given = [given] if ";" in given else given.split()
    if isinstance(given, Requirement):
        given = [given]
    if not isinstance(given, list):
        raise TypeError(f"requirements have to be a str, a Requirement or a list, not {type(given).__name__}")
    return [r if isinstance(r, Requirement) else Requirement(r) for r in given]


def packaging_module(packages: Packages) -> types.ModuleType:
    """The module ``slicer.packaging``."""

    def pip_check(req: Any) -> bool:
        return all(packages.has(r) for r in _requirements(req))

    def pip_install(
        requirements: Any,
        constraints: Any = None,
        no_deps_requirements: Any = None,
        skip_packages: Any = None,
        blocking: bool = True,
        show_progress: bool = True,
        requester: str | None = None,
        logCallback: Any = None,
        completedCallback: Any = None,
    ) -> None:
        code = 0
        try:
            for requirement in _requirements(requirements):
                packages.install("pip", str(requirement), requirement.name)
        except subprocess.CalledProcessError as error:
            if blocking:
                raise
            code = error.returncode
            if logCallback:
                logCallback(error.output)
        if not blocking and completedCallback:
            completedCallback(code)

    def pip_ensure(
        requirements: Any,
        constraints: Any = None,
        skip_packages: Any = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> None:
        missing = [r for r in _requirements(requirements) if not packages.has(r)]
        if not missing or (skip_in_testing and slicer.app.testingEnabled()):
            return
        if prompt_install:
            names = ", ".join(map(str, missing))
            title = f"{requester or 'Install'} - Python packages"
            if not slicer.util.confirmOkCancelDisplay(f"Install {names}?", title):
                raise RuntimeError("User declined package installation")
        pip_install([str(r) for r in missing], constraints=constraints, requester=requester)

    module = types.ModuleType("slicer.packaging", __doc__)
    module.__dict__.update(
        load_requirements=load_requirements,
        pip_check=pip_check,
        pip_ensure=pip_ensure,
        pip_install=pip_install,
        Requirement=Requirement,
    )
    return module


def pytorch_utils_module(packages: Packages) -> types.ModuleType:
    """The module ``PyTorchUtils`` of the PyTorch extension. torch itself is never imported here."""

    class PyTorchUtilsLogic:
        @staticmethod
        def torchInstalled() -> bool:
            return packages.has(Requirement("torch"))

        def installTorch(
            self,
            askConfirmation: bool = False,
            forceComputationBackend: str | None = None,
            torchVersionRequirement: str | None = None,
            torchvisionVersionRequirement: str | None = None,
        ) -> Any:
            """What stands for torch, or None where the user declined or the installation failed."""
            wanted = f"torch{torchVersionRequirement or ''}"
            ask = askConfirmation and not slicer.app.testingEnabled()
            if ask and not slicer.util.confirmOkCancelDisplay(f"Install {wanted}? This takes minutes."):
                return None
            packages.install("torch", torchVersionRequirement or "", "torch")
            return types.SimpleNamespace(__name__="torch", __version__="2.0.0+harness")

    module = types.ModuleType("PyTorchUtils", __doc__)
    module.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
    return module
