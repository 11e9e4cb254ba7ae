"""Figures of the benchmark on the card, beside those of the bundle that is replaced."""

import shutil
from pathlib import Path

import pytest

from SynthLogic.benchmarks import cases, quality, release
from SynthLogic.bundles import Bundle
from SynthLogic.phantoms import make_subject

SMALL = {"shape": (8, 72, 88), "spacing": (4.0, 4.0, 8.0)}


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the shipped bundle and of the weaker supervised one."""

    def people(count: int) -> list:
        return [make_subject(cases.TEST_SEED, n, **SMALL) for n in range(2)]

    monkeypatch.setattr(quality, "unseen_subjects", people)
    monkeypatch.setattr(release, "unseen_subjects", people)
    better, worse = tmp_path / "better", tmp_path / "worse"
    shutil.copytree(cases.shipped("mr-to-ct").folder, better)
    shutil.copytree(cases.supervised("mr-to-ct").folder, worse)
    return better, worse


def test_both_stand_on_the_card_of_the_better(bundles: tuple[Path, Path]) -> None:
    better, worse = bundles
    made = release.release(better, "mr-to-ct", worse)
    made.verify()
    half = len(made.card.figures) // 2
    ours, before = made.card.figures[:half], made.card.figures[half:]
    assert [f.name for f in ours] == [f.name for f in before]
    version = Bundle.open(worse).version
    assert all(f.on.endswith(f", version {version}, which this one replaces") for f in before)
    assert before == tuple(
        f.model_copy(update={"on": g.on})
        for f, g in zip(release.figures_of(Bundle.open(worse), "mr-to-ct"), before, strict=True)
    )
    assert ours[0].value < before[0].value
    assert "which this one replaces" in (better / "docs/README.md").read_text(encoding="utf-8")


def test_a_worse_one_replaces_nothing(bundles: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    better, worse = bundles
    before = {path: path.read_bytes() for path in worse.rglob("*") if path.is_file()}
    assert release.main([str(worse), "mr-to-ct", "--instead-of", str(better)]) != 0
    assert "is not better than" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in worse.rglob("*") if path.is_file()} == before


def test_direction_is_checked(bundles: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([str(bundles[0]), "ct-to-pet"]) != 0
    assert "choose from ct-to-mr, mr-to-ct" in capsys.readouterr().err
