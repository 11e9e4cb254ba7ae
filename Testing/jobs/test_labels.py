"""A scan is translated together with its label map, on real files."""

import json
import platform
import sys

import numpy as np
import pytest

from SynthLogic.bundles import pick, write_bundle
from SynthLogic.errors import BundleError, ConfigError, InputError, OutputError
from SynthLogic.jobs import Record, TranslateRequest, rerun, translate, translate_volume
from SynthLogic.jobs.output import file_sha256
from SynthLogic.volume import Volume, content_hash, read_volume, write_volume

TO_MR = TranslateRequest(target="MR", device="cpu", force=True)
MASKS = {"lung": [2], "bone": [5, 6]}
PLANES = ("axial", "coronal", "sagittal")


def masked_bundle(tiny, folder, **changes):
    channels = {"in_channels": 1 + len(MASKS), "out_channels": 1 + len(MASKS)}
    network = {"name": "resnet-generator", "arguments": {**tiny.NETWORK, **channels}}
    changes = {"name": "tiny-masked", **changes}
    card = tiny.card(masks=MASKS, network=network, **changes)
    return write_bundle(folder, card, tiny.random_network(**channels).state_dict())


@pytest.fixture
def masked(tiny, tmp_path):
    return masked_bundle(tiny, tmp_path / "bundles" / "masked")


@pytest.fixture
def array(tiny):
    """Labels of the tiny CT: 2 lung, 5 and 6 bone, 1 the rest of the body."""
    hu = tiny.ct_like()
    labels = np.array([0, 2, 1, 5], np.uint8)[np.digitize(hu, (-900, -500, 300))]
    labels[:6][labels[:6] == 5] = 6
    return labels


@pytest.fixture
def seg(tiny, place, array):
    path = place / "Doe-labels.nii.gz"
    write_volume(path, Volume(array, tiny.matrix()))
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_image_labels_and_record_are_written_together(ct, seg, place, masked, tmp_path, array):
    before = {path: path.read_bytes() for path in (ct, seg)}
    there = names(place)
    record = translate(TO_MR, ct, place / "mr.nii.gz", bundle=masked, labels_path=seg)
    assert names(place) == sorted([*there, "mr.nii.gz", "mr.labels.nii.gz", "mr.record.json"])
    assert {path: path.read_bytes() for path in before} == before
    scan = read_volume(ct).volume
    labels = read_volume(place / "mr.labels.nii.gz").volume
    assert labels.grid.is_close(scan.grid)
    assert labels.array.dtype == np.uint8
    assert {0, 2, 5} >= set(np.unique(labels.array)) > {0}
    assert record.labels_hash == content_hash(Volume(array, scan.ijk_to_ras))
    assert record.output.labels_content_hash == content_hash(labels)
    assert record.output.labels_sha256 == file_sha256(place / "mr.labels.nii.gz")
    assert record.output.file_sha256 == file_sha256(place / "mr.nii.gz")
    assert record.output.disagreement_sha256 is None
    import nibabel

    said = bytes(nibabel.load(place / "mr.labels.nii.gz").header["descrip"]).decode()
    assert "Synthetic labels" in said
    text = (place / "mr.record.json").read_text()
    assert Record.from_json(text) == record
    for word in ("Doe", "secret", "patient", tmp_path.name, platform.node()):
        assert word not in text


def test_in_memory_it_is_the_same(ct, seg, place, masked, array):
    record = translate(TO_MR, ct, place / "mr.nrrd", bundle=masked, labels_path=seg)
    scan = read_volume(ct)
    for given in (array, array.astype(np.int64), array.astype(np.float32)):
        result, other = translate_volume(TO_MR, scan, bundle=masked, labels=given)
        assert other.labels_hash == record.labels_hash
        assert other.output.labels_content_hash == record.output.labels_content_hash
        assert other.output.content_hash == record.output.content_hash
        assert result.labels.grid.is_close(scan.volume.grid)
    assert np.array_equal(result.labels.array, read_volume(place / "mr.labels.nrrd").volume.array)
    # The labels go through the network.
    moved, _ = translate_volume(TO_MR, scan, bundle=masked, labels=np.roll(array, 4, 2))
    assert not np.array_equal(moved.volume.array, result.volume.array)


def test_below_a_transform_labels_stay_on_the_scans_grid(tiny, masked, array, scan_of):
    scan = scan_of(Volume(tiny.ct_like(), tiny.matrix()))
    turn = ((0.0, -1.0, 0.0, 3.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    request = TO_MR.model_copy(update={"parent_transform": turn})
    result, record = translate_volume(request, scan, bundle=masked, labels=array)
    assert result.labels.grid.is_close(scan.volume.grid, 1e-12)
    assert record.output.labels_content_hash == content_hash(result.labels)


def test_planes_disagreement_and_region(tiny, ct, seg, place, tmp_path, array):
    spatial = {"planes": PLANES, "spacing_range_mm": (0.5, 4.0)}
    bundle = masked_bundle(tiny, tmp_path / "three", spatial=spatial)
    region = np.zeros_like(array)
    region[3:9, 6:18, 5:24] = 1
    write_volume(place / "region.nrrd", Volume(region, tiny.matrix()))
    request = TO_MR.model_copy(update={"planes": PLANES, "disagreement": True})
    options = {"bundle": bundle, "labels_path": seg}
    record = translate(request, ct, place / "mr.nrrd", region_path=place / "region.nrrd", **options)
    made = {n: read_volume(place / f"mr{n}.nrrd").volume.array for n in ("", ".labels", ".disagreement")}
    assert all((part[region == 0] == 0).all() for part in made.values())
    assert all(part[region != 0].any() for part in made.values())
    assert record.output.disagreement_sha256 == file_sha256(place / "mr.disagreement.nrrd")
    assert record.output.labels_sha256 == file_sha256(place / "mr.labels.nrrd")
    assert record.region_hash != record.labels_hash is not None
    again = rerun(
        record,
        ct,
        place / "b.nrrd",
        bundle=bundle,
        region_path=place / "region.nrrd",
        labels_path=seg,
    )
    assert again.identical


def test_rerun_wants_the_very_labels(tiny, ct, seg, place, bundle, masked, array):
    with_labels = translate(TO_MR, ct, place / "a.nrrd", bundle=masked, labels_path=seg)
    without = translate(TO_MR, ct, place / "w.nrrd", bundle=bundle)
    assert without.labels_hash is without.output.labels_content_hash is None
    # The same labels in another format and voxel type are the same labels.
    write_volume(place / "same.mha", Volume(array.astype(np.float32), tiny.matrix()))
    again = rerun(
        place / "a.record.json", ct, place / "b.nrrd", bundle=masked, labels_path=place / "same.mha"
    )
    assert again.identical
    assert (place / "a.labels.nrrd").read_bytes() == (place / "b.labels.nrrd").read_bytes()
    assert (place / "a.nrrd").read_bytes() == (place / "b.nrrd").read_bytes()
    altered = with_labels.output.model_copy(update={"labels_content_hash": "0" * 64})
    other = rerun(
        with_labels.model_copy(update={"output": altered}),
        ct,
        place / "b.nrrd",
        bundle=masked,
        labels_path=seg,
    )
    assert not other.identical
    write_volume(place / "other.nii.gz", Volume(array[::-1].copy(), tiny.matrix()))
    before = names(place)
    for old, used, labels, text in [
        (with_labels, masked, place / "other.nii.gz", "not the one of the record"),
        (with_labels, masked, None, "--labels"),
        (without, bundle, seg, "leave out the labels"),
    ]:
        with pytest.raises(InputError, match=text):
            rerun(old, ct, place / "c.nrrd", bundle=used, labels_path=labels)
    assert names(place) == before


def test_records_from_before_there_were_labels_can_be_read(ct, place, bundle):
    record = translate(TO_MR, ct, place / "a.nrrd", bundle=bundle)
    old = json.loads(record.to_json())
    del old["labels_hash"], old["output"]["labels_content_hash"], old["output"]["labels_sha256"]
    assert Record.from_json(json.dumps(old)) == record


def test_what_does_not_go_together_is_said_and_nothing_is_written(
    tiny, ct, seg, place, bundle, masked, array
):
    def labels(name, values, matrix=None):
        path = place / f"{name}.nrrd"
        write_volume(path, Volume(values, tiny.matrix() if matrix is None else matrix))
        return path

    half = array.astype(np.float32) / 2
    cases = [
        (masked, None, "give the scan's label map"),
        (bundle, seg, "leave the label map out"),
        (masked, labels("none", np.full_like(array, 9)), "none of the labels"),
        (masked, labels("moved", array, tiny.matrix((2.0, 2.0, 3.1))), "moved.nrrd does not lie on the scan"),
        (masked, labels("cut", array[1:]), "does not lie on the scan"),
        (masked, labels("half", half), "whole numbers from 0 to 255"),
        (masked, labels("large", array.astype(np.int16) * 100), "whole numbers from 0 to 255"),
        (masked, labels("minus", array.astype(np.int16) - 1), "whole numbers from 0 to 255"),
    ]
    before = names(place)
    for used, given, text in cases:
        with pytest.raises(InputError, match=text):
            translate(TO_MR, ct, place / "mr.nrrd", bundle=used, labels_path=given)
        assert names(place) == before
    scan = read_volume(ct)
    for wrong, text in [
        (array[1:], "voxels of the scan"),
        (half, "whole numbers"),
        (np.where(array, np.nan, 0), "whole numbers"),
        (np.where(array, np.inf, 0), "whole numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            translate_volume(TO_MR, scan, bundle=masked, labels=wrong)


def test_no_input_is_overwritten(tiny, ct, place, masked, array):
    seg = place / "mr.labels.nrrd"
    write_volume(seg, Volume(array, tiny.matrix()))
    before = seg.read_bytes()
    for output in (seg, place / "mr.nrrd"):
        with pytest.raises(OutputError, match="choose another name"):
            translate(TO_MR, ct, output, bundle=masked, labels_path=seg)
    assert seg.read_bytes() == before


def test_when_labels_cannot_be_written_nothing_is(ct, seg, place, masked, monkeypatch):
    there = names(place)

    def fails(path, volume, mark=None):
        if ".labels." in path.name:
            raise OutputError("The disk is full.")
        write_volume(path, volume, mark)

    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["SynthLogic.jobs.translate"], "write_volume", fails)
    with pytest.raises(OutputError, match="full"):
        translate(TO_MR, ct, place / "mr.nrrd", bundle=masked, labels_path=seg)
    assert names(place) == there


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("SynthLogic.bundles.store.shipped_folder", lambda: tmp_path / "none-shipped")
    return tmp_path / "home" / "bundles"


def test_only_labels_choose_a_bundle_that_needs_them(tiny, store, ct, seg, place):
    masked_bundle(tiny, store / "tiny-masked", version="9.0.0")
    with pytest.raises(BundleError, match=r"makes MR from CT; .*tiny-masked \(MR from CT with a label map\)"):
        translate(TO_MR, ct, place / "a.nrrd")
    tiny.tiny_bundle(store / "tiny-ct-to-mr")
    assert translate(TO_MR, ct, place / "a.nrrd").bundle.name == "tiny-ct-to-mr"
    record = translate(TO_MR, ct, place / "b.nrrd", labels_path=seg)
    assert record.bundle.name == "tiny-masked"
    assert "the only installed bundle that makes MR from CT with a label map" in record.choice
    assert rerun(place / "b.record.json", ct, place / "c.nrrd", labels_path=seg).identical
    with pytest.raises(BundleError, match="CT from MR with a label map"):
        pick("MR", "CT", labels=True)


def test_a_window_offers_no_bundle_that_needs_labels(tiny, store, ct, tmp_path, hearts):
    from SynthLogic.worker import models
    from SynthLogic.worker.tasks import Tasks

    masked_bundle(tiny, store / "tiny-masked")
    tiny.tiny_bundle(store / "tiny-ct-to-mr")
    hearts.heart_bundle(store / "tiny-paint", "paint")
    alone = {bundle["name"]: bundle["scan_alone"] for bundle in models.listed()["bundles"]}
    assert alone.pop("tiny-masked") is False
    assert alone.pop("tiny-ct-to-mr") is True
    assert list(alone.values()) == [False]
    volume = read_volume(ct).volume
    np.save(tmp_path / "scan.npy", volume.array)
    scan = {"path": str(tmp_path / "scan.npy"), "ijk_to_ras": volume.ijk_to_ras.tolist()}

    def check(**arguments):
        return Tasks().run("check", {"scan": scan, **arguments}, lambda *_: None, lambda: False)

    assert check(target="MR")["bundle"]["name"] == "tiny-ct-to-mr"
    named = check(target="MR", model="tiny-masked")
    assert named["bundle"] is None
    assert "needs a label map" in named["problem"]


def test_a_painted_heart_takes_no_label_map(hearts, heart_bundles, place, seg):
    from SynthLogic.jobs import PaintRequest, paint

    write_volume(place / "heart.nii.gz", hearts.heart_labels())
    style = heart_bundles["paint"].card.styles[0].name
    request = PaintRequest.from_data({"style": {"kind": "named", "name": style}, "device": "cpu"})
    record = paint(request, place / "heart.nii.gz", place / "p.nii.gz", bundle=heart_bundles["paint"])
    with pytest.raises(ConfigError, match="leave out the label map"):
        rerun(
            record,
            place / "heart.nii.gz",
            place / "q.nii.gz",
            bundle=heart_bundles["paint"],
            labels_path=seg,
        )
