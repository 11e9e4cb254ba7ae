"""Put measured figures on a heart bundle's card.

    python -m SynthLogic.benchmarks.heart_release BUNDLE TABLES.json [TABLES.json ...]

The tables are those that ``crossmodalsynth benchmark`` has just written about this very bundle: heart-shapes
for the label VAE, heart-images and heart-use for the painter.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from SynthLogic.bundles import Bundle, Figure, rewrite_bundle
from SynthLogic.errors import ConfigError

_GATES = "Gates"
_PERCENT = " (%)"


def release(folder: Path, tables: Sequence[Path]) -> Bundle:
    """Write the bundle in ``folder`` again with every gate's figure.

    Raises:
        ConfigError: a file that holds no gates.
        BundleError: the bundle is not in order.
    """
    bundle = Bundle.open(folder)
    figures = tuple(figure for path in tables for figure in _figures(path))
    card = bundle.card.model_copy(update={"figures": figures})
    return rewrite_bundle(bundle, card)


def _figures(path: Path) -> Iterator[Figure]:
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
        gates = [
            (tables[n - 1]["title"], row) for n, t in enumerate(tables) if _is_gates(t) for row in t["rows"]
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        gates = []
    if not gates:
        raise ConfigError(f"{path.name} holds no gates; give what 'crossmodalsynth benchmark' has written.")
    for about, row in gates:
        name, value = str(row["gate"]), row["measured"]
        if isinstance(value, bool) or value is None:
            continue
        units = "%" if name.endswith(_PERCENT) else ""
        yield Figure(name=name.removesuffix(_PERCENT), value=round(value, 4), units=units, on=about)


def _is_gates(table: dict[str, object]) -> bool:
    return str(table["title"]).startswith(_GATES)


if __name__ == "__main__":
    made = release(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    for figure in made.card.figures:
        print(f"{figure.name:70} {figure.value:10.3f} {figure.units}")
