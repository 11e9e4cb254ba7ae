from typing import Any

import torch

from SynthLogic.methods.styles import StyleBook
from SynthLogic.networks import build_network


def painter(styles: int) -> Any:
    return build_network(
        "spade-generator",
        {"size": 32, "features": [8, 8, 4], "hidden": [4, 4, 4], "style": 3, "styles": styles},
    )


def test_style_book_knows_middle_and_covariance() -> None:
    book = StyleBook(2, 3)
    mixed = torch.tensor([[0.5, 0.2, 0.0], [0.0, 1.0, -0.9], [0.0, 0.0, 2.0]])
    codes = torch.randn(400, 3) @ mixed + torch.tensor([1.0, 0.0, -1.0])
    for part in codes.split(8):
        book.take_in(part, torch.ones(len(part), dtype=torch.long))
    network, other = painter(2), painter(2)
    book.write_into(network, other)
    torch.testing.assert_close(network.style_means[1], codes.mean(0), atol=1e-4, rtol=1e-4)
    spread = network.style_spreads[1]
    torch.testing.assert_close(spread @ spread.T, codes.T.cov(correction=0), atol=1e-3, rtol=1e-3)
    assert network.style_means[0].tolist() == [0, 0, 0]
    torch.testing.assert_close(network.style_spreads[0] @ network.style_spreads[0].T, torch.eye(3))
    torch.testing.assert_close(other.style_spreads, network.style_spreads)


def test_what_is_drawn_varies_as_the_codes_do() -> None:
    """Two numbers that always rise together do so in what is drawn as well."""
    book = StyleBook(1, 3)
    one = torch.randn(300, 1)
    codes = torch.cat([one, 2 * one, torch.full_like(one, 4)], dim=1)
    book.take_in(codes, torch.zeros(300, dtype=torch.long))
    network = painter(1)
    book.write_into(network)
    drawn = network.style_means + torch.randn(200, 3) @ network.style_spreads[0].T
    torch.testing.assert_close(drawn[:, 1], 2 * drawn[:, 0], atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(drawn[:, 2], torch.full((200,), 4.0), atol=1e-2, rtol=1e-2)
