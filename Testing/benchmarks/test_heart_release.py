"""Figures of the heart benchmarks on the cards of their bundles."""

import json
import shutil
from pathlib import Path

import pytest

from SynthLogic.benchmarks.heart_release import main, release
from SynthLogic.bundles import Bundle
from SynthLogic.errors import ConfigError
from SynthLogic.resources import resource_folder
from SynthLogic.review.tables import Column, Table, write_tables

BUNDLE = resource_folder() / "bundles" / "heart-labels-vae"


def test_every_gate_is_on_the_card(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLE, folder)
    columns = (Column("gate"), Column("measured"), Column("wanted"), Column("reached"))
    gates = (
        ("lowest Dice", 0.94321, "≥ 0.9", True),
        ("no islands: slices (%)", 99.5, "≥ 99", True),
        ("same bits", True, "yes", True),
        ("not measured", None, "", False),
    )
    tables = [Table("Ten hearts", (Column("x"),), ((1,),)), Table("Gates: all", columns, gates)]
    write_tables(tables, tmp_path / "table")
    before = Bundle.open(folder)
    made = release(folder, [tmp_path / "table.json"])
    found = [(f.name, f.value, f.units, f.on) for f in made.card.figures]
    assert found == [
        ("lowest Dice", 0.9432, "", "Ten hearts"),
        ("no islands: slices", 99.5, "%", "Ten hearts"),
    ]
    made.verify()
    weights = made.card.weights_path
    assert (folder / weights).read_bytes() == (before.folder / weights).read_bytes()
    assert "lowest Dice" in (folder / "docs" / "README.md").read_text(encoding="utf-8")


def test_a_file_without_gates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"x\.json holds no gates"):
        release(BUNDLE, [tmp_path / "x.json"])


@pytest.mark.parametrize("arguments", [[], ["bundle"]])
def test_arguments_that_are_missing_are_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "the following arguments are required" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        ("absent", "is not a bundle"),
        ("thorax-ct-to-mr", "is not one of hearts"),
        ("heart-labels-vae", "x.json holds no gates"),
    ],
)
@pytest.mark.parametrize("row", [None, {"measured": 1}, [1]])
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bundle: str, words: str, row: object
) -> None:
    tables = [{"title": "Ten hearts", "rows": []}, {"title": "Gates", "rows": [row]}]
    (tmp_path / "x.json").write_text(json.dumps({"tables": tables}) if row else "no JSON")
    folder = tmp_path / bundle
    if bundle != "absent":
        shutil.copytree(BUNDLE.with_name(bundle), folder)
    assert main([str(folder), str(tmp_path / "x.json")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_heart_bundle_is_released_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLE, folder)
    rows = [{"gate": "lowest Dice", "measured": 0.94321}]
    tables = [{"title": "Ten hearts", "rows": []}, {"title": "Gates", "rows": rows}]
    (tmp_path / "x.json").write_text(json.dumps({"tables": tables}))
    assert main([str(folder), str(tmp_path / "x.json")]) == 0
    assert "lowest Dice" in capsys.readouterr().out
    assert [f.name for f in Bundle.open(folder).card.figures] == ["lowest Dice"]
