"""Figures of the costs that hold for one order alone: those that it brings, and a loss that moved.

A fraud on a card payment that came authenticated is, for its larger part, the issuer's loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.costs import COST_NAMES
from fraudkit.decisions.policy import CARD_METHODS
from fraudkit.domain.transaction import Transaction
from fraudkit.features.fields import field_reader

__all__ = ["AUTHENTICATION_FIELDS", "OwnCosts", "is_liability_shifted"]

AUTHENTICATION_FIELDS: Final = (
    "payment.method",
    "payment.card.was_3d_secure_successful",
    "payment.card.has_liability_shift",
)
"""The fields of `is_liability_shifted`."""

_NONE: Final = np.full(len(COST_NAMES), np.nan)
_SHIFT: Final = COST_NAMES.index("challenge_liability_shift_share")
_LOSSES: Final = tuple(map(COST_NAMES.index, ("loss_share", "chargeback_fee_minor")))

_Floats = NDArray[np.float64]


def is_liability_shifted(method: object, was_authenticated: object, has_shift: object) -> bool:
    """Return whether a fraud on a payment would be the issuer's: a card that was authenticated.

    What is said of the shift itself goes before what authentication lets one expect.

    Examples
    --------
    >>> is_liability_shifted("card", True, None), is_liability_shifted("card", True, False)
    (True, False)
    """
    if method not in CARD_METHODS:
        return False
    return has_shift is True or (has_shift is None and was_authenticated is True)


class OwnCosts:
    """Finds the figures that hold for single orders.

    Parameters
    ----------
    paths : mapping of str to str
        Figure → path of the number that an order brings.
    table : ndarray of float64, shape (n_segments, at least 10)
        The costs of each segment, in the order of `COST_NAMES`.
    """

    def __init__(self, paths: Mapping[str, str], table: _Floats) -> None:
        self._paths = dict(paths)
        self._readers = [
            (COST_NAMES.index(name), name, field_reader(path)) for name, path in paths.items()
        ]
        self._rows = [row[: len(COST_NAMES)].tolist() for row in table]
        self._table = table[:, : len(COST_NAMES)]

    def of(self, transaction: Transaction, segment: int) -> tuple[_Floats, dict[str, float]]:
        """Return an order's own figures, NaN for those that it has not, and the same by name."""
        payment = transaction.payment
        card = payment.card
        shifted = is_liability_shifted(
            payment.method, card.was_3d_secure_successful, card.has_liability_shift
        )
        if not self._readers and not shifted:
            return _NONE, {}
        own, named = np.full(len(COST_NAMES), np.nan), {}
        for place, name, read in self._readers:
            value = _figure(name, read(transaction))
            if value is not None:
                own[place] = named[name] = value
        if shifted:
            held = self._rows[segment]
            stays = 1.0 - named.get(COST_NAMES[_SHIFT], held[_SHIFT])
            for place in _LOSSES:
                name = COST_NAMES[place]
                own[place] = named[name] = named.get(name, held[place]) * stays
        return own, named

    def possible(self, named: Mapping[str, float], segment: int) -> dict[str, float]:
        """Return those figures of an order's own that it can have had."""
        shift = named.get(COST_NAMES[_SHIFT], self._rows[segment][_SHIFT])
        left = {COST_NAMES[place]: self._rows[segment][place] * (1.0 - shift) for place in _LOSSES}
        return {
            name: value
            for name, value in named.items()
            if name in self._paths or left.get(name) == value
        }

    def of_many(
        self, columns: Mapping[str, Sequence[object]], segment: NDArray[np.int64]
    ) -> _Floats:
        """Return the figures of many orders, a row each; or one row of NaN where none has any.

        Parameters
        ----------
        columns : mapping
            Path → a value an order, ``None`` where absent.
        segment : ndarray of int64, shape (n_orders,)
            Rows of the table.
        """
        n_orders = len(segment)
        shifted = _shifted(columns, n_orders)
        if not self._readers and not shifted.any():
            return _NONE[None, :]
        # One row more than orders, so that a single order's costs are not taken for everybody's.
        own = np.full((max(n_orders, 2), len(COST_NAMES)), np.nan)
        for name, path in self._paths.items():
            for place, came in enumerate(columns.get(path, ())):
                value = _figure(name, came)
                if value is not None:
                    own[place, COST_NAMES.index(name)] = value
        places = np.flatnonzero(shifted)
        mine, held = own[places], self._table[segment[places]]
        held = np.where(np.isnan(mine), held, mine)
        for place in _LOSSES:
            own[places, place] = held[:, place] * (1.0 - held[:, _SHIFT])
        return own


def _shifted(columns: Mapping[str, Sequence[object]], n_orders: int) -> NDArray[np.bool_]:
    if not any(path in columns for path in AUTHENTICATION_FIELDS[1:]):
        return np.zeros(n_orders, np.bool_)
    absent: Sequence[object] = [None] * n_orders
    values = [columns.get(path, absent) for path in AUTHENTICATION_FIELDS]
    return np.fromiter(map(is_liability_shifted, *values), np.bool_, n_orders)


def _figure(name: str, value: object) -> float | None:
    """Return a cost that an order brought, or ``None`` where it brought none that can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    most = 1.0 if name.endswith("_share") else 1e9
    return float(value) if 0.0 <= value <= most else None
