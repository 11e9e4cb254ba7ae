from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.errors import BundleError, OutputError
from SynthLogic.networks import build_network

from .conftest import ARGUMENTS, card_data, tiny_state

Make = Callable[..., Bundle]


def rewrite(bundle: Bundle, path: str, content: bytes) -> None:
    """Change a file and its hash in the card, as a careless or malicious author would."""
    (bundle.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (bundle.folder / path).write_bytes(content)
    hashes = {**Bundle.open(bundle.folder).card.files, path: hashlib.sha256(content).hexdigest()}
    (bundle.folder / "configs/card.json").write_text(
        bundle.card.with_files(hashes).to_json(), encoding="utf-8"
    )


def test_what_is_written_is_read_again(make: Make) -> None:
    bundle = make()
    bundle.verify()
    network = bundle.load_network()
    assert not network.training
    expected = build_network("resnet-generator", ARGUMENTS)
    expected.load_state_dict(tiny_state())
    image = torch.randn(1, 1, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected.eval()(image), rtol=0, atol=0)
    content = (bundle.folder / "configs/card.json").read_bytes()
    assert bundle.hash == hashlib.sha256(content).hexdigest()
    assert set(bundle.card.files) == {
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "docs/README.md",
        "models/model.safetensors",
    }
    assert [p.name for p in bundle.folder.parent.iterdir() if p.name.startswith(".")] == []


def test_writing_twice_gives_the_same_hash(make: Make) -> None:
    assert make(at="a").hash == make(at="b").hash
    assert make(at="c", seed=1).hash != make(at="d").hash


def test_half_precision_is_stored_small_and_loaded_as_float32(tmp_path: Path) -> None:
    card = Card.from_data(card_data())
    full = write_bundle(tmp_path / "full", card, tiny_state())
    half = write_bundle(tmp_path / "half", card, {k: v.half() for k, v in tiny_state().items()})
    sizes = [(b.folder / b.card.weights_path).stat().st_size for b in (full, half)]
    assert sizes[1] < 0.6 * sizes[0]
    assert {p.dtype for p in half.load_network().parameters()} == {torch.float32}


def test_writing_refuses_what_does_not_fit_and_leaves_nothing(tmp_path: Path) -> None:
    card = Card.from_data(card_data())
    state = tiny_state()
    name = next(iter(state))
    wrong = {
        "missing": {k: v for k, v in state.items() if k != name},
        "not part": {**state, "extra": torch.zeros(1)},
        "shape": {**state, name: torch.zeros(3)},
        "finite": {**state, name: torch.full_like(state[name], float("nan"))},
    }
    for word, tensors in wrong.items():
        with pytest.raises(BundleError, match=word):
            write_bundle(tmp_path / "b", card, tensors)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_only_replaced_on_request_and_only_if_it_is_a_bundle(
    tmp_path: Path, make: Make
) -> None:
    first = make()
    with pytest.raises(OutputError, match="already exists"):
        make()
    again = write_bundle(first.folder, first.card, tiny_state(1), overwrite=True)
    again.verify()
    assert again.hash != first.hash
    precious = tmp_path / "precious"
    precious.mkdir()
    with pytest.raises(OutputError):
        write_bundle(precious, first.card, tiny_state(), overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made", "precious"]


@pytest.mark.parametrize(
    "path",
    [
        "models/model.safetensors",
        "LICENSE",
        "docs/README.md",
        "configs/inference.json",
        "configs/metadata.json",
    ],
)
def test_one_changed_bit_is_found(make: Make, path: str) -> None:
    bundle = make()
    content = bytearray((bundle.folder / path).read_bytes())
    content[-1] ^= 1
    (bundle.folder / path).write_bytes(bytes(content))
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.verify()
    if path == bundle.card.weights_path:
        with pytest.raises(BundleError, match="SHA-256"):
            bundle.load_network()


def test_added_missing_linked_files_and_an_exchanged_card_are_found(make: Make, tmp_path: Path) -> None:
    bundle = make(at="added")
    (bundle.folder / "docs/extra.txt").write_text("x")
    with pytest.raises(BundleError, match=r"docs/extra\.txt"):
        bundle.verify()
    (bundle.folder / "docs/extra.txt").rename(bundle.folder / "docs/.DS_Store")
    bundle.verify()
    bundle = make(at="missing")
    (bundle.folder / "LICENSE").unlink()
    with pytest.raises(BundleError, match="LICENSE"):
        bundle.verify()
    bundle = make(at="card")
    (bundle.folder / "configs/card.json").write_text(bundle.card.to_json().replace("Tiny", "Tony"))
    with pytest.raises(BundleError, match="changed"):
        bundle.verify()
    bundle = make(at="linked")
    (tmp_path / "licence").write_bytes((bundle.folder / "LICENSE").read_bytes())
    (bundle.folder / "LICENSE").unlink()
    try:
        os.symlink(tmp_path / "licence", bundle.folder / "LICENSE")
    except OSError:
        pytest.skip("links cannot be made here")
    with pytest.raises(BundleError, match="link"):
        bundle.verify()


def test_weights_of_another_network_with_right_hashes_are_refused(make: Make) -> None:
    bundle = make()
    rewrite(bundle, bundle.card.weights_path, safetensors.torch.save(tiny_state(features=8)))
    with pytest.raises(BundleError, match="shape"):
        Bundle.open(bundle.folder).load_network()
    rewrite(bundle, bundle.card.weights_path, b"\x10\0\0\0\0\0\0\0not safetensors!")
    with pytest.raises(BundleError, match="not a safetensors file"):
        Bundle.open(bundle.folder).load_network()


def test_an_empty_licence_is_none(make: Make) -> None:
    bundle = make()
    rewrite(bundle, "LICENSE", b"")
    with pytest.raises(BundleError, match="licence"):
        Bundle.open(bundle.folder).verify()


def test_an_unknown_network_and_a_giant_one_are_refused_without_allocating(make: Make) -> None:
    bundle = make()
    data = json.loads(bundle.card.to_json())
    for network, word in (
        ({"name": "made-up"}, "made-up"),
        ({"name": "resnet-generator", "arguments": {"features": 100_000}}, "shape"),
    ):
        data["network"] = network
        (bundle.folder / "configs/card.json").write_text(json.dumps(data))
        with pytest.raises(BundleError, match=word):
            Bundle.open(bundle.folder).load_network()


def test_no_card_no_bundle(tmp_path: Path, make: Make) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleError):
        Bundle.open(tmp_path / "absent")
    bundle = make()
    (bundle.folder / "configs/card.json").write_text(Card.from_data(card_data()).to_json())
    with pytest.raises(BundleError, match="does not list"):
        Bundle.open(bundle.folder)
    shutil.rmtree(bundle.folder / "configs")
    with pytest.raises(BundleError, match="not a bundle"):
        Bundle.open(bundle.folder)


def test_the_model_card_says_what_the_card_says(make: Make) -> None:
    bundle = make(licence={"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "Not for sale."})
    text = (bundle.folder / "docs/README.md").read_text(encoding="utf-8")
    for words in (
        "Tiny CT to MR",
        "60 a.u.",
        "10 phantoms",
        "Never seen a real scan.",
        "CC-BY-NC-4.0",
        "Not for sale.",
    ):
        assert words in text
    assert "this \\| project" in text
    assert "window -1000 to 1000" in text
    licence = (bundle.folder / "LICENSE").read_text(encoding="utf-8")
    assert "SPDX-License-Identifier: CC-BY-NC-4.0" in licence
    assert "Not for sale." in licence


def test_metadata_has_what_monai_asks_for(make: Make) -> None:
    metadata = json.loads((make().folder / "configs/metadata.json").read_text(encoding="utf-8"))
    # The required keys and channel keys of MONAI's bundle specification.
    assert {
        "version",
        "changelog",
        "monai_version",
        "pytorch_version",
        "numpy_version",
        "required_packages_version",
        "task",
        "description",
        "authors",
        "copyright",
        "network_data_format",
    } <= metadata.keys()
    formats = metadata["network_data_format"]
    assert formats["inputs"]["image"]["modality"] == "CT"
    assert formats["outputs"]["pred"]["modality"] == "MR"
    for channel in (formats["inputs"]["image"], formats["outputs"]["pred"]):
        assert channel["spatial_shape"] == ["4*n", "4*n"]
        assert channel["num_channels"] == 1
        assert channel["dtype"] == "float32"
