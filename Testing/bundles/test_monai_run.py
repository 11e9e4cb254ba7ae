"""MONAI alone must make the same voxels from a bundle as a forward pass by hand, and as the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.inference import Engine, LabelCodec, Painter
from SynthLogic.phantoms import make_subject
from SynthLogic.resources import resource_folder
from SynthLogic.volume import read_volume, write_volume

from .conftest import ARGUMENTS, card_data, tiny_state
from .test_foreign import foreign_card, onnx_model, torchscript

nib = pytest.importorskip("nibabel")
monai_bundle = pytest.importorskip("monai.bundle")

Make = Callable[..., Bundle]
WINDOW = {"steps": [{"kind": "window", "lower": -1000, "upper": 1000}]}
PERCENTILES = {"steps": [{"kind": "percentiles", "lower": 2, "upper": 95}]}
TO_CT = {
    "name": "tiny-mr-to-ct",
    "input": {
        "modality": "MR",
        "units": "a.u.",
        "intensity": PERCENTILES,
        "background": 0,
        "dtype": "float32",
    },
    "output": {
        "modality": "CT",
        "units": "HU",
        "intensity": {"steps": [{"kind": "window", "lower": -1000, "upper": 2000}]},
        "background": -1000,
        "dtype": "int16",
    },
}


def scan(
    folder: Path, axes: str, shape: tuple[int, int, int] = (23, 18, 3), slice_mm: float = 4.0
) -> tuple[Path, np.ndarray]:
    """A NIfTI file stored along ``axes``, and its voxels (K, J, I) towards superior, anterior, right."""
    generator = np.random.default_rng(7)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    voxels = 700 * np.sin(3 * i) * np.cos(4 * j + k) + generator.normal(0, 100, shape)
    voxels = voxels.round().astype(np.int16)
    affine = nib.affines.from_matvec(rotation(0.1) @ np.diag([1.5, 1.4, slice_mm]), [-20, 30, 7])
    image = nib.Nifti1Image(voxels, affine)
    target = nib.orientations.axcodes2ornt(tuple(axes))
    stored = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), target))
    path = folder / f"scan{axes}.nii.gz"
    nib.save(stored, path)
    return path, voxels.transpose(2, 1, 0).astype(np.float64)


def by_engine(bundle: Bundle, path: Path) -> np.ndarray:
    """The engine's voxels (K, J, I) towards superior, anterior, right."""
    result = Engine(bundle, device="cpu", precision="fp32").run(read_volume(path).volume)
    return result.volume.canonical()[0].array.astype(np.float64)


def rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def by_hand(bundle: Bundle, voxels: np.ndarray, plane: int = 0) -> np.ndarray:
    """Translate (K, J, I) slice by slice, written out apart from everything the engine uses."""
    step = bundle.card.input.intensity.steps[0]
    low, high = step.lower, step.upper
    if step.kind == "percentiles":
        low, high = np.percentile(voxels, [low, high])
    scaled = np.clip((voxels - low) / (high - low), 0, 1) * 2 - 1
    slices = np.moveaxis(scaled, plane, 0)
    rows, columns = slices.shape[1:]
    padded = np.pad(slices, ((0, 0), (0, -rows % 4), (0, -columns % 4)), mode="reflect").astype(np.float32)
    network = bundle.load_network()
    with torch.no_grad():
        result = np.concatenate([network(torch.from_numpy(s)[None, None])[0].numpy() for s in padded])
    result = np.moveaxis(result[:, :rows, :columns], 0, plane)
    window = bundle.card.output.intensity.steps[0]
    return (result + 1) / 2 * (window.upper - window.lower) + window.lower


def run_monai(bundle: Bundle, path: Path, folder: Path) -> Any:
    monai_bundle.run(
        config_file=str(bundle.folder / "configs/inference.json"),
        bundle_root=str(bundle.folder),
        input=str(path),
        output_folder=str(folder),
        device="cpu",
    )
    return only_image(folder)


def only_image(folder: Path) -> Any:
    (path,) = folder.glob("*.nii.gz")
    return nib.load(path)


def canonical(image: Any) -> np.ndarray:
    return nib.as_closest_canonical(image).get_fdata().transpose(2, 1, 0)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SLA", "IPR"])
@pytest.mark.parametrize("changes", [{}, TO_CT], ids=["ct-to-mr", "mr-to-ct"])
def test_monai_agrees_with_a_forward_pass_by_hand(
    make: Make, tmp_path: Path, axes: str, changes: dict[str, Any]
) -> None:
    bundle = make(**changes)
    path, voxels = scan(tmp_path, axes)
    image = run_monai(bundle, path, tmp_path / "out")
    stored = nib.load(path)
    assert image.shape == stored.shape
    np.testing.assert_allclose(image.affine, stored.affine, atol=1e-4)
    assert image.get_data_dtype() == np.dtype(bundle.card.output.dtype)
    expected = by_hand(bundle, voxels)
    assert np.ptp(expected) > 50
    # Half a unit, and where voxels are stored as integers the rounding beside it.
    limit = 0.5 if bundle.card.output.dtype == "float32" else 0.501
    assert np.abs(canonical(image) - expected).max() < limit


STEPS: dict[str, list[dict[str, Any]]] = {
    "window": [{"kind": "window", "lower": -1000, "upper": 800}],
    "percentiles": [{"kind": "percentiles", "lower": 2, "upper": 95}],
    "two": [{"kind": "window", "lower": -900, "upper": 900}, {"kind": "percentiles"}],
    "z-score": [{"kind": "z-score", "limit": 2}],
    "foreground": [{"kind": "z-score", "foreground": True}],
    "n4": [
        {"kind": "window", "lower": -2000, "upper": 2000},
        {"kind": "n4", "shrink": 2},
        {"kind": "z-score"},
    ],
}


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("steps", STEPS)
def test_monai_agrees_with_the_engine(make: Make, tmp_path: Path, steps: str, dtype: str) -> None:
    bundle = make(input__intensity={"steps": STEPS[steps]}, output__dtype=dtype)
    path, _ = scan(tmp_path, "LPI", (23, 13, 3))  # one side so short that the engine pads it further
    image, expected = run_monai(bundle, path, tmp_path / "out"), by_engine(bundle, path)
    assert np.ptp(expected) > 50
    difference = np.abs(canonical(image) - expected)
    if steps == "n4":
        # Readers give spacings that differ in the eighth digit; N4's iterations and this steep network
        # magnify that.
        assert difference.max() < 0.005 * np.ptp(expected)
    elif dtype == "float32":
        assert difference.max() < 0.5
    else:  # a value may lie just at either side of a half
        assert difference.max() <= 1
        assert difference.mean() < 0.01


@pytest.mark.parametrize("direction", ["ct-to-mr", "mr-to-ct"])
def test_monai_agrees_with_the_engine_on_what_ships(direction: str, tmp_path: Path) -> None:
    bundle = Bundle.open(resource_folder() / "bundles" / f"thorax-{direction}")
    subject = make_subject(5, 0, shape=(6, 75, 90), spacing=(2.0, 2.0, 2.0))
    path = tmp_path / "scan.nii.gz"
    write_volume(path, subject.ct if direction == "ct-to-mr" else subject.mr)
    image, expected = run_monai(bundle, path, tmp_path / "out"), by_engine(bundle, path)
    assert np.ptp(expected) > 500
    difference = np.abs(canonical(image) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@pytest.mark.parametrize(("plane", "name"), [(1, "coronal"), (2, "sagittal")])
def test_monai_slices_along_the_first_plane_of_the_card(
    make: Make, tmp_path: Path, plane: int, name: str
) -> None:
    bundle = make(spatial__planes=[name])
    path, voxels = scan(tmp_path, "LPS", (17, 18, 19))
    result = canonical(run_monai(bundle, path, tmp_path / "out"))
    assert np.abs(result - by_hand(bundle, voxels, plane)).max() < 0.5


def test_a_3d_network_runs_as_in_the_engine(make: Make, tmp_path: Path) -> None:
    card = Card.from_data(
        card_data(
            network__arguments={**ARGUMENTS, "spatial_dims": 3},
            spatial__spatial_dims=3,
            spatial__tile=[16, 16, 20],
        )
    )
    bundle = write_bundle(tmp_path / "made", card, tiny_state(spatial_dims=3))
    path, _ = scan(tmp_path, "LPS", (20, 16, 15), slice_mm=1.5)
    difference = canonical(run_monai(bundle, path, tmp_path / "out")) - by_engine(bundle, path)
    assert np.abs(difference).max() < 0.5  # one tile: where several meet, both blend them differently


@pytest.mark.parametrize(("kind", "export"), [("torchscript", torchscript), ("onnx", onnx_model)])
def test_a_foreign_model_runs_as_in_the_engine(
    tmp_path: Path, kind: str, export: Callable[[Path], Path]
) -> None:
    bundle = write_bundle(tmp_path / "made", foreign_card(kind), export(tmp_path / "model"))
    path, _ = scan(tmp_path, "LPS")
    difference = canonical(run_monai(bundle, path, tmp_path / "out")) - by_engine(bundle, path)
    assert np.abs(difference).max() < 0.5


def test_the_command_line_of_monai_runs_the_bundle(make: Make, tmp_path: Path) -> None:
    bundle = make()
    path, voxels = scan(tmp_path, "LPS")
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.json"]
    command += ["--bundle_root", ".", "--input", str(path), "--output_folder", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=bundle.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert np.abs(canonical(only_image(tmp_path / "out")) - by_hand(bundle, voxels)).max() < 0.5
    bundle.verify()  # MONAI left nothing in it


def label_file(folder: Path, shape: tuple[int, int, int] = (16, 16, 3)) -> tuple[Path, np.ndarray]:
    """A label map as our engine would write it, oblique, and its values (K, J, I)."""
    values = np.random.default_rng(3).choice([0, 1, 2, 4], shape).astype(np.uint8)
    affine = nib.affines.from_matvec(rotation(0.4) @ np.diag([-1.5, 1.5, 8.0]), [-20, 30, 7])
    path = folder / "labels.nii.gz"
    nib.save(nib.Nifti1Image(values, affine), path)
    return path, values.transpose(2, 1, 0)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_monai_paints_as_the_painter_does(
    make_heart: Callable[..., Bundle], tmp_path: Path, dtype: str
) -> None:
    bundle = make_heart("paint", output__dtype=dtype)
    path, labels = label_file(tmp_path)
    image = run_monai(bundle, path, tmp_path / "out")
    painter = Painter(bundle, "cpu", "fp32")
    expected = painter.paint(labels, painter.style_named("a"))
    assert np.ptp(expected) > 50
    assert image.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_allclose(image.affine, nib.load(path).affine, atol=1e-4)
    assert np.abs(image.get_fdata().transpose(2, 1, 0) - expected).max() < 0.501


def test_monai_encodes_and_decodes_as_the_codec_does(
    make_heart: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make_heart("label-vae")
    path, labels = label_file(tmp_path)
    image = run_monai(bundle, path, tmp_path / "out")
    codec = LabelCodec(bundle, "cpu")
    expected = codec.decode(codec.encode(labels))
    assert len(np.unique(expected)) > 1
    assert image.get_data_dtype() == np.uint8
    assert np.mean(image.get_fdata().transpose(2, 1, 0) == expected) > 0.99  # a tie may fall either way


def test_monai_brings_a_stack_of_another_size_back(make_heart: Callable[..., Bundle], tmp_path: Path) -> None:
    path, _ = label_file(tmp_path, (12, 21, 2))
    image = run_monai(make_heart("paint"), path, tmp_path / "out")
    assert image.shape == (12, 21, 2)
    np.testing.assert_allclose(image.affine, nib.load(path).affine, atol=1e-4)


@pytest.mark.parametrize("task", ["paint", "label-vae"])
def test_the_command_line_of_monai_runs_a_bundle_for_labels(
    make_heart: Callable[..., Bundle], tmp_path: Path, task: str
) -> None:
    bundle = make_heart(task)
    path, _ = label_file(tmp_path)
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.json"]
    command += ["--bundle_root", ".", "--input", str(path), "--output_folder", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=bundle.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert only_image(tmp_path / "out").shape == (16, 16, 3)
    bundle.verify()


@pytest.mark.parametrize("task", ["paint", "label-vae"])
def test_metadata_say_what_the_network_takes(make_heart: Callable[..., Bundle], task: str) -> None:
    bundle = make_heart(task)
    data = json.loads((bundle.folder / "configs/metadata.json").read_text())["network_data_format"]
    image = data["inputs"]["image"]
    assert (image["format"], image["num_channels"], image["spatial_shape"]) == ("labels", 4, [16, 16])
    assert image["channel_def"] == {"0": "background", "1": "lv_cavity", "2": "myocardium", "3": "rv_cavity"}
    assert ("style" in data["inputs"]) == (task == "paint")
    assert data["outputs"]["pred"]["format"] == ("magnitude" if task == "paint" else "labels")
