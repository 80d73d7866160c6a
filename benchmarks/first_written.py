"""What a team writes first: pydantic, a pandas frame of one row, LightGBM's scikit-learn class.

It is given the feature row, so the queries behind it cost nothing here, and it is limited to one
thread, which is faster for one row than LightGBM's default of all cores. It decides nothing and
remembers nothing; reasons are LightGBM's ``pred_contrib``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["FirstWritten", "IncomingOrder", "classifier_of"]

_REASONS_MOST: Final = 4


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Account(_In):
    user_id: str | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None
    password_changed_at: datetime | None = None
    first_purchase_at: datetime | None = None
    is_guest: bool | None = None
    is_email_validated: bool | None = None


class _Email(_In):
    address: str | None = None
    domain: str | None = None


class _Address(_In):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address: str | None = None
    address_2: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = Field(default=None, min_length=2, max_length=2)
    postal: str | None = None
    phone_country_code: str | None = None
    phone_number: str | None = None
    delivery_speed: str | None = None
    delivery_kind: str | None = None


class _Card(_In):
    fingerprint: str | None = None
    issuer_id_number: str | None = None
    last_digits: str | None = None
    country: str | None = None
    bank_name: str | None = None
    brand: str | None = None
    funding: str | None = None
    expiry_month: int | None = Field(default=None, ge=1, le=12)
    expiry_year: int | None = None
    avs_result: str | None = None
    cvv_result: str | None = None
    address_check: str | None = None
    postal_check: str | None = None
    cvv_check: str | None = None
    was_3d_secure_successful: bool | None = None
    has_liability_shift: bool | None = None


class _Payment(_In):
    method: str | None = None
    method_type: str | None = None
    processor: str | None = None
    is_recurring: bool | None = None
    card: _Card = _Card()


class _Item(_In):
    item_id: str | None = None
    category: str | None = None
    price_minor: int | None = Field(default=None, ge=0)
    quantity: int = 1
    is_digital: bool | None = None


class _Order(_In):
    amount_minor: int = Field(ge=0)
    currency: str = Field(min_length=3, max_length=3)
    discount_code: str | None = None
    affiliate_id: str | None = None
    subaffiliate_id: str | None = None
    referrer_uri: str | None = None
    is_gift: bool | None = None
    has_gift_message: bool | None = None
    items: list[_Item] = []


class _Device(_In):
    fingerprint: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    accept_language: str | None = None
    session_id: str | None = None
    session_age_s: float | None = None


class IncomingOrder(_In):
    """An order as a pydantic model."""

    transaction_id: str
    event_time: AwareDatetime
    order: _Order
    order_id: str | None = None
    type: str = "purchase"
    party: str | None = None
    shop_id: str | None = None
    channel: str | None = None
    attempt_id: str | None = None
    is_retry: bool | None = None
    is_test: bool = False
    account: _Account = _Account()
    email: _Email = _Email()
    billing: _Address = _Address()
    shipping: _Address = _Address()
    payment: _Payment = _Payment()
    device: _Device = _Device()
    entities: dict[str, str] = {}
    custom_inputs: dict[str, str | float | bool] = {}


class _ReasonOut(BaseModel):
    feature: str
    weight: float


class _ScoreOut(BaseModel):
    transaction_id: str
    fraud_probability: float
    reasons: list[_ReasonOut]


class _LoadedClassifier(lightgbm.LGBMClassifier):
    """A classifier that holds a model read from text instead of one it was fitted to."""

    def hold(self, booster: lightgbm.Booster) -> None:
        self._Booster = booster
        self._n_features = self._n_features_in = booster.num_feature()
        self._n_classes = 2
        self._classes = np.array([0, 1])
        self._objective = "binary"
        self.fitted_ = True


def classifier_of(model_text: str) -> Any:
    """Return LightGBM's scikit-learn class around the trees of a text model."""
    classifier = _LoadedClassifier(n_jobs=1)
    classifier.hold(lightgbm.Booster(model_str=model_text))
    return classifier


class FirstWritten:
    """From the bytes of an order to the bytes of its probability and reasons.

    Parameters
    ----------
    model_text : str
        LightGBM's text model.
    names : sequence of str
        Of the columns.
    bodies : sequence of bytes
        The orders.
    rows : ndarray of float64, shape (n_orders, n_features)
        Their feature rows.
    """

    def __init__(
        self,
        model_text: str,
        names: Sequence[str],
        bodies: tuple[bytes, ...],
        rows: NDArray[np.float64],
    ) -> None:
        self._classifier = classifier_of(model_text)
        self._names = list(names)
        self._bodies = bodies
        self._rows = rows
        self._features = [dict(zip(names, row, strict=True)) for row in rows.tolist()]

    def answer(self, place: int) -> bytes:
        """Return the answer to the order at a place."""
        order = IncomingOrder.model_validate_json(self._bodies[place])
        frame = pd.DataFrame([self._features[place]])
        probability = self._classifier.predict_proba(frame)[0, 1]
        contributions = self._classifier.predict_proba(frame, pred_contrib=True)[0, :-1]
        strongest = np.argsort(-contributions)[:_REASONS_MOST]
        answer = _ScoreOut(
            transaction_id=order.transaction_id,
            fraud_probability=probability,
            reasons=[
                _ReasonOut(feature=self._names[place], weight=contributions[place])
                for place in strongest
                if contributions[place] > 0
            ],
        )
        return answer.model_dump_json().encode()

    def raw_scores(self) -> list[float]:
        """Return the raw score of every order, in one call."""
        frame = pd.DataFrame(self._rows, columns=self._names)
        scores: list[float] = self._classifier.predict_proba(frame, raw_score=True).tolist()
        return scores
