import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.inference.runner import default_batch, pad_at_end
from SynthLogic.inference.tiles import Stitcher, tile_starts


@given(size=st.integers(1, 90), tile=st.integers(1, 40), overlap=st.floats(0, 0.9))
@settings(max_examples=200, deadline=None)
def test_tiles_cover_everything_and_overlap_as_asked(size, tile, overlap):
    starts = tile_starts(size, tile, overlap)
    covered = np.zeros(size, bool)
    for start in starts:
        assert start >= 0
        assert start + min(tile, size) <= size
        covered[start : start + tile] = True
    assert covered.all()
    steps = np.diff(starts)
    assert (steps <= max(1, int(tile * (1 - overlap)))).all()
    assert (steps > 0).all()


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
    tile=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    overlap=st.floats(0, 0.7),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_tiles_of_an_image_blend_to_that_image(shape, tile, overlap, seed):
    array = np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
    stitcher = Stitcher(shape, tile, overlap)
    for window in stitcher.windows:
        stitcher.add(window, array[window])
    assert np.abs(stitcher.result() - array).max() < 1e-5


@pytest.mark.parametrize("size", [(20, 33), (17, 16), (1, 40), (3, 5)])
def test_padding_reaches_the_divisor_at_the_end_only(size):
    x = torch.rand(2, 1, *size)
    y = pad_at_end(x, 4)
    assert torch.equal(y[..., : size[0], : size[1]], x)
    assert all(n % 4 == 0 and n >= 16 for n in y.shape[2:])
    assert torch.isfinite(y).all()


def test_padding_reflects():
    x = torch.arange(18.0).expand(1, 1, 17, 18)
    assert pad_at_end(x, 4)[0, 0, 0, 18:].tolist() == [16.0, 15.0]


def test_default_batch_is_small_on_a_cpu():
    cpu = torch.device("cpu")
    assert default_batch(cpu, (256, 256)) == 2
    assert default_batch(cpu, (512, 512)) == 1
    assert default_batch(cpu, (64, 64, 64)) == 1
    assert default_batch(cpu, (1, 1)) == 64
