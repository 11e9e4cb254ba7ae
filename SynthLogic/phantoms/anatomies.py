"""What can be simulated: one entry a region, which says what images it makes and which options it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.brain import CONTRASTS, make_brain
from SynthLogic.phantoms.hip import make_hip
from SynthLogic.phantoms.short_axis import make_heart
from SynthLogic.phantoms.subject import REGIONS, make_subject
from SynthLogic.volume import Volume


class Simulated(Protocol):
    """A subject of any anatomy: what its folder holds."""

    @property
    def files(self) -> Mapping[str, Volume | np.ndarray]:
        """By name: images and label maps (NAME.nii.gz), other arrays (NAME.npy)."""

    @property
    def legend(self) -> Mapping[str, int]:
        """Names of the label values."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All that was drawn and measured; JSON."""


@dataclass(frozen=True)
class Anatomy:
    """``make(seed, index, **options)`` simulates a subject; ``options`` names those it understands, ``names``
    all that ``Simulated.files`` may hold under any of them."""

    make: Callable[..., Simulated]
    options: tuple[str, ...]
    names: tuple[str, ...]


_CT_AND_MR = ("shape", "spacing", "pathology", "phase", "sequence", "deformation_mm")
_PAIR = ("ct", "mr", "ct_reference", "mr_reference", "labels", "mr_labels")
_HEAD = tuple(name + kind for name in ("ct", *CONTRASTS) for kind in ("", "_reference"))

ANATOMIES: dict[str, Anatomy] = {
    **{
        name: Anatomy(partial(make_subject, anatomy=name), _CT_AND_MR, (*_PAIR, "mr_to_ct_displacement"))
        for name in REGIONS
    },
    "heart": Anatomy(make_heart, ("pathology", "vendor"), ("ed", "ed_labels", "es", "es_labels")),
    "hip": Anatomy(make_hip, ("shape", "spacing", "grids", "vendor"), _PAIR),
    "brain": Anatomy(make_brain, ("shape", "spacing", "lesions", "vendor"), (*_HEAD, "labels")),
}


def find_anatomy(name: str, options: Mapping[str, Any]) -> Anatomy:
    """The anatomy of that ``name``, once it is sure that it takes all of ``options``.

    Raises:
        ConfigError: no such anatomy, or an option that means nothing to it.
    """
    if name not in ANATOMIES:
        raise ConfigError(f"The anatomy {name!r} is unknown: choose one of {', '.join(ANATOMIES)}.")
    anatomy = ANATOMIES[name]
    for option in options:
        if option not in anatomy.options:
            word = option.removesuffix("_mm")
            raise ConfigError(f"The anatomy {name!r} knows no {word}: leave --{word} out.")
    return anatomy
