"""What a hand drags: the newest request counts, nothing queues up, and files of dropped ones go."""

import numpy as np
import pytest

from SynthLogic.worker import Client, Latest, Result
from SynthLogic.worker.protocol import Done, Failed, Lines, Ready, decode, encode
from SynthLogic.worker.voxels import VoxelFolder

NOBODY = 2**30


class Fake:
    def __init__(self, received, log, ended):
        self.received, self.tell_ended = received, ended
        self.running, self.sent, self._lines = False, [], Lines()

    def start(self):
        self.running = True

    def write(self, data):
        self.sent += [decode(line) for line in self._lines.feed(data)]

    def kill(self):
        pass

    def say(self, *messages):
        self.received(b"".join(encode(m) for m in messages))

    @property
    def jobs(self):
        return [message.arguments["t"] for message in self.sent if message.type == "job"]


@pytest.fixture
def world(tmp_path):
    class World:
        def __init__(self):
            self.client = Client(self.connect, folder=VoxelFolder([tmp_path]))
            self.latest = Latest(self.client)
            self.told = []

        def connect(self, *listeners):
            self.transport = Fake(*listeners)
            return self.transport

        def ask(self, t, **options):
            told = self.told.append
            self.latest.ask(
                "x", {"t": t}, finished=lambda a: told((t, a)), failed=lambda f: told((t, f)), **options
            )

        def done(self):
            self.transport.say(Done(self.transport.sent[-1].id, {"results": []}))

    made = World()
    yield made
    made.client.close()
    assert list(tmp_path.iterdir()) == []


def test_moves_that_come_too_fast_are_dropped(world):
    world.ask(0)
    world.transport.say(Ready(NOBODY, "0"))
    for t in range(1, 50):
        world.ask(t)
    assert world.transport.jobs == [0]
    assert len(world.client.pending) == 1
    world.done()
    assert world.transport.jobs == [0, 49]
    world.done()
    assert [t for t, _ in world.told] == [0, 49]
    assert world.latest.idle
    world.ask(50)
    assert world.transport.jobs == [0, 49, 50]


def test_a_request_that_was_not_begun_is_replaced(world):
    for t in range(3):
        world.ask(t)
    assert len(world.client.pending) == 1
    world.transport.say(Ready(NOBODY, "0"))
    assert world.transport.jobs == [2]
    world.done()
    assert [t for t, _ in world.told] == [2]


def test_behind_another_job_it_takes_one_place_only(world):
    other = world.client.submit("long", {"t": "other"})
    world.transport.say(Ready(NOBODY, "0"))
    for t in range(4):
        world.ask(t)
    assert len(world.client.pending) == 2
    world.transport.say(Done(other.job.id, {}))
    assert world.transport.jobs == ["other", 3]


def test_a_failure_is_told_and_the_next_goes_on(world):
    world.ask(0)
    world.transport.say(Ready(NOBODY, "0"))
    world.ask(1)
    world.transport.say(Failed(world.transport.sent[-1].id, "InputError", "No."))
    assert world.told[0][1].message == "No."
    assert world.transport.jobs == [0, 1]


def test_a_dead_worker_fails_the_job_and_starts_again_for_the_newest(world):
    world.ask(0)
    world.transport.say(Ready(NOBODY, "0"))
    world.ask(1)
    world.transport.running = False
    world.transport.tell_ended(9, True)
    assert world.told[0][1].kind == "Killed"
    assert world.transport.running
    world.transport.say(Ready(NOBODY, "0"))
    assert world.transport.jobs == [0, 1]


def test_asked_from_the_callback_of_the_one_before(world):
    def again(outcome):
        world.ask("from inside")

    world.latest.ask("x", {"t": 0}, finished=again)
    world.transport.say(Ready(NOBODY, "0"))
    world.ask("dropped")
    world.done()
    assert world.transport.jobs == [0, "from inside"]
    world.done()
    assert world.latest.idle
    assert [t for t, _ in world.told] == ["from inside"]


def test_uploads_of_dropped_requests_are_let_go_and_results_are_mapped(world, tmp_path):
    uploads = [world.client.upload(np.full((2, 2, 2), n), np.eye(4)).complete() for n in range(3)]
    for n, upload in enumerate(uploads):
        world.ask(n, uploads=[upload], results=["labels", "image"])
        upload.release()
        if n == 0:
            world.transport.say(Ready(NOBODY, "0"))
    # The first runs, the second was dropped, the third waits.
    assert [upload.path.exists() for upload in uploads] == [True, False, True]
    arguments = world.transport.sent[-1].arguments
    np.save(arguments["results"]["labels"], np.arange(3))
    world.transport.say(Done(world.transport.sent[-1].id, {"results": ["labels"], "volume": 7}))
    (_, result) = world.told[0]
    assert isinstance(result, Result)
    assert result.answer["volume"] == 7
    assert list(result.arrays) == ["labels"]
    np.testing.assert_array_equal(result.arrays["labels"], np.arange(3))
    result.close()
    world.latest.clear()
    assert world.transport.jobs == [0, 2]
    world.done()
    assert not list(tmp_path.glob("*/*.npy"))


def test_clear_forgets_what_waits(world):
    world.ask(0)
    world.transport.say(Ready(NOBODY, "0"))
    world.ask(1)
    world.latest.clear()
    world.done()
    assert world.transport.jobs == [0]
    assert world.latest.idle
