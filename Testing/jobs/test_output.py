"""Putting files in place: a kill mixes nothing, and what it leaves is swept."""

import os
import sys

import pytest

from SynthLogic.errors import OutputError
from SynthLogic.jobs.output import only_writer, publish, staging

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


def write(output, record, word, die_at=None):
    """Write a pair of files that belong together; ``die_at`` kills the process at that move."""
    moves = iter(range(100))
    real = os.replace

    def replace(source, target):
        if next(moves) == die_at:
            os._exit(9)
        real(source, target)

    with staging(output) as folder:
        for path in (output, record):
            (folder / path.name).write_text(word)
        os.replace = replace
        publish([(folder / record.name, record), (folder / output.name, output)], folder)


@POSIX
@pytest.mark.parametrize("move", range(4))
def test_a_kill_leaves_no_new_file_beside_an_old_one(tmp_path, move):
    output, record = tmp_path / "mr.nii.gz", tmp_path / "mr.record.json"
    for path in (output, record):
        path.write_text("old")
    child = os.fork()
    if child == 0:
        write(output, record, "new", move)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len({path.read_text() for path in (output, record) if path.exists()}) <= 1
    assert len(list(tmp_path.glob(".*"))) == 1
    with staging(output) as folder:
        for path in (output, record):
            (folder / path.name).write_text("again")
        publish([(folder / record.name, record), (folder / output.name, output)], folder)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "mr.nii.gz": "again",
        "mr.record.json": "again",
    }


def test_a_move_that_fails_brings_everything_back(tmp_path):
    old, blocked = tmp_path / "a", tmp_path / "b"
    old.write_text("old")
    with staging(old) as folder:
        (folder / "a").write_text("new")
        with pytest.raises(OutputError, match="b cannot be written"):
            publish([(folder / "a", old), (folder / "missing", blocked)], folder)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_two_runs_to_one_output_do_not_sweep_each_other(tmp_path):
    output = tmp_path / "mr.nii.gz"
    with staging(output) as first:
        (first / "x").write_text("precious")
        with staging(output) as second:
            assert second != first
        assert (first / "x").read_text() == "precious"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_one_writer_and_a_new_one_goes_if_it_stays_empty(tmp_path):
    folder = tmp_path / "new"
    with only_writer(folder):
        with pytest.raises(OutputError, match="Another run is writing"), only_writer(folder):
            pass
        # The one that was refused has taken nothing away.
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert not folder.exists()
    with only_writer(folder):
        (folder / "x").touch()
    with only_writer(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["x"]
    (folder / "x").unlink()
    with only_writer(folder):
        pass
    assert folder.is_dir()
