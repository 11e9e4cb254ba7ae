"""The tables of hearts at their smallest: real bundles, real networks, few of everything."""

import numpy as np
import pytest

from SynthLogic.benchmarks import heart_images, heart_shapes
from SynthLogic.benchmarks.heart_cases import VAE, shipped, simulated
from SynthLogic.benchmarks.segmenter import Segmenter, grey
from SynthLogic.errors import TrainingError
from SynthLogic.hearts import HeartLabel


def cells(table):
    return {str(row[0]): row[1:] for row in table.rows}


def quiet(done, total, unit):
    assert 0 <= done <= total


def test_unseen_patients_have_both_moments_in_one_frame_and_images():
    patient = next(iter(simulated(1, images=True)))
    ed, es = patient["ed"], patient["es"]
    assert ed.vendor in ("a", "b")
    assert np.allclose(ed.short_axis.grid.ijk_to_ras[:3, :2], es.short_axis.grid.ijk_to_ras[:3, :2])
    assert ed.image.shape == ed.short_axis.labels.shape
    blood = ed.image[ed.short_axis.labels == HeartLabel.LV_CAVITY].mean()
    wall = ed.image[ed.short_axis.labels == HeartLabel.MYOCARDIUM].mean()
    assert blood > 1.3 * wall


def test_shapes_with_the_bundle_that_ships():
    tables = heart_shapes.shape_tables(quiet, pairs=1, patients=2, bundle=shipped(VAE))
    found, gates, ways, sizes, last = tables
    for row in cells(found).values():
        assert row[0] == 2
        assert min(row[1:4]) > 0.92
    assert all(row[-1] in (True, False) for table in (gates, last) for row in table.rows)
    by_way = cells(ways)
    assert by_way[heart_shapes.LINE][0] > 99
    # One of the two parents, then the other: all of the change is one step of nine.
    assert by_way["voxels"][-2] == pytest.approx(9)
    assert by_way[heart_shapes.LINE][-2] < 2
    assert set(cells(sizes)) == set(heart_shapes.WAYS)


SMALL = heart_images.Scale(
    teachers=4, tested=2, iterations=25, splits=1, few=2, pairs=1, few_iterations=8, least_dice=0
)


def test_images_are_painted_judged_and_the_same_again():
    table, gates = heart_images.image_tables(quiet, scale=SMALL)
    assert table.rows[0][0] == "held-out scans"
    assert len(table.rows) == 3
    assert cells(gates)["same labels and seed, same bits"][-1] is True


def test_use_compares_all_ways_on_the_same_stacks():
    table, gates = heart_images.use_tables(quiet, scale=SMALL)
    assert len(table.rows) == 5
    assert len(gates.rows) == 3


def test_a_network_that_did_not_learn_measures_nothing():
    heart = next(iter(simulated(1, images=True)))["ed"]
    with pytest.raises(TrainingError, match="did not learn"):
        Segmenter(
            [grey(heart.image)],
            [heart.short_axis.labels],
            iterations=1,
            seed=0,
            augment=False,
            least_dice=0.5,
        )
