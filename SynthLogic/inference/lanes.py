"""Small pieces of work side by side on a CPU, each on one thread.

A network for slices has many layers of little work. Where all threads share each layer they wait for each
other more than they compute. And what one thread computes has the same bits, however many threads there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Piece], Made], pieces: Sequence[Piece]) -> list[Made]:
    """``work`` on every piece, in their order; as many at a time as torch has threads here.

    When one fails, those under way go on to their end, no other begins, and the first failure comes out.
    Torch's modes (``inference_mode`` and the like) hold for a thread; ``work`` enters them itself.
    """
    failures: list[BaseException] = []

    def attempt(piece: Piece) -> list[Made]:
        if failures:
            return []
        try:
            return [work(piece)]
        except BaseException as failure:  # comes out below
            failures.append(failure)
            return []

    parts = list(_lanes(torch.get_num_threads()).map(attempt, pieces))
    if failures:
        raise failures[0]
    return [made for part in parts for made in part]


@cache
def _lanes(count: int) -> ThreadPoolExecutor:
    """Threads in which torch has one thread each; all are started at once, for what follows."""
    lanes = ThreadPoolExecutor(count, "lane", initializer=_take_one_thread)
    together = threading.Barrier(count)
    for _ in lanes.map(lambda _: together.wait(), range(count)):
        pass
    torch.set_num_threads(count)
    return lanes


def _take_one_thread() -> None:
    # A thread that is new to torch takes what was set last, in whatever thread, at its first question.
    torch.get_num_threads()
    torch.set_num_threads(1)


__all__ = ["side_by_side"]
