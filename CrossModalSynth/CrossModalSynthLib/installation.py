"""What must be installed once, before the worker can run: asked for in one dialog, then tried for real."""

import importlib
import importlib.metadata

import slicer
from slicer.i18n import tr as _

TORCH = ">=2.4"
REQUESTER = "CrossModalSynth"


class Installation:
    """The libraries of the worker. torch itself is never imported here.

    Args:
        requirementsPath: ``requirements.txt`` of the module; PyTorch is not in it, its extension knows which
            build this computer needs.
    """

    def __init__(self, requirementsPath):
        self._path = requirementsPath
        self._complete = False

    def missing(self):
        """Names of what is not installed, or too old; PyTorch first."""
        if self._complete:
            return []
        with open(self._path, encoding="utf-8") as stream:
            requirements = [f"torch{TORCH}", *(line.strip() for line in stream if line.strip())]
        missing = [line.split(">=")[0] for line in requirements if not _satisfied(line)]
        self._complete = not missing
        return missing

    def ask(self):
        """Ask, install, and return whether everything is there now; what failed is shown.

        Nothing is installed, and no network used, before the user agreed.
        """
        missing = self.missing()
        if not missing:
            return True
        rest = ", ".join(name for name in missing if name != "torch")
        parts = []
        if "torch" in missing:
            parts.append(_("PyTorch: 0.2 GB to download, or 3 GB on a computer with an NVIDIA GPU"))
        if rest:
            parts.append(_("{names}: about 20 MB").format(names=rest))
        question = _(
            "To translate images, these have to be downloaded and installed into Slicer's Python, once:\n\n"
            "- {parts}\n\nThis takes a few minutes. Install now?"
        ).format(parts="\n- ".join(parts))
        if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Cross-Modal Synthesis")):
            return False
        try:
            if "torch" in missing:
                _installTorch()
            if rest:
                _installRest(self._path)
        except Exception as error:
            slicer.util.errorDisplay(
                _("The installation failed: {reason}").format(reason=str(error)),
                windowTitle=_("Cross-Modal Synthesis"),
                detailedText=repr(error),
            )
            return False
        left = self.missing()
        if left:
            slicer.util.errorDisplay(
                _(
                    "Still missing after the installation: {names}. Restart Slicer and try again; its error "
                    "log says more."
                ).format(names=", ".join(left)),
                windowTitle=_("Cross-Modal Synthesis"),
            )
        return not left


def _satisfied(requirement):
    try:
        from slicer import packaging
    except ImportError:  # before Slicer 5.11
        return _isInstalled(requirement)
    return packaging.pip_check(requirement)


def _isInstalled(requirement):
    """What ``pip_check`` does, with what Slicer has had for long."""
    try:
        installed = importlib.metadata.version(requirement.split(">=")[0])
    except importlib.metadata.PackageNotFoundError:
        return False
    requirements = _requirements()
    if requirements is None:
        return True  # the worker says what is too old
    try:
        wanted = requirements.Requirement(requirement).specifier
        return wanted.contains(installed, prereleases=True)
    except (TypeError, ValueError):
        return False  # left half removed, it has no version


def _requirements():
    """The module ``packaging.requirements``, or pip's own copy of it, or None."""
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _installTorch():
    try:
        import PyTorchUtils
    except ImportError:
        raise RuntimeError(
            _(
                "the PyTorch extension is not installed. Install it in the Extensions Manager, restart "
                "Slicer, and try again."
            )
        ) from None
    # The one question was asked already.
    torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=False, torchVersionRequirement=TORCH
    )
    if torch is None:
        raise RuntimeError(_("PyTorch was not installed; look into Slicer's error log."))


def _installRest(path):
    try:
        from slicer import packaging
    except ImportError:  # before Slicer 5.11
        slicer.util.pip_install(["-r", path])
        return
    requirements = packaging.load_requirements(path)
    packaging.pip_ensure(requirements, requester=REQUESTER, prompt_install=False)
