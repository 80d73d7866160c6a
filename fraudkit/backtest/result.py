"""What a backtest found, and how it is shown: as text, in a notebook, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
from msgspec import Struct

from fraudkit.decisions.off_policy.policy_difference import PolicyDifference
from fraudkit.domain.decision import Action

if TYPE_CHECKING:
    from fraudkit.reporting.sections import TableContent

__all__ = ["AffectedGroup", "Backtest", "MatrixCell", "MovedOrder"]


class MatrixCell(Struct, frozen=True, kw_only=True):
    """The orders that one side gave one action and the other side another, or the same.

    Attributes
    ----------
    old_action, new_action : {"approve", "challenge", "review", "decline"}
    n_orders : int
    amount_minor : float
        Sum of their known amounts, in the costs' currency.
    n_frauds, n_honest : int
        Those with a known outcome; the rest of ``n_orders`` have none.
    """

    old_action: Action
    new_action: Action
    n_orders: int
    amount_minor: float
    n_frauds: int
    n_honest: int


class AffectedGroup(Struct, frozen=True, kw_only=True):
    """The orders that have one value of one dimension, and what moved among them.

    Attributes
    ----------
    dimension, value : str
        Such as ``"billing.country"`` and ``"DE"``; ``"unknown"`` where the field did not come.
    n_orders, n_moved : int
        All of them; those of which the actions differ.
    n_stricter, n_milder : int
        Those that moved, by direction in the order approve, challenge, review, decline.
    n_moved_unknown : int
        Those that moved and whose cost may depend on an outcome that is not known.
    cost_minor : float
        Change of cost, in minor units, summed over the moved orders whose outcome is known.
    cost_low_minor, cost_high_minor : float
        The least and the most that it can be over all moved orders with an amount, whatever the
        unknown outcomes are.
    """

    dimension: str
    value: str
    n_orders: int
    n_moved: int
    n_stricter: int
    n_milder: int
    n_moved_unknown: int
    cost_minor: float
    cost_low_minor: float
    cost_high_minor: float


class MovedOrder(Struct, frozen=True, kw_only=True):
    """An order to open: it moved, and much depends on it.

    Attributes
    ----------
    transaction_id : str
    event_time_ms : int
        UTC.
    old_action, new_action : {"approve", "challenge", "review", "decline"}
    amount_minor : float or None
        In the costs' currency; ``None`` where it is not known.
    fraud_probability : float
        That the new side decided by.
    is_fraud : bool or None
        ``None`` where the outcome is not known.
    cost_low_minor, cost_high_minor : float or None
        The least and the most that the change of its cost can be: equal where the outcome is
        known, ``None`` where the amount is not.
    fields : dict[str, str]
        Dimension → value, see `AffectedGroup`.
    """

    transaction_id: str
    event_time_ms: int
    old_action: Action
    new_action: Action
    amount_minor: float | None
    fraud_probability: float
    is_fraud: bool | None
    cost_low_minor: float | None
    cost_high_minor: float | None
    fields: dict[str, str]


class Backtest(Struct, frozen=True, kw_only=True):
    """What another way of deciding would have made of the same orders.

    Every change is the new side less the old side. Both are priced at the same stated costs,
    those of the new policy.

    Attributes
    ----------
    old, new : str
        What the two sides are called.
    currency : str
        ISO 4217, of every amount and cost here.
    n_orders : int
        All orders that both sides decided.
    first_event_ms, last_event_ms : int or None
        UTC; ``None`` with no order.
    n_outcome_known : int
        Orders whose outcome is known and mature.
    n_declined : int
        Orders without an outcome because they were in fact declined, as far as that is known.
    n_too_young : int
        Orders without an outcome because it was not mature.
    n_unused_outcomes : int
        Outcomes that came with an order that was declined. They are not used: what was not
        reported of a declined order is not known to be honest.
    matrix : tuple of MatrixCell
        All 16, by old action and then new action, in the order of
        `fraudkit.decisions.policy.ACTIONS`.
    difference : PolicyDifference
        Cost, fraud rate by value and share of approvals, each with how well it is known.
    groups : tuple of AffectedGroup
        By dimension in the order asked for; within one by falling ``n_orders``, then by value;
        amount bands by rising amount, the unknown ones last.
    examples : tuple of MovedOrder
        Those that moved with the largest stakes first: the larger of the two bounds without its
        sign. Orders without an amount come last.
    remarks : tuple of str
        What else has to be known to read this.
    """

    old: str
    new: str
    currency: str
    n_orders: int
    first_event_ms: int | None
    last_event_ms: int | None
    n_outcome_known: int
    n_declined: int
    n_too_young: int
    n_unused_outcomes: int
    matrix: tuple[MatrixCell, ...]
    difference: PolicyDifference
    groups: tuple[AffectedGroup, ...]
    examples: tuple[MovedOrder, ...]
    remarks: tuple[str, ...] = ()

    @property
    def affected(self) -> pl.DataFrame:
        """``groups`` as a tidy frame: one row each, one column an attribute."""
        held = {
            str: pl.String(),
            int: pl.Int64(),
            float: pl.Float64(),
        }
        fields = msgspec.structs.fields(AffectedGroup)
        schema = {field.encode_name: held[field.type] for field in fields}
        return pl.DataFrame([msgspec.structs.astuple(g) for g in self.groups], schema, orient="row")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the figures rest on and what cannot be known, as sentences."""
        from fraudkit.backtest.words import notes_of

        return notes_of(self)

    def plain(self) -> dict[str, Any]:
        """Return all that was found as plain data, for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["remarks"]
        return found | {"notes": list(self.notes)}

    def tables(self) -> tuple[TableContent, ...]:
        """Return the tables of `text`: matrix, money, who is affected, orders to open."""
        from fraudkit.backtest.words import sections_of

        return tuple(table for section in sections_of(self) for table in section.tables)

    def text(self, width: int = 100) -> str:
        """Return what was found as text, at most ``width`` characters wide."""
        from fraudkit.backtest.words import sections_of
        from fraudkit.reporting.text import sections_text

        return sections_text(self._title, sections_of(self), width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """Return the tables and sentences for a notebook."""
        from fraudkit.backtest.words import sections_of
        from fraudkit.reporting.page import sections_fragment

        return sections_fragment(self._title, sections_of(self))

    @property
    def _title(self) -> str:
        return f"Backtest: {self.new} in the place of {self.old}"
