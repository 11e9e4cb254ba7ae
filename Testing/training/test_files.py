import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from SynthLogic.data import DataConfig, load_library
from SynthLogic.data.files import list_files
from SynthLogic.errors import ConfigError

Plain = dict[str, Any]


def listed(plain: Plain, letter: str = "a") -> list[str]:
    data = DataConfig.model_validate(plain["data"])
    files, _ = list_files(data, getattr(data, letter))
    return [file.path.parent.name for file in files]


def test_even_odd_and_ranges_select_subjects(toy: Plain) -> None:
    assert listed(toy) == ["sub-0002", "sub-0004"]
    assert listed(toy, "b") == ["sub-0001", "sub-0003"]
    toy["data"]["a"]["sources"][0]["subjects"] = "2-3"
    assert listed(toy) == ["sub-0002", "sub-0003"]


def test_empty_required_source_is_refused(toy: Plain) -> None:
    toy["data"]["a"]["sources"][0]["glob"] = "*/nothing.nii.gz"
    with pytest.raises(ConfigError, match="'toys' of the CT domain is empty"):
        listed(toy)


@pytest.mark.parametrize("root", [None, "no/such/folder"])
def test_missing_folder_is_refused_or_reported(toy: Plain, root: str | None) -> None:
    toy["data"]["roots"]["real"] = root
    extra = {**toy["data"]["a"]["sources"][0], "name": "real", "root": "real", "weight": 3, "required": False}
    toy["data"]["a"]["sources"].append(extra)
    data = DataConfig.model_validate(toy["data"])
    files, missing = list_files(data, data.a)
    assert len(files) == 2
    assert len(missing) == 1
    assert "'real'" in missing[0]
    library = load_library(data, data.a)
    assert library.weights == (1.0, 0.0)
    assert library.notes == tuple(missing)
    extra["required"] = True
    with pytest.raises(ConfigError, match="'real'"):
        listed(toy)


def test_missing_reference_is_refused(toy: Plain) -> None:
    toy["data"]["a"]["sources"][0]["reference"] = "absent.nii.gz"
    with pytest.raises(ConfigError, match="Reference"):
        listed(toy)


def test_numbered_subjects_need_numbered_folders(
    toy: Plain, tmp_path: Path, image_writer: Callable[..., None], cohort: Path
) -> None:
    shutil.copytree(cohort / "sub-0001", tmp_path / "anna")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    toy["data"]["a"]["sources"][0]["glob"] = "*/ct.nii.gz"
    with pytest.raises(ConfigError, match="sub-NUMBER"):
        listed(toy)


def test_held_out_folder_is_refused(toy: Plain) -> None:
    toy["data"]["held_out"] = ["cohort:sub-0004/*.nii.gz"]
    with pytest.raises(ConfigError, match=r"sub-0004.*held out"):
        listed(toy)
    assert listed(toy, "b") == ["sub-0001", "sub-0003"]


def test_held_out_subject_is_known_under_another_name(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "sub-0002", tmp_path / "sub-0099")
    toy["data"]["roots"]["real"] = str(tmp_path)
    toy["data"]["held_out"] = ["real:*/ct.nii.gz"]
    with pytest.raises(ConfigError, match="held out"):
        listed(toy)


def test_held_out_patient_is_known_by_the_pattern(toy: Plain, cohort: Path, tmp_path: Path) -> None:
    for name in ("P-1_ED", "P-1_ES", "P-2_ED"):
        shutil.copy(cohort / "sub-0001" / "mr.nii.gz", tmp_path / f"{name}.nii.gz")
    toy["data"]["roots"]["real"] = str(tmp_path)
    extra = {**toy["data"]["b"]["sources"][0], "root": "real", "glob": "P-?_ED.nii.gz"}
    extra |= {"reference": None, "subjects": "all", "subject": r"P-\d+"}
    toy["data"]["b"]["sources"].append(extra)
    assert len(listed(toy, "b")) == 4
    toy["data"]["held_out"] = ["real:P-1_ES.nii.gz"]
    with pytest.raises(ConfigError, match=r"'P-1'.*held out"):
        listed(toy, "b")
