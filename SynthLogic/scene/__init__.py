"""MRML nodes in and out. No Qt, no application: every function is told its scene or node."""

from SynthLogic.scene.checkerboard import Checkerboard, checkerboard
from SynthLogic.scene.comparison import Overlay
from SynthLogic.scene.display import Window, window_for, window_of
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.label_maps import label_map
from SynthLogic.scene.provenance import (
    Provenance,
    is_synthetic,
    provenance_of,
    record_of,
    source_of,
    synthetic_name,
)
from SynthLogic.scene.regions import Region, region_mask
from SynthLogic.scene.results import add_result, remove_result
from SynthLogic.scene.segmentations import Segment, add_segmentation, segments_of
from SynthLogic.scene.sequences import (
    PendingSequence,
    SequenceIndex,
    frame_of,
    index_of,
    proxy_of,
    remove_sequence,
)
from SynthLogic.scene.terminology import Code, Terminology
from SynthLogic.scene.transforms import between, parent_to_world
from SynthLogic.scene.volumes import PendingVolume, add_volume, grid_of, volume_of

__all__ = [
    "Checkerboard",
    "Code",
    "Overlay",
    "PendingSequence",
    "PendingVolume",
    "Provenance",
    "Region",
    "Segment",
    "SequenceIndex",
    "Terminology",
    "Window",
    "add_result",
    "add_segmentation",
    "add_volume",
    "between",
    "checkerboard",
    "file_beside",
    "frame_of",
    "grid_of",
    "index_of",
    "is_synthetic",
    "label_map",
    "parent_to_world",
    "provenance_of",
    "proxy_of",
    "record_of",
    "region_mask",
    "remove_result",
    "remove_sequence",
    "segments_of",
    "source_of",
    "synthetic_name",
    "volume_of",
    "window_for",
    "window_of",
]
