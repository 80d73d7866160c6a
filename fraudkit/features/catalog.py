"""The default features: what every shop starts from, and what its own columns add.

`default_features` builds the set for a shop: the order features, the windows of each entity,
the windows of the shop's own entities, and one feature for each of its own columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from fraudkit.errors import FeatureError
from fraudkit.features import order_features as compute
from fraudkit.features.default_windows import default_windows
from fraudkit.features.fields import REFERENCE_AMOUNT, last_part
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    Feature,
    FeatureSet,
    OrderFeature,
    category_code,
)

__all__ = [
    "CATEGORIES",
    "ENTITIES",
    "ORDER_FEATURES",
    "category",
    "default_features",
    "feature_set",
    "numeric_column",
]

ENTITIES: Final = (
    Entity(name="card", inputs=("payment.card.fingerprint",), label="this card"),
    Entity(name="account", inputs=("account.user_id",), label="this account"),
    Entity(name="email", inputs=("email.address",), is_caseless=True, label="this e-mail address"),
    Entity(name="device", inputs=("device.fingerprint",), label="this device"),
    Entity(name="ip", inputs=("device.ip_address",), is_caseless=True, label="this IP address"),
    Entity(
        name="shipping_address",
        inputs=("shipping.address", "shipping.postal", "shipping.country"),
        is_caseless=True,
        label="this delivery address",
    ),
    Entity(
        name="billing_address",
        inputs=("billing.address", "billing.postal", "billing.country"),
        is_caseless=True,
        label="this billing address",
    ),
    Entity(
        name="phone",
        inputs=("billing.phone_number", "billing.phone_country_code"),
        label="this telephone number",
    ),
)
"""The entities that every transaction may have."""

CATEGORIES: Final = {
    "billing_country": ("billing.country", "COUNTRY"),
    "shipping_country": ("shipping.country", "COUNTRY"),
    "card_country": ("payment.card.country", "COUNTRY"),
    "card_brand": ("payment.card.brand", "PAYMENT_METHOD"),
    "card_funding": ("payment.card.funding", "PAYMENT_METHOD"),
    "payment_method_type": ("payment.method_type", "PAYMENT_METHOD"),
    "currency": ("order.currency", "CURRENCY"),
    "channel": ("channel", "CHANNEL"),
    "delivery_speed": ("shipping.delivery_speed", "DELIVERY"),
    "delivery_kind": ("shipping.delivery_kind", "DELIVERY"),
    "cvv_check": ("payment.card.cvv_check", "CARD_CHECKS"),
    "address_check": ("payment.card.address_check", "CARD_CHECKS"),
}
"""Categorical order features: name → field and reason code."""


def _feature(  # noqa: PLR0913 - a row of the table below
    name: str,
    inputs: tuple[str, ...],
    function: Callable[..., float],
    reason_code: str,
    meaning: str,
    text: str,
    *,
    unit: str = "0 or 1",
    zero_text: str = "",
    low: float = 0.0,
    high: float = 1.0,
) -> OrderFeature:
    return OrderFeature(
        name=name,
        inputs=inputs,
        compute=function,
        unit=unit,
        meaning=meaning,
        reason_code=reason_code,
        low=low,
        high=high,
        text=text,
        zero_text=zero_text,
    )


_TIME: Final = ("event_time_ms", "utc_offset_minutes")

ORDER_FEATURES: Final = (
    _feature("amount", (REFERENCE_AMOUNT,), compute.amount, "AMOUNT",
             "Order total in minor units of the reference currency",
             "the order total is {value:.0f} minor units", unit="minor units", high=inf),
    _feature("is_round_amount", ("order.amount_minor",), compute.is_round_amount, "AMOUNT",
             "Whether the total ends in two zeros of its minor unit",
             "a round amount", zero_text="not a round amount"),
    _feature("item_count", ("order.item_count",), compute.number, "BASKET",
             "Lines of the basket", "{value:.0f} lines in the basket", unit="lines", high=inf),
    _feature("local_hour", _TIME, compute.local_hour, "TIME_OF_DAY",
             "Hour of the day where the order was made",
             "ordered at {value:.0f} o'clock local time", unit="hour", high=23.0),
    _feature("local_weekday", _TIME, compute.local_weekday, "TIME_OF_DAY",
             "Day of the week where the order was made, Monday is 0",
             "ordered on day {value:.0f} of the week, Monday is 0", unit="weekday", high=6.0),
    _feature("account_age", ("event_time_ms", "account.created_at_ms"),
             compute.account_age_days, "ACCOUNT_AGE",
             "Days between the account's making and the order",
             "the account is {value:.1f} days old", unit="days", low=-inf, high=inf),
    _feature("is_guest", ("account.is_guest",), compute.is_true, "ACCOUNT_AGE",
             "Whether the order is made without an account",
             "ordered as a guest", zero_text="ordered with an account"),
    _feature("session_age", ("device.session_age_s",), compute.number, "SESSION",
             "Seconds from the session's start to the order",
             "{value:.0f} seconds in the shop before ordering", unit="seconds", high=inf),
    _feature("email_length", ("email.address",), compute.local_part_length, "EMAIL_SHAPE",
             "Length of the e-mail address before the @",
             "{value:.0f} characters before the @ of the e-mail address",
             unit="characters", high=254.0),
    _feature("email_digit_share", ("email.address",), compute.digit_share, "EMAIL_SHAPE",
             "Share of digits in the e-mail address before the @",
             "{value:.0%} digits before the @ of the e-mail address", unit="share"),
    _feature("email_has_name", ("email.address", "billing.last_name"), compute.name_in_email,
             "EMAIL_NAME", "Whether the last name stands in the e-mail address",
             "the last name stands in the e-mail address",
             zero_text="the last name does not stand in the e-mail address"),
    _feature("address_differs",
             ("shipping.address", "shipping.postal", "billing.address", "billing.postal"),
             compute.street_differs, "ADDRESS_MISMATCH",
             "Whether delivery and billing address differ",
             "delivery and billing address differ",
             zero_text="delivery and billing address agree"),
    _feature("name_differs",
             ("shipping.first_name", "shipping.last_name",
              "billing.first_name", "billing.last_name"),
             compute.name_differs, "NAME_MISMATCH",
             "Whether delivery and billing name differ",
             "delivery and billing name differ", zero_text="delivery and billing name agree"),
    _feature("shipping_billing_country_differs", ("shipping.country", "billing.country"),
             compute.differs, "COUNTRY_MISMATCH",
             "Whether delivery and billing country differ",
             "delivery and billing country differ",
             zero_text="delivery and billing country agree"),
    _feature("card_billing_country_differs", ("payment.card.country", "billing.country"),
             compute.differs, "CARD_COUNTRY_MISMATCH",
             "Whether the card's and the billing country differ",
             "the card was issued in another country",
             zero_text="the card was issued in the billing country"),
)  # fmt: skip
"""The order features that every shop starts from."""


def default_features(
    *,
    own_entities: Iterable[str] = (),
    own_numbers: Iterable[str] = (),
    own_categories: Iterable[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
) -> FeatureSet:
    """Return the default features, widened by a shop's own entities and columns.

    Parameters
    ----------
    own_entities, own_numbers, own_categories : iterable of str
        Names in ``entities`` and ``custom_inputs``.
    levels : mapping of str to sequence of str, optional
        Values of each categorical feature that get a code; learnt in training. A category
        without levels is left out.

    Examples
    --------
    >>> features = default_features(own_entities=["terminal"])
    >>> "terminal_attempts_7d" in features.names, len(features.order_features)
    (True, 15)
    """
    learnt = levels or {}
    own = [
        Entity(name=name, inputs=(f"entities.{name}",), label=f"this {name.replace('_', ' ')}")
        for name in own_entities
    ]
    categories = CATEGORIES | {
        f"custom_{name}": (f"custom_inputs.{name}", f"CUSTOM_{name.upper()}")
        for name in own_categories
    }
    entities = [*ENTITIES, *own]
    features: list[Feature] = [
        *ORDER_FEATURES,
        *(numeric_column(name) for name in own_numbers),
        *(
            category(name, field, code, learnt[name])
            for name, (field, code) in categories.items()
            if learnt.get(name)
        ),
    ]
    for entity in entities:
        features.extend(default_windows(entity, is_own=entity in own))
    return FeatureSet(entities, features)


def feature_set(description: Mapping[str, Any]) -> FeatureSet:
    """Return the feature set that `FeatureSet.describe` described.

    Raises
    ------
    FeatureError
        If this version of fraudkit has no such feature, or computes it differently.
    """
    try:
        return _feature_set(description)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise FeatureError(
            f"this version of fraudkit cannot read the feature set: {error}; retrain the bundle"
        ) from error


def _feature_set(description: Mapping[str, Any]) -> FeatureSet:
    known = {feature.name: feature for feature in ORDER_FEATURES}
    features: list[Feature] = []
    for plain in description["features"]:
        if plain["kind"] == "window":
            fields = {name: value for name, value in plain.items() if name != "kind"}
            features.append(msgspec.convert(fields, Aggregation))
        else:
            features.append(_order_feature(plain, known))
    entities = msgspec.convert(description["entities"], list[Entity])
    return FeatureSet(entities, features, max_events=description["max_events"])


def _order_feature(plain: Mapping[str, Any], known: Mapping[str, OrderFeature]) -> OrderFeature:
    name = str(plain["name"])
    if "levels" in plain:
        code = CATEGORIES.get(name, ("", name.upper()))[1]
        feature = category(name, plain["inputs"][0], code, plain["levels"])
    elif name in known:
        feature = known[name]
    elif name.startswith("custom_"):
        feature = numeric_column(name.removeprefix("custom_"))
    else:
        raise FeatureError(f"this version of fraudkit has no feature {name!r}; retrain the bundle")
    if feature.describe() != dict(plain):
        raise FeatureError(
            f"feature {name!r} is computed differently in this version of fraudkit; "
            "retrain the bundle"
        )
    return feature


def numeric_column(name: str) -> OrderFeature:
    """Return the feature that takes a number of the shop's own as it is."""
    return OrderFeature(
        name=f"custom_{name}",
        inputs=(f"custom_inputs.{name}",),
        compute=compute.number,
        unit="as given",
        meaning=f"The shop's own number {name!r}",
        reason_code=f"CUSTOM_{name.upper()}",
        low=-inf,
        high=inf,
        text=f"the shop's own number {name!r} is {{value:g}}",
    )


def category(name: str, field: str, reason_code: str, levels: Sequence[str]) -> OrderFeature:
    """Return the feature that codes a field's value; unseen values are NaN."""
    return OrderFeature(
        name=name,
        inputs=(field,),
        compute=category_code(levels),
        unit="category",
        meaning=f"Code of {field} among {len(levels)} known values",
        reason_code=reason_code,
        low=0.0,
        high=float(max(len(levels) - 1, 0)),
        text=f"{last_part(field).replace('_', ' ')} is {{level}}",
        levels=tuple(levels),
    )
