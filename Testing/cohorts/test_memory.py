"""A cohort of any size in the memory of one subject."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import small_hearts

_SCRIPT = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from small_hearts import *

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def run(count, folder):
    write_cohort(many(count), make, folder, layout="nnunet", request=REQUEST, splits=SPLITS)

run(5, sys.argv[2] + "/few")
before = peak()
run(200, sys.argv[2] + "/many")
print(peak() - before)
"""


@pytest.mark.timeout(900)
def test_two_hundred_subjects_need_no_more_memory_than_five(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(Path(small_hearts.__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(list(tmp_path.glob("many/*/imagesTr/*.nii.gz"))) == 200
    # The voxels of 200 subjects alone are 24 MB here; MB.
    assert float(done.stdout) < 20
