"""Names from old discs that are not valid UTF-8, which would end the process inside ITK, are refused."""

import os
import sys

import numpy as np
import pytest

from SynthLogic.errors import InputError, OutputError
from SynthLogic.volume import check_writable, read_volume, write_volume

NAME = os.fsdecode(b"Herz-Gr\xf6\xdfe")
pytestmark = [
    pytest.mark.usefixtures("silent"),
    pytest.mark.skipif(sys.platform != "linux", reason="file systems there allow no such names"),
]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_files(tmp_path, make_volume, ending):
    good, bad = tmp_path / f"good{ending}", tmp_path / f"{NAME}{ending}"
    write_volume(good, make_volume())
    good.rename(bad)
    with pytest.raises(InputError, match=r"name of the file Herz-Gr\?\?e.* is not valid UTF-8; rename the f"):
        read_volume(bad)
    for refuse in (check_writable, lambda path: write_volume(path, make_volume())):
        with pytest.raises(OutputError, match=r"name of the file .* is not valid UTF-8; rename the file"):
            refuse(tmp_path / f"other-{NAME}{ending}")
    assert os.listdir(tmp_path) == [bad.name]


def test_folders(tmp_path, make_volume, monkeypatch):
    folder = tmp_path / NAME
    folder.mkdir()
    for call, error in (
        (lambda path: read_volume(path / "x.nii"), InputError),
        (read_volume, InputError),
        (lambda path: write_volume(path / "x.nii", make_volume()), OutputError),
    ):
        with pytest.raises(error, match=r"name of the folder .* is not valid UTF-8; rename the folder"):
            call(folder)
    # Files are prepared under absolute names.
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match="folder"):
        write_volume("x.nii", make_volume())
    assert os.listdir(folder) == []


def test_a_slice_among_others(tmp_path, write_slice):
    for number in range(3):
        path = write_slice(tmp_path, number, np.zeros((4, 5), np.int16), (0, 0, 2.0 * number))
    (tmp_path / f"{NAME}.txt").write_text("no image")
    assert read_volume(tmp_path).volume.shape == (3, 4, 5)
    path.rename(path.with_name(f"{NAME}.dcm"))
    with pytest.raises(InputError, match=r"name of the file Herz-Gr\?\?e.dcm is not valid UTF-8"):
        read_volume(tmp_path)
