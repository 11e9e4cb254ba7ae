"""Every method of translation goes on to the same bits after a stop at any iteration."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from SynthLogic.methods import TrainProgress, parse_config, train
from SynthLogic.methods.run_folder import RunFolder

from .conftest import label_tissues

Plain = dict[str, Any]
TOTAL = 6


class Stop(Exception):
    """Asked for by a test."""


def configured(toy: Plain, cohort: Path, method: str) -> Plain:
    toy |= {"method": method, "losses": {}, "schedule": {"constant": 4, "decay": 2}}
    toy["intervals"] |= {"checkpoint": 2, "log": 1}
    if method == "dicyclegan":
        toy["network"]["name"] = "dicycle-generator"
        toy["losses"] = {"lambda_gc": 0.3}
    elif method == "cyclegan-mask":
        label_tissues(cohort)
        toy["data"]["masks"] = {"heart": [3]}
        for letter in "ab":
            toy["data"][letter]["sources"][0]["labels"] = "labels.nii.gz"
    elif method == "pix2pix":
        toy["bundles"].pop("b_to_a")
        toy["data"]["paired"] = True
        for letter in "ab":
            toy["data"][letter]["sources"][0]["subjects"] = "all"
    elif method == "subvolumes":
        toy["method"] = "cyclegan-gc"
        toy["data"]["sampling"] |= {"spatial_dims": 3, "patch": 16}
        toy["discriminator"]["layers"] = 1
    return toy


def weights(folder: Path) -> dict[str, torch.Tensor]:
    path = RunFolder(folder).newest_checkpoint()
    assert path is not None
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.mark.parametrize("method", ["cyclegan-gc", "cyclegan-mask", "dicyclegan", "pix2pix", "subvolumes"])
def test_stopped_anywhere_it_ends_the_same(toy: Plain, cohort: Path, tmp_path: Path, method: str) -> None:
    config = parse_config(configured(toy, cohort, method))
    lines: dict[str, list[dict[str, float]]] = {"straight": [], "stopped": []}
    train(config, tmp_path / "straight", progress=lambda p: lines["straight"].append(p.losses))
    for last in (1, 3, 5):

        def stop(line: TrainProgress, last: int = last) -> None:
            if line.losses:
                lines["stopped"].append(line.losses)
                if line.done == last:
                    raise Stop

        torch.manual_seed(last)
        with pytest.raises(Stop):
            train(config, tmp_path / "stopped", progress=stop)
    train(config, tmp_path / "stopped", progress=lambda p: lines["stopped"].append(p.losses))
    found = [line for line in lines["straight"] if line]
    again = [line for line in lines["stopped"] if line]
    assert len(found) == TOTAL
    # Stopped at 1, 3 and 5 with checkpoints at 2 and 4: iterations 1, 3 and 5 are done twice.
    done = [found[0], *found[:3], *found[2:5], *found[4:]]
    assert again == done
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "stopped")
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_killed_anywhere_it_ends_the_same(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = configured(toy, cohort, "cyclegan-gc")
    plain["schedule"] = {"constant": 40, "decay": 20}
    plain["intervals"] |= {"checkpoint": 3, "keep": 2}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    train(parse_config(plain), tmp_path / "straight")
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "SynthLogic.cli", "train", str(path), "--output", str(killed)]
    for reached in (7, 25):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while iteration_of(killed) < reached and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    train(parse_config(plain), killed)
    one, other = weights(tmp_path / "straight"), weights(killed)
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert not list(killed.rglob("*.partial"))


def iteration_of(run: Path) -> int:
    """The newest checkpoint's."""
    path = RunFolder(run).newest_checkpoint()
    return 0 if path is None else int(path.stem.rpartition("-")[2])


def test_an_interrupt_keeps_the_iteration_it_came_at(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = configured(toy, cohort, "cyclegan-gc")
    plain["schedule"] = {"constant": 100_000, "decay": 0}
    plain["intervals"] |= {"log": 50_000, "checkpoint": 50_000, "pictures": 50_000}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    command = [sys.executable, "-m", "SynthLogic.cli", "train", str(path), "--output", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    # The trainer makes it when the iterations begin.
    while not (tmp_path / "run/logs/tensorboard").is_dir() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    reached = iteration_of(tmp_path / "run")
    assert reached > 0
    assert f"Stopped at iteration {reached} with a checkpoint" in said
