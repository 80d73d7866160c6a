"""Which payment methods to show: the question (`PaymentContext`) and the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraudkit.domain.card_number import refuse_card_numbers
from fraudkit.domain.codes import CountryCode, CurrencyCode
from fraudkit.domain.decision import InputWarning
from fraudkit.domain.transaction import AmountMinor, Identifier, PaymentMethod

__all__ = ["Demographic", "LeftOut", "PaymentContext", "RankedMethod", "Recommendation"]


class Demographic(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is known of the customer; it orders payment methods and does nothing else."""

    age_band: Literal["18-24", "25-34", "35-44", "45-54", "55-64", "65+"] | None = None


class PaymentContext(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a checkout knows when it asks which methods to show.

    Attributes
    ----------
    country : str
        Where the customer pays from, ISO 3166-1 alpha-2.
    currency : str
        ISO 4217.
    amount_minor : int
        The total to pay, in minor units of ``currency``.
    enabled_methods : tuple of str or None
        The method types that the shop has a contract for; ``None`` means all in the catalogue.
    """

    country: CountryCode
    currency: CurrencyCode
    amount_minor: AmountMinor
    enabled_methods: Annotated[tuple[Identifier, ...], Meta(max_length=200)] | None = None
    demographic: Demographic = Demographic()

    def __post_init__(self) -> None:
        refuse_card_numbers(self)


class RankedMethod(Struct, frozen=True, kw_only=True):
    """One method to show.

    Attributes
    ----------
    method_type : str
        ``"ideal"``, ``"credit"``, ``"paypal"`` …
    method : str
        The family it belongs to.
    rank : int
        1 is shown first.
    share : float
        The expected share of choices among the methods shown, in [0, 1]; they sum to 1.
    cost_minor : float or None
        The expected merchant discount of taking this amount, in minor units; ``None`` where no
        cost is known.
    why : str
        A sentence that an agent can read, with the source of the fact.
    """

    method_type: str
    method: PaymentMethod
    name: str
    rank: int
    share: float
    cost_minor: float | None
    why: str


class LeftOut(Struct, frozen=True, kw_only=True):
    """One method not to show: a stable ``code`` and the reason in words."""

    method_type: str
    code: str
    why: str


class Recommendation(Struct, frozen=True, kw_only=True):
    """The methods to show, in order, and why the others are left out."""

    methods: tuple[RankedMethod, ...]
    why_not: tuple[LeftOut, ...]
    catalog_version: str
    warnings: tuple[InputWarning, ...] = ()
