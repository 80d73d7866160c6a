"""The catalogue as it stands in its files: areas, methods, published shares, each with its source.

Invariant: what this module returns has passed every check that one file can be held to; a fact
without a source does not load.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from fraudkit.domain.codes import COUNTRIES, CURRENCIES, CountryCode, CurrencyCode
from fraudkit.domain.transaction import PaymentMethod
from fraudkit.errors import CatalogError

__all__ = [
    "AmountLimit",
    "AreaEntry",
    "Bucket",
    "Cost",
    "CreditInvolvement",
    "DeltaEntry",
    "EditionEntry",
    "Factor",
    "Key",
    "MethodEntry",
    "Minor",
    "Name",
    "PairEntry",
    "PairText",
    "Percent",
    "RegionEntry",
    "Sentence",
    "ShareEntry",
    "Source",
    "Url",
    "read_entries",
]

Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+\.[^\s]+$")]
Sentence = Annotated[str, Meta(min_length=5, max_length=400)]
Name = Annotated[str, Meta(min_length=2, max_length=80)]
Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{1,40}$")]
PairText = Annotated[str, Meta(pattern="^[A-Z]{2}-[A-Z]{3}$")]
Minor = Annotated[int, Meta(ge=0, le=10**13)]
Percent = Annotated[float, Meta(gt=0, le=100)]
Factor = Annotated[float, Meta(gt=0, le=100)]

CreditInvolvement = Literal["never", "may", "always"]
"""Whether paying with a method involves credit; "may" is what depends on the customer."""

Bucket = Literal[
    "card",
    "credit_card",
    "debit_card",
    "wallet",
    "bank_transfer",
    "direct_debit",
    "pay_later",
    "cash",
    "prepaid",
    "other",
]
"""How publishers cut the market; "card" is credit_card and debit_card together."""

_EntryType = TypeVar("_EntryType", bound=Struct)


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options shared by all entries."""


class Source(_Entry, frozen=True):
    """Where a fact can be read."""

    name: Name
    url: Url


class PairEntry(_Entry, frozen=True):
    """One market: a country and a currency, and the days on which it holds.

    Attributes
    ----------
    pair : str
        ``"PL-EUR"``: the customer's country, the order's currency.
    valid_from, valid_to : date or None
        First and last day (UTC, both included); ``None`` is open.
    is_cross_currency : bool
        The currency is no legal tender of the country, and that is meant.
    url : str or None
        The source of this pair, where it is not the method's.
    """

    pair: PairText
    valid_from: date | None = None
    valid_to: date | None = None
    is_cross_currency: bool = False
    url: Url | None = None

    def __post_init__(self) -> None:
        if self.country not in COUNTRIES or self.currency not in CURRENCIES:
            raise ValueError(f"{self.pair} must be an ISO 3166-1 country and an ISO 4217 currency")
        first, last = self.valid_from or date.min, self.valid_to or date.max
        if first > last:
            raise ValueError(f"{self.pair} must not end before it begins")

    @property
    def country(self) -> str:
        """The customer's country."""
        return self.pair[:2]

    @property
    def currency(self) -> str:
        """The order's currency."""
        return self.pair[3:]


class AreaEntry(_Entry, frozen=True):
    """A named set of markets that several methods share."""

    name: Key
    source: Sentence
    url: Url
    pairs: tuple[PairEntry | PairText, ...]
    includes: tuple[Key, ...] = ()


class AmountLimit(_Entry, frozen=True):
    """The least and the greatest amount in one currency, in minor units, both included."""

    currency: CurrencyCode
    url: Url
    min_minor: Minor | None = None
    max_minor: Minor | None = None


class Cost(_Entry, frozen=True):
    """What taking a payment costs the shop, in some countries, on some day.

    Attributes
    ----------
    countries, area : tuple of str, str or None
        Where the customer is: listed, or all countries of an area.
    fee_bps : float
        Hundredths of a percent of the amount.
    fixed_minor : int
        Added to each payment, in minor units of ``currency``.
    currency : str
        The only currency of orders for which this cost can be told.
    max_minor : int or None
        The most that one payment costs.
    kind : {"list_price", "average", "regulated", "upper_bound"}
        What sort of figure it is; none of them is the shop's own contract.
    as_of : date
        When it held, as far as the source says.
    """

    fee_bps: Annotated[float, Meta(ge=0, le=2000)]
    currency: CurrencyCode
    kind: Literal["list_price", "average", "regulated", "upper_bound"]
    as_of: date
    source: Sentence
    url: Url
    countries: tuple[CountryCode, ...] = ()
    area: Key | None = None
    fixed_minor: Minor = 0
    max_minor: Minor | None = None

    def __post_init__(self) -> None:
        if not self.countries and self.area is None:
            raise ValueError("a cost must name the countries or the area in which it holds")

    def of(self, amount_minor: int) -> float:
        """Return the expected cost of one payment in minor units."""
        cost = amount_minor * self.fee_bps / 10_000 + self.fixed_minor
        return cost if self.max_minor is None else min(cost, float(self.max_minor))


class MethodEntry(_Entry, frozen=True):
    """One payment method.

    Attributes
    ----------
    method_type : str
        ``"ideal"``, ``"credit"`` …, in Hyperswitch's names.
    bucket : str
        Where publishers count it; never ``"card"`` or ``"other"``.
    credit : {"never", "may", "always"}
        Whether paying with it involves credit.
    areas, pairs
        The markets in which a customer can pay with it.
    costs_like : str or None
        Another method whose costs hold where this one's ``costs`` say nothing.
    no_cost_published : str or None
        Says so where no cost is known at all.
    split_weight : float
        How much of its bucket it takes against the others there; an assumption.
    refundable : bool or None
        ``None`` is unknown.
    """

    method_type: Key
    family: PaymentMethod
    name: Name
    bucket: Bucket
    credit: CreditInvolvement
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    areas: tuple[Key, ...] = ()
    pairs: tuple[PairEntry | PairText, ...] = ()
    limits: tuple[AmountLimit, ...] = ()
    costs: tuple[Cost, ...] = ()
    costs_like: Key | None = None
    no_cost_published: Sentence | None = None
    refundable: bool | None = None
    split_weight: Factor = 1.0
    split_basis: Sentence | None = None
    note: Sentence | None = None

    def __post_init__(self) -> None:
        if self.bucket in ("card", "other"):
            raise ValueError("bucket must be one that a single method can be in")
        if not self.areas and not self.pairs:
            raise ValueError("a method must have at least one market in areas or pairs")
        has_cost = bool(self.costs) or self.costs_like is not None
        if has_cost == (self.no_cost_published is not None):
            raise ValueError("a method must have either costs or no_cost_published")
        if (self.split_weight != 1.0) != (self.split_basis is not None):
            raise ValueError("a split_weight other than 1 must have a split_basis, and only then")

    @property
    def is_credit(self) -> bool:
        """Whether paying with it always involves credit."""
        return self.credit == "always"


class ShareEntry(_Entry, frozen=True):
    """One published percentage: of a method, or of a bucket."""

    percent: Percent
    method: Key | None = None
    bucket: Bucket | None = None
    published_as: Name | None = None

    def __post_init__(self) -> None:
        if (self.method is None) == (self.bucket is None):
            raise ValueError("a share must be of either a method or a bucket")


class EditionEntry(_Entry, frozen=True):
    """One publisher's table for one place and year.

    Attributes
    ----------
    geo : str
        A country, ``"region:NAME"`` or ``"global"``.
    counts : {"value", "count", "users", "unstated"}
        What the percentages are of.
    is_full_partition : bool
        The shares add up to about 100: nothing is missing and nothing overlaps.
    """

    geo: Annotated[str, Meta(pattern="^([A-Z]{2}|region:[a-z_]+|global)$")]
    year: Annotated[int, Meta(ge=2015, le=2100)]
    metric: Sentence
    counts: Literal["value", "count", "users", "unstated"]
    source: Name
    url: Url
    is_full_partition: bool
    shares: Annotated[tuple[ShareEntry, ...], Meta(min_length=1)]
    is_year_approximate: bool = False
    note: Sentence | None = None

    def __post_init__(self) -> None:
        total = sum(share.percent for share in self.shares)
        if total > 102 or (self.is_full_partition and total < 98):
            wanted = "add up to about 100" if self.is_full_partition else "not exceed 102"
            raise ValueError(f"the shares must {wanted}, they add up to {total:g}")
        if len(self.geo) == 2 and self.geo not in COUNTRIES:
            raise ValueError(f"geo must be an ISO 3166-1 country. Got {self.geo!r}")

    @property
    def year_text(self) -> str:
        """The year, with a tilde where the publisher does not state it."""
        return f"~{self.year}" if self.is_year_approximate else str(self.year)


class RegionEntry(_Entry, frozen=True):
    """The countries that a region's figures stand in for."""

    name: Key
    countries: tuple[CountryCode, ...]


class DeltaEntry(_Entry, frozen=True):
    """How a method's split weight differs in one country; an assumption with its reason."""

    country: CountryCode
    method: Key
    factor: Factor
    reason: Sentence


def read_entries(
    content: bytes, *, file: str, tables: dict[str, type[_EntryType]]
) -> dict[str, tuple[_EntryType, ...]]:
    """Return the entries of a TOML file, by table.

    Parameters
    ----------
    content : bytes
        The file.
    file : str
        Its name, for messages.
    tables : dict[str, type]
        Which arrays of tables the file has, and what an entry of each is.

    Raises
    ------
    fraudkit.errors.CatalogError
        Names the file, the entry and the field.
    """
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{file} must be TOML: {error}") from error
    unknown = sorted(set(document) - set(tables))
    if unknown:
        raise CatalogError(f"{file} must hold only {sorted(tables)}. Got {unknown}")
    return {
        table: _convert(document.get(table, ()), kind, f"{file}, {table}")
        for table, kind in tables.items()
    }


def _convert(
    raw: Sequence[dict[str, Any]], kind: type[_EntryType], place: str
) -> tuple[_EntryType, ...]:
    if not isinstance(raw, list | tuple):
        raise CatalogError(f"{place} must be an array of tables")
    entries = []
    for number, table in enumerate(raw, start=1):
        try:
            entries.append(msgspec.convert(table, kind))
        except msgspec.ValidationError as error:
            raise CatalogError(f"{place} {_label(table, number)}: {error}") from error
    return tuple(entries)


def _label(table: object, number: int) -> str:
    """Return what names an entry best: its own name, or its number in the file."""
    if isinstance(table, dict):
        for key in ("method_type", "name", "geo", "country"):
            if isinstance(table.get(key), str):
                return f"{table[key]!r} (number {number})"
    return f"number {number}"
