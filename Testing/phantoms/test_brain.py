"""Simulated heads: folded cortex, contrasts by physics, lesions on request."""

import json

import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from SynthLogic.cli.app import app
from SynthLogic.errors import ConfigError
from SynthLogic.phantoms import BrainLabel, make_brain, write_cohort
from SynthLogic.phantoms.brain import CONTRASTS
from SynthLogic.phantoms.brain_tissues import BRAIN_TISSUES, LESIONS
from SynthLogic.phantoms.mr import spin_echo_signal
from SynthLogic.phantoms.protocols import VENDORS, MRProtocol, signals
from SynthLogic.volume import read_volume

COARSE = {"spacing": (4.0, 4.0, 4.0)}
BRAIN = (
    BrainLabel.GREY_MATTER, BrainLabel.WHITE_MATTER, BrainLabel.THALAMUS, BrainLabel.CAUDATE,
    BrainLabel.PUTAMEN, BrainLabel.PALLIDUM, BrainLabel.CEREBELLAR_CORTEX, BrainLabel.CEREBELLAR_WHITE,
    BrainLabel.BRAIN_STEM,
)  # fmt: skip
SKULL = (BrainLabel.SKULL_CORTEX, BrainLabel.DIPLOE)


@pytest.fixture(scope="module", params=[0, 1])
def subject(request):
    return make_brain(3, request.param, spacing=(2.0, 2.0, 2.0))


@pytest.fixture(scope="module")
def lesioned():
    return {
        kind: make_brain(6, 0, lesions=kind, spacing=(2.5, 2.5, 2.5)) for kind in ("none", "tumour", "stroke")
    }


def places(subject, labels):
    """RAS points (N, 3) in mm relative to the origin of the head."""
    volume = subject.labels
    at = np.argwhere(np.isin(volume.array, labels))[:, ::-1]
    ras = at @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
    return ras - subject.parameters["body"]["shift"]


def level(subject, image, label):
    """Median of a reference image in a structure, away from its edge where there is any such place."""
    mask = subject.labels.array == label
    inner = ndimage.binary_erosion(mask)
    return np.median(subject.images[image].array[inner if inner.sum() > 20 else mask])


def pieces(mask):
    found, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.sort(np.bincount(found.ravel())[1:])[::-1]


def test_every_label_has_a_tissue_and_is_there(subject):
    assert set(BRAIN_TISSUES) == set(BrainLabel)
    assert set(np.unique(subject.labels.array)) == set(map(int, BrainLabel)) - set(map(int, LESIONS))


def test_volumes_are_plausible(subject):
    ml = subject.parameters["volume_ml"]
    ranges = {
        "grey_matter": (400, 900),
        "white_matter": (300, 800),
        "csf": (150, 650),
        "ventricle": (8, 110),
        "thalamus": (5, 22),
        "caudate": (3, 14),
        "putamen": (5, 18),
        "brain_stem": (22, 65),
        "eye": (9, 26),
    }
    assert {name: ml[name] for name, (low, high) in ranges.items() if not low < ml[name] < high} == {}
    assert 90 < ml["cerebellar_cortex"] + ml["cerebellar_white"] < 250
    brain = sum(ml[label.name.lower()] for label in BRAIN)
    assert 900 < brain < 1700
    assert 0.8 < ml["grey_matter"] / ml["white_matter"] < 2.0


def test_pieces(subject):
    labels = subject.labels.array
    for name, mask, count in (
        ("brain", np.isin(labels, BRAIN), 1),
        ("white", np.isin(labels, (BrainLabel.WHITE_MATTER, BrainLabel.PALLIDUM, BrainLabel.BRAIN_STEM)), 1),
        ("thalamus", labels == BrainLabel.THALAMUS, 2),
        ("putamen", labels == BrainLabel.PUTAMEN, 2),
        ("eye", labels == BrainLabel.EYE, 2),
        ("skull", np.isin(labels, SKULL), 1),
    ):
        sizes = pieces(mask)
        assert sizes[:count].sum() > 0.95 * sizes.sum(), name
        assert sizes[count - 1] > 0.3 * sizes[0], name


def test_structures_lie_where_they_belong(subject):
    def at(label):
        return np.median(places(subject, [label]), axis=0)

    eyes = places(subject, [BrainLabel.EYE])
    assert np.median(eyes[:, 1]) > 45
    assert np.ptp(eyes[:, 0]) > 60
    assert at(BrainLabel.CEREBELLAR_CORTEX)[1] < -25
    assert at(BrainLabel.CEREBELLAR_CORTEX)[2] < at(BrainLabel.GREY_MATTER)[2] - 20
    assert at(BrainLabel.BRAIN_STEM)[2] < at(BrainLabel.THALAMUS)[2] - 15
    assert at(BrainLabel.CAUDATE)[1] > at(BrainLabel.THALAMUS)[1] + 10
    for side in (1, -1):
        putamen, thalamus = (
            places(subject, [name]) * [side, 1, 1] for name in (BrainLabel.PUTAMEN, BrainLabel.THALAMUS)
        )
        assert np.median(putamen[putamen[:, 0] > 0, 0]) > np.median(thalamus[thalamus[:, 0] > 0, 0]) + 6


def test_the_brain_is_wrapped_in_fluid_then_bone_then_scalp(subject):
    labels = subject.labels.array
    near_bone = ndimage.binary_dilation(np.isin(labels, SKULL))
    assert (near_bone & np.isin(labels, BRAIN)).sum() < 0.02 * np.isin(labels, BRAIN).sum()
    air = ndimage.binary_dilation(labels == BrainLabel.AIR)
    assert not (air & np.isin(labels, (*BRAIN, *SKULL))).any()
    assert pieces(labels == BrainLabel.AIR)[1:].sum() == 0


def test_the_cortex_is_folded(subject):
    """A ribbon of folds has far more surface than the hull it lies in, and is about 3 mm thick."""
    labels = subject.labels.array
    grey = labels == BrainLabel.GREY_MATTER
    white = np.isin(
        labels, (BrainLabel.WHITE_MATTER, BrainLabel.CAUDATE, BrainLabel.PUTAMEN, BrainLabel.VENTRICLE)
    )
    cerebrum = ndimage.binary_closing(grey | white, iterations=6)

    def surface(mask):
        return sum(np.abs(np.diff(mask.astype(np.int8), axis=axis)).sum() for axis in range(3)) * 4.0

    assert surface(grey | white) > 1.5 * surface(cerebrum)
    thickness = 2 * grey.sum() * 8.0 / surface(grey)
    assert 1.5 < thickness < 5


def test_contrasts_by_order(subject):
    order = {
        "t1_reference": [BrainLabel.WHITE_MATTER, BrainLabel.GREY_MATTER, BrainLabel.VENTRICLE],
        "t2_reference": [BrainLabel.VENTRICLE, BrainLabel.GREY_MATTER, BrainLabel.WHITE_MATTER],
        "pd_reference": [BrainLabel.GREY_MATTER, BrainLabel.WHITE_MATTER, BrainLabel.SKULL_CORTEX],
    }
    for image, labels in order.items():
        values = [level(subject, image, label) for label in labels]
        assert values[0] > 1.08 * values[1], image
        assert values[1] > 1.08 * values[2], image
        assert level(subject, image, BrainLabel.SKULL_CORTEX) < 0.4 * values[0]


def test_signals_of_every_protocol_keep_that_order():
    random = np.random.default_rng(0)
    for vendor in VENDORS:
        for _ in range(20):
            drawn = {name: MRProtocol.draw(random, kind, vendor) for name, kind in CONTRASTS.items()}
            t1, t2, _ = (signals(p, BRAIN_TISSUES, BrainLabel.GREY_MATTER) for p in drawn.values())
            white, grey, fluid = BrainLabel.WHITE_MATTER, BrainLabel.GREY_MATTER, BrainLabel.CSF
            assert t1[white] > t1[grey] > t1[fluid]
            assert t2[fluid] > t2[grey] > t2[white]


def test_spin_echo_obeys_its_limits():
    one = np.array([1.0])
    assert spin_echo_signal(one, one * 1e9, one, 1e6, 0.0)[0] == pytest.approx(1)
    assert spin_echo_signal(one * 1e9, one, one, 1.0, 0.0)[0] == pytest.approx(0, abs=1e-8)
    assert spin_echo_signal(one, one * 50, one, 1e6, 50.0)[0] == pytest.approx(np.exp(-1))


def test_ct_shows_the_tissues_hu(subject):
    assert level(subject, "ct_reference", BrainLabel.SKULL_CORTEX) > 600
    assert 30 < level(subject, "ct_reference", BrainLabel.GREY_MATTER) < 48
    assert 20 < level(subject, "ct_reference", BrainLabel.WHITE_MATTER) < 35
    assert 0 < level(subject, "ct_reference", BrainLabel.VENTRICLE) < 16
    assert level(subject, "ct_reference", BrainLabel.SINUS) < -800
    assert subject.images["ct"].array.dtype == np.int16


def test_same_seed_same_voxels_other_subject_other_head():
    a, b, c = make_brain(1, 0, **COARSE), make_brain(1, 0, **COARSE), make_brain(1, 1, **COARSE)
    assert all(np.array_equal(a.files[name].array, b.files[name].array) for name in a.files)
    assert a.parameters == b.parameters
    assert not np.array_equal(a.labels.array, c.labels.array)
    assert a.parameters["body"]["folds"] != c.parameters["body"]["folds"]


def test_lesions_change_the_lesion_only(lesioned):
    none = lesioned["none"]
    assert not np.isin(none.labels.array, LESIONS).any()
    for kind, labels in (("tumour", LESIONS[:3]), ("stroke", LESIONS[3:])):
        found = lesioned[kind].labels.array
        inside = np.isin(found, labels)
        assert np.array_equal(found[~inside], none.labels.array[~inside])
        for label in labels:
            assert lesioned[kind].parameters["volume_ml"][label.name.lower()] > 1
        assert lesioned[kind].parameters["lesion"]["side"] in (1, -1)
        assert lesioned[kind].parameters["body"] == none.parameters["body"]


def test_lesions_look_as_they_do(lesioned):
    stroke, tumour = lesioned["stroke"], lesioned["tumour"]
    for subject, label in (
        (stroke, BrainLabel.STROKE),
        (tumour, BrainLabel.OEDEMA),
        (tumour, BrainLabel.NECROSIS),
    ):
        assert level(subject, "t2_reference", label) > 1.3 * level(
            subject, "t2_reference", BrainLabel.WHITE_MATTER
        )
    grey = level(stroke, "ct_reference", BrainLabel.GREY_MATTER)
    assert grey - 25 < level(stroke, "ct_reference", BrainLabel.STROKE) < grey - 5


def test_all_files_share_one_axial_grid(subject):
    assert subject.labels.grid.axis_codes == "LPS"
    assert all(volume.grid.is_close(subject.labels.grid) for volume in subject.files.values())
    assert np.linalg.det(subject.labels.ijk_to_ras[:3, :3]) > 0
    assert set(subject.files) == {
        "labels", *(name + kind for name in ("t1", "t2", "pd", "ct") for kind in ("", "_reference")),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"lesions": "cyst"}, "lesions 'cyst' are unknown: choose one of none, tumour, stroke"),
        ({"vendor": "c"}, "vendor 'c' is unknown: choose"),
        ({"spacing": (0.0, 1.0, 1.0)}, "give"),
        ({"shape": (0, 4, 4)}, "give"),
    ],
)
def test_bad_requests_are_refused(wrong, word):
    with pytest.raises(ConfigError, match=word):
        make_brain(0, 0, **wrong)


def test_the_command_writes_the_folder(tmp_path):
    place = tmp_path / "cohort"
    words = ["phantom", str(place), "--anatomy", "brain", "--seed", "2", "--spacing", "4,4,4"]
    result = CliRunner().invoke(app, [*words, "--lesions", "stroke", "--json"])
    assert result.exit_code == 0, result.output
    expected = make_brain(2, 0, lesions="stroke", **COARSE)
    folder = place / "sub-0001"
    for name, volume in expected.files.items():
        stored = read_volume(folder / f"{name}.nii.gz").volume
        assert np.array_equal(stored.array, volume.array)
        assert np.allclose(stored.ijk_to_ras, volume.ijk_to_ras, atol=1e-4)
    told = json.loads((folder / "subject.json").read_text())
    assert told["lesions"] == "stroke"
    assert told["labels"]["stroke"] == BrainLabel.STROKE
    refused = CliRunner().invoke(app, [*words, "--lesions", "cyst"])
    assert refused.exit_code != 0
    with pytest.raises(ConfigError, match="knows no grids"):
        write_cohort(tmp_path / "other", anatomy="brain", subjects=1, seed=0, grids="own")
