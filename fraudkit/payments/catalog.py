"""The payment-method catalogue: which methods exist, where, at what cost, how much used.

Invariant: a catalogue is never changed after it is loaded, and its `PaymentCatalog.version`
is a digest of the very files it was loaded from.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from fraudkit.errors import CatalogError
from fraudkit.payments.entries import (
    AreaEntry,
    Cost,
    DeltaEntry,
    EditionEntry,
    MethodEntry,
    PairEntry,
    RegionEntry,
    read_entries,
)
from fraudkit.payments.market import Market, build_market
from fraudkit.payments.shares import Pool, country_pools

__all__ = ["PaymentCatalog"]

_FILES = ("areas.toml", "methods.toml", "shares.toml")


class PaymentCatalog:
    """Payment methods with their markets, costs and published shares.

    Made by `default` or `load`. Reading it changes nothing, so one catalogue may serve any number
    of threads.

    Parameters
    ----------
    files : dict[str, bytes]
        ``areas.toml``, ``methods.toml`` and ``shares.toml``.

    Raises
    ------
    fraudkit.errors.CatalogError
        If a file does not hold what it must, or contradicts another; names file, entry and field.

    Examples
    --------
    >>> catalog = PaymentCatalog.default()
    >>> catalog.method("ideal").name
    'iDEAL'
    >>> catalog.currencies("ideal", "NL")
    ('EUR',)
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        missing = [name for name in _FILES if name not in files]
        if missing:
            raise CatalogError(f"a catalogue must have {', '.join(_FILES)}. Missing: {missing}")
        areas = _areas(files["areas.toml"])
        tables = read_entries(files["methods.toml"], file="methods.toml", tables=_METHOD_TABLES)
        listed = tables["method"]
        shares = _read_shares(files["shares.toml"])
        self.version = _version(files)
        """SHA-256 of the files, the first 16 hexadecimal digits."""
        self.methods: tuple[MethodEntry, ...] = tuple(
            sorted(listed, key=lambda method: method.method_type)
        )
        """All methods, in the order of ``method_type``."""
        self._by_type = MappingProxyType(_unique(self.methods))
        self.editions, self.regions, self.deltas = shares
        self._pairs = {method.method_type: _pairs(method, areas) for method in self.methods}
        self._costs = {
            method.method_type: _costs(method, areas, self._by_type) for method in self.methods
        }
        self.as_of_ms = max(
            (_midnight_ms(cost.as_of) for held in self.methods for cost in held.costs), default=0
        )
        """The day of the newest cost, UTC epoch milliseconds: what is known is known by then."""
        _check_shares(self.editions, self.deltas, self._by_type)
        self.countries: tuple[str, ...] = tuple(
            sorted({country for held in self._pairs.values() for country in held})
        )
        """All countries in which at least one method has a market, in alphabetical order."""
        self._pools = {country: self._build_pools(country) for country in self.countries}
        self._markets = {
            (country, currency): self._build_market(country, currency)
            for country, currency in sorted(
                {
                    (pair.country, pair.currency)
                    for held in self._pairs.values()
                    for pairs in held.values()
                    for pair in pairs
                }
            )
        }

    @staticmethod
    def default() -> PaymentCatalog:
        """Return the catalogue that comes with the package; loaded once a process."""
        return _default()

    @classmethod
    def load(cls, path: Path | str) -> PaymentCatalog:
        """Return the catalogue of a folder.

        Raises
        ------
        fraudkit.errors.CatalogError
            If a file is missing or does not hold what it must.
        """
        folder = Path(path)
        try:
            return cls({name: (folder / name).read_bytes() for name in _FILES})
        except OSError as error:
            raise CatalogError(
                f"a catalogue's folder must hold {', '.join(_FILES)}: {error}"
            ) from error

    def __contains__(self, method_type: object) -> bool:
        """Return whether the catalogue knows the method."""
        return method_type in self._by_type

    def method(self, method_type: str) -> MethodEntry:
        """Return one method; ``KeyError`` if the catalogue does not know it."""
        return self._by_type[method_type]

    def pairs(self, method_type: str) -> tuple[PairEntry, ...]:
        """Return the markets of a method, those of the past included, by country."""
        held = self._pairs[method_type]
        return tuple(pair for country in sorted(held) for pair in held[country])

    def currencies(self, method_type: str, country: str) -> tuple[str, ...]:
        """Return the currencies that a method takes or took in a country."""
        return tuple(pair.currency for pair in self._pairs[method_type].get(country, ()))

    def pools(self, country: str) -> tuple[Pool, ...]:
        """Return how a country's payments divide; empty where no method has a market."""
        return self._pools.get(country, ())

    def editions_for(self, country: str) -> tuple[EditionEntry, ...]:
        """Return the published tables for a country in the order of use, then wider ones."""
        places = [country]
        places += [f"region:{held.name}" for held in self.regions if country in held.countries]
        places.append("global")
        return tuple(
            edition for place in places for edition in self.editions if edition.geo == place
        )

    def market(self, country: str, currency: str) -> Market:
        """Return all offers for a country and a currency, also where there is no market.

        A dictionary look-up for the markets of the catalogue. For any other pair the market,
        in which every method is refused, is built anew, in some tens of microseconds.
        """
        held = self._markets.get((country, currency))
        return self._build_market(country, currency) if held is None else held

    def _build_pools(self, country: str) -> tuple[Pool, ...]:
        return country_pools(
            [method for method in self.methods if country in self._pairs[method.method_type]],
            self.editions_for(country),
            bucket_of={method.method_type: method.bucket for method in self.methods},
            factors={held.method: held.factor for held in self.deltas if held.country == country},
        )

    def _build_market(self, country: str, currency: str) -> Market:
        return build_market(
            country,
            currency,
            methods=self.methods,
            pairs=self._pairs,
            pools=self.pools(country),
            costs=self._costs,
            reasons={held.method: held.reason for held in self.deltas if held.country == country},
        )


_METHOD_TABLES = {"method": MethodEntry}


@functools.cache
def _default() -> PaymentCatalog:
    folder = resources.files("fraudkit.payments") / "data"
    return PaymentCatalog({name: (folder / name).read_bytes() for name in _FILES})


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _version(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        content = files[name]
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _read_shares(
    content: bytes,
) -> tuple[tuple[EditionEntry, ...], tuple[RegionEntry, ...], tuple[DeltaEntry, ...]]:
    kinds: dict[str, type[EditionEntry | RegionEntry | DeltaEntry]] = {
        "edition": EditionEntry,
        "region": RegionEntry,
        "delta": DeltaEntry,
    }
    tables = read_entries(content, file="shares.toml", tables=kinds)
    return (
        tuple(entry for entry in tables["edition"] if isinstance(entry, EditionEntry)),
        tuple(entry for entry in tables["region"] if isinstance(entry, RegionEntry)),
        tuple(entry for entry in tables["delta"] if isinstance(entry, DeltaEntry)),
    )


def _areas(content: bytes) -> dict[str, tuple[PairEntry, ...]]:
    """Return each area's pairs; an area may include those that stand before it."""
    areas: dict[str, tuple[PairEntry, ...]] = {}
    for entry in read_entries(content, file="areas.toml", tables={"area": AreaEntry})["area"]:
        unknown = [name for name in entry.includes if name not in areas]
        if unknown:
            raise CatalogError(
                f"areas.toml, area {entry.name!r}: includes must name areas that stand before "
                f"it. Got {unknown}"
            )
        included = tuple(pair for name in entry.includes for pair in areas[name])
        areas[entry.name] = included + _parsed(entry.pairs)
    return areas


def _parsed(pairs: Sequence[PairEntry | str]) -> tuple[PairEntry, ...]:
    return tuple(PairEntry(pair=pair) if isinstance(pair, str) else pair for pair in pairs)


def _unique(methods: Sequence[MethodEntry]) -> dict[str, MethodEntry]:
    held: dict[str, MethodEntry] = {}
    for method in methods:
        if method.method_type in held:
            raise CatalogError(
                f"methods.toml, method {method.method_type!r}: method_type must be unique"
            )
        held[method.method_type] = method
    return held


def _pairs(
    method: MethodEntry, areas: Mapping[str, Sequence[PairEntry]]
) -> dict[str, tuple[PairEntry, ...]]:
    place = f"methods.toml, method {method.method_type!r}"
    unknown = [name for name in method.areas if name not in areas]
    if unknown:
        raise CatalogError(f"{place}: areas must be in areas.toml. Got {unknown}")
    try:
        own = _parsed(method.pairs)
    except ValueError as error:
        raise CatalogError(f"{place}: pairs: {error}") from error
    held: dict[str, tuple[PairEntry, ...]] = {}
    for pair in (*(pair for name in method.areas for pair in areas[name]), *own):
        held[pair.country] = (*held.get(pair.country, ()), pair)
    return held


def _costs(
    method: MethodEntry,
    areas: Mapping[str, Sequence[PairEntry]],
    methods: Mapping[str, MethodEntry],
) -> tuple[tuple[frozenset[str], Cost], ...]:
    """Return a method's costs with the countries of each; its own before those it is like."""
    place = f"methods.toml, method {method.method_type!r}"
    costs = list(method.costs)
    if method.costs_like is not None:
        like = methods.get(method.costs_like)
        if like is None or like.costs_like is not None:
            raise CatalogError(
                f"{place}: costs_like must name a method that has costs of its own. "
                f"Got {method.costs_like!r}"
            )
        costs.extend(like.costs)
    placed = []
    for cost in costs:
        if cost.area is not None and cost.area not in areas:
            raise CatalogError(f"{place}: costs: area must be in areas.toml. Got {cost.area!r}")
        within = () if cost.area is None else areas[cost.area]
        placed.append((frozenset((*cost.countries, *(pair.country for pair in within))), cost))
    return tuple(placed)


def _check_shares(
    editions: Sequence[EditionEntry],
    deltas: Sequence[DeltaEntry],
    methods: Mapping[str, MethodEntry],
) -> None:
    named = [
        (f"edition {edition.geo!r} {edition.year}", figure.method)
        for edition in editions
        for figure in edition.shares
    ]
    named += [(f"delta {delta.country!r}", delta.method) for delta in deltas]
    for place, method in named:
        if method is not None and method not in methods:
            raise CatalogError(
                f"shares.toml, {place}: method must be in methods.toml. Got {method!r}"
            )
