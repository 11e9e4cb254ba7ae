"""Labels to latent vectors and back, and labels to images: shapes, sameness, refusals, cancel, speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from SynthLogic.errors import BundleError, Cancelled, DeviceError, InputError
from SynthLogic.inference import Engine, LabelCodec, Painter, fast_precisions, painting_difference
from SynthLogic.inference.slices import label_indices

SIZE = 128


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Eleven slices of a heart that grows towards the base, without labels at both ends."""
    j, i = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    labels = np.zeros((11, SIZE, SIZE), np.uint8)
    for n in range(1, 10):
        r = 8 + 1.2 * n
        labels[n][np.hypot(i - 1.6 * r, j) < 1.3 * r] = 3
        labels[n][np.hypot(i, j) < r + 7] = 2
        labels[n][np.hypot(i, j) < r] = 1
    return labels


@pytest.fixture(scope="session")
def codec_bundle(hearts: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return hearts.heart_bundle(tmp_path_factory.mktemp("codec") / "tiny", "label-vae")


@pytest.fixture(scope="session")
def paint_bundle(hearts: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return hearts.heart_bundle(tmp_path_factory.mktemp("paint") / "tiny", "paint")


@pytest.fixture
def codec(codec_bundle: Any) -> LabelCodec:
    return LabelCodec(codec_bundle, "cpu")


@pytest.fixture
def painter(paint_bundle: Any) -> Painter:
    return Painter(paint_bundle, "cpu")


# -- codec --------------------------------------------------------------------------------------------------


def test_codec_agrees_with_the_network(codec: LabelCodec, stack: np.ndarray) -> None:
    z = codec.encode(stack)
    assert z.shape == (11, codec.latent)
    assert z.dtype == np.float32
    labels = codec.decode(z)
    assert labels.shape == stack.shape
    assert labels.dtype == np.uint8
    network = codec.bundle.load_network()
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(stack).long(), 4).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        mean, _ = network.encode(one_hot)
        expected = network.decode(mean).argmax(1).numpy()
    np.testing.assert_allclose(z, mean.numpy(), atol=1e-4 * np.abs(z).max())
    assert len(np.unique(labels)) > 1
    assert np.mean(labels == expected) > 0.999


def test_a_drawing_is_what_is_decoded_and_its_labels_can_be_favoured(
    codec: LabelCodec, stack: np.ndarray
) -> None:
    z = codec.encode(stack)
    drawing = codec.draw(z)
    labels = drawing.labels()
    np.testing.assert_array_equal(labels, codec.decode(z))
    np.testing.assert_array_equal(labels, drawing.labels(np.zeros(3)))
    for place in range(3):
        bias = np.zeros(3)
        bias[place] = 0.5
        more = drawing.labels(bias)
        assert (more[labels == place + 1] == place + 1).all()
        assert (more == place + 1).sum() >= (labels == place + 1).sum()


def test_slopes_of_a_drawing_are_derivatives_of_areas(codec: LabelCodec, stack: np.ndarray) -> None:
    drawing = codec.draw(codec.encode(stack))
    weight = np.ones(len(stack))
    weight[[0, -1]] = 0.5

    def areas(bias: np.ndarray) -> np.ndarray:
        logits = drawing._logits.double() + torch.tensor([0.0, *bias]).reshape(1, -1, 1, 1)
        shares = logits.softmax(1)[:, 1:].sum((2, 3)).numpy() * 4
        return weight @ shares / weight.sum()

    at, slopes = np.array([0.3, -0.2, 0.1]), np.empty((3, 3))
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-4
        slopes[:, place] = (areas(at + step) - areas(at - step)) / 2e-4
    np.testing.assert_allclose(drawing.slopes(at), slopes, rtol=1e-3, atol=1e-2)


def test_codec_puts_the_cards_values(hearts: Any, tmp_path: Any, stack: np.ndarray) -> None:
    labels = {"modality": "labels", "labels": {"background": 0, "lv": 10, "wall": 200, "rv": 30}}
    plain = LabelCodec(hearts.heart_bundle(tmp_path / "a", "label-vae"), "cpu")
    other = LabelCodec(hearts.heart_bundle(tmp_path / "b", "label-vae", input=labels, output=labels), "cpu")
    table = np.array([0, 10, 200, 30], np.uint8)
    z = other.encode(table[stack])
    assert np.array_equal(z, plain.encode(stack))
    assert np.array_equal(other.decode(z), table[plain.decode(z)])


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32])
def test_codec_takes_labels_of_any_type(codec: LabelCodec, stack: np.ndarray, dtype: Any) -> None:
    assert np.array_equal(codec.encode(stack.astype(dtype)), codec.encode(stack))


# -- same bits ----------------------------------------------------------------------------------------------


def test_a_slice_does_not_depend_on_its_neighbours(
    codec: LabelCodec, painter: Painter, stack: np.ndarray
) -> None:
    z, style = codec.encode(stack), painter.style_named("vendor-b", 3)
    labels, image = codec.decode(z), painter.paint(stack, style)
    assert np.array_equal(codec.encode(stack), z)
    assert np.array_equal(painter.paint(stack, style), image)
    for n in range(len(stack)):
        assert np.array_equal(codec.encode(stack[n : n + 1]), z[n : n + 1])
        assert np.array_equal(codec.decode(z[n : n + 1]), labels[n : n + 1])
        assert np.array_equal(painter.paint(stack[n : n + 1], style), image[n : n + 1])
    assert np.array_equal(painter.paint(stack[3:8], style), image[3:8])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_slice_of_the_full_network_does_not_depend_on_its_neighbours(
    hearts: Any, tmp_path: Any, stack: np.ndarray, precision: str
) -> None:
    bundle = hearts.heart_bundle(tmp_path / "full", "paint", full=True)
    painter = Painter(bundle, "cpu", precision, unmeasured=True)
    style = painter.style_named()
    image = painter.paint(stack[:5], style)
    for n in range(5):
        assert np.array_equal(painter.paint(stack[n : n + 1], style), image[n : n + 1])


# -- painter ------------------------------------------------------------------------------------------------


def test_painter_gives_units_and_follows_style_and_labels(painter: Painter, stack: np.ndarray) -> None:
    style = painter.style_named()
    image = painter.paint(stack, style)
    assert image.shape == stack.shape
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1000
    assert np.ptp(image) > 10
    other = painter.paint(stack, painter.style_named("vendor-b"))
    assert np.abs(other - image).mean() > 1
    assert np.abs(painter.paint(np.roll(stack, 9, 2), style) - image).max() > 1


def test_each_slice_may_have_its_own_style(painter: Painter, stack: np.ndarray) -> None:
    a, b = painter.style_named("vendor-a"), painter.style_named("vendor-b")
    mixed = painter.paint(stack[:2], np.stack([a, b]))
    assert np.array_equal(mixed[0], painter.paint(stack[:1], a)[0])
    assert np.array_equal(mixed[1], painter.paint(stack[1:2], b)[0])


def test_named_styles_are_the_cards(painter: Painter) -> None:
    assert painter.styles == ("vendor-a", "vendor-b")
    middle = painter.style_named("vendor-b")
    assert middle.shape == (painter.length,)
    assert middle.dtype == np.float32
    assert np.array_equal(painter.style_named(), painter.style_named("vendor-a"))
    assert not np.array_equal(middle, painter.style_named("vendor-a"))
    with pytest.raises(InputError, match=r"no style 'vendor-c'.*vendor-a, vendor-b"):
        painter.style_named("vendor-c")


def test_a_seed_draws_near_a_style(painter: Painter) -> None:
    middle = painter.style_named("vendor-b")
    draws = np.stack([painter.style_named("vendor-b", seed) for seed in range(200)])
    assert np.array_equal(draws[7], painter.style_named("vendor-b", 7))
    assert np.abs(draws - middle).max() <= 1.5 + 1e-5  # the spreads of an untrained network are 1
    assert np.abs(draws.mean(0) - middle).max() < 0.3
    free = np.stack([painter.style_named(None, seed) for seed in range(40)])
    assert len(np.unique(free, axis=0)) == 40


def test_a_scan_gives_its_style_whatever_its_units(painter: Painter, stack: np.ndarray) -> None:
    image = np.array([100, 800, 300, 700], np.float32)[stack]
    image += np.random.default_rng(0).normal(0, 20, image.shape).astype(np.float32)
    style = painter.style_of(image, stack)
    assert style.shape == (painter.length,)
    np.testing.assert_allclose(painter.style_of(5 * image + 40, stack), style, atol=1e-3)
    np.testing.assert_allclose(painter.style_of(image / 500 - 1, stack), style, atol=1e-3)
    assert np.abs(painter.style_of(1000 - image, stack) - style).max() > 1e-3


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s[0], "slices of 128 x 128"),
        (lambda s: s[:0], "at least one"),
        (lambda s: s[:, :64], "11 x 64 x 128"),
        (lambda s: s + np.uint8(3), r"hold 4, 5, 6, .*1 \(lv_cavity\)"),
        (lambda s: s - 1.0, "hold -1"),
        (lambda s: s + 0.5, "0.5"),
        (lambda s: np.where(s == 3, np.nan, s), "nan"),
    ],
)
def test_wrong_labels_are_refused(
    codec: LabelCodec, painter: Painter, stack: np.ndarray, change: Callable[[Any], Any], words: str
) -> None:
    for use in (codec.encode, lambda labels: painter.paint(labels, painter.style_named())):
        with pytest.raises(InputError, match=words):
            use(change(stack))


def test_wrong_vectors_and_styles_are_refused(codec: LabelCodec, painter: Painter, stack: np.ndarray) -> None:
    for z in (
        np.zeros(codec.latent),
        np.zeros((2, 1)),
        np.zeros((0, codec.latent)),
        [[np.nan] * codec.latent],
    ):
        with pytest.raises(InputError, match="Latent vectors must be"):
            codec.decode(np.asarray(z))
    for style in (np.zeros(1), np.zeros((2, painter.length)), np.full(painter.length, np.inf)):
        with pytest.raises(InputError, match="A style is"):
            painter.paint(stack, style)


def test_a_scan_without_a_style_is_refused(painter: Painter, stack: np.ndarray) -> None:
    image = stack.astype(np.float32)
    with pytest.raises(InputError, match="one grid"):
        painter.style_of(image[:3], stack)
    with pytest.raises(InputError, match="no heart"):
        painter.style_of(image, np.zeros_like(stack))
    with pytest.raises(InputError, match="same value"):
        painter.style_of(np.ones_like(image), stack)


def test_a_bundle_for_another_task_is_refused(codec_bundle: Any, paint_bundle: Any) -> None:
    with pytest.raises(BundleError, match="encodes labels; choose one that paints labels"):
        Painter(codec_bundle, "cpu")
    with pytest.raises(BundleError, match="paints labels; choose one that encodes labels"):
        LabelCodec(paint_bundle, "cpu")
    with pytest.raises(BundleError, match="choose one that translates scans"):
        Engine(paint_bundle, "cpu")
    with pytest.raises(DeviceError, match="not the name of a device"):
        Painter(paint_bundle, "tpu")
    with pytest.raises(DeviceError, match="bf16 was never measured"):
        Painter(paint_bundle, "cpu", "bf16")


def test_all_values_of_a_byte_are_told_apart() -> None:
    from SynthLogic.bundles import LabelChannel

    channel = LabelChannel(labels={"background": 0, "last": 255})
    assert label_indices(np.array([0, 255]), channel).tolist() == [0, 1]
    with pytest.raises(InputError, match="hold 254"):
        label_indices(np.array([254]), channel)


# -- running ------------------------------------------------------------------------------------------------


def test_cancel_is_asked_between_batches(
    codec: LabelCodec, painter: Painter, stack: np.ndarray, set_threads: Callable[[int], None]
) -> None:
    set_threads(1)  # several ask at the same time
    for run in (
        lambda cancel: painter.paint(stack, painter.style_named(), cancel=cancel),
        lambda cancel: codec.encode(stack, cancel=cancel),
        lambda cancel: codec.decode(np.zeros((11, codec.latent)), cancel=cancel),
    ):
        asked = []

        def stop_at_the_second(asked: list[int] = asked) -> bool:
            asked.append(1)
            return len(asked) > 1

        with pytest.raises(Cancelled):
            run(stop_at_the_second)
        assert len(asked) == 2


def test_bits_do_not_depend_on_the_number_of_threads(
    codec: LabelCodec, painter: Painter, stack: np.ndarray, set_threads: Callable[[int], None]
) -> None:
    found = []
    for threads in (1, 2, 3):
        set_threads(threads)
        z = codec.encode(stack)
        style = painter.style_of(stack.astype(np.float32), stack)
        found.append((z, codec.decode(3 * z), painter.paint(stack, style), style))
        assert torch.get_num_threads() == threads
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_running_out_of_memory_halves_the_batch(
    painter: Painter, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter.batch = 4
    expected = painter.paint(stack, painter.style_named())
    one_hot = painter._one_hot

    def full(indices: torch.Tensor) -> torch.Tensor:
        if len(indices) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return one_hot(indices)

    monkeypatch.setattr(painter, "_one_hot", full)
    assert np.abs(painter.paint(stack, painter.style_named()) - expected).max() < 0.1
    monkeypatch.setattr(painter, "_one_hot", lambda _: full(torch.zeros(2)))
    with pytest.raises(DeviceError, match="even with one slice"):
        painter.paint(stack, painter.style_named())


def test_global_random_numbers_and_settings_stay(painter: Painter, stack: np.ndarray) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    painter.paint(stack, painter.style_named(None, 4))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_deterministic_debug_mode() == 0


def test_low_precision_is_measured_and_then_allowed(
    hearts: Any, paint_bundle: Any, tmp_path: Any, stack: np.ndarray
) -> None:
    difference = painting_difference(paint_bundle, [stack[:3]], "bf16")
    assert 0 < difference < 20
    precision = {"tolerance": 1.1 * difference, "bf16_mean_difference": difference}
    bundle = hearts.heart_bundle(tmp_path / "measured", "paint", precision=precision)
    assert Painter(bundle, "cpu", "bf16").precision == "bf16"
    fast = fast_precisions(torch.device("cpu"))
    assert Painter(bundle, "cpu").precision == ("bf16" if "bf16" in fast else "fp32")


# -- speed --------------------------------------------------------------------------------------------------


def test_speed_on_two_cores(hearts: Any, tmp_path: Any, stack: np.ndarray) -> None:
    """What ships, untrained: CPU time of one thread, halved, which other programs disturb least."""
    labels = np.concatenate([stack[1:9]] * 4)
    codec = LabelCodec(hearts.heart_bundle(tmp_path / "codec", "label-vae", full=True), "cpu")
    bundle = hearts.heart_bundle(tmp_path / "painter", "paint", full=True)
    torch.set_num_threads(1)
    z = codec.encode(labels)
    measured = {"encode 32": _ms(lambda: codec.encode(labels)), "decode 32": _ms(lambda: codec.decode(z))}
    for precision in ("fp32", *fast_precisions(torch.device("cpu"))):
        painter = Painter(bundle, "cpu", precision, unmeasured=True)
        style = painter.style_named()
        for count in (1, 32):
            part = labels[:count]
            measured[f"paint {count} {precision}"] = _ms(lambda p=part, q=painter, s=style: q.paint(p, s))
    print(*(f"{name:>16}: {ms:6.1f} ms" for name, ms in measured.items()), sep="\n")
    best = {count: min(ms for name, ms in measured.items() if name.startswith(f"paint {count} "))
            for count in (1, 32)}  # fmt: skip
    assert measured["decode 32"] < 3 * 40
    assert best[1] < 3 * 60
    assert best[32] < 3 * 450


def _ms(work: Callable[[], Any], repeats: int = 3) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times) / 2
