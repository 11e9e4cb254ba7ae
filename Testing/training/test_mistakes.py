"""A researcher's mistakes: said before anything is trained, and nothing that was trained is lost."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from SynthLogic.bundles import Bundle
from SynthLogic.data import DataConfig
from SynthLogic.data.files import list_files
from SynthLogic.errors import Cancelled, ConfigError, InputError, OutputError
from SynthLogic.methods import TrainConfig, load_config, parse_config, train
from SynthLogic.methods.export import main as export_main
from SynthLogic.methods.run_folder import RunFolder, code_version
from SynthLogic.volume import read_volume, write_volume

from .conftest import label_tissues

Plain = dict[str, Any]


def changed(plain: Plain, path: str, value: object) -> Plain:
    """A copy with one value at a dotted path replaced, or taken away where it is None."""
    plain = copy.deepcopy(plain)
    *parents, last = path.split(".")
    place: Any = plain
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return plain


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("data.b.output_intensity", None, "cannot make a card for 'toy-ct-to-mr'"),
        ("data.a.value_range", [5, 1], "cannot make a card for 'toy-ct-to-mr' .*value_range"),
        ("coverage.field_of_view_mm", [500, 100], "cannot make a card"),
        ("bundles.b_to_a.title", "", "cannot make a card for 'toy-mr-to-ct' .*title"),
        ("licence", {"spdx": "CC-BY-NC-4.0", "restricted": True}, "cannot make a card"),
        ("bundles.b_to_a.name", "toy-ct-to-mr", "both bundles are called 'toy-ct-to-mr'"),
        ("network.arguments.features", 0, "does not accept the configuration's arguments"),
        ("network.arguments.features", -4, "does not accept the configuration's arguments"),
        ("network.arguments.blocks", -1, "does not accept the configuration's arguments"),
        ("optimiser", {"betas": [2, 0.9]}, "optimiser.betas"),
        ("max_minutes", float("nan"), "max_minutes"),
        ("data.a.sources.0.glob", "/there/*.nii", "is no pattern of files below a root"),
        ("data.a.sources.0.glob", "**bad**/x", "is no pattern of files below a root|is empty"),
        ("data.held_out", ["cohort"], "held_out 'cohort' is not ROOT:GLOB"),
        ("data.held_out", ["cohort:/there"], "is no pattern of files below a root"),
        ("data.roots.cohort", "/nowhere", "there is no folder /nowhere"),
    ],
)
def test_what_no_bundle_could_hold_is_said_first(
    toy: Plain, tmp_path: Path, path: str, value: object, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        train(parse_config(changed(toy, path, value)), tmp_path / "run")
    assert "pydantic" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_stop_keeps_the_iteration_it_came_at(toy: Plain, tmp_path: Path) -> None:
    toy["intervals"] |= {"log": 1000, "checkpoint": 1000, "pictures": 1000}
    config = parse_config(toy | {"schedule": {"constant": 8, "decay": 0}})
    asked: list[bool] = []

    def stop() -> bool:
        # After reading, once an iteration.
        asked.append((tmp_path / "run/logs/tensorboard").is_dir())
        return sum(asked) == 3

    with pytest.raises(Cancelled, match="Stopped at iteration 3 with a checkpoint"):
        train(config, tmp_path / "run", cancelled=stop)
    with pytest.raises(Cancelled, match="Stopped; the same command goes on"):
        train(config, tmp_path / "other", cancelled=lambda: True)
    assert not (tmp_path / "other").exists()
    path = RunFolder(tmp_path / "run").newest_checkpoint()
    assert path is not None
    assert path.name == "iteration-00000003.ckpt"
    train(config, tmp_path / "run")
    train(config, tmp_path / "straight")
    one, other = (
        torch.load(tmp_path / run / "checkpoints/iteration-00000008.ckpt", weights_only=True)["state_dict"]
        for run in ("run", "straight")
    )
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b""])
def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(
    toy: Plain, tmp_path: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    toy["intervals"] |= {"checkpoint": 1, "keep": 2}
    config = parse_config(toy | {"schedule": {"constant": 3, "decay": 0}})
    train(config, tmp_path / "run")
    newest = RunFolder(tmp_path / "run").newest_checkpoint()
    assert newest is not None
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.raises(
        OutputError, match=r"iteration-00000003.ckpt is damaged .* remove it \(the one before"
    ):
        train(config, tmp_path / "run")
    assert export_main([str(tmp_path / "run"), str(tmp_path / "out")]) == OutputError.exit_code
    assert "is damaged" in capsys.readouterr().err
    newest.unlink()
    assert train(config, tmp_path / "run").finished


def test_other_data_are_not_gone_on_with(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        shutil.copytree(cohort / f"sub-{number:04d}", tmp_path / f"data/sub-{number:04d}")
    toy["data"]["roots"]["cohort"] = str(tmp_path / "data")
    for letter in "ab":
        toy["data"][letter]["sources"][0]["subjects"] = "all"
    toy["data"]["split"] = {"held_out": 0.25, "seed": 5}
    config = parse_config(toy)
    train(config, tmp_path / "run")
    apart = (tmp_path / "run/held_out.csv").read_text(encoding="utf-8")
    # Moved, they are still the same people.
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = config.with_roots({"cohort": str(tmp_path / "moved")})
    train(moved, tmp_path / "run")
    for number in (5, 6, 7, 8):
        shutil.copytree(cohort / "sub-0001", tmp_path / f"moved/sub-{number:04d}")
        account = tmp_path / f"moved/sub-{number:04d}/subject.json"
        account.write_text(json.dumps({"number": number}), encoding="utf-8")
    with pytest.raises(ConfigError, match="The data are not those that the training in"):
        train(moved, tmp_path / "run")
    now = (tmp_path / "run/held_out.csv").read_text(encoding="utf-8")
    assert now.replace("/moved/", "/data/") == apart
    # As many, but others.
    for number in (5, 6, 7, 8):
        shutil.rmtree(tmp_path / f"moved/sub-{number:04d}")
    for number in (1, 2, 3, 4):
        path = tmp_path / f"moved/sub-{number:04d}/ct.nii.gz"
        volume = read_volume(path).volume
        write_volume(path, volume.with_array(volume.array[:, ::-1].copy()))
    with pytest.raises(ConfigError, match="its fixed samples look different"):
        train(moved, tmp_path / "run")


def test_a_beginning_without_a_checkpoint_leaves_no_trace(toy: Plain, tmp_path: Path) -> None:
    for letter in "ab":
        toy["data"][letter]["sources"][0]["subjects"] = "all"
    split = toy | {"data": toy["data"] | {"split": {"held_out": 0.25}}}

    def stop(_: object) -> None:
        if (tmp_path / "run/held_out.csv").exists():
            raise Cancelled("as asked for")

    toy["intervals"] |= {"log": 1, "checkpoint": 2}
    with pytest.raises(Cancelled, match="as asked for"):
        train(parse_config(split), tmp_path / "run", progress=stop)
    assert (tmp_path / "run/held_out.csv").exists()
    train(parse_config(toy), tmp_path / "run")
    assert not (tmp_path / "run/held_out.csv").exists()
    train(parse_config(toy), tmp_path / "run")


def test_a_file_in_place_of_the_folder(toy: Plain, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"run is a file; choose a folder"):
        train(parse_config(toy), tmp_path / "run")
    assert (tmp_path / "run").read_text(encoding="utf-8") == "mine"


def test_labels_that_are_nowhere(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    label_tissues(cohort)
    for letter in "ab":
        toy["data"][letter]["sources"][0]["labels"] = "labels.nii.gz"
    masked = toy | {"method": "cyclegan-mask", "losses": {}}
    masked["data"]["masks"] = {"heart": [3], "spleen": [200]}
    with pytest.raises(ConfigError, match=r"No label map holds masks.spleen \(200\); there are 1, 2, 3"):
        train(parse_config(masked), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_label_groups_without_label_maps(toy: Plain, tmp_path: Path) -> None:
    toy["data"]["label_groups"] = [[0, 1], [2]]
    with pytest.raises(ConfigError, match="no volume has a label map"):
        train(parse_config(toy), tmp_path / "run")


def test_one_file_in_both_domains(toy: Plain, tmp_path: Path) -> None:
    toy["data"]["b"]["sources"][0] |= {"glob": "sub-*/ct.nii.gz", "subjects": "all", "reference": None}
    with pytest.raises(ConfigError, match=r"ct.nii.gz is in both domains"):
        train(parse_config(toy), tmp_path / "run")


def test_one_file_of_two_people(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    shutil.copy(cohort / "sub-0001/ct.nii.gz", tmp_path / "one.nii.gz")
    table = "image,subject\none.nii.gz,anna\none.nii.gz,bert\n"
    (tmp_path / "people.csv").write_text(table, encoding="utf-8")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    source = toy["data"]["a"]["sources"][0]
    source |= {"table": "people.csv", "glob": None, "reference": None, "subjects": "all"}
    data = DataConfig.model_validate(toy["data"])
    with pytest.raises(ConfigError, match="shows 'anna' in one place and 'bert' in another"):
        list_files(data, data.a)


def test_a_file_name_is_no_second_person(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    for name in ("anna_1", "bert_1"):
        shutil.copy(cohort / "sub-0001/ct.nii.gz", tmp_path / f"{name}.nii.gz")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    source = toy["data"]["a"]["sources"][0] | {"glob": "*.nii.gz", "reference": None, "subjects": "all"}
    toy["data"]["a"]["sources"] = [source, source | {"name": "again", "subject": "[A-Za-z]+(?=_)"}]
    data = DataConfig.model_validate(toy["data"])
    assert len(list_files(data, data.a)[0]) == 4


@pytest.mark.parametrize(("one", "other"), [("sub-07", "sub-07"), ("anna", "Anna")])
def test_whom_one_table_holds_out_no_other_trains_on(
    toy: Plain, cohort: Path, tmp_path: Path, one: str, other: str
) -> None:
    for letter, name, number in (("a", one, 1), ("b", other, 2)):
        shutil.copy(cohort / "sub-0001/ct.nii.gz", tmp_path / f"scan{number}.nii.gz")
        (tmp_path / f"{letter}.csv").write_text(f"image,subject\nscan{number}.nii.gz,{name}\n")
        source = toy["data"][letter]["sources"][0]
        source |= {"table": f"{letter}.csv", "glob": None, "reference": None, "subjects": "all"}
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    toy["data"]["held_out"] = ["cohort:scan1.nii.gz"]
    data = DataConfig.model_validate(toy["data"])
    with pytest.raises(ConfigError, match=rf"'{other}' \(scan2.nii.gz\) is both trained on and held out"):
        list_files(data, data.b)


def test_one_person_cannot_be_split(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        shutil.copy(cohort / "sub-0001/ct.nii.gz", tmp_path / f"patient_{number}.nii.gz")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    for letter in "ab":
        source = toy["data"][letter]["sources"][0]
        source |= {"glob": "*.nii.gz", "reference": None, "subjects": "all", "subject": "[^/_.]+(?=[^/]*$)"}
    toy["data"]["split"] = {"held_out": 0.3}
    data = DataConfig.model_validate(toy["data"])
    with pytest.raises(ConfigError, match="finds one person alone, 'patient'; correct what 'subject'"):
        list_files(data, data.a)


def test_names_in_another_case_are_one_person(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    names = ["Anna", "anna", "bert", "carl", "dora"]
    rows = []
    for number, name in enumerate(names):
        shutil.copy(cohort / "sub-0001/ct.nii.gz", tmp_path / f"{number}.nii.gz")
        rows.append(f"{number}.nii.gz,{name}")
    (tmp_path / "people.csv").write_text("\n".join(["image,subject", *rows]), encoding="utf-8")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    for letter in "ab":
        source = toy["data"][letter]["sources"][0]
        source |= {"table": "people.csv", "glob": None, "reference": None, "subjects": "all"}
    sides = set()
    for seed in range(12):
        toy["data"]["split"] = {"held_out": 0.25, "seed": seed}
        data = DataConfig.model_validate(toy["data"])
        apart = {file.subject for file in list_files(data, data.a, held_out=True)[0]}
        assert ("Anna" in apart) == ("anna" in apart)
        sides.add("Anna" in apart)
    assert sides == {True, False}


def test_a_bundle_of_the_other_direction_is_no_beginning(toy: Plain, tmp_path: Path) -> None:
    train(parse_config(copy.deepcopy(toy)), tmp_path / "before")
    bundles = tmp_path / "before/bundles"
    toy["start_from"] = {"a_to_b": str(bundles / "toy-mr-to-ct")}
    with pytest.raises(ConfigError, match="wants a bundle from CT to MR; 'toy-mr-to-ct' goes from MR to CT"):
        train(parse_config(toy), tmp_path / "run")


def test_a_flat_image_is_named(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    path = tmp_path / "data/sub-0001/mr.nii.gz"
    flat = read_volume(path).volume
    write_volume(path, flat.with_array(np.zeros_like(flat.array)))
    toy["data"]["roots"]["cohort"] = str(tmp_path / "data")
    toy["data"]["b"]["sources"][0]["reference"] = None
    with pytest.raises(InputError, match=r"sub-0001/mr.nii.gz: "):
        train(parse_config(toy), tmp_path / "run")


def test_a_key_stands_once(toy: Plain, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(toy) + "method: pix2pix\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="key 'method' stands twice"):
        load_config(path)
    path.write_text(yaml.safe_dump(toy) + "? [a, b]\n: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(path)
    # Keys that a merge brings along are no second ones.
    shared = "d: &d {lr: 0}\nx: {base: &b {<<: *d, lr: 1}}\nchild: {<<: *b}\nmethod: cyclegan\n"
    path.write_text(shared, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'[dx]|child' is unknown|is missing"):
        load_config(path)


def test_patches_too_small_for_a_unet(toy: Plain, tmp_path: Path) -> None:
    plain = {key: toy[key] for key in ("seed", "schedule", "intervals", "coverage", "precision")}
    image = toy["data"]["a"] | {"sources": [toy["data"]["a"]["sources"][0] | {"labels": "labels.nii.gz"}]}
    plain |= {
        "method": "unet",
        "bundle": {"name": "toy", "title": "toy", "description": "toy"},
        "network": {"name": "unet-segmenter", "arguments": {"features": 4, "levels": 5}},
        "data": {
            "roots": toy["data"]["roots"],
            "image": image,
            "structures": {"heart": [3]},
            "sampling": toy["data"]["sampling"] | {"patch": 32},
        },
    }
    with pytest.raises(ConfigError, match=r"Patches of 32 pixels are too small .* set sampling.patch to 64"):
        train(parse_config(plain), tmp_path / "run")


def test_documents_do_not_make_the_code_another(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    for name in ("package/code.py", "notes.md"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    for command in ("init", "add .", "-c user.name=x -c user.email=x@x commit -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    clean = code_version(tmp_path / "package")
    assert "+" in clean
    assert not clean.endswith("-dirty")
    (tmp_path / "notes.md").write_text("2", encoding="utf-8")
    assert code_version(tmp_path / "package") == clean
    (tmp_path / "package/code.py").write_text("2", encoding="utf-8")
    assert code_version(tmp_path / "package") == f"{clean}-dirty"
    (tmp_path / "none").mkdir()
    shutil.rmtree(tmp_path / ".git")
    assert "+" not in code_version(tmp_path / "none")


def test_the_card_names_every_version_that_trained_and_no_other(
    toy: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = (parse_config(toy | {"schedule": {"constant": n, "decay": 0}}) for n in (2, 4))

    def version(folder: Path, config: TrainConfig, code: str) -> str:
        # The package's function of the same name hides the module.
        monkeypatch.setattr(sys.modules["SynthLogic.methods.train"], "code_version", lambda: code)
        return Bundle.open(train(config, folder).bundles[0]).card.training.code_version

    assert version(tmp_path / "run", short, "1") == "1"
    # Nothing left to train: exported again, by another version.
    assert version(tmp_path / "run", short, "2") == "1"
    assert version(tmp_path / "run", long, "3") == "1; 3"
    assert version(tmp_path / "run", long, "3") == "1; 3"


def test_of_a_pair_the_first_says_where_both_are_cut(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    label_tissues(cohort)
    plain = {key: toy[key] for key in ("seed", "intervals", "coverage", "precision")}
    source = toy["data"]["a"]["sources"][0] | {"subjects": "all", "reference": None}
    plain |= {
        "method": "unet",
        "schedule": {"constant": 2, "decay": 0},
        "bundle": {"name": "toy", "title": "toy", "description": "toy"},
        "network": {"name": "unet-segmenter", "arguments": {"features": 4, "levels": 1}},
        "data": {
            "roots": toy["data"]["roots"],
            "image": toy["data"]["a"] | {"sources": [source | {"labels": "labels.nii.gz"}]},
            "second": toy["data"]["b"] | {"sources": [source | {"glob": "sub-*/mr.nii.gz"}]},
            "structures": {"heart": [3]},
            "sampling": toy["data"]["sampling"] | {"slices_with": [3], "centre": "labels"},
        },
    }
    assert train(parse_config(plain), tmp_path / "run").finished
