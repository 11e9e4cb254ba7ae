"""``segment``: files in, label map and record out, or one sentence."""

import json

import numpy as np
import pytest
import torch

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.networks import build_network
from SynthLogic.volume import Volume, read_volume, write_volume

LABELS = {"background": 0, "liver": 1, "spleen": 2}


def segmenter_of(folder, bundle_folders, **changes):
    """A bundle of random weights."""
    card = Bundle.open(bundle_folders / "CT-MR").card.model_dump(mode="json") | {"files": {}}
    arguments = {"features": 4, "levels": 1, "residual_units": 0, "out_channels": 3}
    if changes.get("second"):
        arguments["in_channels"] = 2
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
    card |= changes
    torch.manual_seed(0)
    network = build_network("unet-segmenter", arguments)
    return write_bundle(folder, Card.model_validate(card), network.state_dict())


@pytest.fixture
def segmenter(tmp_path, bundle_folders):
    return segmenter_of(tmp_path / "toy-structures", bundle_folders)


@pytest.fixture
def two_images(tmp_path, bundle_folders):
    """A bundle that looks at a CT and an MR."""
    second = Bundle.open(bundle_folders / "MR-CT").card.input.model_dump(mode="json")
    return segmenter_of(tmp_path / "toy-two-images", bundle_folders, second=second)


def save(path, array):
    write_volume(path, Volume(array, np.diag([6.0, 6.0, 5.0, 1.0])))
    return path


@pytest.fixture
def scan(tmp_path, ct_array):
    return save(tmp_path / "ct.nii.gz", ct_array)


@pytest.fixture
def images(tmp_path, ct_array, scan):
    """A CT, and what is none, on one grid."""
    return {
        "ct": scan,
        "mr": save(tmp_path / "mr.nii.gz", ((ct_array + 1000).clip(0) * 0.3).astype(np.float32)),
        "offset": save(tmp_path / "offset.nii.gz", (ct_array + 1024).clip(0)),
        "labels": save(tmp_path / "seg.nii.gz", (ct_array > -500).astype(np.uint8)),
        "hu-labels": save(tmp_path / "hu.nii.gz", np.where(ct_array > -500, 40, -1000).astype(np.int16)),
    }


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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mr", ["the scan is an MR", "but a CT is needed; choose another scan or another bundle"]),
        ("labels", ["the scan is an MR", "but a CT is needed"]),
        ("offset", ["the scan looks like a CT stored without its HU offset", "give a wrong result"]),
        ("hu-labels", ["the scan has so few different values that it looks like a label map", "--force"]),
    ],
)
def test_what_is_no_ct_is_refused_by_a_bundle_for_ct(
    call, refused, files_of, segmenter, images, tmp_path, name, words
):
    before = files_of()
    refused(call("segment", images[name], tmp_path / "l.nii.gz", "--model", segmenter.folder), *words)
    assert files_of() == before


def test_force_goes_on_where_there_is_doubt_only_and_the_record_says_so(
    call, refused, segmenter, images, tmp_path
):
    arguments = (tmp_path / "l.nii.gz", "--model", segmenter.folder, "--force")
    result = call("segment", images["hu-labels"], *arguments)
    assert result.code == 0, result.err
    assert "looks like a label map" in result.err
    record = json.loads((tmp_path / "l.record.json").read_text(encoding="utf-8"))
    assert any("looks like a label map" in warning for warning in record["warnings"])
    refused(call("segment", images["mr"], *arguments, "--yes"), "a CT is needed")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("mr", "mr"), ["the scan is an MR", "but a CT is needed"]),
        (("ct", "ct"), ["the second image is a CT", "but an MR is needed"]),
        (("ct", "labels"), ["the second image has so few different values", "--force"]),
    ],
)
def test_the_second_image_is_checked_too(call, refused, files_of, two_images, images, tmp_path, names, words):
    scan, second = (images[name] for name in names)
    before = files_of()
    arguments = ("--second", second, "--model", two_images.folder)
    refused(call("segment", scan, tmp_path / "l.nii.gz", *arguments), *words)
    assert files_of() == before


def test_a_ct_and_an_mr_are_segmented(call, two_images, images, tmp_path):
    arguments = ("--second", images["mr"], "--model", two_images.folder)
    result = call("segment", images["ct"], tmp_path / "l.nii.gz", *arguments)
    assert result.code == 0, result.err
    assert result.err == ""
