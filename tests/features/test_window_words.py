"""Any window can be said: a name of its own, and sentences that read well with any value."""

from __future__ import annotations

from itertools import product
from typing import Final, get_args

import pytest

from fraudkit.features.catalog import COUNTED_FIELDS, ENTITIES
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OperationName, Where
from fraudkit.features.spec_checks import OPERATIONS_OF
from fraudkit.features.window_words import worded_window

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
CARD, ACCOUNT, EMAIL, DEVICE, IP = ENTITIES[:5]
IP_COUNTRY = COUNTED_FIELDS[1]
SELLER = Entity(name="seller", inputs=("entities.seller",), label="this seller")


def every_window() -> list[Aggregation]:
    return [
        worded_window(entity, operation, window_ms, where=where, of=of)
        for entity, operation, window_ms, where in product(
            (*ENTITIES, SELLER), get_args(OperationName), (HOUR_MS, None), get_args(Where)
        )
        for of in ((*COUNTED_FIELDS, *ENTITIES) if operation in OPERATIONS_OF else (None,))
        if of != entity
    ]


EVERY: Final = every_window()
COUNTS: Final = {"count", "distinct", "count_same", "count_same_amount"}


def test_no_two_windows_have_the_same_name_meaning_or_sentence() -> None:
    FeatureSet((*ENTITIES, *COUNTED_FIELDS, SELLER), EVERY)
    assert len({window.meaning for window in EVERY}) == len(EVERY)
    spoken = [window for window in EVERY if not window.operation.startswith("seconds_since")]
    assert len({window.text for window in spoken}) == len(spoken)


def test_every_sentence_is_whole() -> None:
    for window in EVERY:
        spoken = window.text.format(value=0.0, duration="3 days")
        said = [spoken, window.meaning, window.unknown_text, window.unit]
        assert all(said), window.name
        is_counted = window.operation in COUNTS
        assert bool(window.zero_text) == (is_counted or window.operation == "is_new")
        assert bool(window.one_text) == is_counted
        said += [window.zero_text, window.one_text]
        assert not set("{}") & set("".join(said)), window.name
        assert not any("  " in text or text.endswith((" ", ".")) for text in said), window.name
        assert window.meaning[0].isupper(), window.name
        assert window.reason_code.startswith(f"{window.entity.upper()}_"), window.name
        assert window.reason_code == window.reason_code.upper()


SAID: Final[dict[str, tuple[Aggregation, float, str]]] = {
    "count": (
        worded_window(CARD, "count", HOUR_MS, where="declined_soft"), 1.0,
        "1 soft decline with this card in the last hour",
    ),
    "count so far": (
        worded_window(EMAIL, "count", None, where="fraud"), 2.0,
        "2 known frauds with this e-mail address so far",
    ),
    "sum": (
        worded_window(CARD, "sum", 7 * DAY_MS), 1234567.0,
        "amount of attempts with this card in the last 7 days: 1,234,567 minor units",
    ),
    "distinct": (
        worded_window(SELLER, "distinct", DAY_MS, of=EMAIL), 3.0,
        "3 e-mail addresses with this seller in the last day",
    ),
    "distinct of a device": (
        worded_window(DEVICE, "distinct", HOUR_MS, of=CARD), 4.0,
        "4 cards on this device in the last hour",
    ),
    "one distinct of an IP address": (
        worded_window(IP, "distinct", HOUR_MS, of=EMAIL), 1.0,
        "1 e-mail address from this IP address in the last hour",
    ),
    "none": (
        worded_window(ACCOUNT, "distinct", 7 * DAY_MS, of=IP_COUNTRY), 0.0,
        "no IP countries on this account in the last 7 days",
    ),
    "distinct of the shop's own": (
        worded_window(CARD, "distinct", DAY_MS, where="fraud", of=SELLER), 3.0,
        "3 sellers in known frauds with this card in the last day",
    ),
    "share": (
        worded_window(SELLER, "share", 30 * DAY_MS, where="fraud"), 0.25,
        "share of known frauds among the attempts with this seller in the last 30 days: 25%",
    ),
    "amount over mean": (
        worded_window(ACCOUNT, "amount_over_mean", 90 * DAY_MS), 3.25,
        "the amount is 3.2 times the mean amount of attempts on this account in the last 90 days",
    ),
    "same amount": (
        worded_window(CARD, "count_same_amount", 90_000), 4.0,
        "4 attempts of the very same amount with this card in the last 90 seconds",
    ),
    "gap": (
        worded_window(CARD, "seconds_since_last", DAY_MS, where="declined_hard"), 90.0,
        "the last hard decline with this card was 3 days ago",
    ),
    "new": (
        worded_window(ACCOUNT, "is_new", None, of=EMAIL), 1.0,
        "this e-mail address was not seen with this account before",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("window", "value", "sentence"), SAID.values(), ids=SAID)
def test_a_window_is_said(window: Aggregation, value: float, sentence: str) -> None:
    text = {0.0: window.zero_text, 1.0: window.one_text}.get(value) or window.text
    assert text.format(value=value, duration="3 days") == sentence


def test_what_is_not_new_is_said_to_be_known() -> None:
    window = worded_window(ACCOUNT, "is_new", 30 * DAY_MS, of=EMAIL)
    assert window.zero_text == "this e-mail address was seen with this account in the last 30 days"


@pytest.mark.parametrize(
    ("window_ms", "name", "words"),
    [
        (60_000, "card_attempts_1m", "minute"),
        (90_000, "card_attempts_90s", "90 seconds"),
        (61_001, "card_attempts_61001ms", "61001 milliseconds"),
        (90 * 60_000, "card_attempts_90m", "90 minutes"),
        (36 * HOUR_MS, "card_attempts_36h", "36 hours"),
        (2 * DAY_MS, "card_attempts_2d", "2 days"),
        (None, "card_attempts", "as far back as is kept"),
    ],
)
def test_a_width_is_said_in_the_largest_unit_that_fits(
    window_ms: int | None, name: str, words: str
) -> None:
    window = worded_window(CARD, "count", window_ms)
    assert window.name == name
    assert words in window.meaning
