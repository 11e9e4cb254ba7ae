"""Which device runs a network, what it is called, and how running out of its memory looks."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from SynthLogic.errors import DeviceError

# A GPU with less free memory than this is usually one that only draws the desktop.
_LEAST_FREE_BYTES = 1536 * 2**20
_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|cannot allocate memory|can't allocate memory|bad_alloc|_ALLOC_FAILED",
    re.I,
)


def available_devices() -> tuple[str, ...]:
    """Names of the devices of this computer, "cpu" first, then "cuda:0" and so on."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ("cpu", *(f"cuda:{index}" for index in range(count)))


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``: "auto", "cpu", "cuda" or "cuda:N".

    "auto" is the GPU with the most free memory if one works here, else the CPU.

    Raises:
        DeviceError: unknown name, or no such device here; names those there are.
    """
    wanted = "cuda:0" if name == "cuda" else name
    if wanted == "auto":
        return torch.device(_best_gpu() or "cpu")
    there = available_devices()
    if wanted not in there:
        known = wanted == "cpu" or re.fullmatch(r"cuda:\d+", wanted)
        problem = "does not exist here" if known else "is not the name of a device"
        raise DeviceError(f"Device {name!r} {problem}; use auto or one of these: {', '.join(there)}.")
    return torch.device(wanted)


def _best_gpu() -> str | None:
    best, most = None, _LEAST_FREE_BYTES
    for name in available_devices()[1:]:
        try:
            free = torch.cuda.mem_get_info(name)[0]
            # A driver may list a GPU that this build of torch has no kernels for.
            torch.ones(1, device=name).add_(1).item()
        except RuntimeError:
            continue
        if free > most:
            best, most = name, free
    return best


def device_name(device: torch.device) -> str:
    """The product name of ``device``, for example "NVIDIA H200" or "AMD EPYC"; never the host's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or "CPU"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is a device's, the computer's or a library's way of saying that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Within, the same seed on the same device gives the same bits; afterwards all settings are as before.

    fp32 means fp32 here: TF32 is off on GPUs.
    """
    memory: Any = torch.utils.deterministic
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    mode = torch.get_deterministic_debug_mode()
    fill = memory.fill_uninitialized_memory
    flags = (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        # As use_deterministic_algorithms, which first imports torch's compiler: many seconds.
        torch.set_deterministic_debug_mode("warn")
        # Filling every new tensor with NaN costs time and only helps to find faults in kernels.
        memory.fill_uninitialized_memory = False
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = True, False, False, False
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = flags
            memory.fill_uninitialized_memory = fill
            torch.set_deterministic_debug_mode(mode)


__all__ = ["available_devices", "choose_device", "device_name", "is_out_of_memory", "reproducible"]
