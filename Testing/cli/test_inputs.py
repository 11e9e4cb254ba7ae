import numpy as np
import pytest

from SynthLogic.cli.inputs import parse_planes, read_parent_transform
from SynthLogic.errors import ConfigError, InputError


def test_planes():
    assert parse_planes(None) is None
    assert parse_planes("Axial, coronal") == ("axial", "coronal")
    for wrong in ("", "axial,axial", "oblique"):
        with pytest.raises(ConfigError, match="--planes"):
            parse_planes(wrong)


@pytest.mark.parametrize("separator", [" ", ", ", "\t"])
def test_parent_transform_is_read(tmp_path, separator):
    matrix = np.array([[0.0, -1, 0, 12.5], [1, 0, 0, -3], [0, 0, 1, 1e2], [0, 0, 0, 1]])
    path = tmp_path / "parent.txt"
    path.write_text("\n".join(separator.join(map(str, row)) for row in matrix) + "\n")
    np.testing.assert_array_equal(read_parent_transform(path), matrix)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("", "4 rows"),
        ("1 0 0\n0 1 0\n0 0 1\n", "4 rows"),
        ("1 0 0 0\n0 1 0\n0 0 1 0\n0 0 0 1\n", "4 rows"),
        ("a 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "not a number"),
        ("1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n", "invertible"),
        ("1 0 0 nan\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "invertible"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", "invertible"),
    ],
)
def test_a_wrong_parent_transform_is_refused(tmp_path, text, reason):
    path = tmp_path / "parent.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_parent_transform(path)
