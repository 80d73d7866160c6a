"""The default features: what every shop starts from, and what its own columns add.

`default_features` builds the set for a shop: the order features, the windows of each entity,
the windows of the shop's own entities, and one feature for each of its own columns.
`feature_set` builds again what a bundle describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from fraudkit.errors import FeatureError
from fraudkit.features import order_features as compute
from fraudkit.features.default_windows import default_windows
from fraudkit.features.expression import described_expression
from fraudkit.features.fields import last_part
from fraudkit.features.order_catalog import CATEGORIES, ORDER_FEATURES
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    Feature,
    FeatureSet,
    OrderFeature,
    category_code,
)

__all__ = [
    "COUNTED_FIELDS",
    "ENTITIES",
    "RETENTION_MS",
    "category",
    "default_features",
    "feature_set",
    "numeric_column",
]

RETENTION_MS: Final = 180 * 86_400_000
"""How far back the default features look at all, in milliseconds: a fraud is known by then."""

ENTITIES: Final = (
    Entity(name="card", inputs=("payment.card.fingerprint",), label="this card"),
    Entity(name="account", inputs=("account.user_id",), label="this account"),
    Entity(name="email", inputs=("email.address",), is_caseless=True, label="this e-mail address"),
    Entity(name="device", inputs=("device.fingerprint",), label="this device"),
    Entity(name="ip", inputs=("device.ip_address",), is_caseless=True, label="this IP address"),
    Entity(name="ip_network", inputs=("device.ip_network",), label="this IP network"),
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

COUNTED_FIELDS: Final = tuple(
    Entity(name=name, inputs=(path,), is_common=True, label=label)
    for name, path, label in (
        ("card_country", "payment.card.country", "this issuing country"),
        ("ip_country", "ip.country", "this IP country"),
        ("currency", "order.currency", "this currency"),
        ("email_domain", "email.domain_name", "this e-mail domain"),
    )
)
"""Fields without windows of their own, which the windows of entities count and compare."""


def default_features(
    *,
    own_entities: Iterable[str] = (),
    own_numbers: Iterable[str] = (),
    own_categories: Iterable[str] = (),
    own_features: Iterable[Feature] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
) -> FeatureSet:
    """Return the default features, widened by a shop's own entities and columns.

    Parameters
    ----------
    own_entities, own_numbers, own_categories : iterable of str
        Names in ``entities`` and ``custom_inputs``.
    own_features : iterable of Feature
        More features, order features or windows, with names of their own.
    levels : mapping of str to sequence of str, optional
        Values of each categorical feature that get a code; learnt in training. A category
        without levels is left out.

    Raises
    ------
    FeatureError
        If an entity of the shop's own has the name of one of ours.

    Examples
    --------
    >>> features = default_features(own_entities=["terminal"])
    >>> "terminal_attempts_7d" in features.names, "card_attempts_1h" in features.names
    (True, True)
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
    entities = [*ENTITIES, *COUNTED_FIELDS, *own]
    features: list[Feature] = [
        *ORDER_FEATURES,
        *(numeric_column(name) for name in own_numbers),
        *(
            category(name, field, code, learnt[name])
            for name, (field, code) in categories.items()
            if learnt.get(name)
        ),
        *default_windows(entities, own={entity.name for entity in own}),
        *own_features,
    ]
    return FeatureSet(entities, features, retention_ms=RETENTION_MS)


def feature_set(description: Mapping[str, Any], own: Iterable[OrderFeature] = ()) -> FeatureSet:
    """Return the feature set that `FeatureSet.describe` described.

    Parameters
    ----------
    description : mapping
        As read from JSON.
    own : iterable of OrderFeature
        Features whose code is not fraudkit's, for a description that names them. One that is
        written as an expression is in the description.

    Raises
    ------
    FeatureError
        If this version of fraudkit has no such feature, or computes it differently.
    """
    try:
        return _feature_set(description, {feature.name: feature for feature in own})
    except (msgspec.ValidationError, AttributeError, LookupError, TypeError) as error:
        raise FeatureError(
            f"this version of fraudkit cannot read the feature set: {error}; retrain the bundle"
        ) from error


def _feature_set(description: Mapping[str, Any], own: Mapping[str, OrderFeature]) -> FeatureSet:
    return FeatureSet(
        msgspec.convert(description["entities"], list[Entity]),
        [_feature(plain, own) for plain in description["features"]],
        max_events=msgspec.convert(description["max_events"], int),
        retention_ms=msgspec.convert(description["retention_ms"], int),
    )


def _feature(plain: Mapping[str, Any], own: Mapping[str, OrderFeature]) -> Feature:
    if plain["kind"] == "window":
        return msgspec.convert({k: v for k, v in plain.items() if k != "kind"}, Aggregation)
    feature = _order_feature(plain, own)
    if feature.describe() != dict(plain):
        raise FeatureError(
            f"feature {feature.name!r} is computed differently in this version of fraudkit; "
            "retrain the bundle"
        )
    return feature


def _order_feature(plain: Mapping[str, Any], own: Mapping[str, OrderFeature]) -> OrderFeature:
    """Return the feature that has the described name; whether it is the same is for the caller."""
    name = str(plain["name"])
    if plain["kind"] == "expression":
        return described_expression(plain)
    if name in own:
        return own[name]
    if "levels" in plain:
        code = CATEGORIES.get(name, ("", name.upper()))[1]
        return category(name, plain["inputs"][0], code, plain["levels"])
    for feature in ORDER_FEATURES:
        if feature.name == name:
            return feature
    if name.startswith("custom_"):
        return numeric_column(name.removeprefix("custom_"))
    raise FeatureError(
        f"this version of fraudkit has no feature {name!r}; give it as one of your own, "
        "or retrain the bundle"
    )


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
