from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.domain.decision import Reason
from fraudkit.domain.transaction import epoch_ms
from fraudkit.features.catalog import default_features
from fraudkit.features.customer_words import customer_texts
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import Aggregation, Feature, OrderFeature
from fraudkit.scoring.reasons import LEAST_WEIGHT, Reasons, feature_text

LEVELS = ["oak", "beech", "elm"]
FEATURES = default_features(
    own_entities=["terminal"], own_numbers=["basket_age"], levels=dict.fromkeys(CATEGORIES, LEVELS)
)
N_FEATURES = len(FEATURES.names)
REFERENCE = np.zeros(N_FEATURES)
NOON_MS = 1_772_366_400_000
REASONS = Reasons(FEATURES, REFERENCE)
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
    reasons = Reasons(FEATURES, REFERENCE, most=most).of(values, shapley, NOON_MS)
    raising = sorted((weight for weight in sums.values() if weight >= LEAST_WEIGHT), reverse=True)
    assert [sums[reason.code] for reason in reasons] == raising[:most]
    assert [reason.weight for reason in reasons] == [round(weight, 4) for weight in raising[:most]]
    assert len({reason.code for reason in reasons}) == len(reasons)


@given(values=rows(), shapley=contributions, most=st.integers(0, 6))
def test_of_equals_the_first_code_and_the_first_feature_go_first(
    values: NDArray[np.float64], shapley: NDArray[np.float64], most: int
) -> None:
    sums = summed(shapley)
    codes = sorted(code for code, weight in sums.items() if weight >= LEAST_WEIGHT)
    codes.sort(key=sums.__getitem__, reverse=True)
    held = {code: [place for place in range(N_FEATURES) if CODES[place] == code] for code in codes}
    strongest = [max(held[code], key=shapley.__getitem__) for code in codes[:most]]
    reasons = Reasons(FEATURES, REFERENCE, most=most).of(values, shapley, NOON_MS)
    assert [(reason.code, reason.text) for reason in reasons] == [
        (CODES[place], feature_text(FEATURES.features[place], float(values[place])))
        for place in strongest
    ]


@given(values=rows(), shapley=contributions)
def test_every_reason_is_in_words(
    values: NDArray[np.float64], shapley: NDArray[np.float64]
) -> None:
    for reason in Reasons(FEATURES, REFERENCE, most=N_FEATURES).of(values, shapley, NOON_MS):
        assert reason.text
        assert "{" not in reason.text
        assert "nan" not in reason.text.split()


@given(shapley=st.lists(contributions, max_size=5))
def test_the_codes_of_many_orders_are_those_of_each(shapley: list[NDArray[np.float64]]) -> None:
    values = np.full(N_FEATURES, np.nan)
    many = REASONS.codes_of_many(np.array(shapley).reshape(len(shapley), N_FEATURES))
    assert many == [[reason.code for reason in REASONS.of(values, row, NOON_MS)] for row in shapley]


@pytest.mark.parametrize("place", range(N_FEATURES), ids=FEATURES.names)
def test_a_feature_is_named_with_its_value(place: int) -> None:
    feature = FEATURES.features[place]
    shapley = np.zeros(N_FEATURES)
    shapley[place] = 0.5
    [known] = REASONS.of(np.ones(N_FEATURES), shapley, NOON_MS)
    assert (known.code, known.weight) == (feature.reason_code, 0.5)
    assert ("beech" in known.text) == feature.is_categorical
    said = feature.text.format(value=1.0, level="beech", duration="1 second")
    assert known.text == (feature.one_text or said)


@pytest.mark.parametrize("place", range(N_FEATURES), ids=FEATURES.names)
def test_an_unknown_value_is_said_to_be_unknown(place: int) -> None:
    feature = FEATURES.features[place]
    shapley = np.zeros(N_FEATURES)
    shapley[place] = 0.5
    [unknown] = REASONS.of(np.full(N_FEATURES, np.nan), shapley, NOON_MS)
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
    [reason] = REASONS.of(np.zeros(N_FEATURES), shapley, NOON_MS)
    assert reason.text == feature.zero_text != feature.text


def test_the_words_are_those_of_the_strongest_feature_behind_a_code() -> None:
    amount, is_round = (FEATURES.names.index(name) for name in ("amount", "is_round_amount"))
    shapley = np.zeros(N_FEATURES)
    shapley[[amount, is_round]] = 0.1, 0.3
    [reason] = REASONS.of(np.ones(N_FEATURES), shapley, NOON_MS)
    assert (reason.code, reason.text, reason.weight) == ("AMOUNT", "a round amount", 0.4)


def test_every_feature_has_words() -> None:
    assert [
        feature.name
        for feature in FEATURES.features
        if not feature.text or (isinstance(feature, OrderFeature) and not feature.meaning)
    ] == []


def of_one(name: str, value: float, **others: float) -> Reason:
    """Return the reason of an order in which one feature alone raised the risk."""
    shapley, values = np.zeros(N_FEATURES), np.zeros(N_FEATURES)
    for held, number in {name: value, **others}.items():
        values[FEATURES.names.index(held)] = number
    shapley[FEATURES.names.index(name)] = 0.5
    [reason] = REASONS.of(values, shapley, NOON_MS)
    return reason


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("device_cards_1d", 4.0, "4 cards on this device in the last day"),
        ("device_cards_1d", 1.0, "1 card on this device in the last day"),
        ("device_cards_1d", 0.0, "no cards on this device in the last day"),
        ("ip_attempts_1m", 12.0, "12 attempts from this IP address in the last minute"),
        ("card_gap_30d", 1.0, "the last attempt with this card was 1 second ago"),
        ("session_age", 1.2, "1 second in the shop before ordering"),
        ("session_age", 1.7, "2 seconds in the shop before ordering"),
        ("country_count", 1.0, "1 country in the whole order"),
    ],
)
def test_numbers_and_their_words_agree(name: str, value: float, text: str) -> None:
    assert of_one(name, value).text == text


def test_every_reason_has_a_text_for_the_customer_that_is_of_its_code() -> None:
    texts = customer_texts(FEATURES.features)
    for feature in FEATURES.features:
        assert of_one(feature.name, 1.0).customer_text == texts[feature.reason_code]


def test_a_reason_says_by_when_its_window_clears() -> None:
    reason = of_one("card_attempts_1h", 3.0, card_attempts_10m=2.0)
    assert reason.clears_by == datetime.fromtimestamp(NOON_MS / 1000 + 3600, UTC)
    older = of_one("card_attempts_1h", 3.0)
    assert older.clears_by == datetime.fromtimestamp(NOON_MS / 1000 + 3000, UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("card_attempts_1h", 0.0),
        ("card_attempts_1h", np.nan),
        ("card_first_seen", 60.0),
        ("account_new_device", 1.0),
        ("account_amount_over_mean_90d", 9.0),
        ("is_retry", 1.0),
    ],
)
def test_what_waiting_does_not_change_clears_at_no_time(name: str, value: float) -> None:
    assert of_one(name, value).clears_by is None


def test_a_time_after_the_last_year_is_none() -> None:
    shapley, values = np.zeros(N_FEATURES), np.ones(N_FEATURES)
    shapley[FEATURES.names.index("card_frauds_180d")] = 0.5
    last_ms = epoch_ms(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    [reason] = REASONS.of(values, shapley, last_ms)
    assert reason.clears_by is None
