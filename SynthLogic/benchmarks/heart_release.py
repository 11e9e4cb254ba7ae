"""Put measured figures on a heart bundle's card.

    python -m SynthLogic.benchmarks.heart_release BUNDLE TABLES.json [TABLES.json ...]

The tables are those that ``crossmodalsynth benchmark`` has just written about this very bundle: heart-shapes
for the label VAE, heart-images and heart-use for the painter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from SynthLogic.bundles import Bundle, Figure, rewrite_bundle
from SynthLogic.errors import BundleError, ConfigError, SynthError

_GATES = "Gates"
_PERCENT = " (%)"


def release(folder: Path, tables: Sequence[Path]) -> Bundle:
    """Write the bundle in ``folder`` again with every gate's figure.

    Raises:
        ConfigError: a file that holds no gates.
        BundleError: the bundle is not in order, or not one of hearts.
    """
    bundle = Bundle.open(folder)
    if bundle.card.task not in ("label-vae", "paint"):
        raise BundleError(
            f"Bundle {bundle.name!r} is not one of hearts; choose one that encodes or paints labels."
        )
    bundle.verify()
    figures = tuple(figure for path in tables for figure in _figures(path))
    card = bundle.card.model_copy(update={"figures": figures})
    return rewrite_bundle(bundle, card)


def _figures(path: Path) -> Iterator[Figure]:
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
        gates = [
            (str(tables[n - 1]["title"]), str(row["gate"]), row["measured"])
            for n, t in enumerate(tables)
            if _is_gates(t)
            for row in t["rows"]
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        gates = []
    if not gates:
        raise ConfigError(f"{path.name} holds no gates; give what 'crossmodalsynth benchmark' has written.")
    for about, name, value in gates:
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        units = "%" if name.endswith(_PERCENT) else ""
        yield Figure(name=name.removesuffix(_PERCENT), value=round(value, 4), units=units, on=about)


def _is_gates(table: dict[str, object]) -> bool:
    return str(table["title"]).startswith(_GATES)


def main(arguments: list[str] | None = None) -> int:
    """Release from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m SynthLogic.benchmarks.heart_release",
        description="Put measured figures on a heart bundle's card.",
    )
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument(
        "tables",
        type=Path,
        nargs="+",
        metavar="TABLES.json",
        help="what 'crossmodalsynth benchmark' has written",
    )
    given = parser.parse_args(arguments)
    try:
        made = release(given.bundle, given.tables)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    for figure in made.card.figures:
        print(f"{figure.name:70} {figure.value:10.3f} {figure.units}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
