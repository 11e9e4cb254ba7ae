"""Losses, one file each. All take (N, C, *spatial) in 2D or 3D and return a scalar in float32."""

from SynthLogic.losses.cycle import cycle_loss
from SynthLogic.losses.identity import identity_loss
from SynthLogic.losses.least_squares import discriminator_loss, generator_loss
from SynthLogic.losses.tissue import TissueLoss

__all__ = ["TissueLoss", "cycle_loss", "discriminator_loss", "generator_loss", "identity_loss"]
