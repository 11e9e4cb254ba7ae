"""Pieces of work side by side: all of them, in order, and torch's threads as they were."""

import threading
import time

import pytest
import torch

from SynthLogic.inference.lanes import side_by_side


@pytest.fixture(autouse=True)
def two_threads(set_threads):
    set_threads(2)


def test_results_come_in_order_from_two_threads_with_one_of_torchs_each():
    meeting = threading.Barrier(2, timeout=20)  # broken, unless two pieces are under way at once

    def work(piece):
        if piece < 2:
            meeting.wait()
        time.sleep(0.01 * (5 - piece))
        return piece, threading.current_thread().name, torch.get_num_threads()

    made = side_by_side(work, range(5))
    assert [piece for piece, _, _ in made] == list(range(5))
    assert len({name for _, name, _ in made}) == 2
    assert {threads for _, _, threads in made} == {1}
    assert side_by_side(work, []) == []


def test_threads_of_others_keep_their_number():
    side_by_side(lambda piece: piece, range(3))
    assert torch.get_num_threads() == 2
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [2]


def test_the_first_failure_comes_out_and_nothing_begins_after_it():
    begun = []

    def work(piece):
        begun.append(piece)
        if piece == 1:
            raise MemoryError("full")
        time.sleep(0.05)
        return piece

    with pytest.raises(MemoryError, match="full"):
        side_by_side(work, range(50))
    assert len(begun) <= 3
    assert side_by_side(lambda piece: -piece, range(3)) == [0, -1, -2]
