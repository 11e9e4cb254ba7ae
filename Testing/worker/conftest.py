"""A client on a real worker process, with tiny bundles in a store of its own."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.worker import Client, PipeTransport
from SynthLogic.worker.voxels import PREFIX, VoxelFolder

REPOSITORY = Path(__file__).resolve().parents[2]
# A worker whose libraries misbehave on command: tests hand it this instead of ``-m SynthLogic.worker``.
MISBEHAVING = """
import os, sys, time
import SynthLogic.worker.tasks as tasks
def misbehave(self, arguments, tell, cancel):
    what = arguments["what"]
    if what == "memory":
        raise MemoryError
    if what == "raise":
        raise RuntimeError("unforeseen in " + os.path.expanduser("~") + "/x")
    if what == "exit":
        os._exit(3)
    if what == "leave":
        sys.exit(4)
    if what == "print":
        print("rubbish from Python")
        os.write(1, b"rubbish from C\\n")
        os.system("echo rubbish from a child")
        return {"read": len(os.read(0, 1))}
    if what == "garbage":
        import gc
        from SynthLogic.worker.server import Server
        server = next(o for o in gc.get_objects() if isinstance(o, Server))
        os.write(server._sink, b"not the protocol\\n")
        time.sleep(60)
    if what == "deaf":
        tell(1, 4, "steps", "deaf")
        time.sleep(60)
    if what == "slow":
        for n in range(600):
            tell(n, 600, "steps", "slow")
            if cancel():
                raise tasks.Cancelled("Cancelled.")
            time.sleep(0.05)
    return {}
tasks.Tasks._release = misbehave
from SynthLogic.worker.server import main
main()
"""


class Harness:
    """A client whose events are delivered while a test waits."""

    def __init__(self, bases, **options):
        self._uploads = []

        def connect(*listeners):
            self.transport = PipeTransport(*listeners, **options)
            return self.transport

        self.client = Client(connect, folder=VoxelFolder(bases))
        self.bases = bases

    def until(self, condition, timeout_s=120.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, (self.client.state, self.client.log_text)
            self.transport.pump(0.02)
            self.client.tick()

    def outcome(self, run):
        self.until(lambda: run.outcome is not None)
        return run.outcome

    def do(self, kind, **arguments):
        return self.outcome(self.client.submit(kind, arguments))

    def answer(self, kind, **arguments):
        outcome = self.do(kind, **arguments)
        assert isinstance(outcome, dict), outcome
        return outcome

    def upload(self, volume, modality=None):
        self._uploads.append(self.client.upload(volume.array, volume.ijk_to_ras, modality).complete())
        return self._uploads[-1]

    def tidy(self):
        """Let go of every upload; nothing may be left then."""
        for run in self.client.pending:
            self.client.cancel(run)
        self.until(lambda: not self.client.pending, 5)
        while self._uploads:
            self._uploads.pop().release()
        assert self.files() == []

    def files(self):
        return sorted(p.name for base in self.bases for p in base.glob(f"{PREFIX}*/*.npy"))


@pytest.fixture(scope="session")
def tiny():
    """The module tiny_bundles of the tests of inference."""
    name = "tiny_bundles"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "inference" / "tiny_bundles.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def hearts():
    """The module tiny_hearts of the tests of jobs."""
    name = "tiny_hearts"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "jobs" / "tiny_hearts.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def store(tiny, hearts, tmp_path_factory):
    """A store with one bundle for each direction, small enough to be fast."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSMODALSYNTH_HOME", str(home))
        tiny.tiny_bundle(home / "bundles" / "tiny-ct-to-mr")
        tiny.tiny_bundle(home / "bundles" / "tiny-mr-to-ct", "MR", "CT")
        for task in ("paint", "label-vae"):
            hearts.heart_bundle(home / "bundles" / f"tiny-{task}", task)
        yield home / "bundles"


@pytest.fixture(scope="session")
def starter(tmp_path_factory, store):
    """Makes a harness, and a function that ends it and shows that nothing is left."""

    def make(**options):
        base = tmp_path_factory.mktemp("voxels")
        harness = Harness([base], **options)

        def end():
            harness.client.close()
            harness.until(lambda: not harness.transport.running, 5)
            assert list(base.iterdir()) == []

        return harness, end

    return make


@pytest.fixture
def start(starter):
    """Make a harness with a worker of its own; everything it started is gone afterwards."""
    ends = []

    def make(**options):
        harness, end = starter(**options)
        ends.append(end)
        return harness

    yield make
    for end in ends:
        end()


@pytest.fixture(scope="session")
def shared_worker(starter):
    harness, end = starter()
    yield harness
    end()


@pytest.fixture
def worker(shared_worker):
    """A worker that earlier tests have warmed; none of their files is there."""
    yield shared_worker
    shared_worker.tidy()


@pytest.fixture
def misbehaving(start):
    return start(command=[sys.executable, "-c", MISBEHAVING])


@pytest.fixture
def volume(tiny):
    from SynthLogic.volume import Volume

    return Volume(tiny.ct_like(), tiny.matrix())


@pytest.fixture
def long_volume(tiny):
    """So many slices that a run takes seconds."""
    from SynthLogic.volume import Volume

    array = np.tile(tiny.ct_like((12, 96, 112)), (20, 1, 1))
    return Volume(array, tiny.matrix((2.0, 2.0, 2.0)))


def alive(pid):
    """Whether a process exists and is not only waiting to be buried."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(name="alive")
def alive_fixture():
    return alive
