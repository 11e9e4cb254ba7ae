"""Lines, messages, mapped voxels and folders, without a process."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from SynthLogic.errors import OutputError
from SynthLogic.worker import copy_in_steps
from SynthLogic.worker.protocol import (
    MAX_LINE,
    Cancel,
    Done,
    Failed,
    Job,
    Lines,
    Progress,
    ProtocolError,
    Quit,
    Ready,
    decode,
    encode,
)
from SynthLogic.worker.voxels import (
    PREFIX,
    Upload,
    VoxelFolder,
    create_mapped,
    open_mapped,
    remove_if_stale,
    sweep,
)

MESSAGES = [
    Job(1, "check", {"scan": {"path": "/x", "name": "Zoë\n"}}),
    Cancel(1),
    Quit(),
    Ready(123, "0.1.0"),
    Progress(1, 3, 40, "slices", "axial slices"),
    Done(1, {"a": [1.5, None]}),
    Failed(1, "InputError", "A sentence.", "more", {"notice": "x"}),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_survives_the_wire(message):
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message
    assert json.loads(line)["type"] == message.type


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_lines_arrive_whole_however_they_are_cut(size):
    stream = b"\r\n\n".join(encode(m).rstrip() for m in MESSAGES) + b"\n" + b'{"type":"qu'
    lines = Lines()
    found = []
    for n in range(0, len(stream), size):
        found += [decode(line) for line in lines.feed(stream[n : n + size])]
    assert found == MESSAGES
    assert [decode(line) for line in lines.feed(b'it"}\n')] == [Quit()]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "no message"),
        (b'{"type":"dance"}', "no message"),
        (b'{"type":"cancel"}', "missing"),
        (b'{"type":"cancel","id":"1"}', "'id'"),
        (b'{"type":"cancel","id":true}', "'id'"),
        (b'{"type":"cancel","id":1,"more":2}', "unknown"),
    ],
)
def test_rubbish_is_refused_with_what_was_wrong(line, said):
    with pytest.raises(ProtocolError, match=said) as caught:
        decode(line)
    assert len(str(caught.value)) < 200


def test_sizes_are_bounded():
    lines = Lines(limit=100)
    with pytest.raises(ProtocolError, match="longer"):
        list(lines.feed(b"x" * 101))
    assert list(lines.feed(b"fine\n")) == [b"fine"]
    with pytest.raises(ValueError, match="bytes"):
        encode(Done(1, {"x": "y" * MAX_LINE}))
    with pytest.raises(ValueError, match="JSON"):
        encode(Done(1, {"x": float("nan")}))


# -- voxels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 40, 50), (300, 1, 2), (9,), (4, 5)])
@pytest.mark.parametrize("step_bytes", [1, 100, 10**9])
def test_copy_in_steps_copies_all_and_takes_bounded_steps(shape, step_bytes):
    source = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)[::-1]
    target = np.empty(shape, np.float32)
    fractions = list(copy_in_steps(source, target, step_bytes))
    np.testing.assert_array_equal(target, source)
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
    row = 4 * (shape[-1] if len(shape) > 1 else 1)
    assert max(np.diff([0, *fractions])) * target.nbytes <= max(step_bytes, row) * 1.001


def test_a_mapped_file_is_an_array_and_never_a_pickle(tmp_path):
    path = tmp_path / "a.npy"
    array = create_mapped(path, (2, 3, 4), np.int16)
    array[...] = 7
    again = open_mapped(path)
    assert type(again) is np.ndarray
    np.testing.assert_array_equal(again, 7)
    with pytest.raises(ValueError, match="read-only"):
        again[0, 0, 0] = 1
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="object"):
        open_mapped(tmp_path / "o.npy")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="mmap"):
        open_mapped(path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be taken beforehand here")
def test_too_little_room_is_said_before_anything_is_written(tmp_path):
    with pytest.raises(OutputError, match=r"8589934592 MB|no room"):
        create_mapped(tmp_path / "a.npy", (2**20, 2**20, 2**13), np.uint8)
    assert list(tmp_path.iterdir()) == []


def test_folder_is_private_goes_where_there_is_room_and_is_removed(tmp_path, monkeypatch):
    import shutil

    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda p: usage(p)._replace(free=2**20 if p == small else 2**40)
    )
    folder = VoxelFolder([small, large])
    assert folder.folders == ()
    upload = Upload.begin(folder, np.zeros((4, 5, 6), np.int16), np.eye(4), "CT").complete()
    assert upload.path.parent.parent == large
    assert upload.reference()["modality"] == "CT"
    if os.name != "nt":
        assert upload.path.parent.stat().st_mode & 0o777 == 0o700
    upload.hold()
    upload.release()
    assert upload.path.exists()
    upload.release()
    assert not upload.path.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda p: usage(p)._replace(free=2**20))
    with pytest.raises(OutputError, match="full"):
        folder.new_path(10)
    folder.close()
    assert list(large.iterdir()) == []


def test_an_upload_that_is_given_up_leaves_nothing(tmp_path):
    folder = VoxelFolder([tmp_path])
    upload = Upload.begin(folder, np.zeros((4, 5, 6), np.int16), np.eye(4))
    steps = upload.steps(step_bytes=10)
    next(steps)
    assert upload.path.exists()
    upload.release()
    assert list(steps) == []
    assert not upload.finished
    assert not upload.path.exists()
    with pytest.raises(ValueError, match="not finished"):
        upload.reference()
    folder.close()


HOLD = """
import sys, time
import numpy as np
from pathlib import Path
from SynthLogic.worker.voxels import VoxelFolder
folder = VoxelFolder([Path(sys.argv[1])])
print(folder.new_path(10).parent, flush=True)
time.sleep(60)
"""


def test_only_folders_of_the_dead_are_swept(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={
            **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)
        },
    )  # fmt: skip
    name = os.path.basename(holder.stdout.readline().strip())
    theirs = tmp_path / name
    (tmp_path / "other").mkdir()
    long_ago = time.time() - 100
    os.utime(theirs / "lock", (long_ago, long_ago))
    sweep([tmp_path])
    assert theirs.is_dir()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    young = tmp_path / f"{PREFIX}young"
    young.mkdir()
    assert not remove_if_stale(young)
    VoxelFolder([tmp_path])
    assert sorted(p.name for p in tmp_path.iterdir()) == [young.name, "other"]
