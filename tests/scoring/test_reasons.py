import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.features.catalog import default_features
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import Aggregation, Feature, OrderFeature
from fraudkit.scoring.reasons import LEAST_WEIGHT, Reasons

LEVELS = ["oak", "beech", "elm"]
FEATURES = default_features(
    own_entities=["terminal"], own_numbers=["basket_age"], levels=dict.fromkeys(CATEGORIES, LEVELS)
)
N_FEATURES = len(FEATURES.names)
REASONS = Reasons(FEATURES)
CODES = [feature.reason_code for feature in FEATURES.features]

weights = st.one_of(st.sampled_from([0.0, 0.05, -0.05, 0.025]), st.floats(-3, 3))
contributions = st.lists(weights, min_size=N_FEATURES, max_size=N_FEATURES).map(np.array)


@st.composite
def rows(draw: st.DrawFn) -> NDArray[np.float64]:
    """Draw a feature row: anything in a feature's range, or unknown."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    return np.array(
        [
            np.nan
            if rng.random() < 0.3
            else float(rng.integers(0, 3))
            if feature.is_categorical
            else min(max(rng.normal(scale=100.0), feature.low), feature.high)
            for feature in FEATURES.features
        ]
    )


def summed(shapley: NDArray[np.float64]) -> dict[str, float]:
    sums = dict.fromkeys(CODES, 0.0)
    for code, value in zip(CODES, shapley.tolist(), strict=True):
        sums[code] += value
    return sums


@given(values=rows(), shapley=contributions, most=st.integers(0, 6))
def test_the_strongest_reasons_that_raise_the_risk_are_given_strongest_first(
    values: NDArray[np.float64], shapley: NDArray[np.float64], most: int
) -> None:
    sums = summed(shapley)
    reasons = Reasons(FEATURES, most=most).of(values, shapley)
    raising = sorted((weight for weight in sums.values() if weight >= LEAST_WEIGHT), reverse=True)
    assert [sums[reason.code] for reason in reasons] == raising[:most]
    assert [reason.weight for reason in reasons] == [round(weight, 4) for weight in raising[:most]]
    assert len({reason.code for reason in reasons}) == len(reasons)


@given(values=rows(), shapley=contributions)
def test_every_reason_is_in_words(
    values: NDArray[np.float64], shapley: NDArray[np.float64]
) -> None:
    for reason in Reasons(FEATURES, most=N_FEATURES).of(values, shapley):
        assert reason.text
        assert "{" not in reason.text
        assert "nan" not in reason.text.split()


@given(shapley=st.lists(contributions, max_size=5))
def test_the_codes_of_many_orders_are_those_of_each(shapley: list[NDArray[np.float64]]) -> None:
    values = np.full(N_FEATURES, np.nan)
    many = REASONS.codes_of_many(np.array(shapley).reshape(len(shapley), N_FEATURES))
    assert many == [[reason.code for reason in REASONS.of(values, row)] for row in shapley]


@pytest.mark.parametrize("place", range(N_FEATURES), ids=FEATURES.names)
def test_a_feature_is_named_with_its_value(place: int) -> None:
    feature = FEATURES.features[place]
    shapley = np.zeros(N_FEATURES)
    shapley[place] = 0.5
    [known] = REASONS.of(np.ones(N_FEATURES), shapley)
    assert (known.code, known.weight) == (feature.reason_code, 0.5)
    assert ("beech" in known.text) == feature.is_categorical
    if "{" in feature.text:
        assert known.text != feature.text


@pytest.mark.parametrize("place", range(N_FEATURES), ids=FEATURES.names)
def test_an_unknown_value_is_said_to_be_unknown(place: int) -> None:
    feature = FEATURES.features[place]
    shapley = np.zeros(N_FEATURES)
    shapley[place] = 0.5
    [unknown] = REASONS.of(np.full(N_FEATURES, np.nan), shapley)
    if isinstance(feature, Aggregation):
        assert unknown.text == feature.unknown_text
    else:
        assert unknown.text.lower() == f"not known: {feature.meaning}".lower()


@pytest.mark.parametrize(
    "feature",
    [held for held in FEATURES.features if held.zero_text],
    ids=lambda held: held.name,
)
def test_a_feature_that_does_not_hold_is_not_said_to_hold(feature: Feature) -> None:
    shapley = np.zeros(N_FEATURES)
    shapley[FEATURES.names.index(feature.name)] = 0.5
    [reason] = REASONS.of(np.zeros(N_FEATURES), shapley)
    assert reason.text == feature.zero_text != feature.text


def test_the_words_are_those_of_the_strongest_feature_behind_a_code() -> None:
    amount, is_round = (FEATURES.names.index(name) for name in ("amount", "is_round_amount"))
    shapley = np.zeros(N_FEATURES)
    shapley[[amount, is_round]] = 0.1, 0.3
    [reason] = REASONS.of(np.ones(N_FEATURES), shapley)
    assert (reason.code, reason.text, reason.weight) == ("AMOUNT", "a round amount", 0.4)


def test_every_feature_has_words() -> None:
    assert [
        feature.name
        for feature in FEATURES.features
        if not feature.text or (isinstance(feature, OrderFeature) and not feature.meaning)
    ] == []
