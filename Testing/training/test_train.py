import csv
import errno
import json
import platform
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch
from lightning.pytorch import Trainer

from SynthLogic.bundles import Bundle
from SynthLogic.errors import Cancelled, ConfigError, DeviceError, OutputError, TrainingError
from SynthLogic.methods import TrainProgress, export_run, parse_config, train
from SynthLogic.methods.__main__ import main
from SynthLogic.methods.cyclegan import CycleGan
from SynthLogic.methods.export import main as export_main
from SynthLogic.methods.run_folder import RunFolder

Finished = tuple[Path, list[TrainProgress]]
TIMES = ("seconds", "waiting")


def rows(run: Path) -> list[dict[str, str]]:
    """Log lines of all starts of a run, without times."""
    found = []
    for path in sorted(run.glob("logs/losses/version_*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [
                {k: v for k, v in row.items() if not k.startswith(TIMES)} for row in csv.DictReader(file)
            ]
    return found


def newest(run: Path) -> dict[str, Any]:
    path = RunFolder(run).newest_checkpoint()
    assert path is not None
    return torch.load(path, weights_only=True)


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def finished(toy_data: Callable[[], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Ten iterations without a break; tests do not write to its folder."""
    folder, lines = tmp_path_factory.mktemp("run") / "straight", []
    torch.set_num_threads(1)
    result = train(parse_config(toy_data()), folder, progress=lines.append)
    assert result.finished
    assert result.iterations == 10
    return folder, lines


def test_lines_logs_and_pictures(finished: Finished) -> None:
    folder, lines = finished
    told = [line for line in lines if line.losses]
    assert [line.done for line in told] == list(range(1, 11))
    assert set(told[0].losses) == {"generators", "adversarial", "cycle", "discriminators"}
    assert "iteration 10 of 10" in told[-1].message
    assert "s/iteration" in told[-1].message
    table = rows(folder)
    assert [int(row["step"]) for row in table] == list(range(1, 11))
    assert float(table[3]["cycle"]) == told[3].losses["cycle"]
    assert [float(row["learning_rate"]) for row in table[5:]] == pytest.approx([2e-4, 1.5e-4, 1e-4, 5e-5, 0])
    assert list(folder.glob("logs/tensorboard/**/events*"))
    picture = matplotlib.image.imread(folder / "pictures" / "iteration-00000010-a_to_b.png")
    assert picture.shape[:2] == (44 + 5 * 2 * 32, 5 * 3 * 32)  # a heading, and each pixel five times
    assert picture[..., 0].std() > 0.05
    assert [p.name for p in RunFolder(folder).checkpoints()] == [f"iteration-{n:08d}.ckpt" for n in (5, 10)]
    assert not list(folder.rglob("*.partial"))


def test_resumed_is_straight_bit_by_bit(finished: Finished, toy: dict[str, Any], tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_after_seven(line: TrainProgress) -> None:
        if line.losses and line.done == 7:
            raise Stop

    config = parse_config(toy)
    with pytest.raises(Stop):
        train(config, tmp_path / "run", progress=stop_after_seven)
    assert newest(tmp_path / "run")["run"]["iteration"] == 5
    before = rows(tmp_path / "run")
    torch.manual_seed(99)
    result = train(config, tmp_path / "run")
    assert result.iterations == 10
    after = rows(tmp_path / "run")[len(before) :]
    assert [row["step"] for row in after] == ["6", "7", "8", "9", "10"]
    assert before == rows(finished[0])[:7]
    assert after == rows(finished[0])[5:]
    one, other = newest(finished[0]), newest(tmp_path / "run")
    for checkpoint in (one, other):
        del checkpoint["run"]["elapsed_s"]
    assert one["run"]["method"]["a"]["images"]
    assert same(one["state_dict"], other["state_dict"])
    assert same(one["optimizer_states"], other["optimizer_states"])
    for key, value in one["run"].items():
        assert same(value, other["run"][key]), key


def test_a_finished_run_only_exports_again(finished: Finished, toy: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(finished[0], tmp_path / "run")
    result = train(parse_config(toy), tmp_path / "run")
    assert result.finished
    assert result.iterations == 10
    assert same(newest(tmp_path / "run")["state_dict"], newest(finished[0])["state_dict"])


def test_another_configuration_is_not_resumed(finished: Finished, toy: dict[str, Any]) -> None:
    with pytest.raises(OutputError, match="already holds a training"):
        train(parse_config(toy), finished[0], resume=False)
    toy["batch"] = 1
    with pytest.raises(ConfigError, match="another 'batch'"):
        train(parse_config(toy), finished[0])


def test_bundles_hold_the_running_mean_and_a_true_card(finished: Finished, cohort: Path) -> None:
    saved = newest(finished[0])
    for direction, name in (("a_to_b", "toy-ct-to-mr"), ("b_to_a", "toy-mr-to-ct")):
        bundle = Bundle.open(finished[0] / "bundles" / name)
        bundle.verify()
        prefix = f"mean.{direction}."
        mean = {k[len(prefix) :]: v for k, v in saved["state_dict"].items() if k.startswith(prefix)}
        weights = bundle.load_network().state_dict()
        assert weights.keys() == mean.keys()
        assert all(torch.equal(weights[key], mean[key]) for key in mean)
        card = bundle.card
        text = card.to_json()
        assert str(cohort) not in text
        assert platform.node() not in text or len(platform.node()) < 4
        assert card.training.iterations == 10
        assert card.training.duration_s > 0
        assert [(d.name, d.volumes) for d in card.training.data] == [("toys (CT)", 2), ("toys (MR)", 2)]
        assert card.training.recipe["losses"] == {"lambda_cycle": 10}
        assert card.limits == ("A toy.",)
        assert card.spatial.divisor == 4
        assert card.spatial.spacing_range_mm == (4.0, 6.0)
        assert card.precision.bf16_mean_difference is not None
    assert (card.input.modality, card.output.modality, card.output.units) == ("MR", "CT", "HU")
    assert card.input.intensity.steps[0].kind == "percentiles"
    mr = Bundle.open(finished[0] / "bundles" / "toy-ct-to-mr").card
    assert mr.output.intensity.steps[0].kind == "window"
    assert mr.coverage.value_range == (-1024, 700)


def test_an_older_checkpoint_is_exported(finished: Finished, tmp_path: Path) -> None:
    older = RunFolder(finished[0]).checkpoints()[0]
    bundles = export_run(finished[0], tmp_path / "out", checkpoint=older)
    assert [Bundle.open(b).card.training.iterations for b in bundles] == [5, 5]
    with pytest.raises(OutputError, match="already exists"):
        export_run(finished[0], tmp_path / "out", checkpoint=older)
    with pytest.raises(OutputError, match="no checkpoint"):
        export_run(tmp_path, tmp_path / "other")
    older_copy = tmp_path / "broken.ckpt"
    older_copy.write_bytes(older.read_bytes()[:1000])
    with pytest.raises(OutputError, match="cannot be read"):
        export_run(finished[0], tmp_path / "other", checkpoint=older_copy)
    assert not (tmp_path / "other").exists()


def test_not_a_number_stops_and_keeps_the_last_checkpoint(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = CycleGan.adversarial

    def bad(self: CycleGan, fakes: dict[str, torch.Tensor]) -> torch.Tensor:
        return good(self, fakes) * (float("nan") if self.iteration == 6 else 1.0)

    monkeypatch.setattr(CycleGan, "adversarial", bad)
    with pytest.raises(TrainingError, match="iteration 5 is kept"):
        train(parse_config(toy), tmp_path / "run")
    assert [p.name for p in RunFolder(tmp_path / "run").checkpoints()] == ["iteration-00000005.ckpt"]
    assert all(torch.isfinite(v).all() for v in newest(tmp_path / "run")["state_dict"].values())


def test_not_a_number_is_never_saved(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = CycleGan._follow

    def break_weights(self: CycleGan) -> None:
        follow(self)
        if self.iteration == 4:
            with torch.no_grad():
                next(self.generators.parameters())[:] = float("inf")

    monkeypatch.setattr(CycleGan, "_follow", break_weights)
    with pytest.raises(TrainingError, match="no checkpoint was made yet"):
        train(parse_config(toy), tmp_path / "run")
    assert not RunFolder(tmp_path / "run").checkpoints()


def test_full_disk_is_said_and_leaves_no_partial_file(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Trainer.save_checkpoint

    def full(self: Trainer, path: Path, *arguments: Any, **options: Any) -> None:
        if "00000010" in Path(path).name:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, path, *arguments, **options)

    monkeypatch.setattr(Trainer, "save_checkpoint", full)
    with pytest.raises(TrainingError, match="disk is full"):
        train(parse_config(toy), tmp_path / "run")
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["iteration-00000005.ckpt"]
    monkeypatch.undo()
    assert train(parse_config(toy), tmp_path / "run").finished


def test_the_clock_ends_a_training_with_checkpoint_and_bundles(toy: dict[str, Any], tmp_path: Path) -> None:
    toy["max_minutes"] = 1e-6
    result = train(parse_config(toy), tmp_path / "run")
    assert not result.finished
    assert result.iterations == 1
    assert newest(tmp_path / "run")["run"]["iteration"] == 1
    assert len(result.bundles) == 2
    toy["max_minutes"] = None
    assert train(parse_config(toy), tmp_path / "run").iterations == 10


def test_interrupting_is_a_cancel(toy: dict[str, Any], tmp_path: Path) -> None:
    def interrupt(line: TrainProgress) -> None:
        if line.losses:
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(Cancelled, match="start it again"):
            train(parse_config(toy), tmp_path / "run", progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_mixed_precision_and_channels_last_train(toy: dict[str, Any], tmp_path: Path) -> None:
    toy |= {"precision": "bf16-mixed", "channels_last": True, "schedule": {"constant": 2, "decay": 0}}
    toy["losses"]["lambda_identity"] = 5
    lines: list[TrainProgress] = []
    train(parse_config(toy), tmp_path / "run", progress=lines.append)
    losses = [line.losses for line in lines if line.losses]
    assert len(losses) == 2
    assert all(0 < value < 100 for row in losses for value in row.values())
    assert "identity" in losses[0]
    weights = newest(tmp_path / "run")["state_dict"]
    assert {value.dtype for value in weights.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("key", "value", "message"), [("device", "cuda:7", "cuda:7"), ("precision", "16-mixed", "16-mixed")]
)
def test_what_the_device_cannot_do_is_refused(
    toy: dict[str, Any], tmp_path: Path, key: str, value: str, message: str
) -> None:
    toy[key] = value
    with pytest.raises(DeviceError, match=message):
        train(parse_config(toy), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_when_the_data_are_wrong(toy: dict[str, Any], tmp_path: Path) -> None:
    toy["data"]["roots"]["cohort"] = str(tmp_path / "absent")
    with pytest.raises(ConfigError, match="empty"):
        train(parse_config(toy), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    toy["data"]["roots"]["cohort"] = None
    with pytest.raises(ConfigError, match="no folder is given"):
        train(parse_config(toy), tmp_path / "run")


def test_missing_real_data_are_reported_everywhere(toy: dict[str, Any], tmp_path: Path) -> None:
    extra = {**toy["data"]["a"]["sources"][0], "name": "real scans", "root": "real", "required": False}
    toy["data"]["a"]["sources"].append(extra)
    toy["schedule"] = {"constant": 1, "decay": 0}
    lines: list[str] = []
    result = train(parse_config(toy), tmp_path / "run", progress=lambda line: lines.append(line.message))
    assert "'real scans'" in result.warnings[0]
    assert any(line.startswith("Warning") and "'real scans'" in line for line in lines)
    assert any("'real scans'" in limit for limit in Bundle.open(result.bundles[0]).card.limits)


def test_from_the_command_line(toy: dict[str, Any], cohort: Path, tmp_path: Path, capsys: Any) -> None:
    toy["data"]["roots"]["cohort"] = None
    toy["schedule"] = {"constant": 1, "decay": 0}
    path = tmp_path / "toy.yaml"
    path.write_text(json.dumps(toy), encoding="utf-8")
    run = str(tmp_path / "run")
    assert main([str(path), run]) == 2
    assert main([str(path), run, "--root", "nonsense"]) == 2
    assert main([str(path), run, "--root", f"cohort={cohort}", "--max-minutes", "-1"]) == 2
    error = capsys.readouterr().err
    assert error.count("Error: ") == 3
    assert "Traceback" not in error
    assert main([str(path), run, "--root", f"cohort={cohort}"]) == 0
    assert capsys.readouterr().out.count("Bundle: ") == 2
    assert export_main([run, str(tmp_path / "out")]) == 0
    assert export_main([run, str(tmp_path / "out")]) == 2


def test_a_full_disk_leaves_the_configuration_whole(
    toy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.make(parse_config(toy))
    before = (tmp_path / "run" / "config.yaml").read_bytes()

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="cannot be written"):
        folder.make(parse_config({**toy, "max_minutes": 3.0}))
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_gentler_rate_goes_on_from_the_checkpoint(toy: dict[str, Any], tmp_path: Path) -> None:
    toy["schedule"] = {"constant": 5, "decay": 0}
    train(parse_config(toy), tmp_path / "run")
    toy["schedule"] = {"constant": 7, "decay": 0}
    toy["optimiser"] = {"lr": 1e-5, "clip_norm": 1.0}
    assert train(parse_config(toy), tmp_path / "run").iterations == 7


def test_channels_last_in_three_dimensions(toy: dict[str, Any], tmp_path: Path) -> None:
    toy["channels_last"] = True
    toy["data"]["sampling"] |= {"spatial_dims": 3, "patch": 16}
    toy["discriminator"]["layers"] = 1
    toy["schedule"] = {"constant": 2, "decay": 0}
    assert train(parse_config(toy), tmp_path / "run").finished
