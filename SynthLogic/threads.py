"""How torch's threads wait for each other."""

from __future__ import annotations

import os

# Turns of GNU OpenMP's waiting loop before a thread sleeps; as delivered it is 300 thousand and more.
_TURNS = "1000"


def sleep_while_waiting() -> None:
    """Let threads that wait for others go to sleep soon; call it before torch is imported.

    As delivered they turn in a loop meanwhile. As soon as another program wants a core, such as Slicer beside
    its worker, each wait then lasts until the scheduler takes the looping thread off, and everything becomes
    many times slower. Whoever has set GOMP_SPINCOUNT or OMP_WAIT_POLICY keeps that.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _TURNS)
