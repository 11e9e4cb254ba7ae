"""From a scan's units to the [-1, 1] that networks see, and back. No torch."""

from SynthLogic.intensity.masks import mask_values
from SynthLogic.intensity.n4 import N4
from SynthLogic.intensity.percentiles import Percentiles
from SynthLogic.intensity.pipeline import Fitted, Pipeline, Step
from SynthLogic.intensity.step import State
from SynthLogic.intensity.window import Window
from SynthLogic.intensity.zscore import ZScore

__all__ = ["N4", "Fitted", "Percentiles", "Pipeline", "State", "Step", "Window", "ZScore", "mask_values"]
