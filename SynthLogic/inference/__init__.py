"""The engine: planes, batches, tiles, precision and devices for a bundle's network; hearts slice by slice.

What needs torch is imported when it is used.
"""

from typing import TYPE_CHECKING

from SynthLogic.inference.monitor import CancelCallback, Monitor, Progress, ProgressCallback
from SynthLogic.inference.planes import STACK_AXIS, acquisition_plane, choose_planes, working_grid
from SynthLogic.lazy import on_demand

if TYPE_CHECKING:
    from SynthLogic.inference.device import available_devices, choose_device, device_name
    from SynthLogic.inference.engine import Engine, EngineResult
    from SynthLogic.inference.label_codec import LabelCodec
    from SynthLogic.inference.measure import mean_difference, painting_difference
    from SynthLogic.inference.painter import Painter
    from SynthLogic.inference.precision import fast_precisions
    from SynthLogic.inference.runner import OUT_OF_MEMORY
    from SynthLogic.inference.structures import StructureFinder, Structures
else:
    __getattr__ = on_demand(
        __name__,
        {
            "OUT_OF_MEMORY": "runner",
            "Engine": "engine",
            "EngineResult": "engine",
            "LabelCodec": "label_codec",
            "Painter": "painter",
            "StructureFinder": "structures",
            "Structures": "structures",
            "available_devices": "device",
            "choose_device": "device",
            "device_name": "device",
            "fast_precisions": "precision",
            "mean_difference": "measure",
            "painting_difference": "measure",
        },
    )

__all__ = [
    "OUT_OF_MEMORY",
    "STACK_AXIS",
    "CancelCallback",
    "Engine",
    "EngineResult",
    "LabelCodec",
    "Monitor",
    "Painter",
    "Progress",
    "ProgressCallback",
    "StructureFinder",
    "Structures",
    "acquisition_plane",
    "available_devices",
    "choose_device",
    "choose_planes",
    "device_name",
    "fast_precisions",
    "mean_difference",
    "painting_difference",
    "working_grid",
]
