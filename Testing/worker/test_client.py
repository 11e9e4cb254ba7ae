"""The window's state machine with a transport and a clock that the test holds in its hands."""

import numpy as np
import pytest

from SynthLogic.worker import Client
from SynthLogic.worker.protocol import Done, Failed, Job, Lines, Progress, Quit, Ready, decode, encode
from SynthLogic.worker.verdicts import verdict
from SynthLogic.worker.voxels import VoxelFolder

# No process has this number.
NOBODY = 2**30


class Fake:
    """A transport that only remembers."""

    def __init__(self, received, log, ended):
        self.received, self.log, self.tell_ended = received, log, ended
        self.running = False
        self.starts = self.kills = 0
        self._lines = Lines()
        self.sent = []

    def start(self):
        self.running = True
        self.starts += 1

    def write(self, data):
        self.sent += [decode(line) for line in self._lines.feed(data)]

    def kill(self):
        self.kills += 1

    def say(self, *messages):
        self.received(b"".join(encode(m) for m in messages))

    def end(self, code=0, crashed=False):
        self.running = False
        self.tell_ended(code, crashed)


class World:
    def __init__(self, folder):
        self.now = 0.0
        self.client = Client(self._connect, clock=lambda: self.now, folder=folder)

    def _connect(self, *listeners):
        self.transport = Fake(*listeners)
        return self.transport

    def later(self, seconds):
        self.now += seconds
        self.client.tick()

    def submit(self, verdicts, **options):
        return self.client.submit("x", finished=verdicts.append, failed=verdicts.append, **options)


@pytest.fixture
def world(tmp_path):
    made = World(VoxelFolder([tmp_path]))
    yield made
    made.client.close()


def test_life_of_a_worker(world):
    verdicts = []
    assert world.client.state == "off"
    first, second = world.submit(verdicts), world.submit(verdicts)
    assert world.client.state == "starting"
    assert world.transport.starts == 1
    assert world.transport.sent == []
    world.transport.say(Ready(NOBODY, "0"))
    assert world.client.state == "busy"
    assert world.transport.sent == [Job(1, "x", {})]
    assert world.client.pending == (first, second)
    world.transport.say(Done(1, {"a": 1}))
    assert verdicts == [{"a": 1}]
    assert world.transport.sent[-1] == Job(2, "x", {})
    world.transport.say(Failed(2, "InputError", "No.", "why", {"n": 1}))
    assert (verdicts[1].kind, verdicts[1].message, verdicts[1].data) == ("InputError", "No.", {"n": 1})
    assert world.client.state == "idle"
    world.client.release()
    assert world.transport.sent[-1] == Quit()
    assert world.client.state == "stopping"
    third = world.submit(verdicts)
    world.transport.end()
    assert world.transport.starts == 2
    assert third.state == "pending"


def test_release_waits_for_what_is_queued_and_a_deaf_worker_is_killed(world):
    verdicts = []
    world.submit(verdicts)
    world.transport.say(Ready(NOBODY, "0"))
    world.client.release()
    assert Quit() not in world.transport.sent
    world.transport.say(Done(1, {}))
    assert world.transport.sent[-1] == Quit()
    world.later(1.4)
    assert world.transport.kills == 0
    world.later(0.2)
    assert world.transport.kills == 1
    world.transport.end(9, True)
    assert world.client.state == "off"
    assert verdicts == [{}]


def test_cancel_asks_first_and_kills_after_a_second_and_a_half(world):
    verdicts = []
    run, after = world.submit(verdicts), world.submit(verdicts)
    world.transport.say(Ready(NOBODY, "0"))
    world.client.cancel(run)
    world.client.cancel(run)
    assert [m.type for m in world.transport.sent] == ["job", "cancel"]
    world.later(1.4)
    assert world.transport.kills == 0
    world.later(0.2)
    assert world.transport.kills == 1
    assert verdicts == []
    # What a killed worker had still said does not count.
    world.transport.say(Done(1, {}))
    world.transport.end(9, True)
    assert [v.kind for v in verdicts] == ["Cancelled"]
    assert world.transport.starts == 2
    assert world.client.pending == (after,)


def test_an_answer_that_crosses_the_cancel_is_dropped(world):
    verdicts = []
    run = world.submit(verdicts)
    world.transport.say(Ready(NOBODY, "0"))
    world.client.cancel(run)
    world.transport.say(Done(1, {}))
    assert [v.kind for v in verdicts] == ["Cancelled"]
    world.later(10)
    assert world.transport.kills == 0
    assert world.client.state == "idle"


def test_a_worker_that_never_gets_ready_is_given_up(world):
    verdicts = []
    world.submit(verdicts)
    world.submit(verdicts)
    world.later(61)
    assert world.transport.kills == 1
    world.transport.end(9, True)
    assert [v.kind for v in verdicts] == ["NotStarted"] * 2
    assert "60 s" in verdicts[0].message
    assert world.transport.starts == 1


def test_what_python_prints_before_it_is_ready_is_log(world):
    verdicts = []
    world.submit(verdicts)
    world.transport.received(b"site says hello\n" + encode(Ready(NOBODY, "0")))
    assert "site says hello" in world.client.log_text
    assert world.client.state == "busy"
    world.transport.received(b"later\n")
    assert world.transport.kills == 1
    world.transport.end(9, True)
    assert [v.kind for v in verdicts] == ["Unexpected"]


def test_progress_never_falls_and_tells_seconds_left(world):
    steps = []
    world.client.submit("x", progress=steps.append)
    world.transport.say(Ready(NOBODY, "0"))
    for second, (done, total) in enumerate([(0, 10), (2, 10), (5, 10), (0, 20), (20, 20)]):
        world.now = float(second)
        world.transport.say(Progress(1, done, total, "tiles", ""))
    assert [step.fraction for step in steps] == [0, 0.2, 0.5, 0.5, 1]
    assert [step.seconds_left for step in steps] == [None, 4, 2, None, 0]


def test_closing_in_the_middle_tells_everyone_once(world, tmp_path):
    verdicts = []
    upload = world.client.upload(np.zeros((2, 2, 2)), np.eye(4)).complete()
    world.submit(verdicts, uploads=[upload])
    world.submit(verdicts)
    world.transport.say(Ready(NOBODY, "0"))
    world.client.close()
    world.client.close()
    world.transport.say(Done(1, {}))
    world.transport.end(9, True)
    assert [v.kind for v in verdicts] == ["Cancelled"] * 2
    assert list(tmp_path.iterdir()) == []
    assert world.transport.starts == 1


def test_a_result_that_is_missing_is_a_failure_and_files_go(world, tmp_path):
    verdicts = []
    upload = world.client.upload(np.zeros((2, 2, 2)), np.eye(4)).complete()
    run = world.client.translate({}, upload, finished=verdicts.append, failed=verdicts.append)
    world.transport.say(Ready(NOBODY, "0"))
    arguments = world.transport.sent[-1].arguments
    np.save(arguments["results"]["disagreement"], np.zeros(3))
    world.transport.say(Done(run.job.id, {"results": ["image", "disagreement"], "record": {}}))
    assert [v.kind for v in verdicts] == ["Unexpected"]
    upload.release()
    assert not list(tmp_path.glob("*/*.npy"))


@pytest.mark.parametrize(
    ("code", "crashed", "kind", "said"),
    [
        (9, True, "Killed", "SIGKILL"),
        (-9, True, "Killed", "SIGKILL"),
        (137, False, "Killed", "SIGKILL"),
        (139, False, "Crashed", "SIGSEGV"),
        (15, True, "Killed", "SIGTERM"),
        (1, False, "Crashed", "exit code 1"),
        (0, False, "Crashed", "exit code 0"),
        (0xC0000005, True, "Crashed", "access violation"),
        (-1073741819, True, "Crashed", "access violation"),
        (0xC000012D, True, "Killed", "out of memory"),
    ],
)
def test_how_a_process_ended_in_words(code, crashed, kind, said):
    failure = verdict(code, crashed, True, "last words")
    assert failure.kind == kind
    assert said in failure.message
    assert failure.message.endswith(".")
    assert "last words" in failure.detail
