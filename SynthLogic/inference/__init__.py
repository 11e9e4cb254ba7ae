"""The engine: planes, batches, tiles, precision and devices for a bundle's network."""

from SynthLogic.inference.device import available_devices, choose_device, device_name
from SynthLogic.inference.engine import Engine, EngineResult
from SynthLogic.inference.measure import mean_difference
from SynthLogic.inference.monitor import CancelCallback, Monitor, Progress, ProgressCallback
from SynthLogic.inference.planes import STACK_AXIS, acquisition_plane, choose_planes, working_grid
from SynthLogic.inference.precision import fast_precisions
from SynthLogic.inference.runner import OUT_OF_MEMORY

__all__ = [
    "OUT_OF_MEMORY",
    "STACK_AXIS",
    "CancelCallback",
    "Engine",
    "EngineResult",
    "Monitor",
    "Progress",
    "ProgressCallback",
    "acquisition_plane",
    "available_devices",
    "choose_device",
    "choose_planes",
    "device_name",
    "fast_precisions",
    "mean_difference",
    "working_grid",
]
