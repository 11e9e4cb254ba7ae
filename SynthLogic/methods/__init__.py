"""Training: one file per published method, and what runs them.

>>> config = load_config("Resources/training/smoke.yaml")
>>> result = train(config, "runs/smoke")
>>> result.bundles
"""

from SynthLogic.methods.bundle_export import export_run
from SynthLogic.methods.callbacks import TrainProgress
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.read import load_config, parse_config
from SynthLogic.methods.register import METHODS, method_named
from SynthLogic.methods.train import TrainResult, train

__all__ = [
    "METHODS",
    "TrainConfig",
    "TrainProgress",
    "TrainResult",
    "export_run",
    "load_config",
    "method_named",
    "parse_config",
    "train",
]
