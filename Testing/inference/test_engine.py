import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from SynthLogic.errors import BundleError, Cancelled, DeviceError, InputError
from SynthLogic.inference import Engine, fast_precisions, mean_difference
from SynthLogic.volume import Volume


def volume_of(tiny, array, spacing=(2.0, 2.0, 3.0)):
    return Volume(array, tiny.matrix(spacing))


def test_pointwise_network_gives_back_the_hounsfield_units_exactly(tiny):
    array = tiny.ct_like((5, 21, 18)).clip(-1000, 1000)
    engine = Engine(tiny.stub(tiny.Pointwise(), "CT", "CT"), "cpu")
    result = engine.run(volume_of(tiny, array))
    assert result.volume.array.dtype == np.int16
    assert np.array_equal(result.volume.array, array)
    assert result.device == "cpu"
    assert result.planes == ("axial",)
    assert set(result.timings) == {"geometry", "intensity", "forward", "restore"}


def test_output_is_the_plain_forward_pass_of_each_slice(tiny, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b")
    array = tiny.ct_like((5, 22, 27))
    result = Engine(bundle, "cpu", "fp32").run(volume_of(tiny, array), batch=2).volume.array
    x = torch.from_numpy(array.astype(np.float32).clip(-1000, 1000) / 1000)[:, None]
    padded = torch.nn.functional.pad(x, (0, 1, 0, 2), mode="reflect")
    with torch.inference_mode():
        plain = torch.cat([bundle.load_network()(padded[n : n + 1]) for n in range(5)])[:, 0, :22, :27]
    assert np.abs(result - (plain.numpy() + 1) * 500).max() < 0.05
    assert result.std() > 20


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batch_makes_no_difference(tiny, tmp_path, batch):
    engine = Engine(tiny.tiny_bundle(tmp_path / "b"), "cpu", "fp32")
    volume = volume_of(tiny, tiny.ct_like())
    one, other = engine.run(volume, batch=1), engine.run(volume, batch=batch)
    assert other.batch == batch
    assert np.abs(one.volume.array - other.volume.array).max() < 0.05


def test_same_seed_gives_the_same_bits_and_leaves_torch_as_it_was(tiny, tmp_path):
    volume = volume_of(tiny, tiny.ct_like())
    bundle = tiny.tiny_bundle(tmp_path / "b")
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    first = Engine(bundle, "cpu").run(volume, seed=5).volume.array
    second = Engine(bundle, "cpu").run(volume, seed=5).volume.array
    assert np.array_equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.get_num_threads() == threads


def test_input_is_not_written_to(tiny, tmp_path):
    array = tiny.ct_like()
    kept = array.copy()
    array.flags.writeable = False
    Engine(tiny.tiny_bundle(tmp_path / "b"), "cpu").run(volume_of(tiny, array))
    assert np.array_equal(array, kept)


# -- geometry -----------------------------------------------------------------------------------------------


def placed(tiny, way):
    """Matrix, parent transform and card settings of one way to lie in the world."""
    rotation = tiny.rotation(25, (1, 2, 3)) if way == "oblique" else None
    parent = np.eye(4)
    if way == "parent":
        parent[:3, :3] = tiny.rotation(-70, (3, 1, 1))
        parent[:3, 3] = (10, 20, 30)
    fine = way == "fine"
    place = tiny.matrix((1.0, 1.0, 1.5) if fine else (2.0, 2.0, 3.0), rotation)
    return place, parent, {"spacing_range_mm": (1.5, 2.6)} if fine else {}


WAYS = ["straight", "oblique", "parent", "fine"]


@pytest.mark.parametrize("way", WAYS)
def test_48_ways_to_store_a_scan_give_one_result(tiny, tmp_path, way):
    place, parent, spatial = placed(tiny, way)
    engine = Engine(tiny.tiny_bundle(tmp_path / "b", spatial=spatial), "cpu", "fp32")
    reference = None
    for stored in tiny.stored_ways(Volume(tiny.ct_like((4, 40, 44)), place)):
        result = engine.run(stored.under(parent)).volume
        assert result.grid.is_close(stored.under(parent).grid, 1e-9)
        canonical = result.canonical()[0].array
        reference = canonical if reference is None else reference
        span = float(reference.max() - reference.min())
        assert span > 100
        assert np.abs(canonical - reference).max() < 1e-3 * span


@pytest.mark.parametrize("way", WAYS)
def test_a_bright_marker_stays_where_it_is(tiny, way):
    place, parent, spatial = placed(tiny, way)
    # On 2 mm voxels the network's own rectifiers would move the blurred marker by part of its 8 mm cells.
    network = tiny.Pointwise() if way == "fine" else tiny.blurring_network()
    engine = Engine(tiny.stub(network, spatial=spatial), "cpu", "fp32")
    at = (2, 19, 34)
    array = np.zeros((6, 48, 56), np.int16)
    array[at] = 900
    ras = place @ (*at[::-1], 1.0)
    for stored in tiny.stored_ways(Volume(array, place)):
        output = engine.run(stored.under(parent)).volume.array
        blob = output - np.median(output)
        blob[blob < 0.3 * blob.max()] = 0
        found = [float((blob * index).sum() / blob.sum()) for index in np.indices(blob.shape)]
        expected = np.linalg.inv(stored.ijk_to_ras) @ ras
        assert np.abs(np.asarray(found[::-1]) - expected[:3]).max() <= 0.5


def test_fine_voxels_are_resampled_and_come_back_onto_the_grid(tiny):
    k, j, i = np.indices((6, 60, 80))
    ramp = (5 * j - 3 * i + 20 * k).astype(np.int16)
    seen = []

    class Spy(tiny.Pointwise):
        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return super().forward(x)

    spatial = {"spacing_range_mm": (1.5, 2.5)}
    result = Engine(tiny.stub(Spy(), "CT", "CT", spatial=spatial), "cpu").run(
        volume_of(tiny, ramp, (0.5, 0.5, 3.0))
    )
    # 80 x 60 voxels of 0.5 mm are 20 x 15 of 2 mm, padded to 20 x 16.
    assert set(seen) == {(16, 20)}
    inside = np.abs(result.volume.array.astype(int) - ramp)[:, 8:-8, 8:-8]
    assert inside.max() <= 1
    assert result.volume.grid.is_close(volume_of(tiny, ramp, (0.5, 0.5, 3.0)).grid, 1e-12)


def test_thick_slices_run_in_their_own_plane_with_a_warning(tiny):
    engine = Engine(tiny.stub(tiny.Pointwise(), "CT", "CT"), "cpu")
    coronal = engine.run(volume_of(tiny, tiny.ct_like((24, 12, 28)), (2.0, 9.0, 2.0)))
    assert coronal.planes == ("coronal",)
    assert "coronal" in coronal.warnings[0]
    single = engine.run(volume_of(tiny, tiny.ct_like((24, 28, 12))[:, :, 5:6]))
    assert single.planes == ("sagittal",)
    assert engine.run(volume_of(tiny, tiny.ct_like((1, 24, 28)))).planes == ("axial",)


# -- planes -------------------------------------------------------------------------------------------------

THREE = {"planes": ("axial", "coronal", "sagittal"), "spacing_range_mm": (1.0, 2.6)}


def test_three_planes_agree_where_the_network_sees_no_neighbours(tiny):
    array = tiny.ct_like((12, 24, 28)).clip(-1000, 1000)
    engine = Engine(tiny.stub(tiny.Pointwise(), "CT", "CT", spatial=THREE), "cpu")
    result = engine.run(volume_of(tiny, array, (2.0, 2.0, 2.0)), planes=("sagittal", "axial", "coronal"))
    assert result.planes == ("axial", "coronal", "sagittal")
    assert np.array_equal(result.volume.array, array)
    assert result.disagreement is not None
    assert result.disagreement.array.max() < 1e-3


def test_fusion_is_the_median_and_disagreement_the_deviation_in_units(tiny, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b", spatial=THREE)
    engine = Engine(bundle, "cpu", "fp32")
    volume = volume_of(tiny, tiny.ct_like(), (2.0, 2.0, 2.0))
    names = ("axial", "coronal", "sagittal")
    single = np.stack([engine.run(volume, planes=(name,)).volume.array for name in names])
    fused = engine.run(volume, planes=names)
    assert np.abs(fused.volume.array - np.median(single, axis=0)).max() < 1e-2
    assert np.abs(fused.disagreement.array - single.std(axis=0)).max() < 1e-2
    assert engine.run(volume).disagreement is None


def test_three_planes_of_an_anisotropic_scan_come_back_onto_its_grid(tiny):
    volume = volume_of(tiny, tiny.ct_like((10, 40, 50)), (1.5, 1.5, 2.9))
    result = Engine(tiny.stub(tiny.Pointwise(), "CT", "CT", spatial=THREE), "cpu").run(
        volume, planes=THREE["planes"]
    )
    assert result.volume.grid.is_close(volume.grid, 1e-12)
    assert result.disagreement.grid.is_close(volume.grid, 1e-12)
    inside = np.abs(result.volume.array.astype(float) - volume.array)
    assert np.median(inside) < 40


def test_plane_that_was_not_trained_is_refused(tiny):
    engine = Engine(tiny.stub(tiny.Pointwise()), "cpu")
    with pytest.raises(InputError, match=r"sagittal.*axial"):
        engine.run(volume_of(tiny, tiny.ct_like()), planes=("axial", "sagittal"))


# -- memory -------------------------------------------------------------------------------------------------


class Small(nn.Module):
    """A device that holds ``voxels`` voxels at once."""

    def __init__(self, inner, voxels):
        super().__init__()
        self.inner, self.voxels, self.shapes = inner, voxels, []

    def forward(self, x):
        if x.numel() > self.voxels:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.shapes.append(tuple(x.shape))
        return self.inner(x)


def test_batch_steps_down_and_goes_on_from_the_slice_reached(tiny):
    array = tiny.ct_like((10, 24, 28)).clip(-1000, 1000)
    network = Small(tiny.Pointwise(), 3 * 24 * 28)
    seen = []
    engine = Engine(tiny.stub(network, "CT", "CT"), "cpu")
    result = engine.run(volume_of(tiny, array), batch=8, progress=lambda p: seen.append(p.done))
    assert np.array_equal(result.volume.array, array)
    assert result.batch == 2
    assert "batch 8 -> 4" in result.warnings[0]
    assert "batch 4 -> 2" in result.warnings[1]
    assert seen == [0, 2, 4, 6, 8, 10]


def test_slices_too_large_for_memory_are_tiled(tiny):
    array = tiny.ct_like((2, 96, 128)).clip(-1000, 1000)
    result = Engine(tiny.stub(Small(tiny.Pointwise(), 64 * 64), "CT", "CT"), "cpu").run(
        volume_of(tiny, array), batch=1
    )
    assert np.array_equal(result.volume.array, array)
    assert "tile" in result.warnings[0]


def test_no_memory_even_for_one_tile_is_an_error(tiny):
    engine = Engine(tiny.stub(Small(tiny.Pointwise(), 8), "CT", "CT"), "cpu")
    with pytest.raises(DeviceError, match="ran out even with a tile"):
        engine.run(volume_of(tiny, tiny.ct_like((2, 96, 128))))


def test_other_faults_of_a_network_are_not_taken_for_memory(tiny):
    class Faulty(nn.Module):
        def forward(self, x):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Engine(tiny.stub(Faulty()), "cpu").run(volume_of(tiny, tiny.ct_like()))


def test_values_that_are_not_numbers_are_never_a_result(tiny):
    with pytest.raises(BundleError, match="not numbers"):
        Engine(tiny.stub(tiny.Pointwise(float("nan"))), "cpu").run(volume_of(tiny, tiny.ct_like()))


def test_3d_network_runs_in_tiles(tiny, tmp_path):
    spatial = {"spatial_dims": 3, "tile": (16, 16, 16), "overlap": 0.5}
    array = tiny.ct_like((21, 24, 30)).clip(-1000, 1000)

    class Points(nn.Module):
        def forward(self, x):
            assert tuple(x.shape[2:]) == (16, 16, 16)
            return x

    seen = []
    engine = Engine(tiny.stub(Points(), "CT", "CT", spatial=spatial), "cpu")
    result = engine.run(volume_of(tiny, array, (2.0, 2.0, 2.0)), progress=seen.append)
    assert np.array_equal(result.volume.array, array)
    assert result.planes == ()
    assert seen[-1].done == seen[-1].total
    assert seen[-1].unit == "tiles"
    with pytest.raises(InputError, match="whole volumes"):
        engine.run(volume_of(tiny, array), planes=("axial",))


def test_3d_tiles_shrink_when_memory_runs_out(tiny):
    spatial = {"spatial_dims": 3, "tile": (64, 64, 64)}
    array = tiny.ct_like((20, 60, 64)).clip(-1000, 1000)
    engine = Engine(tiny.stub(Small(nn.Identity(), 20 * 32 * 32), "CT", "CT", spatial=spatial), "cpu")
    result = engine.run(volume_of(tiny, array, (2.0, 2.0, 2.0)))
    assert np.array_equal(result.volume.array, array)
    assert any("tile" in warning for warning in result.warnings)


# -- progress and cancel ------------------------------------------------------------------------------------


def test_progress_counts_every_slice(tiny):
    seen = []
    engine = Engine(tiny.stub(tiny.Pointwise(), spatial=THREE), "cpu")
    engine.run(
        volume_of(tiny, tiny.ct_like((12, 24, 28)), (2.0, 2.0, 2.0)),
        planes=THREE["planes"],
        progress=seen.append,
    )
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 64, 64)
    assert seen[-1].message == "sagittal slices"


@pytest.mark.alone
def test_cancel_stops_within_a_layer(tiny):
    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(200)])

        def forward(self, x):
            for layer in self.layers:
                time.sleep(0.05)
                x = layer(x)
            return x

    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        Engine(tiny.stub(Slow()), "cpu").run(volume_of(tiny, tiny.ct_like()), cancel=asked.is_set)
    assert time.monotonic() - start < 1.5


@pytest.mark.alone
def test_cancel_does_not_wait_for_a_step_that_cannot_be_stopped(tiny, monkeypatch):
    from SynthLogic.intensity import Pipeline

    monkeypatch.setattr(Pipeline, "forward", lambda self, volume: time.sleep(5))
    start = time.monotonic()
    with pytest.raises(Cancelled):
        Engine(tiny.stub(tiny.Pointwise()), "cpu").run(
            volume_of(tiny, tiny.ct_like()), cancel=lambda: time.monotonic() - start > 0.3
        )
    assert time.monotonic() - start < 1.5


def test_an_engine_runs_again_after_a_cancel(tiny, tmp_path):
    engine = Engine(tiny.tiny_bundle(tmp_path / "b"), "cpu")
    volume = volume_of(tiny, tiny.ct_like())
    with pytest.raises(Cancelled):
        engine.run(volume, cancel=lambda: True)
    assert engine.run(volume).volume.array.shape == volume.shape


# -- device and precision -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "text"),
    [("cuda:99", "does not exist here.*cpu"), ("tpu", "not the name"), ("", "not the name")],
)
def test_device_that_is_not_there(tiny, device, text):
    with pytest.raises(DeviceError, match=text):
        Engine(tiny.stub(tiny.Pointwise()), device)


@pytest.mark.parametrize(
    ("measured", "allowed"),
    [(None, False), (2.5, False), (1.5, True)],
    ids=["unmeasured", "too far", "measured"],
)
def test_card_decides_on_bf16(tiny, measured, allowed):
    bundle = tiny.stub(tiny.random_network(), precision={"bf16_mean_difference": measured})
    if not allowed:
        assert Engine(bundle, "cpu", "auto").precision == "fp32"
        with pytest.raises(DeviceError, match="fp32"):
            Engine(bundle, "cpu", "bf16")
        return
    engine = Engine(bundle, "cpu", "bf16")
    result = engine.run(volume_of(tiny, tiny.ct_like()))
    assert result.precision == "bf16"
    fast = "bf16" in fast_precisions(torch.device("cpu"))
    assert Engine(bundle, "cpu", "auto").precision == ("bf16" if fast else "fp32")
    assert any("slower" in warning for warning in result.warnings) == (not fast)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precision_the_cpu_does_not_have(tiny, precision):
    with pytest.raises(DeviceError):
        Engine(tiny.stub(tiny.random_network()), "cpu", precision)


def test_bf16_keeps_its_ends_in_fp32_and_stays_near(tiny, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b", "MR", "CT")
    engine = Engine(bundle, "cpu", "bf16", unmeasured=True)
    types = [
        next(m.parameters()).dtype
        for m in engine._network.modules()
        if any(True for _ in m.parameters(recurse=False))
    ]
    assert types[0] == types[-1] == torch.float32
    assert set(types[1:-1]) == {torch.bfloat16}
    difference = mean_difference(bundle, [volume_of(tiny, tiny.mr_like())], "bf16")
    assert 0 < difference < 25
