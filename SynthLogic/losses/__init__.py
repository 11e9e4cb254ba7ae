"""Losses, one file each. All take (N, C, *spatial) in 2D or 3D and return a scalar in float32 at least."""

from SynthLogic.losses.cycle import cycle_loss
from SynthLogic.losses.divergence import standard_divergence
from SynthLogic.losses.doubt import doubt
from SynthLogic.losses.edges import edge_loss
from SynthLogic.losses.feature_matching import feature_matching_loss
from SynthLogic.losses.gradient_consistency import edge_consistency_loss, gradient_consistency_loss
from SynthLogic.losses.hinge import hinge_discriminator_loss, hinge_generator_loss
from SynthLogic.losses.identity import identity_loss
from SynthLogic.losses.label_cross_entropy import label_cross_entropy
from SynthLogic.losses.least_squares import discriminator_loss, generator_loss
from SynthLogic.losses.mutual_information import alignment_loss, normalised_mutual_information
from SynthLogic.losses.soft_dice import soft_dice_loss
from SynthLogic.losses.tissue import TissueLoss

__all__ = [
    "TissueLoss",
    "alignment_loss",
    "cycle_loss",
    "discriminator_loss",
    "doubt",
    "edge_consistency_loss",
    "edge_loss",
    "feature_matching_loss",
    "generator_loss",
    "gradient_consistency_loss",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "identity_loss",
    "label_cross_entropy",
    "normalised_mutual_information",
    "soft_dice_loss",
    "standard_divergence",
]
