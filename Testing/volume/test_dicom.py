"""DICOM folders: read with every voxel in its true place, or refused in one sentence."""

import locale
import shutil
from dataclasses import asdict

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from SynthLogic.errors import InputError
from SynthLogic.volume import read_volume
from SynthLogic.volume.dicom_slice import Slice

ROWS, COLUMNS, PIXEL = 40, 36, (0.5, 0.8)
BALL = np.array([9.3, 15.2, 14.1])


@pytest.fixture(autouse=True)
def _silent(capfd, recwarn):
    yield
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def seen(position, rows=(1, 0, 0), columns=(0, 1, 0)) -> np.ndarray:
    """The slice that a scanner sees at an LPS position of a Gaussian ball in air."""
    i, j = np.meshgrid(np.arange(COLUMNS) * PIXEL[0], np.arange(ROWS) * PIXEL[1])
    points = np.asarray(position) + i[..., None] * np.asarray(rows) + j[..., None] * np.asarray(columns)
    away = np.linalg.norm(points - BALL, axis=-1)
    return np.rint(-1000 + 1500 * np.exp(-(away**2) / (2 * 2.5**2))).astype(np.int16)


def write_stack(folder, write_slice, heights, tilt=0.0, **changes):
    for number, z in enumerate(heights):
        position = (0.0, -np.tan(np.radians(tilt)) * z, float(z))
        write_slice(folder, number, seen(position), position, **changes)


def ball_in(volume) -> np.ndarray:
    weight = np.clip(volume.array.astype(float) + 900, 0, None)
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in volume.shape], indexing="ij")[::-1], axis=-1)
    centre = (volume.grid.to_ras(indices) * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
    return centre * (-1, -1, 1)


def refused(folder, *words):
    with pytest.raises(InputError) as caught:
        read_volume(folder)
    for word in words:
        assert word in str(caught.value), caught.value
    for private in ("Doe", "secret", "\n", str(folder)):
        assert private not in str(caught.value)


def test_an_even_stack(tmp_path, write_slice):
    write_stack(tmp_path, write_slice, np.arange(15) * 2.0)
    (tmp_path / "LICENSE.txt").write_text("not DICOM")
    scan = read_volume(tmp_path)
    assert scan.volume.array.dtype == np.int16
    assert scan.volume.shape == (15, ROWS, COLUMNS)
    np.testing.assert_allclose(scan.volume.spacing, (*PIXEL, 2.0))
    assert scan.volume.grid.axis_codes == "LPS"
    np.testing.assert_array_equal(scan.volume.array[7], seen((0, 0, 14)))
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.02)
    assert scan.meta.kind == "dicom"
    assert scan.meta.modality == "CT"
    assert scan.meta.notes == ()
    assert "Doe" not in str(asdict(scan.meta))


def test_the_locale_stays_as_it_was(tmp_path, write_slice, monkeypatch):
    write_stack(tmp_path, write_slice, np.arange(12) * 2.5)
    before, read = locale.setlocale(locale.LC_ALL), Slice.read

    def as_itk_may_leave_it(slice_):
        locale.setlocale(locale.LC_ALL, "C")
        return read(slice_)

    monkeypatch.setattr(Slice, "read", as_itk_may_leave_it)
    read_volume(tmp_path)
    assert locale.setlocale(locale.LC_ALL) == before


def test_file_names_and_rounded_positions_do_not_matter(tmp_path, write_slice):
    heights = np.round(np.arange(15) * 1.9999, 2)
    for number, z in enumerate(heights):
        write_slice(tmp_path, (number * 7) % 15, seen((0, 0, z)), (0, 0, z))
    scan = read_volume(tmp_path)
    assert scan.meta.notes == ()
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.03)


def test_oblique_and_reversed(tmp_path, write_slice):
    rows, columns = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, -1.0])
    normal = np.cross(rows, columns)
    for number in range(15):
        position = BALL - rows * 8 - columns * 15 + normal * (14.0 - 2 * number)
        write_slice(
            tmp_path,
            number,
            seen(position, rows, columns),
            tuple(position),
            ImageOrientationPatient=[*rows, *columns],
        )
    scan = read_volume(tmp_path)
    assert scan.meta.notes == ()
    np.testing.assert_allclose(scan.volume.spacing, (*PIXEL, 2.0))
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.02)


@pytest.mark.parametrize("tilt", [-25.0, 12.0, 30.0])
def test_a_tilted_gantry_is_put_right(tmp_path, write_slice, tilt):
    write_stack(tmp_path, write_slice, np.arange(15) * 2.0, tilt)
    scan = read_volume(tmp_path)
    assert not scan.volume.grid.is_sheared
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.1)
    assert f"tilted by {abs(tilt):.1f} degrees" in scan.meta.notes[0]
    assert scan.volume.array.min() == -1000
    corners = np.array([(0, 0, 0), (0, -np.tan(np.radians(tilt)) * 28, 28.0)]) * (-1, -1, 1)
    indices = scan.volume.grid.to_ijk(corners)
    assert (indices > -0.51).all()
    assert (indices < np.array(scan.volume.shape[::-1]) - 0.49).all()


def test_uneven_slices_are_put_right(tmp_path, write_slice):
    heights = np.array([0, 1.6, 4, 5.6, 8, 9.6, 12, 13.6, 16, 17.6, 20, 22, 24, 25.6, 28])
    write_stack(tmp_path, write_slice, heights)
    scan = read_volume(tmp_path)
    assert "unevenly spaced" in scan.meta.notes[0]
    np.testing.assert_allclose(scan.volume.spacing[2], 2.0)
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.1)
    np.testing.assert_array_equal(scan.volume.array[[0, -1]], [seen((0, 0, 0)), seen((0, 0, 28))])
    assert np.abs(scan.volume.array[1] - seen((0, 0, 2))).max() < 120


def test_tilted_and_uneven(tmp_path, write_slice):
    heights = np.arange(15) * 2.0 + np.array([0, 0.3, -0.3] * 5)
    heights[0], heights[-1] = 0, 28
    write_stack(tmp_path, write_slice, heights, 20)
    scan = read_volume(tmp_path)
    assert len(scan.meta.notes) == 2
    np.testing.assert_allclose(ball_in(scan.volume), BALL, atol=0.12)


def test_missing_slices_are_refused(tmp_path, write_slice):
    heights = np.delete(np.arange(15) * 2.0, 6)
    write_stack(tmp_path, write_slice, heights)
    refused(tmp_path, "misses slices", "after slice 6", "4 mm", "2 mm")


@pytest.mark.parametrize("heights", [[0, 3, 9], [0, 1, 2, 4, 6], [0, 2, 6, 8, 12]])
def test_missing_slices_are_refused_where_half_the_gaps_are_wide(tmp_path, write_slice, heights):
    write_stack(tmp_path, write_slice, heights)
    refused(tmp_path, "misses slices")


def test_doubled_slices_are_refused(tmp_path, write_slice):
    write_stack(tmp_path, write_slice, [0, 2, 4, 4, 6])
    refused(tmp_path, "1 slices in the same place", "phase")


def test_slices_that_form_no_stack_are_refused(tmp_path, write_slice):
    for number in range(6):
        shift = (0.0, 8.0 * (number % 2), 2.0 * number)
        write_slice(tmp_path, number, seen(shift), shift)
    refused(tmp_path, "do not lie above each other")


def test_several_series_are_listed(tmp_path, write_slice):
    write_stack(tmp_path, write_slice, [0, 2, 4])
    for number in (10, 11):
        other = {
            "SeriesInstanceUID": "1.2.3",
            "SeriesNumber": 12,
            "SeriesDescription": "Thorax 1.0 Br36",
            "Modality": "MR",
        }
        write_slice(tmp_path, number, seen((0, 0, number)), (0, 0, number), **other)
    refused(
        tmp_path,
        "2 DICOM series",
        "series 3: CT, 3 slices",
        "series 12: MR 'Thorax 1.0 Br36', 2 slices",
        "folder",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
        {"PixelSpacing": [1.0, 1.0]},
        {"Rows": 20, "PixelData": b"\0" * (20 * COLUMNS * 2)},
    ],
)
def test_mixed_slices_are_refused(tmp_path, write_slice, changes):
    write_stack(tmp_path, write_slice, [0, 2, 4])
    write_slice(tmp_path, 9, seen((0, 0, 6)), (0, 0, 6), **changes)
    refused(tmp_path, "mixes images")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"NumberOfFrames": 2, "PixelData": b"\0" * (2 * ROWS * COLUMNS * 2)}, "multi-frame"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "multi-frame"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "colour"),
        ({"ImagePositionPatient": None}, "position"),
        ({"ImageOrientationPatient": None}, "orientation"),
        ({"PixelSpacing": None}, "pixel spacing"),
        ({"PixelSpacing": [0, 1]}, "zero or NaN"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 1, 0]}, "impossible"),
        ({"PixelData": b"\0" * 100}, "damaged"),
    ],
)
def test_images_that_cannot_be_placed_are_refused(tmp_path, write_slice, changes, word):
    write_stack(tmp_path, write_slice, [0, 2, 4], **changes)
    refused(tmp_path, word)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_slice_is_refused(tmp_path, write_slice, kept):
    write_stack(tmp_path, write_slice, np.arange(5) * 2.0)
    path = tmp_path / "slice002.dcm"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    refused(tmp_path)


def test_rescaling(tmp_path, write_slice):
    pixels = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(np.uint16)
    for number in range(3):
        stored = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024}
        write_slice(tmp_path, number, pixels, (0, 0, number), **stored)
    array = read_volume(tmp_path).volume.array
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array[1], pixels.astype(int) - 1024)


def test_each_slice_has_its_own_slope(tmp_path, write_slice):
    pixels = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(np.int16)
    for number, slope in enumerate((1, 0.25, 3)):
        write_slice(tmp_path, number, pixels, (0, 0, number), RescaleSlope=slope, RescaleIntercept=-number)
    array = read_volume(tmp_path).volume.array
    assert array.dtype == np.float32
    for number, slope in enumerate((1, 0.25, 3)):
        np.testing.assert_array_equal(array[number], pixels * slope - number)


def test_a_modality_table(tmp_path, write_slice):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "HU"
    table.LUTData = np.array([5, 10, 500, 1000], "<u2").tobytes()
    pixels = (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 4).astype(np.uint16)
    for number in range(2):
        changes = {"RescaleSlope": None, "RescaleIntercept": None, "ModalityLUTSequence": [table]}
        write_slice(tmp_path, number, pixels, (0, 0, number), **changes)
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array[1], np.array([5, 10, 500, 1000])[pixels])


def test_padding_is_kept_and_noted(tmp_path, write_slice):
    for number in range(3):
        pixels = seen((0, 0, number))
        pixels[0] = -3024
        write_slice(tmp_path, number, pixels, (0, 0, number), PixelPaddingValue=-3024)
    scan = read_volume(tmp_path)
    assert scan.volume.array.min() == -3024
    assert "-3024" in scan.meta.notes[0]


def test_a_single_slice(tmp_path, write_slice):
    write_slice(tmp_path, 1, seen((0, 0, 3)), (0, 0, 3), SliceThickness=4.5)
    scan = read_volume(tmp_path)
    np.testing.assert_allclose(scan.volume.spacing, (*PIXEL, 4.5))
    assert scan.meta.notes == ()
    write_slice(tmp_path, 1, seen((0, 0, 3)), (0, 0, 3), SliceThickness=None)
    scan = read_volume(tmp_path)
    assert scan.volume.spacing[2] == 1
    assert "1 mm was assumed" in scan.meta.notes[0]


def test_dicom_files_without_images_are_passed_over(tmp_path, write_slice):
    write_stack(tmp_path, write_slice, [0, 2, 4])
    header = pydicom.dcmread(tmp_path / "slice000.dcm")
    del header.PixelData, header.Rows
    header.Modality, header.SeriesInstanceUID = "SR", "1.2.9"
    header.save_as(tmp_path / "report.dcm")
    scan = read_volume(tmp_path)
    assert scan.volume.shape[0] == 3
    assert "without an image" in scan.meta.notes[0]


@pytest.mark.parametrize("kept", [0, 100, 200, 400, 600])
def test_a_last_slice_cut_within_its_header_is_not_passed_over(tmp_path, write_slice, kept):
    write_stack(tmp_path, write_slice, [0, 2, 4])
    path = tmp_path / "slice002.dcm"
    path.write_bytes(path.read_bytes()[:kept])
    refused(tmp_path, "slice002.dcm", "damaged")


def test_other_files_in_the_folder_are_passed_over(tmp_path, write_slice):
    write_stack(tmp_path, write_slice, [0, 2, 4])
    (tmp_path / "notes1.txt").write_text("a list of slices", encoding="utf-8")
    (tmp_path / "preview.dcm").write_text("no DICOM at all", encoding="utf-8")
    assert read_volume(tmp_path).volume.shape[0] == 3


def test_only_reports(tmp_path, write_slice):
    write_slice(tmp_path, 0, seen((0, 0, 0)), (0, 0, 0), Modality="SEG")
    refused(tmp_path, "no DICOM images")


# --- real series


def test_jpeg_2000_series(real_data):
    scan = read_volume(real_data / "ct_abdomen_dicom_j2k_totalseg" / "dicom")
    labels = read_volume(real_data / "ct_abdomen_dicom_j2k_totalseg" / "label_auto117.nii.gz")
    assert scan.meta.modality == "CT"
    assert scan.volume.shape == (20, 512, 512)
    assert scan.volume.array.dtype == np.int16
    hu, label = scan.volume.canonical()[0], labels.volume.canonical()[0]
    assert hu.grid.is_close(label.grid, tolerance=1e-2)
    assert hu.array[label.array == 0].mean() < hu.array[label.array > 0].mean()


def test_oblique_cardiac_series_is_its_nifti(real_data):
    folder = real_data / "cardiac_mr_sunnybrook"
    series = read_volume(folder / "dicom_SC-HF-I-1_ED")
    nifti = read_volume(folder / "SC-HF-I-1_ED.nii.gz")
    assert series.meta.modality == "MR"
    assert series.volume.grid.is_close(nifti.volume.grid)
    np.testing.assert_array_equal(series.volume.array, nifti.volume.array)
    assert series.content_hash == nifti.content_hash


def test_head_series_and_its_order(real_data, tmp_path):
    folder = real_data / "ct_head_tiny_dicom_slicer" / "dicom"
    scan = read_volume(folder)
    assert (scan.volume.array.min(), scan.volume.array.max()) == (0, 3926)
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copyfile(path, tmp_path / f"{number}")
    assert read_volume(tmp_path).content_hash == scan.content_hash
