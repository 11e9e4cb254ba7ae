"""Paths between latent vectors, along one heart and from one heart to another. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SynthLogic.hearts.short_axis import ShortAxis
from SynthLogic.volume import Grid

FloatArray = NDArray[np.floating[Any]]
PATHS = ("line", "circle")
_PARALLEL = 1e-3
"""Radians from 0 or 180 degrees within which there is no great circle to speak of."""


def positions(count: int) -> NDArray[np.float64]:
    """Places of ``count`` slices from apex (0) to base (1), equally far apart; one slice lies at 0."""
    return np.linspace(0.0, 1.0, count)


def steps(count: int) -> NDArray[np.float64]:
    """Places of ``count`` subjects between two, without the two themselves: ``k / (count + 1)``, k from 1.

    The paper has 8 of them.
    """
    return np.arange(1, count + 1) / (count + 1)


def along_axis(latents: FloatArray, positions_from: ArrayLike, positions_to: ArrayLike) -> FloatArray:
    """Interpolate linearly along one heart.

    Args:
        latents: (K, ...), one latent of any shape for each slice, apex first.
        positions_from: (K,) where those slices lie, strictly increasing, in any unit.
        positions_to: (N,) where slices are wanted, within the same range.

    Returns:
        (N, ...) of the same type; where a wanted place is that of a slice, exactly its latent.
    """
    z = np.asarray(latents)
    at, wanted = np.asarray(positions_from, float), np.asarray(positions_to, float)
    if at.shape != (len(z),) or (np.diff(at) <= 0).any():
        raise ValueError(f"positions_from is {at}; it must be increasing, one for each of {len(z)} slices")
    if wanted.size and (wanted.min() < at[0] or wanted.max() > at[-1]):
        raise ValueError(f"positions_to must lie between {at[0]:g} and {at[-1]:g}")
    low = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, max(len(z) - 2, 0))
    high = np.minimum(low + 1, len(z) - 1)
    width = np.where(high > low, at[high] - at[low], 1.0)
    share = _column((wanted - at[low]) / width, z.ndim)
    return np.asarray(_line(z[low], z[high], share), dtype=z.dtype)


def between(a: FloatArray, b: FloatArray, t: ArrayLike, path: str = "line") -> FloatArray:
    """Latents on the way from one heart to another, slice by slice.

    Args:
        a: (K, ...), one latent for each slice.
        b: the same shape.
        t: from 0 (exactly ``a``) to 1 (exactly ``b``); a number, or (T,).
        path: "line", or "circle": the direction turns at constant speed on the great circle from one to the
            other while the length changes linearly. Latents of a Gaussian prior lie near a sphere, and a line
            between two of them runs through less likely, shorter ones. Parallel, opposite and zero vectors
            have no such circle; they take the line.

    Returns:
        (K, ...), or (T, K, ...), of the inputs' type.
    """
    if path not in PATHS:
        raise ValueError(f"path is {path!r}; it must be one of {', '.join(PATHS)}")
    start, end = np.asarray(a), np.asarray(b)
    if start.shape != end.shape or start.ndim < 1:
        raise ValueError(f"a has shape {start.shape} and b {end.shape}; they must be the same")
    places = np.asarray(t, float)
    if places.ndim > 1 or (places.size and not ((places >= 0) & (places <= 1)).all()):
        raise ValueError(f"t is {places}; it must be a number, or a row of them, from 0 to 1")
    dtype = np.result_type(start, end)
    share = _column(np.atleast_1d(places), start.ndim + 1)
    result = _line(start[None], end[None], share)
    if path == "circle":
        result = _circle(start, end, share, result)
    result = np.where(share == 0, start[None], np.where(share == 1, end[None], result)).astype(dtype)
    return np.asarray(result[0] if places.ndim == 0 else result)


def _column(values: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    return values.reshape(-1, *(1,) * (ndim - 1))


def _line(a: FloatArray, b: FloatArray, share: NDArray[np.float64]) -> FloatArray:
    # This form, unlike a + share * (b - a), is exact at both ends and where both are the same.
    return np.where(a == b, a, (1 - share) * a + share * b)


def _circle(a: FloatArray, b: FloatArray, share: NDArray[np.float64], line: FloatArray) -> FloatArray:
    """``a`` and ``b`` (K, ...); ``share`` and ``line`` have a further axis in front."""
    inner = tuple(range(1, a.ndim)) if a.ndim > 1 else (0,)
    wide = np.float64
    length_a = np.sqrt((a.astype(wide) ** 2).sum(axis=inner, keepdims=True))
    length_b = np.sqrt((b.astype(wide) ** 2).sum(axis=inner, keepdims=True))
    zero = (length_a < 1e-12) | (length_b < 1e-12)
    unit_a = a / np.where(zero, 1, length_a)
    unit_b = b / np.where(zero, 1, length_b)
    # Kahan's form: acos of the product loses half the digits of small angles.
    apart = np.sqrt(((unit_a - unit_b) ** 2).sum(axis=inner, keepdims=True))
    together = np.sqrt(((unit_a + unit_b) ** 2).sum(axis=inner, keepdims=True))
    angle = 2 * np.arctan2(apart, together)
    straight = zero | (angle < _PARALLEL) | (angle > np.pi - _PARALLEL)
    sine = np.where(straight, 1, np.sin(angle))
    direction = (np.sin((1 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    length = (1 - share) * length_a + share * length_b
    return np.where(straight, line, direction * length)


@dataclass(frozen=True)
class Extent:
    """How large a heart's slices and how far its ends are apart: what its labels alone do not say.

    Attributes:
        length_mm: from the first to the last labelled slice's middle.
        pixel_mm: side of a pixel.
        thickness_mm: what one slice stands for if there is only one.
    """

    length_mm: float
    pixel_mm: float = 1.5
    thickness_mm: float = 8.0

    @classmethod
    def of(cls, heart: ShortAxis) -> Extent:
        """The extent of a prepared heart."""
        pixel, _, step = heart.grid.spacing
        labelled = np.flatnonzero(heart.labels.any(axis=(1, 2)))
        return cls(float(labelled[-1] - labelled[0]) * step if len(labelled) else 0.0, pixel, step)

    def between(self, other: Extent, t: float) -> Extent:
        """The extent of an offspring, linear from this heart (0) to the other (1)."""
        return Extent(
            float(_line(np.float64(self.length_mm), np.float64(other.length_mm), np.float64(t))),
            float(_line(np.float64(self.pixel_mm), np.float64(other.pixel_mm), np.float64(t))),
            float(_line(np.float64(self.thickness_mm), np.float64(other.thickness_mm), np.float64(t))),
        )

    def slice_mm(self, count: int) -> float:
        """How far apart ``count`` slices are that reach from the first to the last."""
        return self.length_mm / (count - 1) if count > 1 and self.length_mm else self.thickness_mm

    def grid(self, count: int, like: Grid) -> Grid:
        """The grid of ``count`` slices of an offspring, about the middle of a parent's frame ``like``.

        With the parent's own extent the first and last slices are the parent's.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = like.direction * np.asarray(self.spacing(count))
        half = (np.array([like.shape[2], like.shape[1], count]) - 1) / 2
        matrix[:3, 3] = like.centre - matrix[:3, :3] @ half
        return Grid((count, *like.shape[1:]), matrix)

    def spacing(self, count: int) -> tuple[float, float, float]:
        """(I, J, K) in mm of a stack of ``count`` slices."""
        return self.pixel_mm, self.pixel_mm, self.slice_mm(count)
