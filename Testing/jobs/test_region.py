"""A region: the network runs where it must, and outside it there is background."""

import json

import numpy as np
import pytest

from SynthLogic.errors import InputError, OutputError
from SynthLogic.jobs import Record, TranslateRequest, rerun, translate, translate_volume
from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash, read_volume, write_volume

TO_MR = TranslateRequest(target="MR", device="cpu", force=True)
THREE = ("axial", "coronal", "sagittal")


def scan_of(volume):
    return Scan(volume, ScanMeta("file", "NRRD", None, volume.array.dtype.name), content_hash(volume))


@pytest.fixture
def region():
    mask = np.zeros((12, 24, 28), np.uint8)
    mask[4:7, 9:14, 3:8] = 3
    mask[5, 2, 20] = 1
    return mask


def counted(request, scan, **options):
    totals = []
    result = translate_volume(request, scan, lambda step: totals.append(step.total), **options)
    return *result, totals[-1]


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 3.0), (1.0, 1.0, 6.0), (4.0, 4.0, 4.0)])
@pytest.mark.parametrize("planes", [("axial",), THREE])
def test_inside_it_is_the_whole_scans_result_and_outside_background(tiny, tmp_path, region, spacing, planes):
    spatial = {"planes": THREE, "spacing_range_mm": (1.5, 3.5)}
    bundle = tiny.tiny_bundle(tmp_path / "b", "MR", "CT", spatial=spatial)
    spread = planes == THREE
    request = TranslateRequest(
        target="CT", device="cpu", force=True, planes=planes, batch=1, disagreement=spread
    )
    scan = scan_of(Volume(tiny.mr_like(), tiny.matrix(spacing, tiny.rotation(170, (1, 0, 0.2)))))
    whole, _, all_slices = counted(request, scan, bundle=bundle)
    part, record, slices = counted(request, scan, bundle=bundle, region=region)
    inside = region != 0
    assert part.volume.grid.is_close(scan.volume.grid, 1e-12)
    assert part.volume.array.dtype == whole.volume.array.dtype
    assert (part.volume.array[~inside] == -1000).all()
    np.testing.assert_allclose(part.volume.array[inside], whole.volume.array[inside], atol=1)
    assert np.ptp(part.volume.array[inside]) > 100
    if not spread:
        assert slices == 3 < all_slices
    else:
        assert (part.disagreement.array[~inside] == 0).all()
        assert (part.disagreement.array[inside] > 0).any()
    assert record.region_hash == content_hash(Volume(inside, scan.volume.ijk_to_ras))


def test_with_tiles_only_tiles_around_it_run(tiny, tmp_path):
    spatial = {"spatial_dims": 3, "tile": (8, 16, 16), "spacing_range_mm": (1.0, 4.0), "overlap": 0.5}
    network = {"name": "resnet-generator", "arguments": {**tiny.NETWORK, "spatial_dims": 3}}
    card = tiny.card(spatial=spatial, network=network)
    from SynthLogic.bundles import write_bundle

    bundle = write_bundle(tmp_path / "b", card, tiny.random_network(spatial_dims=3).state_dict())
    scan = scan_of(Volume(tiny.ct_like((40, 60, 60)), tiny.matrix((2.0, 2.0, 2.0))))
    region = np.zeros(scan.volume.shape, bool)
    region[1, 1, 1] = True
    part, _, tiles = counted(TO_MR, scan, bundle=bundle, region=region)
    _, _, all_tiles = counted(TO_MR, scan, bundle=bundle)
    assert tiles < all_tiles / 3
    assert (part.volume.array[~region] == 0).all()
    assert part.volume.array[1, 1, 1] != 0


def test_a_region_must_be_of_the_scan_and_not_empty(tiny, bundle, region):
    scan = scan_of(Volume(tiny.ct_like(), tiny.matrix()))
    for wrong, text in [(region[1:], "voxels of the scan"), (np.zeros_like(region), "empty")]:
        with pytest.raises(InputError, match=text):
            translate_volume(TO_MR, scan, bundle=bundle, region=wrong)


def test_files_and_rerun_need_the_same_region(tiny, ct, place, bundle, region):
    mask, other, elsewhere = (place / f"{name}.nii.gz" for name in ("mask", "other", "elsewhere"))
    write_volume(mask, Volume(region, tiny.matrix()))
    write_volume(other, Volume(region[::-1].copy(), tiny.matrix()))
    write_volume(elsewhere, Volume(region, tiny.matrix((2.0, 2.0, 3.1))))
    record = translate(TO_MR, ct, place / "a.nrrd", bundle=bundle, region_path=mask)
    made = read_volume(place / "a.nrrd").volume.array
    assert (made[region == 0] == 0).all()
    assert made[region != 0].max() > 0
    again = rerun(place / "a.record.json", ct, place / "b.nrrd", bundle=bundle, region_path=mask)
    assert again.identical
    assert again.record.region_hash == record.region_hash is not None
    whole = translate(TO_MR, ct, place / "w.nrrd", bundle=bundle)
    assert whole.region_hash is None
    before = sorted(p.name for p in place.iterdir())
    for old, wrong, text in [
        (record, None, "name the region"),
        (record, other, "name the region"),
        (whole, mask, "leave out the region"),
        (record, elsewhere, "scan's grid"),
    ]:
        with pytest.raises(InputError, match=text):
            rerun(old, ct, place / "c.nrrd", bundle=bundle, region_path=wrong)
    with pytest.raises(OutputError, match="input itself"):
        translate(TO_MR, ct, mask, bundle=bundle, region_path=mask)
    assert sorted(p.name for p in place.iterdir()) == before


def test_records_from_before_there_were_regions_can_be_read(ct, place, bundle):
    record = translate(TO_MR, ct, place / "a.nrrd", bundle=bundle)
    old = json.loads(record.to_json())
    del old["region_hash"]
    assert Record.from_json(json.dumps(old)) == record
