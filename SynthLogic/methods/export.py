"""Bundles of a run, finished or not: ``python -m SynthLogic.methods.export RUN_DIR OUT_DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SynthLogic.errors import SynthError
from SynthLogic.methods.bundle_export import export_run


def main(arguments: list[str] | None = None) -> int:
    """Export from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m SynthLogic.methods.export", description="Make bundles of a run."
    )
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("output", help="folder for the bundles")
    parser.add_argument("--checkpoint", type=Path, help="instead of the newest")
    parser.add_argument("--overwrite", action="store_true", help="replace bundles that lie there")
    given = parser.parse_args(arguments)
    try:
        bundles = export_run(given.run, given.output, checkpoint=given.checkpoint, overwrite=given.overwrite)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(*bundles, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
