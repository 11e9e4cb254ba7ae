"""A schedule with patience: the decay begins, and the training ends, when a loss no longer falls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from SynthLogic.errors import ConfigError
from SynthLogic.methods import TrainProgress, method_named, parse_config, train
from SynthLogic.methods.config import PatienceConfig, ScheduleConfig
from SynthLogic.methods.cyclegan import CycleGan
from SynthLogic.methods.plateau import Plateau
from SynthLogic.methods.train import TrainResult

from .test_train import newest, rows, same

Plain = dict[str, Any]
Values = Callable[[int], float]
RATE = 2e-4


class Stop(Exception):
    pass


def plateau(constant: int = 100, decay: int = 100, **patience: Any) -> Plateau:
    waits = PatienceConfig(**{"constant": 2, "decay": 3, **patience})
    return Plateau(ScheduleConfig(constant=constant, decay=decay, patience=waits), waits)


def lines(seen: Plateau, values: list[float], every: int = 10, start: int = 0) -> None:
    """One log line for each value; the loss of its iterations is spread around it."""
    for number, value in enumerate(values, start + 1):
        for n in range(every):
            seen.add({"generators": torch.tensor(value + (n % 2 - 0.5) / 4), "cycle": torch.tensor(1.0)})
        seen.look(number * every, ["generators", "cycle"])


def test_the_decay_begins_where_the_loss_stays() -> None:
    seen = plateau()
    lines(seen, [4, 3, 3])
    assert seen.schedule.constant == 100
    assert seen.total == 200
    lines(seen, [3.5], start=3)
    assert seen.schedule.constant == 40
    assert seen.total == 140
    assert [seen.schedule.factor(n) for n in (39, 40, 90, 140)] == [1, 1, 0.5, 0]
    # From there on another patience counts, from nothing; what is lowest stays.
    lines(seen, [3.1, 3.2], start=4)
    assert not seen.ended
    lines(seen, [2.9, 2.9, 3, 3], start=6)
    assert seen.ended
    assert seen.total == 100


def test_a_loss_that_falls_slowly_is_waited_for() -> None:
    seen = plateau()
    lines(seen, [5, 6, 4, 6, 3, 6, 2, 6, 1, 6])
    assert seen.total == 200
    # The scheduled decay has begun: the line at 100 was the last of the first stage.
    assert not seen.decaying
    lines(seen, [6, 6], start=10)
    assert seen.decaying
    assert seen.total == 200
    lines(seen, [6], start=12)
    assert seen.total == 130


def test_without_a_decay_patience_ends_it() -> None:
    seen = plateau(decay=0)
    lines(seen, [1, 2, 2])
    assert seen.total == 30


def test_state_survives_in_the_middle_of_a_line() -> None:
    one, other = plateau(), plateau()
    lines(one, [3, 2])
    one.add({"generators": torch.tensor(0.1)})
    other.restore(one.state())
    for seen in (one, other):
        seen.add({"generators": torch.tensor(1.7)})
        seen.look(30, [])
    assert same(one.state(), other.state())
    assert other.best == pytest.approx(0.9)
    # Another loss is another story; the decay that has begun goes on.
    lines(one, [5, 5], start=3)
    changed = plateau(watch="cycle")
    changed.restore(one.state())
    assert changed.total == 150
    assert changed.best == float("inf")


@pytest.fixture
def patient(toy: Plain) -> Plain:
    """Log lines of three iterations, checkpoints between them."""
    patience = {"constant": 2, "decay": 3}
    toy["schedule"] = {"constant": 40, "decay": 20, "patience": patience}
    toy["intervals"] = {"log": 3, "checkpoint": 5, "pictures": 100, "keep": 30, "rows": 1}
    return toy


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Values], None]:
    """Let the loss of the generators be a function of the finished iterations; the training is real."""
    step = CycleGan.step

    def stage(value: Values) -> None:
        def told(self: CycleGan, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {**step(self, batch), "generators": torch.tensor(value(self.iteration))}

        monkeypatch.setattr(CycleGan, "step", told)

    return stage


def falls_until_six(iteration: int) -> float:
    return float(max(6 - iteration, 0)) + (iteration % 3) / 7


def test_a_training_decays_and_ends_early(
    patient: Plain, staged: Callable[[Values], None], tmp_path: Path
) -> None:
    staged(falls_until_six)
    told: list[TrainProgress] = []
    result = train(parse_config(patient), tmp_path / "run", progress=told.append)
    # The line at 9 is the last lower one; those at 12 and 15 wait, then those at 18, 21 and 24.
    assert (result.iterations, result.finished) == (24, True)
    totals = {line.done: line.total for line in told if line.losses}
    assert totals == {3: 60, 6: 60, 9: 60, 12: 60, 15: 35, 18: 35, 21: 35, 24: 24}
    assert "iteration 15 of 35" in next(line.message for line in told if line.done == 15)
    assert told[-1].total == 24
    rates = {int(row["step"]): float(row["learning_rate"]) for row in rows(tmp_path / "run")}
    assert rates[15] == RATE
    assert rates[18] == pytest.approx(RATE * (1 - 3 / 20))
    assert newest(tmp_path / "run")["run"]["iteration"] == 24
    again = train(parse_config(patient), tmp_path / "run")
    assert (again.iterations, again.finished) == (24, True)
    # Whoever has more patience goes on.
    patient["schedule"]["patience"]["decay"] = 5
    longer = train(parse_config(patient), tmp_path / "run")
    assert (longer.iterations, longer.finished) == (30, True)


def run_in_pieces(plain: Plain, folder: Path, stops: list[int]) -> TrainResult:
    """Break off at the log lines ``stops``, and resume from the checkpoint before each."""
    for stop in stops:

        def break_off(line: TrainProgress, stop: int = stop) -> None:
            if line.losses and line.done == stop:
                raise Stop

        with pytest.raises(Stop):
            train(parse_config(plain), folder, progress=break_off)
        torch.manual_seed(stop)
    return train(parse_config(plain), folder)


def test_resumed_is_straight_bit_by_bit(
    patient: Plain, staged: Callable[[Values], None], tmp_path: Path
) -> None:
    staged(falls_until_six)
    straight = train(parse_config(patient), tmp_path / "straight")
    # Checkpoints of 5, 10 and 20 lie between lines, that of 15 at the line where the decay begins.
    pieces = run_in_pieces(patient, tmp_path / "pieces", [9, 12, 18, 21])
    assert (pieces.iterations, pieces.finished) == (straight.iterations, straight.finished) == (24, True)
    compare(tmp_path / "straight", tmp_path / "pieces")


def test_stopped_in_time_between_lines_and_resumed(
    patient: Plain,
    staged: Callable[[Values], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    staged(falls_until_six)
    train(parse_config(patient), tmp_path / "straight")
    # A run that stops in time writes a line out of turn; patience does not count it.
    for _ in range(13):
        last = train(parse_config(patient).model_copy(update={"max_minutes": 1e-9}), tmp_path / "one-by-one")
        assert not last.finished
    assert last.iterations == 13
    result = train(parse_config(patient), tmp_path / "one-by-one")
    assert (result.iterations, result.finished) == (24, True)
    compare(tmp_path / "straight", tmp_path / "one-by-one")


def compare(one: Path, other: Path) -> None:
    a, b = newest(one), newest(other)
    assert same(a["state_dict"], b["state_dict"])
    assert same(a["optimizer_states"], b["optimizer_states"])
    assert same(a["run"]["plateau"], b["run"]["plateau"])


def test_patience_that_never_runs_out_changes_no_bit(toy: Plain, tmp_path: Path) -> None:
    train(parse_config(toy), tmp_path / "without")
    toy["schedule"]["patience"] = {"constant": 100, "decay": 100, "watch": "cycle"}
    result = train(parse_config(toy), tmp_path / "with")
    assert (result.iterations, result.finished) == (10, True)
    a, b = newest(tmp_path / "without"), newest(tmp_path / "with")
    assert "plateau" not in a["run"]
    assert b["run"]["plateau"]["best"] > 0
    assert same(a["state_dict"], b["state_dict"])
    assert same(a["optimizer_states"], b["optimizer_states"])
    assert rows(tmp_path / "without") == rows(tmp_path / "with")


def test_an_unknown_loss_is_said_at_the_first_line(patient: Plain, tmp_path: Path) -> None:
    patient["schedule"]["patience"]["watch"] = "genrators"
    told: list[int] = []
    with pytest.raises(ConfigError, match="'genrators' is no loss of this training; name one of generators,"):
        train(parse_config(patient), tmp_path / "run", progress=lambda line: told.append(line.done))
    assert max(told) == 0


def test_losses_that_join_in_later_are_waited_for(toy: Plain) -> None:
    toy["losses"] |= {"lambda_tissue": 1.0, "tissue_first": 4}
    toy["data"]["label_groups"] = [[0], [2]]
    for domain in ("a", "b"):
        toy["data"][domain]["sources"][0]["labels"] = "labels.nii.gz"
    method = method_named("cyclegan")(parse_config(toy))
    assert method.incomplete_until == 4
    seen = plateau()
    seen.look(4, ["tissue"], required=False)
    with pytest.raises(ConfigError, match="name one of tissue"):
        seen.look(5, ["tissue"])


@pytest.mark.parametrize(
    ("patience", "message"),
    [
        ({"constant": 0, "decay": 1}, r"schedule\.patience\.constant"),
        ({"constant": 1}, r"schedule\.patience\.decay' is missing"),
        ({"constant": 1, "decay": 1, "watched": "cycle"}, r"schedule\.patience\.watched' is unknown"),
    ],
)
def test_patience_is_checked(toy: Plain, patience: Plain, message: str) -> None:
    toy["schedule"]["patience"] = patience
    with pytest.raises(ConfigError, match=message):
        parse_config(toy)
