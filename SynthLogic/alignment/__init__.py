"""View alignment: one affine that lays a scan of one person onto a scan of another (paper 1). No torch."""

from SynthLogic.alignment.images import by_images
from SynthLogic.alignment.labels import by_labels
from SynthLogic.alignment.motion import TRANSFORMS, Transform
from SynthLogic.alignment.result import Alignment
from SynthLogic.alignment.transform_file import read_transform, write_transform

__all__ = [
    "TRANSFORMS",
    "Alignment",
    "Transform",
    "by_images",
    "by_labels",
    "read_transform",
    "write_transform",
]
