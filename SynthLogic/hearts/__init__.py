"""Hearts: label names, the short-axis frame and the way back, latent paths, measures of a heart. No torch.

Names and matching need numpy only; scipy is imported when stacks are prepared or measured.
"""

from typing import TYPE_CHECKING

from SynthLogic.hearts.labels import EXPECTED, STRUCTURES, HeartLabel, Structure, checked_labels
from SynthLogic.hearts.matching import (
    CONVENTIONS,
    Matching,
    NamedSegment,
    match,
    match_values,
    nesting_problem,
    parse_values,
)
from SynthLogic.lazy import on_demand

if TYPE_CHECKING:
    from SynthLogic.hearts.baselines import blend_distances, blend_voxels, spread
    from SynthLogic.hearts.latents import Extent, along_axis, between, positions, steps
    from SynthLogic.hearts.measures import (
        Thickness,
        dice,
        ejection_fraction,
        smoothness,
        volumes_ml,
        wall_thickness_mm,
    )
    from SynthLogic.hearts.plausible import Plausibility, plausibility
    from SynthLogic.hearts.short_axis import ShortAxis, to_short_axis
    from SynthLogic.hearts.sizes import Sizes, held_between
    from SynthLogic.hearts.tidy import without_islands
else:
    __getattr__ = on_demand(
        __name__,
        {
            "blend_distances": "baselines",
            "blend_voxels": "baselines",
            "spread": "baselines",
            "Extent": "latents",
            "along_axis": "latents",
            "between": "latents",
            "positions": "latents",
            "steps": "latents",
            "Thickness": "measures",
            "dice": "measures",
            "ejection_fraction": "measures",
            "smoothness": "measures",
            "volumes_ml": "measures",
            "wall_thickness_mm": "measures",
            "Plausibility": "plausible",
            "plausibility": "plausible",
            "ShortAxis": "short_axis",
            "to_short_axis": "short_axis",
            "Sizes": "sizes",
            "held_between": "sizes",
            "without_islands": "tidy",
        },
    )

__all__ = [
    "CONVENTIONS",
    "EXPECTED",
    "STRUCTURES",
    "Extent",
    "HeartLabel",
    "Matching",
    "NamedSegment",
    "Plausibility",
    "ShortAxis",
    "Sizes",
    "Structure",
    "Thickness",
    "along_axis",
    "between",
    "blend_distances",
    "blend_voxels",
    "checked_labels",
    "dice",
    "ejection_fraction",
    "held_between",
    "match",
    "match_values",
    "nesting_problem",
    "parse_values",
    "plausibility",
    "positions",
    "smoothness",
    "spread",
    "steps",
    "to_short_axis",
    "volumes_ml",
    "wall_thickness_mm",
    "without_islands",
]
