"""Hearts between two: where they lie, what a folder holds, and that a stopped run goes on."""

import json
import sys

import numpy as np
import pytest

from SynthLogic.errors import BundleError, Cancelled, InputError, OutputError
from SynthLogic.hearts import Extent, dice
from SynthLogic.jobs import Hearts, InterpolateRequest, heart_of, interpolate, read_any_record
from SynthLogic.volume import read_volume, write_volume

CPU = {"device": "cpu", "precision": "fp32"}


class Lossless:
    """A label VAE whose latents are the one-hot slices: what is blended can be told by hand."""

    device = "cpu"

    def __init__(self, bundle):
        self.bundle = bundle
        self.decoded = self.encoded = 0

    def encode(self, labels):
        self.encoded += 1
        return np.eye(4, dtype=np.float32)[labels].reshape(len(labels), -1)

    def draw(self, z):
        self.decoded += 1
        return Shares(z.reshape(len(z), 128, 128, 4))

    def decode(self, z):
        return self.draw(z).labels()


class Shares:
    """A drawing that nothing can favour."""

    def __init__(self, shares):
        self.shares = shares

    def labels(self, bias=None):
        return self.shares.argmax(axis=-1).astype(np.uint8)

    def slopes(self, bias):
        return np.eye(3)


@pytest.fixture
def codec(heart_bundles):
    return Lossless(heart_bundles["label-vae"])


@pytest.fixture
def pair(hearts, scan_of):
    a, b = hearts.heart_labels(9), hearts.heart_labels(7, radius=30.0, slice_mm=10.0)
    return [heart_of(scan_of(volume)) for volume in (a, b)]


def test_the_ends_are_the_subjects(codec, pair):
    a, b = pair
    desk = Hearts()
    start = desk.offspring(codec, a, b, 0.0, slices=9)
    np.testing.assert_array_equal(start.labels, a.short_axis.labels)
    assert start.grid.is_close(a.short_axis.grid)
    end = desk.offspring(codec, a, b, 1.0, slices=7)
    np.testing.assert_array_equal(end.labels, b.short_axis.labels)
    assert end.grid.spacing == pytest.approx(b.short_axis.grid.spacing)
    for heart, made in ((a, start), (b, end)):
        grid = heart.short_axis.grid
        expected = heart.short_axis.labels == 1
        weight = np.ones(len(expected))
        weight[[0, -1]] = 0.5
        volume = expected.sum(axis=(1, 2)) @ weight * np.prod(grid.spacing) / 1000
        assert made.volumes_ml["lv_cavity"] == pytest.approx(volume, abs=0.01)


def test_between_lies_between_and_over_the_first(codec, pair):
    a, b = pair
    desk = Hearts()
    made = [desk.offspring(codec, a, b, t, slices=32) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    lengths = [(len(m.labels) - 1) * m.grid.spacing[2] for m in made]
    assert lengths[0] == pytest.approx(Extent.of(a.short_axis).length_mm)
    assert lengths[-1] == pytest.approx(Extent.of(b.short_axis).length_mm)
    np.testing.assert_allclose(np.diff(lengths), np.diff(lengths)[0])
    for m in made:
        np.testing.assert_allclose(m.grid.centre, a.short_axis.grid.centre, atol=1e-9)
        np.testing.assert_allclose(m.grid.direction, a.short_axis.grid.direction, atol=1e-12)
        assert m.labels.shape == (32, 128, 128)
    volumes = [m.volumes_ml["lv_cavity"] for m in made]
    assert volumes[0] <= volumes[2] <= volumes[-1]


def test_a_move_costs_one_decode_and_hearts_are_prepared_once(codec, pair, scan_of, hearts):
    a, b = pair
    desk = Hearts()
    for t in (0.1, 0.2, 0.3):
        for _ in range(3):
            desk.offspring(codec, a, b, t)
    # Once each, and both ends for their sizes.
    assert (codec.decoded, codec.encoded) == (3 + 2, 2)
    scan = scan_of(hearts.heart_labels())
    assert desk.heart(scan) is desk.heart(scan)


def test_one_heart_alone_with_more_slices(codec, pair):
    a, _ = pair
    dense = Hearts().offspring(codec, a, None, 0.7, slices=33)
    assert dense.t == 0
    assert dense.grid.spacing[2] == pytest.approx(a.short_axis.grid.spacing[2] / 4)
    np.testing.assert_array_equal(dense.labels[::4], a.short_axis.labels)


def test_hearts_that_cannot_be_blended(codec, pair, hearts, scan_of):
    a, _ = pair
    without = heart_of(scan_of(hearts.heart_labels(rv=False)))
    with pytest.raises(InputError, match=r"A has .*RV cavity, but B has LV cavity, LV myocardium"):
        Hearts().offspring(codec, a, without, 0.5)
    single = heart_of(scan_of(hearts.heart_labels(1)))
    with pytest.raises(InputError, match="on 1 slice, and at least 2"):
        Hearts().offspring(codec, single, None, 0.0)


# -- files --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, hearts):
    folder = tmp_path / "Doe-John-1970"
    folder.mkdir()
    write_volume(folder / "secret-a.nii.gz", hearts.heart_labels())
    write_volume(folder / "secret-b.nii.gz", hearts.heart_labels(7, radius=30.0, slice_mm=10.0))
    return folder


@pytest.fixture
def run(place, heart_bundles):
    def go(request=None, second="secret-b.nii.gz", folder="out", **options):
        request = request or InterpolateRequest(steps=3, slices=6, **CPU)
        return interpolate(
            request,
            place / "secret-a.nii.gz",
            second and place / second,
            place / folder,
            codec_bundle=heart_bundles["label-vae"],
            model_bundle=heart_bundles["paint"],
            **options,
        )

    return go


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_steps(run, place):
    told = []
    made = run(
        InterpolateRequest(
            steps=3,
            slices=6,
            style_a={"kind": "named", "name": "vendor-a"},
            style_b={"kind": "named", "name": "vendor-b"},
            **CPU,
        ),
        progress=told.append,
    )
    endings = ("labels.nii.gz", "nii.gz", "png", "record.json")
    expected = sorted(f"step-0{n}of03.{e}" for n in (1, 2, 3) for e in endings)
    assert names(place / "out") == expected
    assert [step.done for step in told][-1] == told[-1].total == 18
    first, middle, last = made.records
    assert [record.t for record in made.records] == [0.25, 0.5, 0.75]
    assert np.mean([first.style, last.style], axis=0) == pytest.approx(middle.style, abs=1e-6)
    assert middle.styles[0].choice.name == "vendor-a"
    image, labels = (read_volume(place / "out" / f"step-02of03{e}.nii.gz").volume for e in ("", ".labels"))
    assert image.grid.is_close(labels.grid)
    assert image.shape == (6, 128, 128)
    text = "".join((place / "out" / f"step-0{n}of03.record.json").read_text() for n in (1, 2, 3))
    for secret in ("Doe", "secret", "1970"):
        assert secret not in text
    assert read_any_record(place / "out" / "step-01of03.record.json") == first


def test_a_run_goes_on_where_it_was_stopped(run, place, monkeypatch):
    module = sys.modules["SynthLogic.jobs.step_files"]
    original = module.StepFiles.write
    made = []

    def second_one_dies(self, step, monitor):
        if len(made) == 1:
            raise Cancelled("Cancelled.")
        made.append(self.name)
        return original(self, step, monitor)

    monkeypatch.setattr(module.StepFiles, "write", second_one_dies)
    with pytest.raises(Cancelled, match="1 of 3 hearts are complete and stay, and the same command"):
        run()
    assert len(names(place / "out")) == 4
    # As a kill would leave it.
    (place / "out" / ".step-02of03.nii.gz.abc").mkdir()
    stamp = (place / "out" / "step-01of03.nii.gz").stat().st_mtime_ns
    monkeypatch.undo()
    again = run()
    assert [path.name for path in again.skipped] == ["step-01of03.nii.gz"]
    assert [path.name for path in again.written] == ["step-02of03.nii.gz", "step-03of03.nii.gz"]
    assert (place / "out" / "step-01of03.nii.gz").stat().st_mtime_ns == stamp
    assert len(names(place / "out")) == 12
    assert [record.t for record in again.records] == [0.25, 0.5, 0.75]


def test_another_run_in_the_folder_is_not_replaced_unasked(run, place):
    run()
    before = {path.name: path.read_bytes() for path in (place / "out").iterdir()}
    other = InterpolateRequest(steps=3, slices=7, **CPU)
    with pytest.raises(OutputError, match="not from this very request"):
        run(other)
    assert {path.name: path.read_bytes() for path in (place / "out").iterdir()} == before
    assert len(run(other, replace=True).written) == 3


def test_a_damaged_step_is_not_taken_for_complete(run, place):
    run()
    (place / "out" / "step-02of03.labels.nii.gz").write_bytes(b"cut")
    with pytest.raises(OutputError, match="step-02of03"):
        run()
    assert len(run(replace=True).written) == 1


def test_a_step_appears_whole_or_not_at_all(run, place, monkeypatch):
    def full(path, volume, mark=None):
        if "labels" in path.name:
            raise OutputError("The disk is full.")
        path.write_bytes(b"x")

    monkeypatch.setattr(sys.modules["SynthLogic.jobs.step_files"], "write_volume", full)
    with pytest.raises(OutputError, match="full"):
        run()
    assert not (place / "out").exists()
    (place / "out").mkdir()
    with pytest.raises(OutputError, match="full"):
        run()
    assert names(place / "out") == []


def test_labels_only_needs_no_bundle_that_paints(place, heart_bundles, monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "home"))
    import SynthLogic.bundles.store as store

    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "nothing")
    arguments = (place / "secret-a.nii.gz", None, place / "out")
    request = InterpolateRequest(slices=12, labels_only=True, **CPU)
    made = interpolate(request, *arguments, codec_bundle=heart_bundles["label-vae"])
    assert names(place / "out") == ["slices-12.labels.nii.gz", "slices-12.png", "slices-12.record.json"]
    assert made.records[0].model is None
    with pytest.raises(BundleError, match="paints labels"):
        interpolate(InterpolateRequest(slices=12, **CPU), *arguments, codec_bundle=heart_bundles["label-vae"])
    with pytest.raises(BundleError, match="encodes labels"):
        interpolate(request, *arguments)


def test_path_and_positions(run, place, heart_bundles):
    line = run(InterpolateRequest(steps=1, slices=6, labels_only=True, **CPU), folder="line")
    circle = run(
        InterpolateRequest(steps=1, slices=6, labels_only=True, path="circle", **CPU), folder="circle"
    )
    a, b = (read_volume(made.written[0]).volume.array for made in (line, circle))
    assert (a != b).any()
    assert np.nanmean(list(dice(a, b).values())) < 1
    assert (
        json.loads((place / "circle" / "step-01of01.record.json").read_text())["request"]["path"] == "circle"
    )


def test_folders_that_cannot_be(run, place):
    with pytest.raises(OutputError, match="is a file"):
        run(folder="secret-a.nii.gz")
    with pytest.raises(OutputError, match="create it first"):
        run(folder="no/where")
    with pytest.raises(InputError, match="one style"):
        run(
            InterpolateRequest(style_b={"kind": "seed", "seed": 1}, **CPU),
            second=None,
        )
