"""Painting labels: on exactly their grid, the same bits again, and an edit changes itself only."""

import gzip
import json
import sys

import numpy as np
import pytest
from scipy import ndimage

from SynthLogic.errors import BundleError, Cancelled, ConfigError, InputError, OutputError
from SynthLogic.jobs import (
    HeartRecord,
    Hearts,
    PaintRequest,
    Reference,
    heart_of,
    paint,
    paint_volume,
    read_any_record,
    rerun,
)
from SynthLogic.jobs.edits import BEFORE_MM, NEW_MM
from SynthLogic.jobs.record import MARK
from SynthLogic.volume import Volume, content_hash, read_volume, write_volume

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def bundle(heart_bundles):
    return heart_bundles["paint"]


@pytest.fixture
def labels(hearts):
    return hearts.heart_labels()


@pytest.fixture
def run(bundle, scan_of):
    def paint_it(volume, request=None, **options):
        return paint_volume(request or PaintRequest(**CPU), scan_of(volume), bundle=bundle, **options)

    return paint_it


def comparable(record):
    data = record.model_dump(mode="json")
    return {key: value for key, value in data.items() if key not in ("timings", "created")}


def test_image_lies_on_the_labels_grid_and_shows_the_labels(run, labels):
    made = run(labels)
    assert made.image.grid.is_close(labels.grid)
    assert made.image.array.dtype == np.int16
    # Beyond the first and last labelled slice there is nothing.
    assert (made.image.array[[0, -1]] == 0).all()
    inside = made.image.array[1:-1]
    assert inside.std() > 1
    means = [inside[labels.array[1:-1] == value].mean() for value in range(4)]
    assert np.ptp(means) > 1


def test_beyond_the_field_of_view_lies_the_cards_background(run, labels, hearts, tmp_path, scan_of):
    wide = hearts.heart_labels(5, 160)
    other = hearts.heart_bundle(tmp_path / "b", "paint", output={**hearts.MR, "background": 7.0})
    made = paint_volume(PaintRequest(**CPU), scan_of(wide), bundle=other)
    assert (made.image.array[:, :12] == 7).all()
    assert (made.image.array[0] == 7).all()
    assert (made.image.array[1:-1, 40:-40, 40:-40] != 7).mean() > 0.9


def test_same_labels_and_seed_give_the_same_bits_however_they_are_stored(run, labels):
    request = PaintRequest(style={"kind": "seed", "seed": 3}, **CPU)
    first = run(labels, request)
    again = run(labels, request, hearts=Hearts())
    np.testing.assert_array_equal(first.image.array, again.image.array)
    assert comparable(first.record) == comparable(again.record)
    turned = Volume(
        np.ascontiguousarray(labels.array[:, ::-1].transpose(2, 0, 1)),
        labels.ijk_to_ras
        @ np.array([[0, 0, 1, 0], [-1, 0, 0, labels.shape[1] - 1], [0, 1, 0, 0], [0, 0, 0, 1.0]]),
    )
    other = run(turned, request)
    assert other.image.grid.is_close(turned.grid)
    np.testing.assert_array_equal(other.image.array.transpose(1, 2, 0)[:, ::-1], first.image.array)
    different = run(labels, PaintRequest(style={"kind": "seed", "seed": 4}, **CPU))
    assert (different.image.array != first.image.array).any()


def test_styles_by_name_seed_and_scan(run, labels, hearts, scan_of):
    def vector(**style):
        return run(labels, PaintRequest(style=style or None, **CPU)).record.style

    middle = vector(kind="named", name="vendor-a")
    assert vector() == middle
    assert vector(kind="named", name="vendor-b") != middle
    drawn = vector(kind="named", name="vendor-a", seed=1)
    assert drawn == vector(kind="named", name="vendor-a", seed=1) != middle
    assert vector(kind="seed", seed=1) != vector(kind="seed", seed=2)
    reference = Reference(scan_of(hearts.heart_image(labels)), heart_of(scan_of(labels)))
    request = PaintRequest(style={"kind": "scan"}, **CPU)
    made = run(labels, request, reference=reference)
    (style,) = made.record.styles
    assert style.image_hash == reference.image.content_hash
    assert style.labels_hash == content_hash(labels)
    brighter = Reference(scan_of(hearts.heart_image(hearts.heart_labels(wall=4), 3)), reference.labels)
    assert run(labels, request, reference=brighter).record.style != made.record.style
    with pytest.raises(InputError, match="give both"):
        run(labels, request)
    with pytest.raises(InputError, match=r"vendor-a.*vendor-b"):
        run(labels, PaintRequest(style={"kind": "named", "name": "vendor-z"}, **CPU))


def test_an_edit_changes_the_edited_slice_only(run, hearts):
    # Not the networks' own pixels, so that a frame that moves is another image.
    labels = hearts.heart_labels(pixel_mm=1.37)
    first = run(labels)
    edited = labels.array.copy()
    # A papillary muscle, off the middle: so the heart's own frame would move.
    edited[5, 30:36, 30:40] = 2
    kept = run(labels.with_array(edited), before=first.heart)
    changed = (kept.image.array != first.image.array).any(axis=(1, 2))
    assert changed.tolist() == [n == 5 for n in range(len(changed))]
    assert kept.record.kept_frame
    assert kept.heart.short_axis.grid.is_close(first.heart.short_axis.grid, 1e-9)
    # Within the slice, what is far from the edit is as it was, and what was edited is new.
    apart = ndimage.distance_transform_edt(edited[5] == labels.array[5]) * 1.37
    same = kept.image.array[5] == first.image.array[5]
    assert same[apart > BEFORE_MM + 3].all()
    assert not same[apart < NEW_MM].all()
    anew = run(labels.with_array(edited))
    assert not (anew.image.array[5] == first.image.array[5])[apart > BEFORE_MM + 3].all()
    assert (anew.image.array != first.image.array).any(axis=(1, 2)).sum() > 1


def test_a_heart_cut_from_another_grid_is_painted_there(run, hearts):
    stack = hearts.heart_labels(7, 64, slice_mm=8.0)
    # The same heart as an isotropic axial map.
    from SynthLogic.volume import Grid, resample

    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = stack.grid.centre - 80
    axial = resample(stack, Grid((80, 80, 80), matrix), order=0, dtype=np.uint8)
    made = run(axial)
    assert made.image.grid.is_close(axial.grid)
    assert (made.image.array[axial.array > 0] != 0).mean() > 0.9


def test_record_names_everything_and_nobody(run, labels, bundle):
    record = run(labels).record
    assert record.notice == MARK
    assert record.model.hash == bundle.hash
    assert record.codec is None
    assert record.inputs[0].content_hash == content_hash(labels)
    assert set(record.volumes_ml) == {"lv_cavity", "myocardium", "rv_cavity"}
    assert record.volumes_ml["lv_cavity"] > 10
    assert record.packages["torch"]
    assert HeartRecord.from_json(record.to_json()) == record


def test_values_by_convention_and_by_name(run, labels):
    expected = run(labels)
    acdc = np.array([0, 3, 2, 1], np.int16)[labels.array]
    made = run(labels.with_array(acdc), PaintRequest(labels="acdc", **CPU))
    np.testing.assert_array_equal(made.image.array, expected.image.array)
    assert made.record.inputs == expected.record.inputs
    named = np.array([0.0, 10, 20, 600])[labels.array]
    made = run(labels.with_array(named), PaintRequest(labels="10=lv,20=myo,600=rv", **CPU))
    np.testing.assert_array_equal(made.image.array, expected.image.array)


def test_what_looks_wrong_stops_unless_forced(run, labels):
    exchanged = labels.with_array(np.array([0, 3, 2, 1], np.uint8)[labels.array])
    with pytest.raises(InputError, match=r"acdc|ACDC.*--force"):
        run(exchanged)
    made = run(exchanged, PaintRequest(force=True, **CPU))
    assert any("ACDC" in warning for warning in made.record.warnings)
    without = labels.with_array(np.where(labels.array == 3, 0, labels.array))
    assert any("RV cavity" in warning for warning in run(without).record.warnings)


def test_cancel_between_slices(run, hearts):
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Cancelled):
        run(hearts.heart_labels(60, 64, slice_mm=1.5), cancel=cancel)


# -- files --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, labels):
    folder = tmp_path / "Doe-John-1970"
    folder.mkdir()
    write_volume(folder / "secret.nii.gz", labels)
    return folder


def test_files_appear_together_and_rerun_makes_them_again(place, bundle, labels):
    style = {"kind": "named", "name": "vendor-b", "seed": 9}
    record = paint(
        PaintRequest(style=style, **CPU), place / "secret.nii.gz", place / "mr.nii.gz", bundle=bundle
    )
    assert sorted(p.name for p in place.iterdir()) == ["mr.nii.gz", "mr.record.json", "secret.nii.gz"]
    text = (place / "mr.record.json").read_text()
    for secret in ("Doe", "secret", "1970"):
        assert secret not in text
    assert read_any_record(place / "mr.record.json") == record
    assert b"Synthetic image" in gzip.decompress((place / "mr.nii.gz").read_bytes())[:400]
    again = rerun(place / "mr.record.json", place / "secret.nii.gz", place / "again.nrrd", bundle=bundle)
    assert again.identical
    assert again.differences == ()
    first, second = (read_volume(place / name).volume.array for name in ("mr.nii.gz", "again.nrrd"))
    np.testing.assert_array_equal(first, second)


def test_rerun_of_a_style_that_a_scan_lent_needs_no_scan(place, bundle, hearts, labels):
    write_volume(place / "scan.nrrd", hearts.heart_image(labels))
    paint(
        PaintRequest(style={"kind": "scan"}, **CPU),
        place / "secret.nii.gz",
        place / "mr.nrrd",
        bundle=bundle,
        reference_paths=(place / "scan.nrrd", place / "secret.nii.gz"),
    )
    again = rerun(place / "mr.record.json", place / "secret.nii.gz", place / "again.nrrd", bundle=bundle)
    assert again.identical


def test_rerun_in_a_frame_that_was_kept(place, bundle, labels, run):
    first = run(labels)
    edited = labels.array.copy()
    edited[5, 30:36, 30:40] = 2
    write_volume(place / "edited.nrrd", labels.with_array(edited))
    kept = run(labels.with_array(edited), before=first.heart)
    target, options = place / "again.nrrd", {"bundle": bundle}
    with pytest.raises(ConfigError, match="--before"):
        rerun(kept.record, place / "edited.nrrd", target, **options)
    with pytest.raises(InputError, match="not what the labels were before"):
        rerun(kept.record, place / "edited.nrrd", target, before_path=place / "edited.nrrd", **options)
    with pytest.raises(ConfigError, match="leave the labels before one out"):
        rerun(first.record, place / "secret.nii.gz", target, before_path=place / "secret.nii.gz", **options)
    again = rerun(kept.record, place / "edited.nrrd", target, before_path=place / "secret.nii.gz", **options)
    assert again.identical
    assert again.record.kept_frame


def test_an_edit_of_an_edit_and_taking_it_back(run, labels):
    """What is painted depends on the first labels and the present ones, not on the way between them."""
    first = run(labels)
    assert np.array_equal(run(labels, before=first.heart).image.array, first.image.array)
    smaller, grown = labels.array.copy(), labels.array.copy()
    smaller[5, 30:36, 30:40] = 2
    # A slice more at the end, as far as the labels reach.
    grown[:, 30:34, 30:34] = np.where(grown[:, 30:34, 30:34] == 1, 2, grown[:, 30:34, 30:34])
    for edited in (smaller, grown, smaller):
        found = run(labels.with_array(edited), before=first.heart).image.array
        assert np.array_equal(found, run(labels.with_array(edited), before=first.heart).image.array)
        assert not np.array_equal(found, first.image.array)


def test_rerun_refuses_other_labels_another_bundle_and_offspring(place, bundle, hearts, tmp_path, labels):
    paint(PaintRequest(**CPU), place / "secret.nii.gz", place / "mr.nrrd", bundle=bundle)
    write_volume(place / "other.nrrd", hearts.heart_labels(7))
    before = sorted(place.iterdir())
    with pytest.raises(InputError, match="not those of the record"):
        rerun(place / "mr.record.json", place / "other.nrrd", place / "x.nrrd", bundle=bundle)
    other = hearts.heart_bundle(tmp_path / "other", "paint", title="Other")
    with pytest.raises(BundleError, match="not the one of the record"):
        rerun(place / "mr.record.json", place / "secret.nii.gz", place / "x.nrrd", bundle=other)
    assert sorted(place.iterdir()) == before
    data = json.loads((place / "mr.record.json").read_text())
    data["request"] = {"kind": "interpolate"}
    (place / "mr.record.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="use interpolate"):
        rerun(place / "mr.record.json", place / "secret.nii.gz", place / "x.nrrd", bundle=bundle)


@pytest.mark.parametrize("when", ["paint", "write"])
def test_cancelled_or_failed_nothing_is_left(place, bundle, monkeypatch, when):
    before = sorted(place.iterdir())

    def fail(*arguments, **options):
        raise Cancelled("Cancelled.") if when == "paint" else OutputError("The disk is full.")

    name = {"paint": "paint_stack", "write": "write_volume"}[when]
    monkeypatch.setattr(sys.modules["SynthLogic.jobs.paint"], name, fail)
    with pytest.raises((Cancelled, OutputError)):
        paint(PaintRequest(**CPU), place / "secret.nii.gz", place / "mr.nrrd", bundle=bundle)
    assert sorted(place.iterdir()) == before


def test_a_bundle_that_does_not_paint(place, heart_bundles):
    with pytest.raises(BundleError, match="encodes labels"):
        paint(
            PaintRequest(**CPU), place / "secret.nii.gz", place / "x.nrrd", bundle=heart_bundles["label-vae"]
        )
