"""How good a synthetic image is: figures, the look-up-table baseline, pictures and tables. No torch.

`review.statistics` and `review.misalignment` are imported by name: they load scipy.stats and SimpleITK.
"""

from SynthLogic.review.body import body_mask
from SynthLogic.review.figures import Display, comparison_figure
from SynthLogic.review.lookup import LookupTable
from SynthLogic.review.measures import Measure, image_figures, label_figures
from SynthLogic.review.metrics import (
    bias,
    dice,
    mae,
    mse,
    mutual_information,
    normalized_mutual_information,
    psnr,
    ssim,
    ssim_global,
    ssim_map,
)
from SynthLogic.review.published import HIASA_WINDOWS, mae_255, psnr_255, psnr_peak, to_255
from SynthLogic.review.structures import STRUCTURES, Structure, structure_dice
from SynthLogic.review.surfaces import average_surface_distance, hausdorff_95, surface_distances
from SynthLogic.review.tables import Column, Table, print_tables, write_tables

__all__ = [
    "HIASA_WINDOWS",
    "STRUCTURES",
    "Column",
    "Display",
    "LookupTable",
    "Measure",
    "Structure",
    "Table",
    "average_surface_distance",
    "bias",
    "body_mask",
    "comparison_figure",
    "dice",
    "hausdorff_95",
    "image_figures",
    "label_figures",
    "mae",
    "mae_255",
    "mse",
    "mutual_information",
    "normalized_mutual_information",
    "print_tables",
    "psnr",
    "psnr_255",
    "psnr_peak",
    "ssim",
    "ssim_global",
    "ssim_map",
    "structure_dice",
    "surface_distances",
    "to_255",
    "write_tables",
]
