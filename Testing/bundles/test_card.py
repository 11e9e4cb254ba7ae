from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.bundles import Card
from SynthLogic.bundles.card_types import safe_path, version_key
from SynthLogic.errors import BundleError

from .conftest import card_data

text = st.text(min_size=1, max_size=20).filter(str.strip)
positive = st.floats(0.01, 100)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def cards(draw: st.DrawFn) -> Card:
    spacing = draw(positive)
    divisor = draw(st.sampled_from([1, 4, 16]))
    dims = draw(st.sampled_from([2, 3]))
    planes = draw(st.permutations(["axial", "coronal", "sagittal"]))[: draw(st.integers(1, 3))]
    return Card.from_data(
        card_data(
            title=draw(text),
            description=draw(text),
            spatial={
                "spatial_dims": dims,
                "planes": planes,
                "spacing_mm": spacing,
                "spacing_range_mm": [spacing / 2, spacing * 2],
                "divisor": divisor,
                "tile": [divisor * draw(st.integers(1, 8)) for _ in range(dims)],
                "overlap": draw(st.floats(0, 0.99)),
            },
            network__arguments=draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3)),
            training__recipe=draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3)),
            figures=draw(
                st.lists(
                    st.fixed_dictionaries(
                        {
                            "name": text,
                            "value": st.floats(allow_nan=False, allow_infinity=False),
                            "units": st.text(max_size=4),
                            "on": text,
                        }
                    ),
                    max_size=3,
                )
            ),
            limits=draw(st.lists(text, max_size=3)),
            files={"models/model.safetensors": draw(st.text("0123456789abcdef", min_size=64, max_size=64))},
        )
    )


@settings(max_examples=60, deadline=None)
@given(cards())
def test_json_round_trip_gives_the_same_card_and_the_same_bytes(card: Card) -> None:
    again = Card.from_json(card.to_json())
    assert again == card
    assert again.to_json() == card.to_json()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "Not A Slug"}, "name"),
        ({"name": "../up"}, "name"),
        ({"name": "con"}, "name"),
        ({"version": "1.0"}, "version"),
        ({"version": "01.0.0"}, "version"),
        ({"title": "  "}, "title"),
        ({"surprise": 1}, "surprise"),
        ({"schema_version": 2}, "schema_version"),
        ({"input__units": "a.u."}, "input.units"),
        ({"input__modality": "PET"}, "input.modality"),
        ({"input__intensity": {"steps": [{"kind": "magic"}]}}, "input.intensity"),
        ({"output__intensity": {"steps": [{"kind": "percentiles"}]}}, "output"),
        ({"output__intensity": {"steps": []}}, "output"),
        ({"spatial__planes": []}, "spatial.planes"),
        ({"spatial__planes": ["axial", "axial"]}, "spatial.planes"),
        ({"spatial__divisor": 0}, "spatial.divisor"),
        ({"spatial__spacing_range_mm": [2, 1]}, "spatial.spacing_range_mm"),
        ({"spatial__spacing_range_mm": [2, 3]}, "spatial"),
        ({"spatial__tile": [6, 8]}, "spatial"),
        ({"spatial__spatial_dims": 3}, "spatial"),
        ({"coverage__field_of_view_mm": [500, 100]}, "coverage.field_of_view_mm"),
        ({"coverage__lung_fraction": [0.5, 1.5]}, "coverage.lung_fraction.1"),
        ({"precision__tolerance": float("nan")}, "precision.tolerance"),
        ({"training__recipe": {"a": float("inf")}}, "training.recipe"),
        ({"licence": {"spdx": "Apache-2.0", "restricted": True}}, "licence"),
        ({"licence": {"spdx": ""}}, "licence.spdx"),
        ({"format": "pickle"}, "format"),
        ({"format": "onnx"}, "format"),
        ({"files": {"../x": "0" * 64}}, "files"),
        ({"files": {"a\\b": "0" * 64}}, "files"),
        ({"files": {"/etc/x": "0" * 64}}, "files"),
        ({"files": {"a": "0" * 64, "A": "0" * 64}}, "files"),
        ({"files": {"a": "xyz"}}, "files"),
        ({"files": {"configs/card.json": "0" * 64}}, "files"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BundleError) as caught:
        Card.from_data(card_data(**changes))
    message = str(caught.value)
    assert named in message
    assert "\n" not in message
    assert "pydantic" not in message


@pytest.mark.parametrize("key", [k for k in card_data() if k not in ("figures", "limits")])
def test_a_missing_field_is_named(key: str) -> None:
    data = card_data()
    del data[key]
    with pytest.raises(BundleError, match=rf"'{key}'"):
        Card.from_data(data)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"', "[" * 100_000, b"\xff\xfe\xff"])
def test_what_is_no_card_at_all_is_refused(content: str | bytes) -> None:
    with pytest.raises(BundleError):
        Card.from_json(content)


def test_cards_are_frozen_and_keep_their_own_data() -> None:
    data = card_data()
    card = Card.from_data(data)
    before = copy.deepcopy(json.loads(card.to_json()))
    data["network"]["arguments"]["features"] = 99
    assert json.loads(card.to_json()) == before
    with pytest.raises(ValueError, match="frozen"):
        card.name = "other"  # type: ignore[misc]


def test_low_precision_needs_a_measurement_within_the_tolerance() -> None:
    precision = Card.from_data(card_data(precision={"bf16_mean_difference": 1.0, "tolerance": 1.0})).precision
    assert precision.allows("fp32")
    assert precision.allows("bf16")
    assert not precision.allows("fp16")
    assert not Card.from_data(card_data(precision__bf16_mean_difference=2.5)).precision.allows("bf16")


def test_versions_sort_as_semver_says() -> None:
    rising = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
    ]
    rising += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    assert sorted(rising, key=version_key) == rising
    assert version_key("1.0.0+a") == version_key("1.0.0+b")


@given(st.text(max_size=12))
def test_a_safe_path_never_leaves_its_folder(path: str) -> None:
    try:
        safe_path(path)
    except ValueError:
        return
    assert not path.startswith("/")
    assert "\\" not in path
    assert ":" not in path
    assert all(part not in ("", ".", "..") for part in path.split("/"))
