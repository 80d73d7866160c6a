"""Money: integers in minor units, ISO 4217 exponents, and a dated rate table.

Invariant: no float ever holds an amount; a conversion says its rounding.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import msgspec

from fraudkit.domain.codes import CURRENCIES, CurrencyCode
from fraudkit.domain.decoding import convert
from fraudkit.domain.transaction import AMOUNT_MINOR_MAX
from fraudkit.errors import InvalidField

__all__ = ["RateTable", "RateTableFile", "minor_unit_digits", "rate_table"]

_RATE_MIN = Decimal("1e-9")
_RATE_MAX = Decimal("1e9")
_RATE_CHARACTERS_MAX = 100
_REFERENCE_MINOR_END = 2**62

_DIGITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def minor_unit_digits(currency: str) -> int:
    """Return the number of decimal digits of a currency's minor unit.

    Source: ISO 4217:2015, list one, column "Mnr unts". It differs from CLDR's digits, which
    follow what is usual in cash.

    Examples
    --------
    >>> [minor_unit_digits(code) for code in ("EUR", "JPY", "KWD")]
    [2, 0, 3]
    """
    if currency not in CURRENCIES:
        raise InvalidField("/currency", "an ISO 4217 code", repr(currency[:8]))
    return _DIGITS.get(currency, 2)


class RateTableFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate table as it stands in a file.

    Attributes
    ----------
    reference_currency : str
        The currency into which amounts are brought.
    rates : dict[str, dict[str, str]]
        Currency → first day (``YYYY-MM-DD``, UTC) → how much reference currency one major
        unit of it was worth from that day on, as a decimal string.
    """

    reference_currency: CurrencyCode
    rates: dict[CurrencyCode, dict[str, str]] = {}


class RateTable:
    """Brings an amount of any listed currency into one reference currency, by date.

    Before the first day of a currency its first rate holds: history older than the table is
    better read with a stale rate than not at all.

    Examples
    --------
    >>> table = rate_table("EUR", {"USD": {"2025-01-01": "0.9", "2026-01-01": "0.85"}})
    >>> table.to_reference_minor(1000, "USD", 1_767_225_600_000)  # 2026-01-01
    850
    >>> table.to_reference_minor(1000, "GBP", 0) is None
    True
    """

    __slots__ = ("_currencies", "file")

    def __init__(self, file: RateTableFile) -> None:
        self.file = file
        scale_reference = minor_unit_digits(file.reference_currency)
        self._currencies: dict[str, tuple[list[int], list[tuple[int, int]]]] = {}
        for currency, dated in file.rates.items():
            scale = Fraction(10) ** (scale_reference - minor_unit_digits(currency))
            steps = sorted(
                (_day_ms(currency, day), _rate(currency, text)) for day, text in dated.items()
            )
            if not steps:
                raise InvalidField(f"/rates/{currency}", "at least one dated rate", "none")
            self._currencies[currency] = (
                [day for day, _ in steps],
                [_ratio(currency, rate * scale) for _, rate in steps],
            )

    @property
    def reference_currency(self) -> str:
        """The currency into which amounts are brought."""
        return self.file.reference_currency

    def to_reference_minor(self, amount_minor: int, currency: str, at_ms: int) -> int | None:
        """Return the amount in minor units of the reference currency, rounded half to even.

        Returns ``None`` where the table does not list the currency.
        """
        if currency == self.file.reference_currency:
            return amount_minor
        dated = self._currencies.get(currency)
        if dated is None:
            return None
        days, rates = dated
        numerator, denominator = rates[max(bisect_right(days, at_ms) - 1, 0)]
        whole, rest = divmod(amount_minor * numerator, denominator)
        is_up = 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
        return whole + 1 if is_up else whole


def rate_table(
    reference_currency: str, rates: dict[str, dict[str, str]] | None = None
) -> RateTable:
    """Return a rate table from plain values; see `RateTableFile` for their meaning."""
    return RateTable(
        convert({"reference_currency": reference_currency, "rates": rates or {}}, RateTableFile)
    )


def _day_ms(currency: str, day: str) -> int:
    try:
        date = msgspec.convert(f"{day}T00:00:00Z", datetime)
    except msgspec.ValidationError as error:
        raise InvalidField(
            f"/rates/{currency}/{day}", "a day as YYYY-MM-DD", repr(day[:20])
        ) from error
    return int(date.timestamp()) * 1000


def _ratio(currency: str, minor_a_minor: Fraction) -> tuple[int, int]:
    """Return a rate between minor units, if every amount that may come fits 64 bits by it."""
    if minor_a_minor * AMOUNT_MINOR_MAX >= _REFERENCE_MINOR_END:
        raise InvalidField(
            f"/rates/{currency}",
            f"a rate by which {AMOUNT_MINOR_MAX:,} minor units, the greatest amount, stay below "
            f"{_REFERENCE_MINOR_END:,} of the reference currency",
            f"{float(minor_a_minor):g} minor units a minor unit",
            "choose a reference currency whose unit is worth more",
        )
    return minor_a_minor.as_integer_ratio()


def _rate(currency: str, text: str) -> Fraction:
    try:
        decimal = Decimal(text[: _RATE_CHARACTERS_MAX + 1])
        is_in_range = _RATE_MIN <= decimal <= _RATE_MAX and len(text) <= _RATE_CHARACTERS_MAX
    except InvalidOperation as error:
        raise InvalidField(f"/rates/{currency}", "a decimal string", repr(text[:20])) from error
    if not is_in_range:
        raise InvalidField(f"/rates/{currency}", "a rate between 1e-9 and 1e9", repr(text[:20]))
    return Fraction(decimal)
