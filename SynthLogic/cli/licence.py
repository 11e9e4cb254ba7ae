"""Restricted licences: the user is asked once, on a terminal, and the answer is remembered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

Result = TypeVar("Result")


def with_consent(action: Callable[[], Result], *models: str | None, accepted: bool, ask: bool) -> Result:
    """Call ``action``; as often as a bundle's licence needs consent, ask for it and call once more.

    Args:
        action: what needs bundles.
        models: names or folders of the bundles that were asked for; None where one is picked.
        accepted: the user has agreed on the command line.
        ask: whether a question may be asked at all.

    Raises:
        ConsentRequired: nobody agreed.
    """
    from SynthLogic.bundles import ConsentRequired, find, look_up

    for _ in models:
        try:
            return action()
        except ConsentRequired as question:
            if not (accepted or (ask and agrees(question.name, question.notice))):
                raise
            named = (model for model in models if model is not None and look_up(model).name == question.name)
            find(next(named, question.name), consent=True)
    return action()


def agrees(name: str, notice: str) -> bool:
    """Ask on the terminal whether the user agrees to the licence; without a terminal, nobody agrees."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    typer.echo(f"Bundle {name!r} has a restricted licence:\n\n{notice.strip()}\n", err=True)
    return typer.confirm("Do you agree?", err=True)
