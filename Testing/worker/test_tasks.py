"""What a worker can do besides translating, through a real process."""

import shutil

import numpy as np
import pytest

from SynthLogic.bundles import Bundle
from SynthLogic.jobs import CheckReport, describe
from SynthLogic.worker import Failure, Translated


def test_check_says_what_the_scan_is_and_what_would_be_made(worker, volume):
    scan = worker.upload(volume).reference()
    answer = worker.answer("check", scan=scan, model="tiny-ct-to-mr")
    assert answer["line"] == "Looks like a CT, chest, 2 x 2 x 3 mm."
    assert answer["report"]["modality"] == "CT"
    assert (answer["target"], answer["bundle"]["name"]) == ("MR", "tiny-ct-to-mr")
    assert "asked for" in answer["why"]
    assert answer["stopped"] is False
    wrong = worker.answer("check", scan=scan, model="tiny-mr-to-ct")
    assert wrong["stopped"] is True
    assert "an MR is needed" in wrong["report"]["findings"][0]["message"]
    assert worker.answer("check", scan=scan)["bundle"]["name"].endswith("ct-to-mr")
    assert "no bundle" in worker.answer("check", scan=scan, model="nobody")["problem"]


def test_check_is_honest_where_little_can_be_told(worker, tiny, volume):
    from SynthLogic.volume import Volume

    flat = worker.upload(volume.with_array(np.zeros(volume.shape, np.int16)))
    answer = worker.answer("check", scan=flat.reference())
    assert answer["line"] == "There is no image: every voxel is the same."
    assert answer["stopped"] is True
    assert answer["target"] is None
    thick = Volume(tiny.mr_like((6, 48, 56)), tiny.matrix((1.25, 1.25, 8.0)))
    line = worker.answer("check", scan=worker.upload(thick, "MR").reference())["line"]
    assert line == "Looks like an MR, axial slices 8 mm apart, 1.25 mm within."
    report = CheckReport.model_validate(worker.answer("check", scan=flat.reference())["report"])
    unsure = report.model_copy(update={"modality": "CT", "confidence": 0.62, "lung_fraction": 0.01})
    assert describe(unsure) == "May be a CT (62% sure), 2 x 2 x 3 mm."


def test_parent_transform_is_part_of_what_is_checked(worker, volume):
    parent = np.diag([2.0, 2.0, 2.0, 1.0]).tolist()
    scan = worker.upload(volume).reference()
    assert worker.answer("check", scan=scan, parent_transform=parent)["report"]["spacing"] == [4, 4, 6]
    assert worker.answer("check", scan=scan)["report"]["spacing"] == [2, 2, 3]


def test_models_with_cards_and_damaged_ones(worker, store):
    broken = store / "broken"
    broken.mkdir()
    try:
        answer = worker.answer("models")
    finally:
        broken.rmdir()
    bundles = {bundle["name"]: bundle for bundle in answer["bundles"]}
    assert bundles["tiny-ct-to-mr"]["removable"] is True
    assert bundles["thorax-ct-to-mr"]["removable"] is False
    assert bundles["thorax-ct-to-mr"]["card"]["figures"]
    assert bundles["tiny-ct-to-mr"]["card"]["licence"]["spdx"] == "CC0-1.0"
    assert "not a bundle" in answer["damaged"]["broken"]


def test_import_verify_use_and_remove_with_consent(worker, tiny, tmp_path, volume, store):
    licence = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "Research only."}
    made = tiny.tiny_bundle(tmp_path / "made", name="restricted", licence=licence)
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", made.folder)
    question = worker.do("import", source=archive)
    assert question.kind == "ConsentRequired"
    assert question.data == {"name": "restricted", "notice": "Research only."}
    assert not (store / "restricted").exists()
    answer = worker.answer("import", source=archive, consent=True)
    assert answer["status"] == "imported"
    assert answer["message"]
    assert Bundle.open(store / "restricted").hash == made.hash
    assert worker.answer("import", source=str(made.folder), consent=True)["status"] == "already there"
    request = {"target": "MR", "device": "cpu", "model": "restricted"}
    upload = worker.upload(volume)
    assert isinstance(worker.outcome(worker.client.translate(request, upload)), Translated)
    (store / "consents.json").unlink()
    question = worker.outcome(worker.client.translate(request, upload))
    assert (question.kind, question.data["name"]) == ("ConsentRequired", "restricted")
    result = worker.outcome(worker.client.translate(request, upload, consent=True))
    assert isinstance(result, Translated)
    assert worker.answer("verify", name="restricted") == {
        "bundles": [{"name": "restricted", "ok": True, "message": ""}]
    }
    (store / "restricted" / "LICENSE").write_text("altered")
    (row,) = worker.answer("verify", name="restricted")["bundles"]
    assert not row["ok"]
    assert "SHA-256" in row["message"]
    assert worker.answer("remove", name="restricted")["name"] == "restricted"
    assert not (store / "restricted").exists()


@pytest.mark.parametrize("kind", ["text", "zip"])
def test_a_bad_bundle_is_one_sentence_and_leaves_nothing(worker, tmp_path, store, kind):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"not a zip")
    if kind == "zip":
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "readme.txt").write_text("no bundle")
        shutil.make_archive(str(tmp_path / "bad"), "zip", tmp_path / "x")
    before = sorted(store.iterdir())
    failure = worker.do("import", source=str(bad))
    assert isinstance(failure, Failure)
    assert failure.kind == "BundleError"
    assert "\n" not in failure.message
    assert sorted(store.iterdir()) == before


def test_devices_by_name_and_one_tried_for_real(worker):
    answer = worker.answer("devices")
    cpu = answer["devices"][0]
    assert cpu["device"] == "cpu"
    assert cpu["name"]
    assert cpu["total"] is None or cpu["total"] > cpu["free"] > 0
    assert answer["auto"] in [device["device"] for device in answer["devices"]]
    tried = worker.answer("try_device", device="cpu")
    assert tried["works"] is True
    assert tried["message"] == f"Works on {cpu['name']} (cpu)."
    wrong = worker.answer("try_device", device="cuda:77")
    assert wrong["works"] is False
    assert "does not exist here" in wrong["message"]


def test_warm_and_release(worker, volume):
    request = {"target": "MR", "device": "cpu", "model": "tiny-ct-to-mr"}
    assert worker.answer("warm", request=request)["device"] == "cpu"
    assert worker.answer("release") == {}
    result = worker.outcome(worker.client.translate(request, worker.upload(volume)))
    assert isinstance(result, Translated)


def test_a_kept_engine_is_not_used_for_another_bundle_or_precision(tiny, tmp_path):
    from SynthLogic.jobs import Warm

    warm = Warm()
    one, other = (tiny.tiny_bundle(tmp_path / name, title=name) for name in ("one", "other"))
    first = warm.engine(one, "cpu", "fp32")
    assert warm.engine(one, "cpu", "fp32") is first
    assert warm.engine(other, "cpu", "fp32") is not first
    assert warm.engine(one, "cpu", "auto") is not first
    # Only two are kept.
    assert warm.engine(one, "cpu", "fp32") is not first
    warm.release()
    assert warm.engine(one, "cpu", "auto") is not first
