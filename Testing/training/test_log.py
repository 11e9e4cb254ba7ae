"""What can be read from a run while it trains: columns of the log, curves, samples, and waiting for data."""

from __future__ import annotations

import csv
import errno
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch

from SynthLogic.data import Batches
from SynthLogic.errors import TrainingError
from SynthLogic.methods import TrainProgress, parse_config, train, waiting
from SynthLogic.methods.base import Method
from SynthLogic.methods.family import Material
from SynthLogic.methods.log_pictures import contact_sheet, draw_losses, draw_samples, smoothed
from SynthLogic.methods.log_table import LogTable, read_log
from SynthLogic.methods.translation import Translation
from SynthLogic.methods.waiting import DataClock


class Stop(Exception):
    pass


def changed(plain: dict[str, Any]) -> dict[str, Any]:
    return plain | {"intervals": {"log": 1, "checkpoint": 5, "pictures": 5, "keep": 2, "rows": 2}}


@pytest.fixture(scope="module")
def run(
    toy_data: Callable[[], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[TrainProgress], list[bytes]]:
    """Ten iterations; its lines, and the curves as they were at each line."""
    folder = tmp_path_factory.mktemp("log") / "run"
    lines: list[TrainProgress] = []
    curves: list[bytes] = []

    def see(line: TrainProgress) -> None:
        lines.append(line)
        path = folder / "pictures" / "losses.png"
        if path.is_file() and path.read_bytes() not in curves:
            curves.append(path.read_bytes())

    torch.set_num_threads(1)
    train(parse_config(changed(toy_data())), folder, progress=see)
    see(lines[-1])
    return folder, lines, curves


def metrics(folder: Path, version: int = 0) -> Path:
    return folder / "logs" / "losses" / f"version_{version}" / "metrics.csv"


def test_columns_are_there_and_say_the_truth(run: tuple[Path, list[TrainProgress], list[bytes]]) -> None:
    folder, lines, _ = run
    with metrics(folder).open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    samples = 2 * 40  # two volumes with 40 slices each, too thick to be cut otherwise
    epochs = [float(row["epoch"]) for row in table]
    assert np.allclose(epochs, 2 * np.arange(1, 11) / samples)
    for row in table:
        pace, waited = float(row["seconds_per_iteration"]), float(row["waiting_for_data"])
        assert float(row["seconds_per_epoch"]) == pytest.approx(pace * samples / 2)
        assert 0 <= waited <= 1
        assert float(row["seconds_left"]) == pytest.approx(pace * (10 - int(row["step"])))
    told = [line for line in lines if line.losses]
    assert told[4].epoch == pytest.approx(epochs[4])
    assert told[4].seconds_per_epoch == float(table[4]["seconds_per_epoch"])
    assert told[4].waiting_for_data == float(table[4]["waiting_for_data"])
    words = told[4].message
    assert words.startswith(f"iteration 5 of 10, epoch {epochs[4]:.1f}  ")
    assert " s/iteration  " in words
    assert "/epoch  " in words
    assert words.endswith(" left")


def test_curves_are_redrawn_at_every_interval(run: tuple[Path, list[TrainProgress], list[bytes]]) -> None:
    folder, _, curves = run
    assert len(curves) == 2
    picture = matplotlib.image.imread(folder / "pictures" / "losses.png")
    assert picture.shape[1] > 800
    # Thin and thick lines, and the learning rate in a colour of its own.
    for colour in ("9db8d9", "123f7a", "7a3b12"):
        wanted = np.array([int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)])
        assert (np.abs(picture[..., :3] - wanted).max(axis=2) < 0.02).sum() > 50, colour
    assert not list(folder.rglob("*.partial"))


def test_samples_have_headings_and_say_when(run: tuple[Path, list[TrainProgress], list[bytes]]) -> None:
    folder, _, _ = run
    one, other = (
        matplotlib.image.imread(folder / "pictures" / f"iteration-{n:08d}-a_to_b.png") for n in (5, 10)
    )
    assert one.shape[:2] == (44 + 5 * 64, 5 * 96)
    heading = one[:44, :, :3].mean(axis=2)
    assert (heading == 1).mean() > 0.8
    for column in range(3):
        assert heading[24:, column * 160 : (column + 1) * 160].min() < 0.5
    assert heading[:20].min() < 0.5
    np.testing.assert_array_equal(one[44:, :160], other[44:, :160])  # the inputs are the same
    assert not np.array_equal(one[44:, 160:320], other[44:, 160:320])


def test_a_resumed_run_shows_both_parts(
    run: tuple[Path, list[TrainProgress], list[bytes]], toy: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    def stop_after_seven(line: TrainProgress) -> None:
        if line.losses and line.done == 7:
            raise Stop

    with pytest.raises(Stop):
        train(parse_config(changed(toy)), folder, progress=stop_after_seven)
    with metrics(folder).open("a", encoding="utf-8") as file:
        file.write("0.01,0.02,0.")  # a kill in the midst of a line
    train(parse_config(changed(toy)), folder)
    table, straight = read_log(folder / "logs"), read_log(run[0] / "logs")
    assert table.iterations.tolist() == list(range(1, 11))
    assert set(table.losses) == {"generators", "adversarial", "cycle", "discriminators"}
    for name, values in table.losses.items():
        np.testing.assert_array_equal(values, straight.losses[name])
    np.testing.assert_array_equal(table.columns["epoch"], straight.columns["epoch"])


def test_what_comes_later_begins_later(toy: dict[str, Any], tmp_path: Path) -> None:
    lines = "cycle,epoch,learning_rate,step,tissue"
    path = metrics(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(f"{lines}\n,0.1,0.1,1,3\n,0.2,0.1,2,2\n0.5,0.3,0.1,3,1\n0.4,0.4,0.1,4,\n")
    table = read_log(tmp_path / "logs")
    assert list(table.losses) == ["cycle", "tissue"]
    np.testing.assert_array_equal(table.losses["cycle"], [np.nan, np.nan, 0.5, 0.4])
    draw_losses(table, tmp_path / "a.png", "late")
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.05


@pytest.mark.parametrize(
    ("text", "iterations"),
    [
        ("", []),
        ("cycle,step\n", []),
        ("cycle,step\n1.0,1\n2.", [1]),
        ("cycle,step\n1.0,1\n2.0\n3.0,3\n", [1, 3]),
        ("cycle,step\n1.0,1\nabc,2\n3.0,3,9\n4.0,4\n", [1, 4]),
        ("cycle,step\n1.0,1\n\0\0\0\0\n2.0,2\n", [1, 2]),
        ("cycle,step\n1.0,1\n2.0,2\n1.5,2\n", [1, 2]),
        ("\ufffdx\n1\n", []),
    ],
)
def test_broken_lines_are_left_out(tmp_path: Path, text: str, iterations: list[int]) -> None:
    path = metrics(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    table = read_log(tmp_path / "logs")
    assert table.iterations.tolist() == iterations
    draw_losses(table, tmp_path / "losses.png", "broken")
    assert (tmp_path / "losses.png").exists() == bool(iterations)


def test_a_later_start_replaces_what_it_repeats_however_many_there_are(tmp_path: Path) -> None:
    for version, steps in ((0, (1, 2, 3)), (2, (3, 4)), (10, (4, 5))):
        path = metrics(tmp_path, version)
        path.parent.mkdir(parents=True)
        path.write_text("cycle,step\n" + "".join(f"{version}.5,{n}\n" for n in steps))
    table = read_log(tmp_path / "logs")
    assert table.iterations.tolist() == [1, 2, 3, 4, 5]
    assert table.losses["cycle"].tolist() == [0.5, 0.5, 2.5, 10.5, 10.5]
    assert read_log(tmp_path / "absent").iterations.size == 0


def test_decades_are_drawn_on_a_logarithmic_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from SynthLogic.methods import log_pictures

    kept = []
    save = log_pictures._save
    monkeypatch.setattr(log_pictures, "_save", lambda figure, path: (kept.append(figure), save(figure, path)))
    n = np.arange(1, 201)
    columns = {"falls": 10.0 ** (-n / 50), "flat": 1 + 0.1 * np.sin(n), "signed": 10.0 ** (-n / 50) - 0.5}
    draw_losses(LogTable(n, columns | {"learning_rate": np.full(200, 2e-4)}), tmp_path / "a.png", "scales")
    axes = {a.get_title(): a for a in kept[0].axes}
    assert [axes[name].get_yscale() for name in ("falls", "flat", "signed")] == ["log", "linear", "linear"]
    assert axes["learning rate"].get_ylabel() == "rate"
    assert axes["falls"].get_ylabel() == "loss"
    assert axes["learning rate"].get_xlabel() == "iteration"


def test_the_running_mean_keeps_lines_and_ends() -> None:
    line = np.arange(10.0)
    np.testing.assert_allclose(smoothed(line, 5), [1, 1.5, *range(2, 8), 7.5, 8])
    np.testing.assert_allclose(smoothed(np.array([0, 3.0, 0, 3, 0]), 3), [1.5, 1, 2, 1, 1.5])


def test_a_sheet_is_drawn_pixel_by_pixel(tmp_path: Path) -> None:
    columns = [torch.linspace(-1, 1, 2 * 20 * 24).reshape(2, 1, 20, 24), torch.zeros(2, 1, 20, 24)]
    sheet = draw_samples(columns, ["ramp", "flat"], "title", tmp_path / "a.png")
    np.testing.assert_array_equal(sheet, contact_sheet(columns))
    picture = matplotlib.image.imread(tmp_path / "a.png")[44:, :, 0]
    assert picture.shape == (6 * 40, 6 * 48)
    assert np.abs(picture[3::6, 3::6] - (sheet + 1) / 2).max() < 0.01
    assert np.array_equal(picture, np.kron(picture[::6, ::6], np.ones((6, 6), np.float32)))


def test_waiting_for_data_is_measured_and_said_once(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_of = Batches.batch_of

    def slow(self: Batches, indices: range, stream: int = 0) -> dict[str, torch.Tensor]:
        time.sleep(0.3)
        return batch_of(self, indices, stream)

    monkeypatch.setattr(Batches, "batch_of", slow)
    lines: list[TrainProgress] = []
    toy["schedule"] = {"constant": 4, "decay": 0}
    train(parse_config(toy), tmp_path / "run", progress=lines.append)
    shares = read_log(tmp_path / "run" / "logs").columns["waiting_for_data"]
    assert (shares[1:] > 0.3).all()
    advice = [line.message for line in lines if "waiting for data" in line.message]
    assert len(advice) == 1
    assert "raise data.workers (now 0)" in advice[0]


def test_a_busy_device_is_not_said_to_wait(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Method.training_step

    def slow(self: Method, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        step(self, batch, batch_idx)
        time.sleep(0.5)

    monkeypatch.setattr(Method, "training_step", slow)
    lines: list[TrainProgress] = []
    toy["schedule"] = {"constant": 4, "decay": 0}
    train(parse_config(toy), tmp_path / "run", progress=lines.append)
    assert (read_log(tmp_path / "run" / "logs").columns["waiting_for_data"][1:] < 0.3).all()


def test_on_a_gpu_the_gap_is_measured_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"gpu": 0.0, "wall": 0.0}

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: object) -> None:
            self.at = now["gpu"]

        def synchronize(self) -> None:
            pass

        def elapsed_time(self, other: Event) -> float:
            return 1000 * (other.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now["wall"])
    clock = DataClock(torch.device("cuda"))
    for _ in range(4):
        clock.start_step()
        now["gpu"] += 0.8
        clock.end_step()
        now["gpu"] += 0.2
        now["wall"] += 1.0
    assert clock.take_share() == pytest.approx(0.15)  # three gaps of 0.2 s in 4 s
    clock.start_step()
    now["wall"] += 1.0
    assert clock.take_share() == pytest.approx(0.2)
    assert clock.take_share() == 0


def test_where_an_epoch_says_nothing_it_is_left_out(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Translation.read

    def without(self: Translation, config: Any, say: Callable[[str], None]) -> Material:
        found = read(self, config, say)
        return Material(found.stream, found.volumes, found.notes)

    monkeypatch.setattr(Translation, "read", without)
    toy["schedule"] = {"constant": 1, "decay": 0}
    lines: list[TrainProgress] = []
    train(parse_config(toy), tmp_path / "run", progress=lines.append)
    assert "epoch" not in read_log(tmp_path / "run" / "logs").columns
    assert not any("epoch" in line.message for line in lines)


def test_a_disk_that_is_full_when_curves_are_drawn_is_said(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "losses.partial":
            write(self, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TrainingError, match="disk is full"):
        train(parse_config(toy), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.partial"))
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["iteration-00000005.ckpt"]
    monkeypatch.undo()
    assert train(parse_config(toy), tmp_path / "run").finished
    shutil.rmtree(tmp_path / "run")
