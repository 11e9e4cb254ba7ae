"""Scans that lend their style: they and their labels must belong together, and messages name the file."""

import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.jobs import Hearts, PaintRequest, Reference, heart_of, paint, paint_volume, read_reference
from SynthLogic.volume import Volume, write_volume

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def place(tmp_path, hearts):
    good = hearts.heart_labels()
    image = hearts.heart_image(good)
    far = good.ijk_to_ras.copy()
    far[:3, 3] += 400
    save = {
        "labels": good,
        "image": image,
        "exchanged": good.with_array(np.array([0, 3, 2, 1], np.uint8)[good.array]),
        "far": Volume(good.array, far),
        # 30 mm across.
        "shifted": good.with_array(np.roll(good.array, (20, 20), (1, 2))),
        "half": Volume(image.array[:, :36], image.ijk_to_ras),
        "black": image.with_array(np.zeros_like(image.array)),
        "as-image": good.with_array(good.array.astype(np.float32)),
    }
    for name, volume in save.items():
        write_volume(tmp_path / f"{name}.nii.gz", volume)
    return tmp_path


@pytest.mark.parametrize(
    ("image", "labels", "words", "forced"),
    [
        ("image", "exchanged", "^exchanged.nii.gz: .*exchanged.*--force", True),
        ("image", "shifted", "^shifted.nii.gz: .*no brighter in image.nii.gz.*--force", True),
        ("image", "far", "^image.nii.gz: Only 0% of the heart.*give the scan", False),
        ("half", "labels", "^half.nii.gz: Only .*% of the heart.*give the scan", False),
        ("black", "labels", "^black.nii.gz: There are 1 different values", False),
        ("as-image", "labels", "^as-image.nii.gz: There are 4 different values.*no image", False),
    ],
)
def test_what_does_not_belong_together(place, image, labels, words, forced):
    files = place / f"{image}.nii.gz", place / f"{labels}.nii.gz"
    with pytest.raises(InputError, match=words):
        read_reference(*files)
    if forced:
        assert read_reference(*files, force=True).image.volume.shape
    else:
        with pytest.raises(InputError, match=words):
            read_reference(*files, force=True)


def test_paint_looks_at_the_reference(place, heart_bundles):
    def go(labels, **fields):
        paint(
            PaintRequest(style={"kind": "scan"}, **CPU, **fields),
            place / "labels.nii.gz",
            place / "mr.nii.gz",
            bundle=heart_bundles["paint"],
            reference_paths=(place / "image.nii.gz", place / f"{labels}.nii.gz"),
        )

    go("labels")
    (place / "mr.nii.gz").unlink()
    with pytest.raises(InputError, match="exchanged"):
        go("exchanged")
    assert not (place / "mr.nii.gz").exists()
    go("exchanged", force=True)


def test_a_reference_from_memory_is_looked_at_too(hearts, scan_of, heart_bundles):
    good = hearts.heart_labels()
    exchanged = scan_of(good.with_array(np.array([0, 3, 2, 1], np.uint8)[good.array]))
    reference = Reference(scan_of(hearts.heart_image(good)), heart_of(exchanged))
    options = {"bundle": heart_bundles["paint"], "reference": reference, "hearts": Hearts()}
    request = PaintRequest(style={"kind": "scan"}, **CPU)
    with pytest.raises(InputError, match=r"labels of the scan that lends its style: .*exchanged"):
        paint_volume(request, scan_of(good), **options)
    forced = PaintRequest(style={"kind": "scan"}, force=True, **CPU)
    assert paint_volume(forced, scan_of(good), **options).record.styles[0].labels_hash
    # Not asked for, not looked at.
    assert paint_volume(PaintRequest(**CPU), scan_of(good), **options)
