"""Every exception of a job as a sentence, with details that name nobody."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from SynthLogic.errors import SynthError
from SynthLogic.worker.protocol import Failed

_PACKAGES = {
    "torch": "PyTorch",
    "monai": "MONAI",
    "pydantic": "pydantic",
    "safetensors": "safetensors",
    "SimpleITK": "SimpleITK",
    "scipy": "SciPy",
    "onnxruntime": "onnxruntime",
}


def failed(job: int, error: BaseException) -> Failed:
    """The verdict on a job that ended with ``error``."""
    detail = _detail(error)
    if isinstance(error, SynthError):
        data = {name: getattr(error, name) for name in ("name", "notice") if hasattr(error, name)}
        shown = detail if error.__cause__ is not None else ""
        return Failed(job, type(error).__name__, str(error), shown, data)
    if is_memory(error):
        text = "The computer's memory ran out; close other programs, or choose a region, and run again."
        return Failed(job, "MemoryError", text, detail)
    lacking = missing(error)
    if lacking is not None:
        package, text = lacking
        return Failed(job, "MissingPackage", text, detail, {"packages": [package]})
    text = f"Something unforeseen went wrong ({type(error).__name__}); report it with the details, please."
    return Failed(job, "Unexpected", text, detail)


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out, however it was said."""
    device = sys.modules.get("SynthLogic.inference.device")
    return isinstance(error, MemoryError) or (device is not None and device.is_out_of_memory(error))


def missing(error: BaseException) -> tuple[str, str] | None:
    """The package that is missing or broken, and a sentence; None for any other error."""
    if not isinstance(error, ImportError | OSError):
        return None
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name and name != "SynthLogic":
        known = _PACKAGES.get(name, name)
        return name, f"{known} is not installed for this program; install it and run again."
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # A library beside it that does not load (a driver, a DLL) is named in no standard way.
        package = next((p for p in _PACKAGES if p in Path(frame.filename).parts), None)
        if package is not None and frame.name == "<module>":
            return package, f"{_PACKAGES[package]} is installed but does not load; install it again."
    return None


def _detail(error: BaseException) -> str:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text.replace(str(Path.home()), "~")


__all__ = ["failed", "is_memory", "missing"]
