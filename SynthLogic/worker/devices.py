"""Tasks about devices: which there are, and whether one really works."""

from __future__ import annotations

import os
import time
from typing import Any

from SynthLogic.errors import DeviceError
from SynthLogic.worker.failures import is_memory, missing

Data = dict[str, Any]


def devices() -> Data:
    """The processor and each GPU by name, with free and total memory in bytes (None: not known)."""
    import torch

    from SynthLogic.inference import available_devices, choose_device, device_name

    found = []
    for name in available_devices():
        device = torch.device(name)
        try:
            memory = torch.cuda.mem_get_info(device) if device.type == "cuda" else _computer_memory()
        except RuntimeError:
            memory = (None, None)
        found.append({"device": name, "name": device_name(device), "free": memory[0], "total": memory[1]})
    return {"devices": found, "auto": str(choose_device()), "torch": torch.__version__}


def try_device(device: str = "auto") -> Data:
    """Compute a small convolution on ``device`` and compare it with what it must be; never raises."""
    answer: Data = {"device": device, "name": "", "works": False, "message": "", "packages": []}
    try:
        import torch

        from SynthLogic.inference import choose_device, device_name

        chosen = choose_device(device)
        answer.update(device=str(chosen), name=device_name(chosen))
        image = torch.linspace(-1, 1, 64 * 64).reshape(1, 1, 64, 64)
        kernel = torch.linspace(-0.5, 1, 9).reshape(1, 1, 3, 3)
        expected = torch.nn.functional.conv2d(image.double(), kernel.double())
        start = time.perf_counter()
        there = torch.nn.functional.conv2d(image.to(chosen), kernel.to(chosen)).cpu()
        answer["seconds"] = round(time.perf_counter() - start, 4)
        where = f"{answer['name']} ({chosen})"
        if not torch.allclose(there.double(), expected, atol=1e-2):
            answer["message"] = f"{where} computes wrong numbers; choose another device."
            return answer
    except DeviceError as error:
        answer["message"] = str(error)
        return answer
    except Exception as error:  # whatever a driver can think of is an answer here
        answer.update(_why_not(error, answer["name"] or device))
        return answer
    none = " No usable GPU was found." if device == "auto" and chosen.type == "cpu" else ""
    return {**answer, "works": True, "message": f"Works on {where}.{none}"}


def _why_not(error: Exception, name: str) -> Data:
    lacking = missing(error)
    if lacking is not None:
        return {"message": lacking[1], "packages": [lacking[0]]}
    if is_memory(error):
        return {"message": f"{name} has too little free memory; close other programs that use it."}
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return {"message": f"{name} does not work ({first}); choose another device or install PyTorch for it."}


def _computer_memory() -> tuple[int | None, int | None]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
    except (AttributeError, OSError, ValueError):
        return None, None


__all__ = ["devices", "try_device"]
