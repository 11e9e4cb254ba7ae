import csv
import io
import json
import math

import pytest

from SynthLogic.errors import ConfigError, OutputError
from SynthLogic.review import Column, Table, print_tables, write_tables


@pytest.fixture
def table():
    return Table(
        "CT from MR",
        (Column("Method"), Column("MAE", "HU", 1), Column("Dice", digits=3), Column("Passed")),
        (("network | ours", 41.25, 0.9, True), ("table", math.nan, math.inf, False)),
        ("10 subjects.",),
    )


def test_markdown_carries_units_digits_and_dashes(table):
    lines = table.to_markdown().splitlines()
    assert lines[0] == "### CT from MR"
    assert lines[2] == "| Method | MAE (HU) | Dice | Passed |"
    assert lines[3] == "| --- | ---: | ---: | --- |"
    assert lines[4] == "| network \\| ours | 41.2 | 0.900 | yes |"
    assert lines[5] == "| table | – | ∞ | no |"
    assert lines[-1] == "10 subjects."


def test_csv_keeps_full_precision_and_json_has_no_nan(table):
    rows = list(csv.reader(io.StringIO(table.to_csv())))
    assert rows[1] == ["network | ours", "41.25", "0.9", "True"]
    assert rows[2][1] == ""
    text = json.dumps(table.to_json(), allow_nan=False)
    assert json.loads(text)["rows"][1] == {"Method": "table", "MAE": None, "Dice": None, "Passed": False}


def test_terminal_shows_every_cell(table, capsys):
    print_tables([table])
    shown = capsys.readouterr().out
    for part in ("CT from MR", "MAE (HU)", "network | ours", "41.2", "–", "10 subjects."):
        assert part in shown


def test_files_are_written_beside_each_other(table, tmp_path):
    written = write_tables([table, table], tmp_path / "new" / "quality")
    assert sorted(p.name for p in written) == ["quality-1.csv", "quality-2.csv", "quality.json", "quality.md"]
    assert json.loads((tmp_path / "new" / "quality.json").read_text(encoding="utf-8"))["tables"][0]["title"]
    assert [p.name for p in write_tables([table], tmp_path / "one")][-1] == "one.csv"


def test_ragged_rows_and_unwritable_folders_are_refused(table, tmp_path):
    with pytest.raises(ConfigError, match="columns"):
        Table("x", (Column("a"),), ((1, 2),))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        write_tables([table], tmp_path / "file" / "quality")
