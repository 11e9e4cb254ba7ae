"""Training data: files of two domains to batches of patches."""

from SynthLogic.data.batches import Batches
from SynthLogic.data.config import DataConfig, DomainConfig, SamplingConfig, SourceConfig
from SynthLogic.data.library import Library, Stack, load_library

__all__ = [
    "Batches",
    "DataConfig",
    "DomainConfig",
    "Library",
    "SamplingConfig",
    "SourceConfig",
    "Stack",
    "load_library",
]
