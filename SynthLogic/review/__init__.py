"""How good a synthetic image is: figures, the look-up-table baseline, pictures and tables. No torch."""

from SynthLogic.review.body import body_mask
from SynthLogic.review.figures import Display, comparison_figure
from SynthLogic.review.lookup import LookupTable
from SynthLogic.review.metrics import (
    dice,
    mae,
    mse,
    mutual_information,
    normalized_mutual_information,
    psnr,
    ssim,
    ssim_global,
)
from SynthLogic.review.structures import STRUCTURES, Structure, structure_dice
from SynthLogic.review.tables import Column, Table, print_tables, write_tables

__all__ = [
    "STRUCTURES",
    "Column",
    "Display",
    "LookupTable",
    "Structure",
    "Table",
    "body_mask",
    "comparison_figure",
    "dice",
    "mae",
    "mse",
    "mutual_information",
    "normalized_mutual_information",
    "print_tables",
    "psnr",
    "ssim",
    "ssim_global",
    "structure_dice",
    "write_tables",
]
