"""The exported folders pass the real validators, and broken ones do not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.cohorts import LAYOUTS
from SynthLogic.volume import Volume, read_volume, write_volume

from .validators import bids_errors, nnunet_errors


def _relabel(path: Path, change) -> None:
    volume = read_volume(path).volume
    write_volume(path, change(volume))


def test_nnunet_accepts_the_folder_and_refuses_broken_ones(export, tmp_path: Path) -> None:
    splits = dict.fromkeys(("Anna Canary", "Bert Canary", "Cora Canary", "Dora Canary"), "train")
    good = export(tmp_path / "good", layout="nnunet", splits=splits).folder
    broken = {}
    for what in ("label", "grid", "missing", "count"):
        broken[what] = Path(shutil.copytree(good, tmp_path / what / good.name))
    first = next((broken["label"] / "labelsTr").iterdir()).name
    _relabel(
        broken["label"] / "labelsTr" / first,
        lambda v: v.with_array(np.where(v.array == 3, 4, v.array).astype(np.uint8)),
    )
    _relabel(
        broken["grid"] / "labelsTr" / first, lambda v: Volume(v.array, v.ijk_to_ras @ np.diag([1, 1, 2, 1]))
    )
    (broken["missing"] / "labelsTr" / first).unlink()
    dataset = broken["count"] / "dataset.json"
    dataset.write_text(json.dumps(json.loads(dataset.read_text()) | {"numTraining": 5}))
    with_test = export(tmp_path / "with_test", layout="nnunet").folder

    fine, also_fine, *errors = nnunet_errors(good, with_test, *broken.values())
    assert fine == also_fine == ""
    assert all(errors), dict(zip(broken, errors, strict=True))


def test_bids_accepts_the_folder(export, tmp_path: Path) -> None:
    assert bids_errors(export(tmp_path, layout="bids").folder) == []


@pytest.mark.parametrize("broken", ["suffix", "record", "description"])
def test_bids_refuses_broken_folders(export, tmp_path: Path, broken: str) -> None:
    report = export(tmp_path, layout="bids")
    files = LAYOUTS["bids"].files(report.written[0], "train")
    if broken == "suffix":
        image = tmp_path / files.image
        image.rename(image.with_name(image.name.replace("T2w", "bSSFP")))
    elif broken == "record":
        (tmp_path / files.record).write_text("{}")
    else:
        (tmp_path / "dataset_description.json").unlink()
    assert bids_errors(tmp_path)
