"""Geometry and files: volumes that know where they are, resampling, reading and writing. No torch.

A volume needs numpy only; SimpleITK, pydicom and scipy are imported when files or resampling are used.
"""

from typing import TYPE_CHECKING

from SynthLogic.lazy import on_demand
from SynthLogic.volume.grid import Grid
from SynthLogic.volume.label_values import MOST_FOREIGN_LABEL, MOST_LABEL, label_fault
from SynthLogic.volume.names import check_name
from SynthLogic.volume.scan import Scan, ScanMeta, content_hash
from SynthLogic.volume.volume import Orientation, Volume

if TYPE_CHECKING:
    from SynthLogic.volume.read import read_volume
    from SynthLogic.volume.resampling import resample
    from SynthLogic.volume.write import check_writable, write_volume
else:
    __getattr__ = on_demand(
        __name__,
        {
            "read_volume": "read",
            "resample": "resampling",
            "check_writable": "write",
            "write_volume": "write",
        },
    )

__all__ = [
    "MOST_FOREIGN_LABEL",
    "MOST_LABEL",
    "Grid",
    "Orientation",
    "Scan",
    "ScanMeta",
    "Volume",
    "check_name",
    "check_writable",
    "content_hash",
    "label_fault",
    "read_volume",
    "resample",
    "write_volume",
]
