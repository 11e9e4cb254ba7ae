"""Geometry and files: volumes that know where they are, resampling, reading and writing. No torch."""

from SynthLogic.volume.grid import Grid
from SynthLogic.volume.read import read_volume
from SynthLogic.volume.resampling import resample
from SynthLogic.volume.scan import Scan, ScanMeta, content_hash
from SynthLogic.volume.volume import Orientation, Volume
from SynthLogic.volume.write import check_writable, write_volume

__all__ = [
    "Grid",
    "Orientation",
    "Scan",
    "ScanMeta",
    "Volume",
    "check_writable",
    "content_hash",
    "read_volume",
    "resample",
    "write_volume",
]
