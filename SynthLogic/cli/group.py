"""The one place where failures become text and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from SynthLogic.cli.console import Answer, one_line, write_answer, write_json
from SynthLogic.errors import Cancelled, SynthError

# Typer's base class of wrong usage, wherever this version of typer keeps it.
UsageError: type[Exception] = typer.BadParameter.__mro__[2]

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_CANCELLED = 130


class Group(TyperGroup):
    """Runs a command and writes its `Answer`, or one line that says what went wrong.

    Foreseen failures and wrong usage exit with 2, cancelling with 130, anything else with 1. A traceback
    appears only with ``--debug``. With ``--json`` standard output holds exactly one JSON document.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line ``args``; in standalone mode, exit with its code."""
        given = list(sys.argv[1:] if args is None else args)

        def command() -> Any:
            return super(Group, self).main(
                args,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )

        code = run(command, as_json="--json" in given and "--help" not in given, debug="--debug" in given)
        if standalone_mode:
            sys.exit(code)
        return code


def run(command: Callable[[], Any], *, as_json: bool, debug: bool) -> int:
    """Call ``command``, write what it answers or why it failed; returns the exit code."""
    output = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            result = command()
        if isinstance(result, Answer):
            write_answer(result, as_json, output)
            return result.code
        # Typer returns the code of its own exits, 130 for an interrupt nobody caught.
        if result == EXIT_CANCELLED:
            raise Cancelled("Cancelled.")
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # Whoever read the output has gone; Python must not complain once more when it flushes at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return EXIT_UNEXPECTED
    except (KeyboardInterrupt, Exception) as error:
        if debug and not isinstance(error, UsageError):
            traceback.print_exc()
        code, message = explain(error)
        if as_json:
            write_json({"error": {"type": _kind(error), "message": message, "exit_code": code}}, output)
        else:
            sys.stderr.write(f"{message if code == EXIT_UNEXPECTED else f'Error: {message}'}\n")
        return code


def _kind(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "Cancelled"
    return "UsageError" if isinstance(error, UsageError) else type(error).__name__


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and one line for ``error``."""
    if isinstance(error, SynthError):
        return error.exit_code, one_line(str(error))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return EXIT_CANCELLED, "Cancelled."
    if isinstance(error, UsageError):
        text: str = error.format_message()  # type: ignore[attr-defined]
        return EXIT_USAGE, f"{one_line(text)} See --help."
    if isinstance(error, OSError) and error.filename is not None:
        # A path that the system refuses, for example one too long or in a folder that may not be entered.
        place = Path(os.fsdecode(error.filename)).name[:60]
        return EXIT_USAGE, f"{place!r} cannot be used ({error.strerror}); choose another file or folder."
    name = type(error).__name__
    return (
        EXIT_UNEXPECTED,
        f"Unexpected failure: {name}: {one_line(str(error))}. Run again with --debug for details.",
    )


@contextlib.contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing library into a sentence that names the extra to install.

    Raises:
        ConfigError: an import inside the block failed.
    """
    from SynthLogic.errors import ConfigError

    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("SynthLogic"):
            raise
        raise ConfigError(f"{purpose} needs {error.name}: pip install 'crossmodalsynth[{extra}]'.") from error
