"""The command line: arguments, text and exit codes. Heavy imports happen inside the commands."""

from SynthLogic.cli.app import app, main

__all__ = ["app", "main"]
