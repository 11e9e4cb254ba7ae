"""Train without the command line: ``python -m SynthLogic.methods CONFIG.yaml OUTDIR --root NAME=FOLDER``."""

from __future__ import annotations

import argparse
import sys

from SynthLogic.errors import ConfigError, SynthError
from SynthLogic.methods.read import load_config, parse_config
from SynthLogic.methods.train import train


def main(arguments: list[str] | None = None) -> int:
    """Train from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m SynthLogic.methods", description="Train from a configuration."
    )
    parser.add_argument("config", help="YAML file, for example Resources/training/thorax.yaml")
    parser.add_argument("output", help="folder of the run; a training in it is taken up")
    parser.add_argument(
        "--root", action="append", default=[], metavar="NAME=FOLDER", help="a folder of data.roots"
    )
    parser.add_argument("--max-minutes", type=float, help="stop after this time, with a checkpoint")
    parser.add_argument("--no-resume", action="store_true", help="refuse a folder that holds a training")
    given = parser.parse_args(arguments)
    try:
        config = load_config(given.config).with_roots(dict(_pair(entry) for entry in given.root))
        if given.max_minutes is not None:
            config = parse_config({**config.model_dump(mode="json"), "max_minutes": given.max_minutes})
        result = train(config, given.output, not given.no_resume, lambda p: print(p.message, flush=True))
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(*[f"Bundle: {bundle}" for bundle in result.bundles], sep="\n")
    return 0


def _pair(entry: str) -> tuple[str, str]:
    name, separator, folder = entry.partition("=")
    if not separator or not folder:
        raise ConfigError(f"--root {entry!r} is not NAME=FOLDER; write for example --root real=data.")
    return name, folder


if __name__ == "__main__":
    sys.exit(main())
