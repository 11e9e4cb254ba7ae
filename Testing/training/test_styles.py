from typing import Any

import torch

from SynthLogic.methods.styles import StyleBook
from SynthLogic.networks import build_network


def test_style_book_knows_mean_and_spread() -> None:
    book = StyleBook(2, 3)
    codes = torch.randn(400, 3) * torch.tensor([0.5, 1.0, 2.0]) + torch.tensor([1.0, 0.0, -1.0])
    for part in codes.split(8):
        book.take_in(part, torch.ones(len(part), dtype=torch.long))
    network: Any = build_network(
        "spade-generator",
        {"size": 32, "features": [8, 8, 4], "hidden": [4, 4, 4], "style": 3, "styles": 2},
    )
    book.write_into(network)
    torch.testing.assert_close(network.style_means[1], codes.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.style_spreads[1], codes.std(0, correction=0), atol=1e-3, rtol=1e-3)
    assert network.style_means[0].tolist() == [0, 0, 0]
    assert network.style_spreads[0].tolist() == [1, 1, 1]
