"""What must start fast imports neither torch nor MONAI; what runs in the window, numpy alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "monai", "safetensors", "lightning")
SCAN = (
    "import numpy as np; from SynthLogic.jobs import check_scan; "
    "from SynthLogic.volume import Scan, ScanMeta, Volume; "
    "volume = Volume(np.arange(4096).reshape(16, 16, 16) - 1024, np.eye(4)); "
    "check_scan(Scan(volume, ScanMeta('file', 'NRRD', None, 'int16'), ''))"
)


def imported(code, tmp_path):
    """Names of the top-level packages that a fresh Python holds after ``code``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "CROSSMODALSYNTH_HOME": str(tmp_path),
    }
    program = f"{code}\nimport sys; print('MODULES', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import SynthLogic.bundles, SynthLogic.jobs, SynthLogic.jobs.translate, SynthLogic.jobs.rerun",
        "from SynthLogic.bundles import installed; assert len(installed()) == 4",
        SCAN,
        "from SynthLogic.cli import app; app(['models', 'list'], standalone_mode=False)",
        "import SynthLogic.worker.server, SynthLogic.worker.tasks",
    ],
)
def test_models_and_checks_need_no_torch(code, tmp_path):
    found = imported(code, tmp_path)
    assert "SynthLogic" in found
    assert not found & set(HEAVY)


def test_volumes_and_the_workers_client_need_numpy_only(tmp_path):
    code = (
        "from SynthLogic.volume import Volume, Grid; import SynthLogic.worker.client, SynthLogic.worker.pipes"
    )
    found = imported(code, tmp_path)
    assert "numpy" in found
    assert not found & {*HEAVY, "pydantic", "SimpleITK", "pydicom", "scipy"}


def test_the_workers_client_imports_fast(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    # Processor time, since other processes may take the wall clock's.
    code = (
        "import time, numpy; start = time.process_time(); import SynthLogic.worker.client; "
        "print(time.process_time() - start)"
    )
    seconds = [
        float(subprocess.check_output([sys.executable, "-c", code], env=environment)) for _ in range(3)
    ]
    assert min(seconds) < 0.05, seconds


def test_lazy_attributes_are_the_real_ones():
    import SynthLogic.inference as inference
    import SynthLogic.volume as volume

    for package in (inference, volume):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match="nothing"):
            _ = package.nothing
