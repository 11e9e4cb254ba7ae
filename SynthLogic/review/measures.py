"""All figures of one subject at once: of an image against its truth or its input, and of a label map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.errors import ConfigError
from SynthLogic.review.metrics import (
    SSIM_WINDOW,
    Range,
    bias,
    dice,
    mae,
    mse,
    mutual_information,
    normalized_mutual_information,
    ssim_global,
    ssim_map,
)
from SynthLogic.review.published import mae_255, psnr_255, psnr_peak
from SynthLogic.review.surfaces import assd_of, hd95_of, surface_distances

Figures = dict[str, float | None]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measure:
    """One figure and how it is read.

    Attributes:
        key: its name in files for machines.
        name: as shown.
        units: "images" and "images squared" stand for those of the images.
        digits: after the point.
        better: whether lower or higher values are better; None where that is not said.
    """

    key: str
    name: str
    units: str = ""
    digits: int = 3
    better: Literal["lower", "higher"] | None = None

    def units_of(self, images: str) -> str:
        """Units, given those of the images."""
        return {"images": images, "images squared": f"{images}²"}.get(self.units, self.units)


IMAGE_MEASURES = (
    Measure("mae", "MAE", "images", 2, "lower"),
    Measure("bias", "bias", "images", 2),
    Measure("mse", "MSE", "images squared", 1, "lower"),
    Measure("psnr_peak", "PSNR, peak of truth", "dB", 2, "higher"),
    Measure("mae_255", "MAE in [0, 255]", "", 3, "lower"),
    Measure("psnr_255", "PSNR in [0, 255]", "dB", 2, "higher"),
    Measure("ssim", "SSIM, windows", "", 4, "higher"),
    Measure("ssim_global", "SSIM, global", "", 4, "higher"),
    Measure("mi", "MI with truth", "nats", 4, "higher"),
    Measure("nmi", "NMI with truth", "", 4, "higher"),
    Measure("mi_input", "MI with input", "nats", 4, "higher"),
    Measure("nmi_input", "NMI with input", "", 4, "higher"),
)
MISALIGNMENT_MEASURES = (
    Measure("rigid_mm", "rigid displacement", "mm", 2, "lower"),
    Measure("rigid_voxels", "rigid displacement in voxels", "", 3, "lower"),
    Measure("local_mm", "local displacement", "mm", 2, "lower"),
    Measure("local_voxels", "local displacement in voxels", "", 3, "lower"),
    Measure("total_mm", "displacement", "mm", 2, "lower"),
    Measure("total_voxels", "displacement in voxels", "", 3, "lower"),
)
LABEL_MEASURES = (
    Measure("dice", "Dice", "", 4, "higher"),
    Measure("assd", "average surface distance", "mm", 3, "lower"),
    Measure("hd95", "Hausdorff distance, 95 %", "mm", 3, "lower"),
)


def image_figures(
    output: NDArray[Any],
    truth: NDArray[Any] | None,
    source: NDArray[Any] | None,
    regions: Mapping[str, Mask],
    window: Range,
    *,
    bins: int = 64,
    valid: Mask | None = None,
) -> dict[str, Figures]:
    """Every figure of `IMAGE_MEASURES` in every region; None where one does not exist.

    Definitions are those of `review.metrics` and `review.published`. So that regions differ by their voxels
    alone, the peak of PSNR (Wang 2018) is the largest value of the truth in all regions together, and R of
    both SSIM is its range there; C1 and C2 follow from R. Bins of mutual information span each region.
    Windowed SSIM is None where slices are smaller than its windows, or scikit-image is not installed.

    Args:
        output: (K, J, I).
        truth: the same shape, or None: then only mutual information with the input is measured.
        source: the input, the same shape, or None.
        regions: boolean (K, J, I) each; an empty one has no figures.
        window: mapped to [0, 255] by Hiasa's figures, in the images' units.
        bins: of each axis of the joint histogram.
        valid: voxels that both fields of view cover; None: all. Windows of SSIM stay within them.

    Raises:
        ConfigError: shapes that differ.
    """
    union = np.any([*regions.values()], axis=0) if regions else np.zeros(output.shape, bool)
    if not union.any():
        return {name: _nothing() for name in regions}
    peak = spread = 0.0
    local: tuple[NDArray[Any], Mask] | None = None
    if truth is not None:
        values = truth[union]
        peak, spread = float(values.max()), float(values.max()) - float(values.min())
        if spread > 0 and min(output.shape[-2:]) >= SSIM_WINDOW and find_spec("skimage"):
            local = _local_ssim(output, truth, spread, valid)
    found = {}
    for name, mask in regions.items():
        found[name] = figures = _nothing()
        if not mask.any():
            continue
        a = output[mask].astype(np.float64)
        if truth is not None:
            b = truth[mask].astype(np.float64)
            figures |= {"mae": mae(a, b), "bias": bias(a, b), "mse": mse(a, b)}
            figures["psnr_peak"] = _number(psnr_peak(a, b, peak=peak))
            figures |= {"mae_255": mae_255(a, b, window), "psnr_255": psnr_255(a, b, window)}
            if spread > 0:
                figures["ssim_global"] = ssim_global(a, b, data_range=spread)
            if local is not None:
                kept = local[0][mask & local[1]]
                figures["ssim"] = float(kept.mean(dtype=np.float64)) if kept.size else None
            figures["mi"] = mutual_information(a, b, bins=bins)
            figures["nmi"] = normalized_mutual_information(a, b, bins=bins)
        if source is not None:
            c = source[mask].astype(np.float64)
            figures["mi_input"] = mutual_information(a, c, bins=bins)
            figures["nmi_input"] = normalized_mutual_information(a, c, bins=bins)
        found[name] = figures
    return found


def label_figures(
    output: NDArray[Any],
    truth: NDArray[Any],
    values: Iterable[int],
    spacing: tuple[float, float, float],
) -> dict[int, Figures]:
    """Dice, average symmetric surface distance and 95 % Hausdorff distance of every structure.

    Args:
        output: whole numbers (K, J, I).
        truth: the same shape.
        values: of the structures.
        spacing: (I, J, K) in mm.

    Returns:
        Figures by value; Dice is None where neither has the structure, distances where either has not.

    Raises:
        ConfigError: shapes that differ.
    """
    found: dict[int, Figures] = {}
    for value in values:
        a, b = output == value, truth == value
        distances = surface_distances(a, b, spacing)
        found[value] = {
            "dice": _number(dice(a, b)),
            "assd": _number(assd_of(distances)),
            "hd95": _number(hd95_of(distances)),
        }
    return found


def _nothing() -> Figures:
    return dict.fromkeys((measure.key for measure in IMAGE_MEASURES), None)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _local_ssim(
    output: NDArray[Any], truth: NDArray[Any], spread: float, valid: Mask | None
) -> tuple[NDArray[Any], Mask]:
    """The map, and the voxels whose windows lie where both images are."""
    if output.shape != truth.shape:
        raise ConfigError(
            f"Only images of one shape can be compared; these have {output.shape}, {truth.shape}."
        )
    similar = ssim_map(output, truth, data_range=spread)
    if valid is None or valid.all():
        return similar, np.ones(output.shape, bool)
    size = (1 if output.shape[0] < SSIM_WINDOW else SSIM_WINDOW, SSIM_WINDOW, SSIM_WINDOW)
    # Beyond the image's own border windows are mirrored, so that is no border here.
    return similar, ndimage.minimum_filter(valid, size=size, mode="nearest")


__all__ = [
    "IMAGE_MEASURES",
    "LABEL_MEASURES",
    "MISALIGNMENT_MEASURES",
    "Figures",
    "Measure",
    "image_figures",
    "label_figures",
]
