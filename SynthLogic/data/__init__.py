"""Training data: files to batches. A ``Stream`` gives batches; there is one for each kind of data."""

from SynthLogic.data.batches import Batches
from SynthLogic.data.config import DataConfig, DomainConfig, SamplingConfig, SourceConfig
from SynthLogic.data.heart_batches import HeartBatches
from SynthLogic.data.heart_config import HeartDataConfig
from SynthLogic.data.heart_library import load_hearts
from SynthLogic.data.library import Library, Stack, load_library
from SynthLogic.data.stream import Stream

__all__ = [
    "Batches",
    "DataConfig",
    "DomainConfig",
    "HeartBatches",
    "HeartDataConfig",
    "Library",
    "SamplingConfig",
    "SourceConfig",
    "Stack",
    "Stream",
    "load_hearts",
    "load_library",
]
