"""What a customer is told teaches nobody what was seen."""

import re

import pytest

from fraudkit.features.catalog import default_features
from fraudkit.features.customer_words import GENERAL_TEXT, customer_texts
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import OrderFeature

FEATURES = default_features(
    own_entities=["terminal"], own_numbers=["age"], levels={name: ["oak"] for name in CATEGORIES}
)
TEXTS = customer_texts(FEATURES.features)
TELLING = re.compile(
    r"\d|\b(?:attempts?|amount|blocked|compar\w*|count\w*|declin\w*|device|differ\w*|disposable|"
    r"fast|fraud\w*|high|hour|IP|last|limit|list\w*|many|match\w*|minute|network|new|often|other|"
    r"past|risk\w*|score\w*|seen|suspicious|too|unusual|velocity|window)\b",
    re.IGNORECASE,
)


def own(name: str, reason_code: str) -> OrderFeature:
    return OrderFeature(
        name=name,
        inputs=("order.amount_minor",),
        compute=float,
        unit="",
        meaning="An own feature",
        reason_code=reason_code,
        low=0.0,
        high=1.0,
    )


def test_every_code_has_one_sentence() -> None:
    assert TEXTS.keys() == {feature.reason_code for feature in FEATURES.features}
    assert all(text.startswith("We could not confirm the ") for text in TEXTS.values())


@pytest.mark.parametrize("text", sorted(set(TEXTS.values())))
def test_no_sentence_names_what_was_seen(text: str) -> None:
    assert TELLING.findall(text) == []


def test_means_of_detection_are_not_told_from_one_another() -> None:
    entities = ("DEVICE", "IP", "IP_NETWORK", "TERMINAL")
    codes = [code for code in TEXTS if code.startswith(tuple(f"{name}_" for name in entities))]
    assert {TEXTS[code] for code in (*codes, "AMOUNT", "RETRY", "SESSION")} == {GENERAL_TEXT}
    assert len(codes) > 10


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ADDRESS_MISMATCH", "We could not confirm the delivery address."),
        ("BILLING_ADDRESS_FRAUD_HISTORY", "We could not confirm the billing address."),
        ("CARD_CHECKS", "We could not confirm the card."),
        ("EMAIL_DOMAIN", "We could not confirm the e-mail address."),
        ("CUSTOM_AGE", GENERAL_TEXT),
    ],
)
def test_a_detail_of_the_order_is_named(code: str, text: str) -> None:
    assert TEXTS[code] == text


def test_a_shops_own_code_and_one_shared_by_unlike_features_are_told_in_general() -> None:
    features = [own("a", "MINE"), own("b", "CARD_VELOCITY"), own("c", "CARD_CHECKS")]
    texts = customer_texts([*FEATURES.features, *features])
    assert (texts["MINE"], texts["CARD_VELOCITY"]) == (GENERAL_TEXT, GENERAL_TEXT)
    assert texts["CARD_CHECKS"] == TEXTS["CARD_CHECKS"]
