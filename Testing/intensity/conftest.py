from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from SynthLogic.volume import Volume


@pytest.fixture(scope="session")
def make_volume() -> Callable[..., Volume]:
    def make(values: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
        return Volume(np.asarray(values), np.diag([*spacing, 1.0]))

    return make
