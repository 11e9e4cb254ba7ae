"""What a process may keep from one run to the next."""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from SynthLogic.bundles import Bundle
from SynthLogic.jobs.check import CheckReport
from SynthLogic.volume import Scan, Volume

if TYPE_CHECKING:
    from SynthLogic.inference import Engine

_ENGINES = 2
_REPORTS = 8


class Warm:
    """Networks on their device, and what was found in scans; a fresh one keeps nothing from before.

    A result is the same whether its engine and report were made for it or kept.
    """

    def __init__(self) -> None:
        self._engines: OrderedDict[tuple[object, ...], Engine] = OrderedDict()
        self._reports: OrderedDict[tuple[object, ...], CheckReport] = OrderedDict()

    def engine(self, bundle: Bundle, device: str = "auto", precision: str = "auto") -> Engine:
        """The engine for exactly these; the two used last are kept.

        Raises:
            DeviceError, BundleError: as ``Engine``.
        """
        from SynthLogic.inference import Engine

        key = (bundle.hash, bundle.trusted, device, precision)
        engine = self._engines.pop(key, None) or Engine(bundle, device, precision)
        self._engines[key] = engine
        while len(self._engines) > _ENGINES:
            self._engines.popitem(last=False)
        return engine

    def report(
        self, scan: Scan, seen: Volume, bundle: Bundle | None, check: Callable[[], CheckReport]
    ) -> CheckReport:
        """What ``check`` says of ``scan`` as it lies in the world (``seen``), for ``bundle``."""
        key = (scan.content_hash, scan.meta, seen.ijk_to_ras.tobytes(), bundle and bundle.hash)
        report = self._reports.pop(key, None) or check()
        self._reports[key] = report
        while len(self._reports) > _REPORTS:
            self._reports.popitem(last=False)
        return report

    def release(self) -> None:
        """Let go of every network and give the devices' memory back."""
        self._engines.clear()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()


__all__ = ["Warm"]
