import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def named(toy: Plain, **source: Any) -> Plain:
    """The toy configuration with one source of its first domain found in another way."""
    toy["data"]["a"]["sources"][0] |= {"glob": None, "subjects": "all", "reference": None, **source}
    return toy


def test_a_table_names_images_and_what_belongs_to_them(toy: Plain, cohort: Path) -> None:
    lines = ["image,reference,subject"]
    lines += [f"sub-000{n}/ct.nii.gz,sub-000{n}/ct_reference.nii.gz,P{n}" for n in (3, 1)]
    (cohort / "ct.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = DataConfig.model_validate(named(toy, table="ct.csv")["data"])
    files, _ = list_files(data, data.a)
    assert [(f.path.parent.name, f.subject, f.pair) for f in files] == [
        ("sub-0003", "P3", "P3"),
        ("sub-0001", "P1", "P1"),
    ]
    assert all(f.reference is not None and f.reference.name == "ct_reference.nii.gz" for f in files)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("path\na.nii.gz\n", "has the columns path; it needs 'image'"),
        ("image,age\nsub-0001/ct.nii.gz,7\n", "has the columns image, age"),
        (
            "image\nsub-0001/ct.nii.gz\nno.nii.gz\n",
            "Line 3 of table .* names .*no.nii.gz, which is not there",
        ),
        ("image,subject\n,P1\n", "Line 2 of table .* names no image"),
    ],
)
def test_a_table_that_is_wrong_is_refused(toy: Plain, cohort: Path, text: str, words: str) -> None:
    (cohort / "ct.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        listed(named(toy, table="ct.csv"))


def test_a_table_that_is_not_there_is_refused(toy: Plain) -> None:
    with pytest.raises(ConfigError, match=r"Table .*no\.csv of source 'toys' cannot be read"):
        listed(named(toy, table="no.csv"))
    with pytest.raises(ValueError, match="a glob and a table"):
        DataConfig.model_validate(named(toy, table="no.csv", glob="*")["data"])


def test_a_folder_gives_its_volumes_and_dicom_series(
    toy: Plain, tmp_path: Path, image_writer: Callable[..., None]
) -> None:
    for name in ("anna", "bert"):
        image_writer(tmp_path / f"{name}.nii.gz", np.zeros((4, 4, 4)))
        image_writer(tmp_path / "masks" / f"{name}_mask.nrrd", np.zeros((4, 4, 4)))
    (tmp_path / "notes.txt").write_text("no volume", encoding="utf-8")
    series = tmp_path / "clara"
    series.mkdir()
    (series / "1").write_bytes(bytes(128) + b"DICM" + bytes(50))
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    toy["data"]["masks"] = {"heart": [1]}
    named(toy, labels="masks/{stem}_mask.nrrd")
    toy["data"]["b"]["sources"][0]["labels"] = "l.nii.gz"
    data = DataConfig.model_validate(toy["data"])
    with pytest.raises(ConfigError, match=r"clara_mask\.nrrd is missing"):
        list_files(data, data.a)
    shutil.rmtree(series)
    files, _ = list_files(data, data.a)
    assert [(f.path.name, f.subject, f.labels.name if f.labels else "") for f in files] == [
        ("anna.nii.gz", "anna", "anna_mask.nrrd"),
        ("bert.nii.gz", "bert", "bert_mask.nrrd"),
    ]


def test_dicom_series_are_read(toy: Plain, tmp_path: Path) -> None:
    series = tmp_path / "clara"
    write_series(series)
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    data = DataConfig.model_validate(named(toy)["data"])
    library = load_library(data, data.a)
    assert [s.image.shape for s in library.stacks] == [(5, 40, 40)]
    assert library.stacks[0].spacing == pytest.approx((4.0, 4.0, 4.0))


def write_series(folder: Path) -> None:
    """Five axial CT slices of 40 x 40 pixels, 4 mm apart, of -1000 to 1000 HU."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    uid = generate_uid()
    for number in range(5):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_ = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.Modality, slice_.SeriesInstanceUID, slice_.StudyInstanceUID = "CT", uid, uid
        slice_.Rows = slice_.Columns = 40
        slice_.PixelSpacing, slice_.SliceThickness = [4, 4], 4
        slice_.ImageOrientationPatient, slice_.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 4 * number]
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
        slice_.PixelRepresentation, slice_.SamplesPerPixel = 1, 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.RescaleSlope, slice_.RescaleIntercept, slice_.InstanceNumber = 1, 0, number + 1
        pixels = np.linspace(-1000, 1000, 1600).reshape(40, 40).astype(np.int16)
        slice_.PixelData = pixels.tobytes()
        pydicom.dcmwrite(folder / f"{number}.dcm", slice_, enforce_file_format=True)


@given(share=st.floats(0.05, 0.9), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_split_divides_subjects_and_never_slices(toy: Plain, share: float, seed: int) -> None:
    for letter in "ab":
        toy["data"][letter]["sources"][0]["subjects"] = "all"
    toy["data"]["split"] = {"held_out": share, "seed": seed}
    data = DataConfig.model_validate(toy["data"])
    if round(share * 4) == 4:
        with pytest.raises(ConfigError, match="without a subject"):
            list_files(data, data.a)
        return
    kept = {letter: {f.subject for f in list_files(data, getattr(data, letter))[0]} for letter in "ab"}
    apart = {
        letter: {f.subject for f in list_files(data, getattr(data, letter), held_out=True)[0]}
        for letter in "ab"
    }
    # Both domains show the same four subjects, who are on the same side in both.
    assert kept["a"] == kept["b"]
    assert apart["a"] == apart["b"]
    assert not kept["a"] & apart["a"]
    assert len(kept["a"] | apart["a"]) == 4
    assert len(apart["a"]) == max(1, round(share * 4))


def test_without_a_split_nobody_is_held_out(toy: Plain) -> None:
    data = DataConfig.model_validate(toy["data"])
    assert list_files(data, data.a, held_out=True)[0] == []


def test_a_split_wants_to_know_whom_files_show(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    for name in ("IXI001-T1", "IXI001-T2", "IXI002-T1", "IXI003-T1"):
        shutil.copy(cohort / "sub-0001" / "mr.nii.gz", tmp_path / f"{name}.nii.gz")
    toy["data"]["roots"]["real"] = str(tmp_path)
    toy["data"]["split"] = {"held_out": 0.34}
    source = toy["data"]["b"]["sources"][0]
    source |= {"root": "real", "glob": "*.nii.gz", "reference": None, "subjects": "all"}
    with pytest.raises(ConfigError, match=r"must know whom .* shows; give the source a 'subject'"):
        listed(toy, "b")
    source["subject"] = r"IXI\d+"
    data = DataConfig.model_validate(toy["data"])
    apart = {f.subject for f in list_files(data, data.b, held_out=True)[0]}
    kept = {f.subject for f in list_files(data, data.b)[0]}
    assert apart
    assert not apart & kept
    source["subject"] = r"P\d+"
    with pytest.raises(ConfigError, match="does not match 'subject' of source 'toys'"):
        listed(toy, "b")
    source["subject"] = "("
    with pytest.raises(ValueError, match="no regular expression"):
        DataConfig.model_validate(toy["data"])


def people(toy: Plain, letter: str) -> list[str]:
    """Subjects of a domain, as they are called."""
    data = DataConfig.model_validate(toy["data"])
    return [file.subject for file in list_files(data, getattr(data, letter))[0]]


def people_by_table(toy: Plain, folder: Path, cohort: Path, columns: str, rows: list[str]) -> None:
    """Files anna_1, anna_2, bert_1, bert_2 and carl_1, and a table of them for both domains."""
    for name in ("anna_1", "anna_2", "bert_1", "bert_2", "carl_1"):
        shutil.copy(cohort / "sub-0001" / "mr.nii.gz", folder / f"{name}.nii.gz")
    (folder / "people.csv").write_text("\n".join([columns, *rows]), encoding="utf-8")
    toy["data"]["roots"]["cohort"] = str(folder)
    for letter in "ab":
        source = toy["data"][letter]["sources"][0]
        source |= {"table": "people.csv", "glob": None, "reference": None, "subjects": "all"}


def test_a_table_without_people_cannot_be_split(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    people_by_table(toy, tmp_path, cohort, "image", [f"{n}.nii.gz" for n in ("anna_1", "anna_2", "bert_1")])
    assert people(toy, "a") == ["anna_1", "anna_2", "bert_1"]
    toy["data"]["split"] = {"held_out": 0.34}
    with pytest.raises(ConfigError, match=r"must know whom anna_1.nii.gz .* column 'subject' of its table"):
        listed(toy, "a")


@given(seed=st.integers(0, 20))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_of_one_person_in_a_table_stay_together(
    toy: Plain, tmp_path: Path, cohort: Path, seed: int
) -> None:
    rows = [f"{n}.nii.gz,{n[:4]}" for n in ("anna_1", "anna_2", "bert_1", "bert_2", "carl_1")]
    people_by_table(toy, tmp_path, cohort, "image,subject", rows)
    toy["data"]["split"] = {"held_out": 0.34, "seed": seed}
    data = DataConfig.model_validate(toy["data"])
    kept, apart = ({f.path.name[:4] for f in list_files(data, data.a, held_out=h)[0]} for h in (False, True))
    assert len(apart) == 1
    assert kept | apart == {"anna", "bert", "carl"}
    assert not kept & apart


def test_whom_a_table_holds_out_is_held_out_with_all_files(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    people_by_table(toy, tmp_path, cohort, "image,subject", ["anna_1.nii.gz,anna", "bert_1.nii.gz,bert"])
    (tmp_path / "others.csv").write_text("image,subject\nanna_2.nii.gz,anna\n", encoding="utf-8")
    toy["data"]["b"]["sources"][0]["table"] = "others.csv"
    toy["data"]["held_out"] = ["cohort:anna_1.nii.gz"]
    with pytest.raises(ConfigError, match=r"'anna' \(anna_2.nii.gz\) is both trained on and held out"):
        listed(toy, "b")
    toy["data"]["held_out"] = ["cohort:bert_1.nii.gz"]
    assert people(toy, "b") == ["anna"]


def test_a_number_below_one_root_is_one_person(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    for folder in ("ct", "mr"):
        (tmp_path / folder).mkdir()
        for number in (1, 2):
            shutil.copy(
                cohort / "sub-0001" / f"{folder}.nii.gz", tmp_path / folder / f"sub-{number:02d}.nii.gz"
            )
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    for letter, folder in (("a", "ct"), ("b", "mr")):
        source = toy["data"][letter]["sources"][0]
        source |= {"glob": f"{folder}/sub-*.nii.gz", "reference": None, "subjects": "all"}
    toy["data"]["a"]["sources"][0]["subjects"] = "2-2"
    toy["data"]["held_out"] = ["cohort:ct/sub-01*"]
    assert people(toy, "a") == ["sub-02"]
    with pytest.raises(ConfigError, match=r"'sub-01' .*both trained on and held out"):
        listed(toy, "b")


def test_any_file_of_a_held_out_person_counts(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / f"sub-{number:02d}"
        folder.mkdir()
        for name in ("ct", "mr"):
            shutil.copy(cohort / "sub-0001" / f"{name}.nii.gz", folder)
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    for letter in "ab":
        toy["data"][letter]["sources"][0] |= {"reference": None, "subjects": "all"}
    toy["data"]["held_out"] = ["cohort:sub-02/ct.nii.gz"]
    with pytest.raises(ConfigError, match=r"'sub-02' \(mr.nii.gz\) is both trained on and held out"):
        listed(toy, "b")
    toy["data"]["held_out"] = ["cohort:sub_02/*"]
    with pytest.raises(ConfigError, match=r"Nothing matches 'cohort:sub_02/\*' of data.held_out"):
        listed(toy, "b")


def test_a_held_out_slice_stands_for_its_series(toy: Plain, tmp_path: Path) -> None:
    write_series(tmp_path / "clara")
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    toy["data"]["held_out"] = ["cohort:clara/*.dcm"]
    with pytest.raises(ConfigError, match="held out"):
        listed(named(toy))
