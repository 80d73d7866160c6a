"""An order as a pydantic model, as a team writes it first. Loads nothing but pydantic."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["IncomingOrder"]


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
