"""Real stacks: two data sets, two vendors, end diastole and end systole."""

from __future__ import annotations

import numpy as np
import pytest

from SynthLogic.hearts import (
    HeartLabel,
    dice,
    ejection_fraction,
    nesting_problem,
    plausibility,
    to_short_axis,
    volumes_ml,
    wall_thickness_mm,
)
from SynthLogic.hearts.frame import TO_APEX, TO_SEPTUM
from SynthLogic.hearts.rv_wall import rv_wall_share, without_rv_wall
from SynthLogic.volume import Volume, read_volume

from .conftest import FRAMES

LV, MYO, RV = HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY
STACKS = ["patient1_sax_ED", "patient1_sax_ES"] + [
    f"SC-HF-I-{n}_{phase}" for n in (1, 2, 4) for phase in ("ED", "ES")
]


@pytest.mark.parametrize("name", STACKS)
def test_a_real_stack_in_the_frame_and_back(real_stacks, name):
    labels, image = real_stacks[name]
    heart = to_short_axis(labels)
    assert 5 <= len(heart.labels) <= 10
    assert heart.grid.spacing[2] == pytest.approx(max(labels.spacing), rel=1e-4)
    # As found by eye in pictures of all of them: apex first, septum on the right.
    assert heart.grid.direction[:, 2] @ TO_APEX < -0.9
    assert heart.grid.direction[:, 0] @ TO_SEPTUM > 0.85
    back = heart.restore(heart.labels)
    assert back.grid.is_close(labels.grid)
    assert np.nanmin(list(dice(back.array, labels.array).values())) >= 0.97
    areas = (heart.labels == LV).sum(axis=(1, 2))
    assert areas[0] < 0.6 * areas.max()
    # Blood is the brightest of the heart in these images, and stays inside its outline.
    pixels = heart.resample(image)
    if (heart.labels == MYO).any():
        assert pixels[heart.labels == LV].mean() > 1.3 * pixels[heart.labels == MYO].mean()
        assert nesting_problem(labels) is None
    true, framed = volumes_ml(labels.array, heart.grid.spacing), volumes_ml(heart.labels, heart.grid.spacing)
    pixel = labels.spacing[0] * labels.spacing[1] / 1.5**2
    assert framed[LV] == pytest.approx(true[LV] * pixel, rel=0.01)


@pytest.mark.parametrize("name", [n for n in STACKS if n.startswith("SC") and n.endswith("ED")])
def test_real_hearts_are_plausible(real_stacks, name):
    heart = to_short_axis(real_stacks[name][0])
    found = plausibility(heart.labels)
    assert found.one_cavity.all()
    # Drawn outlines touch near the apex or open at the outflow tract in a slice or two.
    assert found.ring_closed.sum() >= len(heart.labels) - 2
    assert 5 < wall_thickness_mm(heart.labels, 1.5).mean < 12


@pytest.mark.parametrize("name", STACKS)
def test_real_stacks_lie_across_the_heart(real_stacks, name):
    labels, _ = real_stacks[name]
    found = np.flatnonzero(labels.array.any(axis=(1, 2)))
    for first in found:
        for last in found[found >= first]:
            part = np.zeros_like(labels.array)
            part[first : last + 1] = labels.array[first : last + 1]
            for array in (part, np.where(part == LV, LV, 0).astype(np.uint8)):
                if array.any():
                    assert (to_short_axis(labels.with_array(array)).tilt or 0) < 28


def test_real_slices_along_the_heart_are_told(real_hearts):
    labels = read_volume(real_hearts / "cardiac_mr_bivme" / FRAMES / "frame_00.nii.gz").volume
    for axis, step in ((2, (5, 1, 1)), (1, (1, 5, 1))):
        along = labels.array[:, :: step[1], :: step[0]]
        spacing = np.diag([*step, 1.0])
        assert to_short_axis(Volume(np.ascontiguousarray(along), labels.ijk_to_ras @ spacing)).tilt > 60, axis
    assert rv_wall_share(to_short_axis(labels).labels) > 0.9


def test_25_phases_of_an_isotropic_heart(real_hearts):
    folder = real_hearts / "cardiac_mr_bivme" / FRAMES
    volumes, first = [], None
    for number in (0, 5, 9):
        labels = read_volume(folder / f"frame_{number:02d}.nii.gz").volume
        heart = to_short_axis(labels)
        first = first or heart
        assert heart.grid.direction[:, 2] @ first.grid.direction[:, 2] == pytest.approx(1)
        assert heart.grid.direction[:, 0] @ first.grid.direction[:, 0] > 0.98
        true, cut = volumes_ml(labels.array, labels.spacing), volumes_ml(heart.labels, heart.grid.spacing)
        for label in (LV, MYO, RV):
            assert cut[label] == pytest.approx(true[label], rel=0.03)
        volumes.append(cut[LV])
        assert min(dice(heart.restore(heart.labels).array, labels.array).values()) > 0.85
        cleaned = without_rv_wall(heart.labels)
        assert plausibility(cleaned).ringed.sum() >= plausibility(heart.labels).ringed.sum()
        assert 6 < wall_thickness_mm(cleaned, 1.5).mean < 14
    assert ejection_fraction(volumes[0], volumes[2]) == pytest.approx(0.585, abs=0.03)
