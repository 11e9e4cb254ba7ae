"""Nothing of the parents in a record."""

import json

import pytest

from SynthLogic.cohorts import Redactor, scrub

CANARY = "Kanarienvogel"
REDACTOR = Redactor({CANARY: "P001", "K7": "P002", "12345": "P003", "SC-HF-I-1": "P004"})


@pytest.mark.parametrize(
    "record",
    [
        {"parent": CANARY},
        {"parent": CANARY.upper()},
        {"text": f"a heart between {CANARY} and another"},
        {CANARY: {"dice": 1.0}},
        {"list": [["x", {"deep": f"{CANARY}_ED"}]]},
        {"note": "/mnt/Kanarien/vogel/labels"},
        {"note": r"read C:\scans\Vogel"},
        {"note": r"\\server\Vogel"},
        {"note": "vogel.nii.gz was read"},
        {"input_path": "Vogel"},
        {"patient_name": "Vogel"},
        {"series_uid": "1.2.3.4.Vogel"},
        {"parent": "K7", "text": "SC-HF-I-1_ED of 12345"},
    ],
)
def test_no_canary_gets_through(record: dict) -> None:
    left = json.dumps(scrub(record, REDACTOR)).casefold()
    for secret in (CANARY, "vogel", "K7", "12345", "SC-HF-I-1"):
        assert secret.casefold() not in left


def test_hashes_of_parents_and_places_in_the_scanner_go() -> None:
    record = {
        "input": {"content_hash": "a" * 64, "shape": [10, 64, 64], "spacing": [1.5, 1.5, 8.0]},
        "region_hash": "c" * 64,
        "hashes": ["d" * 64],
        "list": ["sha256:" + "e" * 64],
        "origin": [1.0, 2.0, 3.0],
        "ijk_to_ras": [[1.0]],
        "direction": "labels to MR",
    }
    assert scrub(record, REDACTOR) == {
        "input": 1,
        "list": ["removed"],
        "direction": "labels to MR",
    }


def test_what_tells_how_the_image_was_made_stays() -> None:
    record = {
        "bundle": {"name": "heart-labels-to-mr", "version": "1.0.0", "hash": "b" * 64},
        "request": {"path": "line", "model": None},
        "seed": 12345,
        "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
        "device": "cpu",
        "warnings": ["12 slices of 8 mm, T2/T1 contrast"],
        "created": "2026-11-21T12:00:00+00:00",
        "nothing": None,
        "yes": True,
    }
    assert scrub(record, REDACTOR) == record


def test_of_the_inputs_only_the_number_stays() -> None:
    parent = {"content_hash": "a" * 64, "shape": [10, 256, 216], "spacing": [1.40625, 1.40625, 8.3]}
    assert scrub({"inputs": [parent, parent], "frame": {"shape": [8, 128, 128]}}, REDACTOR) == {
        "inputs": 2,
        "frame": {"shape": [8, 128, 128]},
    }


def test_keys_and_words_of_our_own_stay_whatever_parents_are_called() -> None:
    record = {
        "model": {"name": "heart-labels-to-mr", "version": "1", "hash": "b" * 64},
        "request": {"model": "heart-labels-to-mr", "kind": "cohort", "device": "cpu"},
        "styles": [{"choice": {"kind": "named", "name": "vendor-a"}}],
        "t": 0.5,
        "warnings": ["request of vendor-a"],
    }
    secrets = ("model", "request", "vendor-a", "heart-labels", "t", "cohort", "cpu", "kind")
    left = scrub(record, Redactor(dict.fromkeys(secrets, "P001"), ["vendor-a"]))
    assert left == record | {"warnings": ["P001 of P001"]}


def test_short_ids_do_not_eat_other_words() -> None:
    redactor = Redactor({"1": "P001", "a": "P002", "MR1": "P003"})
    record = {"text": "a heart at 1.5 mm", "parent": "a", "id": "1", "word": "MR12", "other": "MR1"}
    assert scrub(record, redactor) == {
        "text": "a heart at 1.5 mm",
        "parent": "P002",
        "id": "P001",
        "word": "MR12",
        "other": "P003",
    }
