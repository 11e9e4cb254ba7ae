"""Hearts that were made before, as a folder: what they descend from decides names and splits."""

import csv
import json

import numpy as np
import pytest

from SynthLogic.volume import Volume, content_hash
from SynthLogic.worker import Failure

CPU = {"device": "cpu", "precision": "fp32", "model": "tiny-paint", "codec": "tiny-label-vae"}
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def record_of(*inputs, t=None, style=None, **more):
    """What a HeartRecord says of a heart's origin."""
    found = [
        {"content_hash": content, "shape": [9, 77, 66], "spacing": [1.37, 1.37, 8.4]} for content in inputs
    ]
    choice = style or {"choice": {"kind": "named", "name": "vendor-a", "seed": None}}
    return {"inputs": found, "t": t, "styles": [choice], "frame": {"shape": [9, 128, 128]}, **more}


@pytest.fixture
def save(worker, hearts, tmp_path):
    """Export hearts, each (name, split, record) with voxels of its own; returns the answer or failure."""

    def run(*made, folder="made", **arguments):
        uploads, sent = [], []
        for number, (name, split, record) in enumerate(made):
            labels = hearts.heart_labels(6 + number)
            pair = [worker.upload(hearts.heart_image(labels)), worker.upload(labels)]
            uploads += pair
            image, labels = (upload.reference() for upload in pair)
            sent.append({"name": name, "image": image, "labels": labels, "record": record, "split": split})
        given = {"hearts": sent, "folder": str(tmp_path / folder), "layout": "plain", **arguments}
        return worker.outcome(worker.client.submit("heart_save", given, uploads=uploads))

    return run


def lines(folder):
    with (folder / "cohort.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_names_show_parents_place_and_style_but_no_hashes(save, tmp_path):
    seeded = {"choice": {"kind": "seed", "seed": 7}}
    made = [
        ("Doe 3", None, record_of(A, B, t=0.75)),
        ("Doe 1", None, record_of(A, B, t=0.25)),
        ("Doe 1 again", None, record_of(A, B, t=0.25)),
        ("Doe", None, record_of(C, style=seeded)),
        ("Doe edited", None, record_of("d" * 64, C, kept_frame=True)),
        ("Doe finer", None, record_of(A, t=0.0)),
    ]
    answer = save(*made)
    assert answer["written"] == [
        "P001xP002_t02of02_vendor-a",
        "P001xP002_t01of02_vendor-a_n1",
        "P001xP002_t01of02_vendor-a_n2",
        "P003_any_s7",
        "P003_vendor-a",
        "P001_z09_vendor-a",
    ]
    assert answer["pseudonyms"]["Doe 3"] == "P001xP002_t02of02_vendor-a"
    rows = lines(tmp_path / "made")
    assert [row["position"] for row in rows] == ["0.75", "0.25", "0.25", "", "", ""]
    assert {row["split"] for row in rows} == {"train"}
    for path in (tmp_path / "made").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (A, B, C, "Doe", "1.37"):
            assert secret not in path.name
            assert secret.encode() not in content
    record = json.loads((tmp_path / "made" / rows[0]["record"]).read_text())
    assert (record["inputs"], record["cohort"]["parents"]) == (2, ["P001", "P002"])
    again = save(*made)
    assert len(again["skipped"]) == 6


def test_their_own_names_when_asked(save, tmp_path):
    answer = save(
        ("Doe 1", "train", record_of(A, B, t=0.5)), ("Doe 2", "test", record_of(C)), keep_parent_names=True
    )
    assert answer["written"] == ["Doe-1_vendor-a", "Doe-2_vendor-a"]
    assert [row["split"] for row in lines(tmp_path / "made")] == ["train", "test"]


LENT = {"choice": {"kind": "scan"}, "image_hash": "e" * 64, "labels_hash": C}
LEAKS = {
    "steps of one pair": (record_of(A, B, t=0.25), record_of(A, B, t=0.75)),
    "one parent": (record_of(A, B, t=0.25), record_of(B, C, t=0.25)),
    "a parent itself": (record_of(A, B, t=0.25), record_of(B)),
    "before an edit": (record_of("d" * 64, C, kept_frame=True), record_of(C)),
    "a style's labels": (record_of(A, style=LENT), record_of(C)),
    "a style's scan": (record_of(A, style=LENT), record_of(B, style={**LENT, "labels_hash": None})),
}


def test_a_heart_that_was_made_of_another_one_is_in_its_split(save, hearts):
    """The second one was painted with the first one's labels, the third one in the style of its image."""
    labels = hearts.heart_labels(6)
    image = content_hash(hearts.heart_image(labels))
    one = ("One", "train", record_of(A, B, t=0.5))
    failure = save(one, ("Two", "test", record_of(content_hash(labels))))
    assert "'One' and 'Two' descend" in failure.message
    failure = save(
        one, ("Three", "test", record_of(C, style={**LENT, "image_hash": image, "labels_hash": None}))
    )
    assert "'One' and 'Three' descend" in failure.message


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("leak", LEAKS)
def test_what_shares_an_origin_is_in_one_split(save, tmp_path, leak, keep):
    first, second = LEAKS[leak]
    failure = save(("One", "train", first), ("Two", "test", second), keep_parent_names=keep)
    assert isinstance(failure, Failure)
    assert failure.kind == "ConfigError"
    assert failure.message == "'One' and 'Two' descend from one heart or scan; put both into one split."
    assert not (tmp_path / "made").exists()
    answer = save(("One", "test", first), ("Two", "test", second), keep_parent_names=keep)
    assert len(answer["written"]) == 2
    assert {row["split"] for row in lines(tmp_path / "made")} == {"test"}


def test_every_heart_needs_a_split_if_one_has_it(save):
    failure = save(("One", "train", record_of(A)), ("Two", None, record_of(B)))
    assert failure.message == "It is not said whether 'Two' is for training or for test; say so."


def test_hearts_from_the_worker_itself(worker, hearts, tmp_path):
    """Records as they are: two steps, and a parent that was painted."""

    def do(kind, uploads, results, **arguments):
        result = worker.outcome(
            worker.client.submit(kind, {**CPU, **arguments}, uploads=uploads, results=results)
        )
        assert not isinstance(result, Failure), result.message
        arrays = {name: array.copy() for name, array in result.arrays.items()}
        result.close()
        return result.answer, arrays

    parents = [worker.upload(hearts.heart_labels(9)), worker.upload(hearts.heart_labels(7, radius=30.0))]
    a, b = (upload.reference() for upload in parents)
    made = []
    for t in (0.25, 0.75):
        given = {"a": a, "b": b, "t": t, "slices": 5, "paint": "all", "style_a": None}
        answer, arrays = do("heart_blend", parents, ["labels", "image"], **given)
        matrix = np.array(answer["ijk_to_ras"])
        pair = [worker.upload(Volume(arrays[name], matrix)) for name in ("image", "labels")]
        made.append((pair, answer["record"]))
    given = {"labels": a, "style": {"kind": "seed", "seed": 3}}
    answer, arrays = do("heart_paint", parents[:1], ["image"], **given)
    image = worker.upload(Volume(arrays["image"], np.array(a["ijk_to_ras"])))
    made.append(([image, parents[0]], answer["record"]))

    def save(*splits):
        sent = [
            {"name": f"Doe {n}", "image": i.reference(), "labels": s.reference(), "record": r, "split": split}
            for n, (((i, s), r), split) in enumerate(zip(made, splits, strict=True))
        ]
        given = {"hearts": sent, "folder": str(tmp_path / "made"), "layout": "nnunet"}
        uploads = [upload for pair, _ in made for upload in pair]
        return worker.outcome(worker.client.submit("heart_save", given, uploads=uploads))

    assert "'Doe 0' and 'Doe 1' descend" in save("train", "test", "train").message
    assert "'Doe 0' and 'Doe 2' descend" in save("train", "train", "test").message
    style = made[0][1]["styles"][0]["choice"]["name"]
    assert save("train", "train", "train")["written"] == [
        f"P001xP002_t01of02_{style}",
        f"P001xP002_t02of02_{style}",
        "P001_any_s3",
    ]
