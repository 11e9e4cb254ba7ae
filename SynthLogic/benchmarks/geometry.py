"""Does the result lie where the scan lies: 48 ways to store one scan, oblique, under a parent transform."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from SynthLogic.benchmarks.cases import TEST_SEED, Report, environment, shipped
from SynthLogic.inference import Engine
from SynthLogic.phantoms import Label, make_subject
from SynthLogic.review.tables import Column, Table
from SynthLogic.volume import Volume

AGREEMENT_GATE, MARKER_GATE = 0.01, 0.5
_MARGIN = 4


def stored_variants(volume: Volume) -> Iterator[Volume]:
    """The same voxels in the same places, stored in all 48 orders of axes and directions."""
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            array = volume.array.transpose(order)
            matrix = np.asarray(volume.ijk_to_ras).copy()
            axes = matrix[:3, :3][:, [2 - a for a in order]][:, ::-1]  # columns i, j, k of the new order
            origin = matrix[:3, 3].copy()
            for axis, flip in enumerate(flips):
                if flip:
                    array = np.flip(array, axis)
                    column = 2 - axis
                    origin = origin + axes[:, column] * (array.shape[axis] - 1)
                    axes[:, column] *= -1
            matrix[:3, :3], matrix[:3, 3] = axes, origin
            yield Volume(np.ascontiguousarray(array), matrix)


def rotation(
    degrees: tuple[float, float, float], shift: tuple[float, float, float] = (0, 0, 0)
) -> np.ndarray:
    """4x4 rotation about x, y, z in turn, then a shift in mm."""
    matrix = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        c, s = np.cos(angle), np.sin(angle)
        p, q = [n for n in range(3) if n != axis]
        turn = np.eye(4)
        turn[[p, p, q, q], [p, q, p, q]] = c, -s, s, c
        matrix = turn @ matrix
    matrix[:3, 3] = shift
    return matrix


def _marked(volume: Volume, index: tuple[int, int, int]) -> Volume:
    """``volume`` with a bright cube of 3 voxels a side, which makes its centre exact."""
    array = volume.array.copy()
    array[tuple(slice(n - 1, n + 2) for n in index)] = 1000
    return volume.with_array(array)


def _found(without: np.ndarray, with_marker: np.ndarray) -> np.ndarray:
    """Centre (k, j, i) of the largest change that the marker made, above half of its height."""
    change = np.abs(with_marker.astype(np.float64) - without)
    pieces, _ = ndimage.label(change > 0.5 * change.max())
    peak = pieces[np.unravel_index(change.argmax(), change.shape)]
    return np.array(ndimage.center_of_mass(change, pieces, peak))


def _clear_place(labels: np.ndarray) -> tuple[int, int, int]:
    """The voxel (k, j, i) of the lung that is farthest from anything else."""
    depth = ndimage.distance_transform_edt(np.pad(labels == Label.LUNG, 1))[1:-1, 1:-1, 1:-1]
    k, j, i = (int(n) for n in np.unravel_index(depth.argmax(), depth.shape))
    return k, j, i


def geometry_tables(report: Report) -> list[Table]:
    """Agreement between all 48 storages and the marker's error, for three poses of a scan."""
    subject = make_subject(TEST_SEED, 0, shape=(20, 88, 104), spacing=(2.5, 2.5, 4.0))
    poses = {
        "straight": subject.ct,
        "oblique": Volume(subject.ct.array, rotation((14, -9, 21), (31, -12, 57)) @ subject.ct.ijk_to_ras),
        "parent transform": subject.ct.under(rotation((-8, 17, 30), (-25, 40, 10))),
    }
    engine = Engine(shipped("ct-to-mr"), "cpu")
    width = 1000.0
    rows, done = [], 0
    for name, scan in poses.items():
        canonical, _ = scan.canonical()
        place = Volume(subject.ct_labels.array, scan.ijk_to_ras).canonical()[0]
        marker = _clear_place(place.array)
        with_marker = _marked(canonical, marker)
        difference, distance, exact = 0.0, 0.0, True
        first: np.ndarray | None = None
        for plain, marked in zip(stored_variants(canonical), stored_variants(with_marker), strict=True):
            before = plain.array.copy()
            out, out_marked = engine.run(plain).volume, engine.run(marked).volume
            exact &= np.array_equal(before, plain.array) and np.array_equal(out.ijk_to_ras, plain.ijk_to_ras)
            upright, upright_marked = out.canonical()[0].array, out_marked.canonical()[0].array
            first = upright.astype(np.float64) if first is None else first
            inner = tuple(slice(_MARGIN, -_MARGIN) for _ in range(3))
            difference = max(difference, float(np.abs(upright[inner] - first[inner]).max()) / width)
            distance = max(distance, float(np.linalg.norm(_found(upright, upright_marked) - marker)))
            done += 1
            report(done, 48 * len(poses), "storages")
        rows.append(
            (
                name,
                48,
                100 * difference,
                distance,
                exact,
                difference < AGREEMENT_GATE and distance < MARKER_GATE,
            )
        )
    columns = (
        Column("pose"),
        Column("storages"),
        Column("largest difference", "% of range", 3),
        Column("marker error", "voxels", 3),
        Column("input and grid exact"),
        Column("reached"),
    )
    notes = ("Gates: below 1 % of the range in interior voxels; marker within 0.5 voxel.", environment())
    return [Table("Geometry: one CT stored in 48 ways, CT to MR", columns, tuple(rows), notes)]
