"""Styles measured anew on a painter's own training data: its codes, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from SynthLogic.bundles import Bundle
from SynthLogic.data import load_hearts
from SynthLogic.errors import BundleError, ConfigError
from SynthLogic.inference import Painter
from SynthLogic.methods import parse_config, train
from SynthLogic.methods.restyle import main, restyle

Plain = dict[str, Any]


@pytest.fixture
def painter(spade: Plain, tmp_path: Path) -> Path:
    (folder,) = train(parse_config(spade), tmp_path / "run").bundles
    return folder


def test_styles_are_those_of_the_scans_trained_on(painter: Path, spade: Plain) -> None:
    before = Bundle.open(painter)
    old = load_file(before.folder / before.card.weights_path)
    made = restyle(painter, parse_config(spade), "2.0.0")
    assert made.card == before.card.model_copy(update={"version": "2.0.0", "files": made.card.files})
    assert "2.0.0" in (painter / "LICENSE").read_text(encoding="utf-8")
    new = load_file(made.folder / made.card.weights_path)
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"style_means", "style_spreads"}
    painter_now = Painter(made)
    library = load_hearts(parse_config(spade).data, images=True)
    inner = slice(spade["data"].get("margin", 16), -spade["data"].get("margin", 16))
    codes = torch.from_numpy(
        np.stack(
            [
                painter_now.style_of(s.image[:, inner, inner], s.labels[:, inner, inner])
                for s in library.stacks
            ]
        )
    )
    styles = torch.tensor([s.style for s in library.stacks])
    network: Any = made.load_network()
    for style in (0, 1):
        mine = codes[styles == style]
        torch.testing.assert_close(network.style_means[style], mine.mean(0), atol=1e-3, rtol=1e-3)
        spread = network.style_spreads[style]
        torch.testing.assert_close(spread @ spread.T, mine.T.cov(correction=0), atol=1e-3, rtol=1e-2)


def test_what_does_not_belong_together_is_refused(
    painter: Path, spade: Plain, vae: Plain, tmp_path: Path
) -> None:
    files = {p: p.read_bytes() for p in painter.rglob("*") if p.is_file()}
    other = {**spade, "data": {**spade["data"], "styles": [{"name": "x", "title": "x", "description": "x"}]}}
    other["data"]["sources"] = [{**source, "style": "x"} for source in other["data"]["sources"]]
    with pytest.raises(ConfigError, match="styles that are not in the recipe"):
        restyle(painter, parse_config(other), "2.0.0")
    (codec,) = train(parse_config(vae), tmp_path / "vae").bundles
    with pytest.raises(BundleError):
        restyle(codec, parse_config(vae), "2.0.0")
    assert main([str(painter), str(tmp_path / "missing.yaml"), "2.0.0"]) != 0
    assert {p: p.read_bytes() for p in painter.rglob("*") if p.is_file()} == files
