"""The default features: complete in words, and the same after a trip through a bundle."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import FeatureError
from fraudkit.features.catalog import CATEGORIES, ENTITIES, default_features, feature_set
from fraudkit.features.spec import Aggregation, FeatureSet, OrderFeature

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {entity.name for entity in ENTITIES}
)
LEVELS = st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=4)


@st.composite
def shops_own(draw: st.DrawFn) -> FeatureSet:
    numbers, categories = draw(st.lists(NAMES, unique=True, max_size=3)), ["own_a", "own_b"]
    coded = [*CATEGORIES, *(f"custom_{name}" for name in categories)]
    return default_features(
        own_entities=draw(st.lists(NAMES, unique=True, max_size=3)),
        own_numbers=[name for name in numbers if name not in categories],
        own_categories=categories,
        levels=draw(st.dictionaries(st.sampled_from(coded), LEVELS)),
    )


@given(built=shops_own(), data=st.data())
def test_a_described_set_is_built_again_with_the_same_digest(
    built: FeatureSet, data: st.DataObject
) -> None:
    kept = built.keep(
        data.draw(st.lists(st.sampled_from(built.names), unique=True, min_size=1, max_size=30))
    )
    for features in (built, kept):
        stored = msgspec.json.decode(msgspec.json.encode(features.describe()))
        again = feature_set(stored)
        assert again.digest == features.digest
        assert again.names == features.names
        assert [f.reason_code for f in again.features] == [f.reason_code for f in features.features]
        assert [f.levels for f in again.order_features] == [
            f.levels for f in features.order_features
        ]


@given(shops_own())
def test_every_feature_can_be_said_in_words(built: FeatureSet) -> None:
    for feature in built.features:
        assert feature.unit
        assert feature.meaning
        assert feature.reason_code == feature.reason_code.upper()
        text = feature.text.format(value=2.0, level="x")
        assert text
        assert "{" not in text
        assert feature.low < feature.high or feature.is_categorical
    assert len(set(built.names)) == len(built.names)


def test_a_category_without_levels_is_left_out() -> None:
    built = default_features(levels={"card_brand": [], "channel": ["web"]})
    assert "card_brand" not in built.names
    assert "channel" in built.names


def test_the_shops_own_entity_has_windows_under_its_name() -> None:
    added = set(default_features(own_entities=["gift_card"]).names) - set(default_features().names)
    assert added == {
        "gift_card_attempts_1d", "gift_card_attempts_7d", "gift_card_attempts_30d",
        "gift_card_mean_amount_30d", "gift_card_gap_30d", "gift_card_frauds_7d",
        "gift_card_fraud_share_30d", "gift_card_frauds_180d",
    }  # fmt: skip


@pytest.mark.parametrize("name", [entity.name for entity in ENTITIES])
def test_the_shops_own_entity_may_not_take_a_name_that_is_taken(name: str) -> None:
    with pytest.raises(FeatureError, match=rf"entity names must be unique, got \['{name}'\]"):
        default_features(own_entities=[name])


def described() -> dict[str, Any]:
    return default_features(levels={"channel": ["web"]}).describe()


def first(kind: str, description: dict[str, Any]) -> dict[str, Any]:
    return next(plain for plain in description["features"] if plain["kind"] == kind)


def without(key: str) -> dict[str, Any]:
    description = described()
    del description[key]
    return description


def with_order(**changed: Any) -> dict[str, Any]:
    description = described()
    first("order", description).update(changed)
    return description


def with_window(**changed: Any) -> dict[str, Any]:
    description = described()
    first("window", description).update(changed)
    return description


OF_ANOTHER_VERSION = {
    "unknown order feature": (with_order(name="moon_phase"), "has no feature 'moon_phase'"),
    "other revision": (with_order(revision=2), "computed differently"),
    "other inputs": (with_order(inputs=["order.amount_minor"]), "computed differently"),
    "unknown operation": (with_window(operation="median"), "window|feature"),
    "unknown condition": (with_window(where="laundered"), "window|feature"),
    "window without entity": (with_window(entity=None), "window|feature"),
    "unknown entity": (with_window(entity="crad"), "names entity 'crad'"),
    "no entities": (without("entities"), "feature"),
    "no features": (without("features"), "feature"),
    "no max_events": (without("max_events"), "feature"),
}


@pytest.mark.parametrize(
    ("description", "told"), OF_ANOTHER_VERSION.values(), ids=OF_ANOTHER_VERSION
)
def test_what_this_version_does_not_have_is_refused(description: Any, told: str) -> None:
    with pytest.raises(FeatureError, match=told):
        feature_set(description)


def test_kinds_are_what_they_say() -> None:
    built = default_features(levels={"channel": ["web"]})
    assert all(isinstance(feature, OrderFeature) for feature in built.order_features)
    assert all(isinstance(feature, Aggregation) for feature in built.aggregations)
    assert [f.name for f in built.features if f.is_categorical] == ["channel"]
