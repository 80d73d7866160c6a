"""What a customer may be told of a reason: one sentence for each reason code.

Invariant: a sentence says which detail of the order to check, and nothing of what was seen,
counted or compared; whoever tries what passes learns nothing from it. Codes that are about the
means of detection (addresses of a network, devices, velocity over them) all have one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fraudkit.features.spec import Aggregation, Feature

__all__ = ["GENERAL_TEXT", "customer_texts"]

GENERAL_TEXT: Final = "We could not confirm the details of this order."
"""What is said of every code that has no sentence of its own."""

_ACCOUNT: Final = "We could not confirm the account."
_BILLING: Final = "We could not confirm the billing address."
_CARD: Final = "We could not confirm the card."
_DELIVERY: Final = "We could not confirm the delivery address."
_EMAIL: Final = "We could not confirm the e-mail address."
_NAME: Final = "We could not confirm the name."
_PAYMENT: Final = "We could not confirm the payment details."
_PHONE: Final = "We could not confirm the telephone number."

_OF_CODE: Final = {
    "ACCOUNT_AGE": _ACCOUNT,
    "ACCOUNT_CHANGE": _ACCOUNT,
    "ADDRESS_MISMATCH": _DELIVERY,
    "AUTHENTICATION": _PAYMENT,
    "CARD_CHECKS": _CARD,
    "CARD_COUNTRY_MISMATCH": _CARD,
    "CARD_EXPIRY": _CARD,
    "DELIVERY": _DELIVERY,
    "EMAIL_DOMAIN": _EMAIL,
    "EMAIL_NAME": _EMAIL,
    "EMAIL_SHAPE": _EMAIL,
    "EMAIL_VALIDATION": _EMAIL,
    "NAME_MISMATCH": _NAME,
    "PAYMENT_METHOD": _PAYMENT,
    "PHONE_MISMATCH": _PHONE,
}
"""Of features of the order alone."""

_OF_ENTITY: Final = {
    "account": _ACCOUNT,
    "billing_address": _BILLING,
    "card": _CARD,
    "email": _EMAIL,
    "phone": _PHONE,
    "shipping_address": _DELIVERY,
}
"""Of the windows of an entity, whatever they count."""


def customer_texts(features: Iterable[Feature]) -> dict[str, str]:
    """Return the sentence of every reason code of some features.

    A code that features of several sentences share has `GENERAL_TEXT`.

    Examples
    --------
    >>> from fraudkit.features.catalog import default_features
    >>> texts = customer_texts(default_features().features)
    >>> texts["ADDRESS_MISMATCH"], texts["SHIPPING_ADDRESS_VELOCITY"] == texts["DELIVERY"]
    ('We could not confirm the delivery address.', True)
    >>> texts["DEVICE_LINKS"] == texts["IP_VELOCITY"] == GENERAL_TEXT
    True
    """
    texts: dict[str, str] = {}
    for feature in features:
        text = _text(feature)
        if texts.setdefault(feature.reason_code, text) != text:
            texts[feature.reason_code] = GENERAL_TEXT
    return texts


def _text(feature: Feature) -> str:
    if isinstance(feature, Aggregation):
        return _OF_ENTITY.get(feature.entity, GENERAL_TEXT)
    return _OF_CODE.get(feature.reason_code, GENERAL_TEXT)
