"""Amounts in major units as integers of minor units.

Invariant: rounded half to even of the decimal number that was written, also where a float stands
for it.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import polars as pl

from fraudkit.domain.codes import CURRENCIES
from fraudkit.domain.money import minor_unit_digits
from fraudkit.mapping.checking import DoesNotFit, Fault, unreadable_faults
from fraudkit.mapping.vocabulary import Field

__all__ = ["minor_amounts"]

_MINOR_MAX: Final = 10**13
_HALF_TOLERANCE: Final = 1e-6
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_EXPECTED: Final = "an amount from 0 to 10^13 minor units"
_HINT: Final = "write it as 1234.50"


def minor_amounts(
    series: pl.Series, currencies: pl.Series, field: Field
) -> tuple[pl.Series, list[Fault]]:
    """Return amounts in minor units of the currency in the same row.

    Parameters
    ----------
    series : polars.Series
        Amounts in major units: integers, floats, decimals or text.
    currencies : polars.Series
        ISO 4217 codes; a row whose code does not hold gets no amount and no fault here.
    field : Field
        ``order.amount``.

    Returns
    -------
    minor : polars.Series of Int64
    faults : list of Fault
        Amounts that are negative, not finite, too large or no number.

    Examples
    --------
    >>> from fraudkit.mapping.vocabulary import field_at
    >>> amounts, euros = pl.Series([12.95, 2.675]), pl.Series(["EUR", "EUR"])
    >>> minor_amounts(amounts, euros, field_at("order.amount"))[0].to_list()
    [1295, 268]
    """
    if series.dtype == pl.String or isinstance(series.dtype, pl.Decimal):
        exact = series.cast(pl.String).str.strip_chars()
        return _of_text(exact, currencies, field)
    if not series.dtype.is_numeric() and series.dtype != pl.Null:
        raise DoesNotFit(f"holds {series.dtype}, not amounts")
    scaled = series.cast(pl.Float64) * _scales(currencies)
    low = scaled.floor()
    above = scaled - low
    is_half = (above - 0.5).abs() < _HALF_TOLERANCE
    up = pl.select(pl.when(is_half).then(low % 2 == 1).otherwise(above > 0.5)).to_series()
    rounded = low + up.cast(pl.Float64)
    holds = scaled.is_finite() & (scaled >= 0) & (rounded <= _MINOR_MAX)
    minor = pl.select(pl.when(holds).then(rounded)).to_series().cast(pl.Int64)
    wrong = series.is_not_null() & scaled.is_not_null() & minor.is_null()
    return minor, unreadable_faults(series, wrong, field, _EXPECTED)


def _scales(currencies: pl.Series) -> pl.Series:
    """Return minor units in a major unit as Float64, null where the currency does not hold."""
    known = [code for code in currencies.drop_nulls().unique() if code in CURRENCIES]
    return currencies.replace_strict(
        known,
        [10.0 ** minor_unit_digits(code) for code in known],
        default=None,
        return_dtype=pl.Float64,
    )


def _of_text(
    exact: pl.Series, currencies: pl.Series, field: Field
) -> tuple[pl.Series, list[Fault]]:
    scales = _scales(currencies).cast(pl.Int64)
    written = pl.DataFrame({"text": exact, "scale": scales})
    distinct = written.drop_nulls().unique()
    minor = [_minor(text, scale) for text, scale in distinct.iter_rows()]
    distinct = distinct.with_columns(minor=pl.Series(minor, dtype=pl.Int64))
    found = written.join(distinct, on=["text", "scale"], how="left", maintain_order="left")
    wrong = exact.is_not_null() & scales.is_not_null() & found["minor"].is_null()
    is_number = exact.str.contains(f"^(?:{_DECIMAL.pattern})$")
    faults = unreadable_faults(exact, wrong & is_number, field, _EXPECTED)
    return found["minor"], faults + unreadable_faults(
        exact, wrong & ~is_number, field, _EXPECTED, _HINT
    )


def _minor(text: str, scale: int) -> int | None:
    if _DECIMAL.fullmatch(text) is None:
        return None
    value = Decimal(text) * scale
    if not 0 <= value <= _MINOR_MAX:
        return None
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
