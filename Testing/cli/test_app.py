"""Help, usage errors, exit codes and the promise of one JSON document."""

import json
import subprocess
import sys

import pytest
import typer

from SynthLogic.cli.app import app
from SynthLogic.cli.console import Answer
from SynthLogic.cli.group import Group, needs_extra
from SynthLogic.errors import Cancelled, ConfigError, InputError

COMMANDS = [
    ["align"],
    ["translate"],
    ["rerun"],
    ["paint"],
    ["interpolate"],
    ["export"],
    ["check"],
    ["evaluate"],
    ["experiment"],
    ["models", "list"],
    ["models", "show"],
    ["models", "verify"],
    ["models", "import"],
    ["models", "remove"],
    ["phantom"],
    ["train"],
    ["segment"],
    ["benchmark"],
    ["demo"],
]


def test_every_command_is_tested_here():
    found = [[c.name or c.callback.__name__] for c in app.registered_commands]
    for group in app.registered_groups:
        found += [[group.typer_instance.info.name, c.name] for c in group.typer_instance.registered_commands]
    assert sorted(found) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_ends_with_an_example_and_offers_json(call, command):
    result = call(*command, "--help")
    assert result.code == 0
    text = " ".join(result.out.split())
    assert "Example" in text
    assert text.rpartition("Example")[2].split(": ", 1)[1].startswith(f"crossmodalsynth {' '.join(command)}")
    assert "--json" in text
    assert "--debug" in text


def test_no_command_shows_the_help(call):
    result = call()
    assert result.code == 0
    assert "translate" in result.out
    assert "crossmodalsynth 0" in call("--version").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["bla"],
        ["phantom"],
        ["translate", "a.nii"],
        ["translate", "a.nii", "b.nii", "--to", "PET"],
        ["phantom", "x", "--subjects", "many"],
        ["phantom", "x", "--shape", "1,2"],
        ["models"],
        ["models", "list", "--wrong"],
        ["benchmark", "beauty"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(call, refused, files_of, arguments):
    before = files_of()
    refused(call(*arguments))
    assert files_of() == before


def test_wrong_usage_with_json_is_a_document(call):
    result = call("phantom", "--json")
    assert result.code == 2
    assert result.document["error"]["type"] == "UsageError"
    assert result.err == ""


def stage(action):
    """A command line whose only command runs ``action``."""
    small = typer.Typer(cls=Group, pretty_exceptions_enable=False)

    @small.callback()
    def start() -> None:
        """Test."""

    @small.command()
    def act(json_: bool = typer.Option(False, "--json"), debug: bool = typer.Option(False, "--debug")):
        return action()

    return small


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("The scan is\nempty; scan again."), 2, "Error: The scan is empty; scan again."),
        (Cancelled("Cancelled; nothing was written."), 130, "Error: Cancelled; nothing was written."),
        (KeyboardInterrupt(), 130, "Error: Cancelled."),
        (
            PermissionError(13, "Permission denied", "/secret/a.nii"),
            2,
            "Error: 'a.nii' cannot be used (Permission denied); choose another file or folder.",
        ),
        (
            ZeroDivisionError("a\nb"),
            1,
            "Unexpected failure: ZeroDivisionError: a b. Run again with --debug for details.",
        ),
    ],
)
def test_failures_become_one_line_and_an_exit_code(error, code, text):
    runner = typer.testing.CliRunner()
    small = stage(lambda: fail(error))
    result = runner.invoke(small, ["act"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text + "\n")
    document = json.loads(runner.invoke(small, ["act", "--json"]).stdout)
    assert document["error"]["exit_code"] == code
    assert document["error"]["message"] == text.removeprefix("Error: ")
    loud = runner.invoke(small, ["act", "--debug"])
    assert loud.exit_code == code
    if not isinstance(error, KeyboardInterrupt):
        assert "Traceback" in loud.stderr


def test_whatever_libraries_print_stays_out_of_the_document():
    def chatty():
        print("Loading ...")
        return Answer({"a": 1}, lambda console: console.print("text"), code=2)

    result = typer.testing.CliRunner().invoke(stage(chatty), ["act", "--json"])
    assert json.loads(result.stdout) == {"a": 1}
    assert "Loading" in result.stderr
    assert result.exit_code == 2


def test_a_missing_library_names_the_extra():
    message = r"Training needs nowhere_at_all: pip install 'crossmodalsynth\[train\]'"
    with pytest.raises(ConfigError, match=message), needs_extra("train", "Training"):
        import nowhere_at_all  # noqa: F401


def test_help_starts_without_anything_heavy():
    heavy = "{'torch', 'numpy', 'pydantic', 'scipy', 'SimpleITK'}"
    code = f"import sys, SynthLogic.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_program_ends_quietly_when_its_reader_goes(shell):
    process = shell(
        code="import os; from SynthLogic.cli.group import run; from SynthLogic.cli.console import Answer;"
        "raise SystemExit(run(lambda: Answer({'a': 'x' * 10**6}, print), as_json=True, debug=False))"
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 1
    process.stderr.close()
