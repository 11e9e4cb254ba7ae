"""Input-only corruptions: what a scanner may do to an image, in intensity alone.

A generator reads corrupted images while discriminators, cycle and supervised losses see clean ones, so a
generator learns to deliver clean images from poor ones. Every corruption is a pydantic entry of the
configuration with two methods: ``draw(rng)`` samples its parameters, plain numbers that can be recorded
and replayed, and ``apply(image, parameters)`` is a pure function. Images are (.., J, I) float32 in [-1, 1],
slices of one scan: they have one field and one blur, within the slice, but each its own noise. Strengths are
fractions of the full range (0.01 of a 2500 HU window are 25 HU), sizes are in pixels.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import ndimage

Range = tuple[float, float]
Parameters = dict[str, Any]


class _Corruption(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> _Corruption:
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} is {list(value)}; write the smaller number first")
        return self


def _uniform(rng: np.random.Generator, bounds: Range) -> float:
    return float(rng.uniform(*bounds))


def _blurred(image: np.ndarray, sigma: float, mode: str) -> np.ndarray:
    within = [0.0] * (image.ndim - 2) + [sigma] * 2
    blurred: np.ndarray = ndimage.gaussian_filter(image, within, mode=mode, truncate=3)
    return blurred


class Gain(_Corruption):
    """u -> factor * u on [0, 1], clipped at white: another receiver gain or another percentile."""

    kind: Literal["gain"] = "gain"
    factor: Range = (0.85, 1.15)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the factor."""
        return {"factor": _uniform(rng, self.factor)}

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Scale the image (.., J, I) from black."""
        return np.minimum((image + 1) * np.float32(parameters["factor"]) - 1, np.float32(1))


class Gamma(_Corruption):
    """u -> u^exponent on [0, 1]: another contrast."""

    kind: Literal["gamma"] = "gamma"
    exponent: Range = (0.8, 1.25)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the exponent, log-uniform so that darker and brighter are as likely."""
        low, high = np.log(self.exponent)
        return {"exponent": float(np.exp(rng.uniform(low, high)))}

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Bend the intensities of the image (.., J, I)."""
        unit = np.maximum((image + 1) * np.float32(0.5), np.float32(0))
        return unit ** np.float32(parameters["exponent"]) * 2 - 1


class BiasField(_Corruption):
    """Multiplication by exp(cubic polynomial): the smooth sensitivity of a receive coil."""

    kind: Literal["bias-field"] = "bias-field"
    strength: Range = (0.0, 0.3)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the coefficients of x^p y^q, 1 <= p + q <= 3, each uniform within the drawn strength."""
        strength = _uniform(rng, self.strength)
        return {"coefficients": [float(c) for c in rng.uniform(-strength, strength, len(_POWERS))]}

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Multiply the image (.., J, I), measured from black, by the field."""
        y = np.linspace(-1, 1, image.shape[-2], dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, image.shape[-1], dtype=np.float32)[None, :]
        log_field = np.zeros(image.shape[-2:], np.float32)
        for coefficient, (p, q) in zip(parameters["coefficients"], _POWERS, strict=True):
            log_field += np.float32(coefficient) * (x**p * y**q)
        return np.minimum((image + 1) * np.exp(log_field) - 1, np.float32(1))


_POWERS = [(p, q) for p in range(4) for q in range(4) if 1 <= p + q <= 3]


class Blur(_Corruption):
    """Gaussian blur: partial volume and motion, or a smooth reconstruction kernel."""

    kind: Literal["blur"] = "blur"
    sigma: Range = (0.3, 0.8)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the standard deviation in pixels."""
        return {"sigma": _uniform(rng, self.sigma)}

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Smooth the image (.., J, I)."""
        return _blurred(image, parameters["sigma"], "nearest")


class GaussianNoise(_Corruption):
    """Additive Gaussian noise, white or correlated: CT after filtered back-projection."""

    kind: Literal["gaussian-noise"] = "gaussian-noise"
    sigma: Range = (0.0, 0.016)
    correlation: Range = (0.0, 1.2)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw sigma, correlation length (pixels) and the noise's own seed."""
        return {
            "sigma": _uniform(rng, self.sigma),
            "correlation": _uniform(rng, self.correlation),
            "seed": int(rng.integers(2**31)),
        }

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Add the noise to the image (.., J, I); its standard deviation is sigma whatever the correlation."""
        noise = np.random.default_rng(parameters["seed"]).standard_normal(image.shape, dtype=np.float32)
        if parameters["correlation"] > 0.3:
            noise = _blurred(noise, parameters["correlation"], "wrap")
            noise /= max(float(noise.std()), 1e-6)
        return image + np.float32(2 * parameters["sigma"]) * noise


class RicianNoise(_Corruption):
    """u -> sqrt((u + n1)^2 + n2^2) on [0, 1]: magnitude MR (Gudbjartsson and Patz 1995)."""

    kind: Literal["rician-noise"] = "rician-noise"
    sigma: Range = (0.0, 0.05)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw sigma and the noise's own seed."""
        return {"sigma": _uniform(rng, self.sigma), "seed": int(rng.integers(2**31))}

    def apply(self, image: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Add the noise to the image (.., J, I)."""
        rng = np.random.default_rng(parameters["seed"])
        noise = rng.standard_normal((2, *image.shape), dtype=np.float32)
        first, second = noise * np.float32(parameters["sigma"])
        return np.hypot((image + 1) * np.float32(0.5) + first, second) * 2 - 1


Corruption = Annotated[
    Gain | Gamma | BiasField | Blur | GaussianNoise | RicianNoise, Field(discriminator="kind")
]


def draw(corruptions: tuple[Corruption, ...], rng: np.random.Generator) -> list[Parameters | None]:
    """Draw the parameters of every corruption, None for one that does not happen this time."""
    return [c.draw(rng) if rng.random() < c.probability else None for c in corruptions]


def corrupt(
    image: np.ndarray, corruptions: tuple[Corruption, ...], parameters: list[Parameters | None]
) -> np.ndarray:
    """Apply the corruptions in order.

    Args:
        image: (.., J, I) float32 in [-1, 1].
        corruptions: as configured.
        parameters: what ``draw`` gave for them.

    Returns:
        (.., J, I) float32, clipped to [-1, 1].
    """
    for corruption, drawn in zip(corruptions, parameters, strict=True):
        if drawn is not None:
            image = corruption.apply(image, drawn)
    return np.clip(image, -1, 1, dtype=np.float32)
