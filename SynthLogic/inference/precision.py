"""Low precision only where the device has it and the card's measured difference allows it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from SynthLogic.bundles import Card
from SynthLogic.errors import DeviceError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def cpu_has_bf16() -> bool:
    """Whether this CPU computes in bf16 (AVX-512 BF16 or AMX); without, bf16 is slower than fp32."""
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, test, bool)()) for test in tests)


def fast_precisions(device: torch.device) -> tuple[str, ...]:
    """Low precisions that ``device`` is fast in, best first."""
    if device.type == "cuda":
        return ("bf16", "fp16") if torch.cuda.get_device_capability(device) >= (8, 0) else ("fp16",)
    return ("bf16",) if cpu_has_bf16() else ()


def choose_precision(card: Card, device: torch.device, wanted: str = "auto") -> tuple[str, tuple[str, ...]]:
    """The precision to run in, and warnings.

    "auto" is the device's fastest precision whose measured difference the card allows, else "fp32". A
    precision asked for by name that the card does not allow is refused: it would change values by more than
    the bundle promises.

    Raises:
        DeviceError: unknown precision, not allowed by the card, or not possible on the device.
    """
    if wanted not in PRECISIONS:
        raise DeviceError(f"Precision {wanted!r} is unknown; use one of these: {', '.join(PRECISIONS)}.")
    native = card.format == "safetensors"
    if wanted == "auto":
        allowed = [p for p in fast_precisions(device) if native and card.precision.allows(p)]
        return (allowed[0] if allowed else "fp32"), ()
    if wanted == "fp32":
        return wanted, ()
    if not native:
        raise DeviceError(f"A {card.format} model runs in fp32 only, not in {wanted}; use --precision fp32.")
    if wanted == "fp16" and device.type == "cpu":
        raise DeviceError("fp16 needs a GPU; use --precision auto, bf16 or fp32 on the CPU.")
    if not card.precision.allows(wanted):
        measured = getattr(card.precision, f"{wanted}_mean_difference")
        units, tolerance = card.output.units, card.precision.tolerance
        found = "was never measured" if measured is None else f"differs from fp32 by {measured:.3g} {units}"
        raise DeviceError(
            f"{wanted} {found} for bundle {card.name!r} (allowed: {tolerance:.3g} {units}); "
            "use --precision auto or fp32."
        )
    return wanted, _slow(device, wanted)


def _slow(device: torch.device, precision: str) -> tuple[str, ...]:
    if precision in fast_precisions(device) or device.type == "cuda":
        return ()
    return (f"this CPU has no {precision} arithmetic, so {precision} is slower here than fp32",)


def lower_precision(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Convert ``network`` to ``dtype`` in place, but for its first and last weighted layer.

    Weights are converted once, which is a little faster than autocast and as exact. bf16 has 8 significant
    bits, 5 HU near the end of a 2500 HU window: so the last layer computes in fp32. So does the first, whose
    rounding the following normalisation amplifies (measured: this takes a third off the mean difference).
    """
    weighted = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
    for module in weighted[1:-1]:
        module.to(dtype)
    for module in weighted:
        module.register_forward_pre_hook(_to_weights_dtype)
    return network


def _to_weights_dtype(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    dtype = next(module.parameters(recurse=False)).dtype
    return tuple(
        a.to(dtype) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in arguments
    )


__all__ = ["DTYPES", "PRECISIONS", "choose_precision", "cpu_has_bf16", "fast_precisions", "lower_precision"]
