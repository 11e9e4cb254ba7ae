"""A cohort of small hearts whose records tell everything about the parents. Run, it exports it slowly."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path

import numpy as np

from SynthLogic.cohorts import CohortInfo, Made, Plan, write_cohort
from SynthLogic.volume import Volume

LABELS = {"background": 0, "LV cavity": 1, "LV myocardium": 2, "RV cavity": 3}
SPLITS = {"Anna Canary": "train", "Bert Canary": "train", "Cora Canary": "test", "Dora Canary": "test"}
REQUEST = {"steps": 2, "parents": list(SPLITS), "folder": "/home/someone/hearts"}


def stack(seed: int, shape: tuple[int, int, int] = (10, 64, 64)) -> tuple[np.ndarray, np.ndarray]:
    """A ring with a crescent beside it, and its image; (K, J, I)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[1], : shape[2]] - np.array(shape[1:]).reshape(2, 1, 1) / 2
    labels = np.zeros(shape, np.uint8)
    for k in range(shape[0]):
        size = (6 + k / shape[0] * 5 + random.random()) * shape[1] / 64
        r = np.hypot(y, x)
        labels[k][np.hypot(y, x - 1.6 * size) < 1.2 * size] = 3
        labels[k][r < 1.5 * size] = 2
        labels[k][r < size] = 1
    image = np.array([60, 400, 150, 380])[labels] + random.normal(0, 20, shape)
    return np.clip(image, 0, 1000).astype(np.int16), labels


def oblique(spacing: float = 8.0) -> np.ndarray:
    """A patient's own place: tilted, and far from the origin."""
    a, b = np.deg2rad((32.1234, 17.4321))
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([1.5, 1.5, spacing])
    matrix[:3, 3] = (-123.4567, 87.6543, 41.2468)
    return matrix


def make(entry: Plan) -> Made:
    """The same subject for the same entry, with a record that tells everything about the parents."""
    seed = int.from_bytes(hashlib.sha256(repr(entry).encode()).digest()[:4], "big")
    image, labels = stack(seed)
    record = {
        "product": "CrossModalSynth",
        "bundle": {"name": "heart-labels-to-mr", "version": "1", "hash": "b" * 64},
        "inputs": [
            {"name": parent, "path": f"/data/{parent}/labels.nii.gz", "content_hash": "a" * 64}
            for parent in entry.parents
        ],
        "note": f"between {' and '.join(entry.parents)}",
        "seed": entry.seed,
    }
    matrix = oblique()
    return Made(Volume(image, matrix), Volume(labels, matrix), record)


def pairs(*parents: str, steps: int = 2) -> list[Plan]:
    """Steps between the two parents."""
    return [
        Plan(parents, step=(n, steps), position=n / (steps + 1), style="A", seed=1)
        for n in range(1, steps + 1)
    ]


def hashes(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` by its content."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def many(count: int) -> list[Plan]:
    """``count`` subjects of one pair."""
    return pairs("Anna Canary", "Bert Canary", steps=count)


def export_slowly(folder: str, layout: str, count: int, log: str, die_at: int) -> None:
    """Export, noting each subject that is made; dies at the ``die_at``-th file that is put in place."""
    moved = os.replace
    left = die_at

    def replace(source: str, target: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        moved(source, target)

    os.replace = replace

    def noted(entry: Plan) -> Made:
        with Path(log).open("a") as stream:
            stream.write(f"{entry.step[0]}\n")
        return make(entry)

    print("ready", flush=True)
    write_cohort(
        many(count),
        noted,
        folder,
        layout=layout,
        request=REQUEST,
        splits=SPLITS,
        info=CohortInfo(licence="CC0-1.0"),
    )


if __name__ == "__main__":
    export_slowly(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
