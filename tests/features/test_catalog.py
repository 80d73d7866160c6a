"""The default features: complete in words, and the same after a trip through a bundle."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.errors import FeatureError
from fraudkit.features.catalog import (
    COUNTED_FIELDS,
    ENTITIES,
    default_features,
    feature_set,
)
from fraudkit.features.default_windows import RELATIONS
from fraudkit.features.document import features_markdown
from fraudkit.features.expression import expression_feature
from fraudkit.features.order_catalog import CATEGORIES, ORDER_FEATURES
from fraudkit.features.order_features import number
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import Aggregation, FeatureSet, OrderFeature, Where
from fraudkit.features.window_arrays import NEVER, NO_AMOUNT, NO_KEY, Lane
from fraudkit.stores.memory import MemoryStore

OURS = [entity.name for entity in (*ENTITIES, *COUNTED_FIELDS)]
DEFAULT = default_features(own_entities=["gift_card"])
PLAN = window_plan(DEFAULT)
DAY_MS = 86_400_000

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in OURS)
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
        text = feature.text.format(value=2.0, level="x", duration="3 days")
        assert text
        assert "{" not in text
        assert feature.low < feature.high or feature.is_categorical
    assert len(set(built.names)) == len(built.names)


def test_a_category_without_levels_is_left_out() -> None:
    built = default_features(levels={"card_brand": [], "channel": ["web"]})
    assert "card_brand" not in built.names
    assert "channel" in built.names


def test_the_shops_own_entity_has_windows_under_its_name() -> None:
    added = set(DEFAULT.names) - set(default_features().names)
    assert added == {
        f"gift_card_{name}"
        for name in (
            "attempts_1h", "attempts_1d", "attempts_7d", "attempts_30d",
            "soft_declines_1d", "hard_declines_1d",
            "frauds_7d", "frauds_14d", "frauds_30d", "frauds_180d",
            "fraud_share_14d", "fraud_share_30d", "fraud_share_180d",
            "mean_amount_30d", "amount_over_mean_30d",
            "cards_7d", "accounts_7d", "gap_30d", "first_seen",
        )
    }  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_the_shops_own_entity_may_not_take_a_name_that_is_taken(name: str) -> None:
    with pytest.raises(FeatureError, match=rf"entity names must be unique, got \['{name}'\]"):
        default_features(own_entities=[name])


def test_the_catalogue_is_as_large_as_is_said() -> None:
    windows = default_features().aggregations
    relations = [window for window in windows if window.operation in RELATIONS]
    assert len(ORDER_FEATURES) + len(CATEGORIES) + len(relations) >= 40
    assert len(windows) - len(relations) >= 80
    page = features_markdown()
    for how_many, what in (
        (len(ORDER_FEATURES), "[numbers of the order alone]"),
        (len(CATEGORIES), "[categories of the order]"),
        (len(windows) - len(relations), "[windows over the past]"),
        (len(relations), "relations of the order"),
        (len(DEFAULT.aggregations) - len(windows), "windows more for each"),
    ):
        assert f"| {how_many} | {what}" in page


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text("utf-8") == features_markdown(), "run make docs"


def test_every_entity_has_a_past_and_every_counted_field_is_looked_at() -> None:
    looked_at = {window.of for window in DEFAULT.aggregations}
    assert {window.entity for window in DEFAULT.aggregations} == {
        *(entity.name for entity in ENTITIES),
        "gift_card",
    }
    assert {entity.name for entity in COUNTED_FIELDS} <= looked_at
    assert {window.where for window in DEFAULT.aggregations} == set(get_args(Where))


def test_an_entity_counts_different_things_three_times_at_most() -> None:
    # A key with a thousand events pays for each.
    for first, last in PLAN.arrays.entities[:, 5:7].tolist():
        assert PLAN.arrays.lanes[first:last, 0].tolist().count(Lane.DISTINCT) <= 3


@st.composite
def event_rows(draw: st.DrawFn) -> NDArray[np.int64]:
    """Draw events of few keys, close together, with all that can be known or missing of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    events, first_hash = draw(st.integers(1, 30)), PLAN.first_hash
    rows = rng.integers(0, 3, (events, PLAN.n_columns))
    rows[:, 0] = np.arange(1, events + 1)
    rows[:, 1] = np.sort(rng.integers(0, draw(st.sampled_from([10, 600_000, DAY_MS])), events))
    rows[:, 2] = rows[:, 1] + rng.integers(0, 5, events)
    rows[:, 3] = rng.choice([NO_AMOUNT, 0, 1, 999, 2**50], events)
    known = rows[:, 1:2] + rng.integers(0, 1_000, (events, len(PLAN.statuses)))
    rows[:, 4:first_hash] = np.where(rng.random(known.shape) < 0.5, known, NEVER)
    assert NO_KEY == 0
    return rows


@given(event_rows())
def test_every_window_is_in_its_range(rows: NDArray[np.int64]) -> None:
    store = MemoryStore(PLAN, capacity_events=len(rows))
    row = np.empty(PLAN.n_out)
    for event in rows:
        store.exchange(event, row)
        for window, value in zip(DEFAULT.aggregations, row[PLAN.first_out :], strict=True):
            assert np.isnan(value) or window.low <= value <= window.high, window.name


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
    "no retention": (without("retention_ms"), "feature"),
    "retention too short": (described() | {"retention_ms": DAY_MS}, "retention_ms must be"),
    "window too narrow": (with_window(window_ms=1), "1 minute to 180 days"),
}


@pytest.mark.parametrize(
    ("description", "told"), OF_ANOTHER_VERSION.values(), ids=OF_ANOTHER_VERSION
)
def test_what_this_version_does_not_have_is_refused(description: Any, told: str) -> None:
    with pytest.raises(FeatureError, match=told):
        feature_set(description)


def junk() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({})
    )


@given(data=st.data(), put=junk())
def test_a_description_that_was_altered_is_read_or_refused(data: st.DataObject, put: Any) -> None:
    altered = msgspec.json.decode(msgspec.json.encode(described()))
    inside = altered
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = data.draw(st.sampled_from(keys))
        is_open = isinstance(inside[key], dict | list) and len(inside[key]) > 0
        if not is_open or data.draw(st.booleans()):
            break
        inside = inside[key]
    inside[key] = put
    with contextlib.suppress(FeatureError):
        assert feature_set(altered).names


def own_feature(revision: int = 1) -> OrderFeature:
    return OrderFeature(
        name="moon_phase",
        inputs=("event_time_ms",),
        compute=number,
        unit="share",
        meaning="How much of the moon is lit",
        reason_code="MOON",
        low=0.0,
        high=1.0,
        revision=revision,
    )


def test_a_feature_of_the_users_own_is_found_by_its_name() -> None:
    built = FeatureSet(
        DEFAULT.entities, [*DEFAULT.features, own_feature()], retention_ms=DEFAULT.retention_ms
    )
    assert feature_set(built.describe(), own=[own_feature()]).digest == built.digest
    with pytest.raises(FeatureError, match="has no feature 'moon_phase'"):
        feature_set(built.describe())
    with pytest.raises(FeatureError, match="'moon_phase' is computed differently"):
        feature_set(built.describe(), own=[own_feature(revision=2)])


def test_an_expression_is_read_without_the_users_code() -> None:
    pricey = expression_feature(
        "has_pricey_lines",
        "reference_amount_minor / default(order.item_count, 1) > 5000",
        meaning="Whether a line of the basket costs more than 50.00 on average",
        reason_code="BASKET",
    )
    built = FeatureSet(DEFAULT.entities, [pricey, *DEFAULT.features])
    again = feature_set(msgspec.json.decode(msgspec.json.encode(built.describe())))
    assert again.digest == built.digest
    assert again.order_features[0].compute(18_000, 3) == 1.0


def test_few_order_features_have_a_direction_and_no_history_of_frauds_lacks_one() -> None:
    constraints = DEFAULT.monotone_constraints
    assert {name for name in constraints if name in {f.name for f in ORDER_FEATURES}} == {
        "address_check_failed",
        "cvv_failed",
        "is_disposable_email",
        "postal_check_failed",
    }
    known = [w for w in DEFAULT.aggregations if w.where in {"fraud", "declined_hard"}]
    held = {(w.entity, w.operation, w.where) for w in known if w.name in constraints}
    assert held == {(w.entity, w.operation, w.where) for w in known}
    assert {"gift_card_frauds_7d", "gift_card_fraud_share_14d"} <= set(constraints)
    assert not {"gift_card_frauds_14d", "gift_card_fraud_share_30d"} & set(constraints)
    assert set(constraints.values()) == {1}


def test_kinds_are_what_they_say() -> None:
    built = default_features(levels={"channel": ["web"]})
    assert all(isinstance(feature, OrderFeature) for feature in built.order_features)
    assert all(isinstance(feature, Aggregation) for feature in built.aggregations)
    assert [f.name for f in built.features if f.is_categorical] == ["channel"]
