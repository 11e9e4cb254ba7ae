"""``segment``: files in, label map and record out, or one sentence."""

import json

import numpy as np
import pytest
import torch

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.networks import build_network
from SynthLogic.volume import Volume, read_volume, write_volume

LABELS = {"background": 0, "liver": 1, "spleen": 2}


@pytest.fixture
def segmenter(tmp_path, bundle_folders):
    """A bundle of random weights."""
    card = Bundle.open(bundle_folders / "CT-MR").card.model_dump(mode="json") | {"files": {}}
    arguments = {"features": 4, "levels": 1, "residual_units": 0, "out_channels": 3}
    card |= {
        "name": "toy-structures",
        "task": "segment",
        "output": {
            "modality": "labels",
            "units": "labels",
            "labels": LABELS,
            "background": 0,
            "dtype": "uint8",
        },
        "network": {"name": "unet-segmenter", "arguments": arguments},
    }
    card["spatial"] |= {"divisor": 2}
    torch.manual_seed(0)
    network = build_network("unet-segmenter", arguments)
    return write_bundle(tmp_path / "toy-structures", Card.model_validate(card), network.state_dict())


@pytest.fixture
def scan(tmp_path):
    array = np.random.default_rng(0).normal(0, 300, (6, 24, 20)).astype(np.float32)
    path = tmp_path / "ct.nii.gz"
    write_volume(path, Volume(array, np.diag([2.0, 2.0, 5.0, 1.0])))
    return path


def test_labels_lie_on_the_scan_and_the_record_names_them(call, segmenter, scan, tmp_path):
    output = tmp_path / "labels.nii.gz"
    result = call("segment", scan, output, "--model", segmenter.folder, "--json")
    assert result.code == 0
    labels, image = read_volume(output).volume, read_volume(scan).volume
    assert labels.grid.is_close(image.grid)
    assert set(np.unique(labels.array)) <= {0, 1, 2}
    record = json.loads((tmp_path / "labels.record.json").read_text(encoding="utf-8"))
    assert record["labels"] == LABELS
    assert record["bundle"]["name"] == "toy-structures"
    assert result.document["labels"] == str(output)
    assert "ct.nii" not in json.dumps(record)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        ("second", "looks at one image; leave the second out"),
        ("missing", "does not exist"),
        ("empty", "every voxel is the same"),
        ("unwritable", "The folder for labels.nii.gz does not exist"),
        ("itself", "is the input itself"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(call, segmenter, scan, tmp_path, break_it, words):
    output, more = tmp_path / "labels.nii.gz", []
    if break_it == "second":
        more = ["--second", scan]
    elif break_it == "missing":
        scan = tmp_path / "nothing.nii.gz"
    elif break_it == "empty":
        write_volume(scan, Volume(np.zeros((6, 24, 20), np.float32), np.eye(4)))
    elif break_it == "unwritable":
        output = tmp_path / "no-such-folder" / "labels.nii.gz"
    else:
        output = scan
    before = sorted(tmp_path.rglob("*"))
    result = call("segment", scan, output, "--model", segmenter.folder, "--yes", *more)
    assert result.code != 0
    assert words in " ".join(result.err.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bundle_that_translates_is_refused(call, scan, tmp_path, bundle_folders):
    result = call("segment", scan, tmp_path / "l.nii.gz", "--model", bundle_folders / "CT-MR")
    assert result.code != 0
    assert "translates scans; choose one that finds structures" in " ".join(result.err.split())
