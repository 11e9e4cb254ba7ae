"""The real validators: of BIDS, and nnU-Net's own integrity check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def bids_errors(folder: Path) -> list[str]:
    """Codes of the errors that the BIDS validator finds; it may read files and nothing else."""
    import bids_validator_deno
    from deno import find_deno_bin

    bundle = Path(bids_validator_deno.__file__).with_name("bids-validator.js")
    command = [find_deno_bin(), "run", "--no-prompt", "--allow-read", "--allow-env", bundle, folder]
    done = subprocess.run(
        [*map(str, command), "--format", "json"], capture_output=True, text=True, timeout=120, check=False
    )
    found = json.loads(done.stdout)
    assert found["summary"]["totalFiles"] > 0
    return [issue["code"] for issue in found["issues"]["issues"] if issue["severity"] == "error"]


_VERIFY = """
import json, multiprocessing, os, sys
spawned = multiprocessing.get_context
# The check as it is; only its workers need not import everything again.
multiprocessing.get_context = lambda method=None: spawned("fork")
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
said = os.dup(1)
os.dup2(2, 1)
found = []
for folder in sys.argv[1:]:
    try:
        verify_dataset_integrity(folder, 1)
        found.append("")
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
os.write(said, json.dumps(found).encode())
"""


def nnunet_errors(*folders: Path) -> list[str]:
    """What nnU-Net's integrity check has against each folder; '' where nothing."""
    done = subprocess.run(
        [sys.executable, "-c", _VERIFY, *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
