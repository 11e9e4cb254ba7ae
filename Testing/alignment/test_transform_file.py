"""The transform file: both formats, and which way it points."""

import numpy as np
import pytest
import SimpleITK as sitk

from SynthLogic.alignment import read_transform, write_transform
from SynthLogic.errors import InputError, OutputError

from .conftest import motion

AFFINE = motion(stretch=(1.1, 0.9, 1.2))


@pytest.mark.parametrize("name", ["a.tfm", "a.h5"])
def test_itk_maps_places_of_the_fixed_scan_to_the_moving_one(tmp_path, name):
    write_transform(tmp_path / name, AFFINE)
    np.testing.assert_allclose(read_transform(tmp_path / name), AFFINE, atol=1e-9)
    transform = sitk.ReadTransform(str(tmp_path / name))
    moving = np.array([10.0, -20.0, 30.0])
    fixed = AFFINE[:3, :3] @ moving + AFFINE[:3, 3]
    lps = np.array([-1.0, -1.0, 1.0])
    np.testing.assert_allclose(transform.TransformPoint((lps * fixed).tolist()), lps * moving, atol=1e-9)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"name it \.tfm or \.h5"):
        write_transform(tmp_path / "a.txt", AFFINE)
    with pytest.raises(OutputError, match="cannot be written"):
        write_transform(tmp_path / "absent" / "a.tfm", AFFINE)
    (tmp_path / "broken.tfm").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_transform(tmp_path / "broken.tfm")
    curved = sitk.BSplineTransform(3)
    sitk.WriteTransform(curved, str(tmp_path / "curved.tfm"))
    with pytest.raises(InputError, match="not a linear"):
        read_transform(tmp_path / "curved.tfm")
