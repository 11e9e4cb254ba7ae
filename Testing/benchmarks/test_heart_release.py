"""Figures of the heart benchmarks on the cards of their bundles."""

import shutil
from pathlib import Path

import pytest

from SynthLogic.benchmarks.heart_release import release
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
