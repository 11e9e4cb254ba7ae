"""Figures of the benchmark on the card, beside those of the bundle that is replaced."""

import shutil
from pathlib import Path

import pytest

from SynthLogic.benchmarks import cases, quality, release
from SynthLogic.bundles import Bundle, rewrite_bundle
from SynthLogic.phantoms import make_subject
from SynthLogic.resources import resource_folder

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


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test as soon as anything is measured."""

    def measured(*_: object) -> dict[str, float]:
        raise AssertionError("measured before everything was checked")

    monkeypatch.setattr(release, "card_figures", measured)


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("instead_of", [False, True])
def test_a_bundle_of_the_other_direction_is_refused(
    bundles: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], instead_of: bool
) -> None:
    other = tmp_path / "other"
    shutil.copytree(cases.shipped("ct-to-mr").folder, other)
    before = files_of(tmp_path)
    arguments = [bundles[0], "mr-to-ct", "--instead-of", other] if instead_of else [other, "mr-to-ct"]
    assert release.main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert "'thorax-ct-to-mr' makes MR from CT" in said
    assert "mr-to-ct" in said
    assert said.count("\n") == 1
    assert files_of(tmp_path) == before


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        ("absent", "has no configs/card.json"),
        ("weights", "is not what its card says"),
        ("task", "encodes labels; choose one that translates scans"),
    ],
)
@pytest.mark.parametrize("instead_of", [False, True])
def test_all_is_checked_before_anything_is_measured(
    bundles: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    break_it: str,
    words: str,
    instead_of: bool,
) -> None:
    good, bad = bundles
    if break_it == "absent":
        bad = tmp_path / "absent"
    elif break_it == "task":
        bad = resource_folder() / "bundles" / "heart-labels-vae"
    else:
        weights = bad / Bundle.open(bad).card.weights_path
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    arguments = [good, "mr-to-ct", "--instead-of", bad] if instead_of else [bad, "mr-to-ct"]
    assert release.main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_licence_that_does_not_ship_stays_as_the_bundle_has_it(bundles: tuple[Path, Path]) -> None:
    folder, _ = bundles
    bundle = Bundle.open(folder)
    licence = bundle.card.licence.model_copy(update={"spdx": "CC-BY-NC-4.0"})
    rewrite_bundle(
        bundle, bundle.card.model_copy(update={"licence": licence}), licence="Own text, in full.\n"
    )
    made = release.release(folder, "mr-to-ct")
    made.verify()
    assert (folder / "LICENSE").read_text(encoding="utf-8") == "Own text, in full.\n"
    assert "MAE" in [figure.name for figure in made.card.figures]
