"""A backtest in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from fraudkit.backtest.result import AffectedGroup, Backtest
from fraudkit.decisions.off_policy.change import Change
from fraudkit.decisions.policy import ACTIONS
from fraudkit.reporting.sections import NOT_KNOWN, Section, TableContent

__all__ = ["notes_of", "sections_of"]

_VALUES_SHOWN_MAX: Final = 8


def notes_of(found: Backtest) -> tuple[str, ...]:
    """Return what the figures rest on and what cannot be known, as sentences."""
    return (
        f"Both sides are priced at the stated costs of {found.new}.",
        "What a review or a challenge would have found is the stated share, not an observation.",
        *_outcome_notes(found),
        *_loosening_notes(found),
        *_interval_notes(found),
        *found.remarks,
    )


def sections_of(found: Backtest) -> tuple[Section, ...]:
    """Return the sections that text and HTML show."""
    difference = found.difference
    moved = f"{difference.n_moved:,} of {found.n_orders:,} orders move{_between(found)}."
    affected = tuple(
        _group_table(dimension, found)
        for dimension in dict.fromkeys(group.dimension for group in found.groups)
    )
    examples = (_example_table(found),) if found.examples else ()
    return (
        Section("What moves", (moved,), (_matrix_table(found),)),
        Section("What it is worth", (), (_money_table(found),)),
        Section("Who is affected", (), affected),
        Section("Orders to open", (), examples),
        Section("What is known and what is not", notes_of(found)),
    )


def _between(found: Backtest) -> str:
    if found.first_event_ms is None or found.last_event_ms is None:
        return ""
    return f", from {_day(found.first_event_ms)} to {_day(found.last_event_ms)}"


def _outcome_notes(found: Backtest) -> Iterator[str]:
    unknown = found.n_orders - found.n_outcome_known
    if unknown:
        rest = unknown - found.n_declined - found.n_too_young
        parts = (
            (found.n_declined, "were declined"),
            (found.n_too_young, "are too young"),
            (rest, "have none for another reason"),
        )
        said = ", ".join(f"{count:,} {words}" for count, words in parts if count)
        yield (
            f"{unknown:,} of {found.n_orders:,} orders have no known outcome, for either side: "
            f"{said}."
        )
    if found.n_unused_outcomes:
        yield (
            f"{found.n_unused_outcomes:,} declined orders came with an outcome. It is not used: "
            "what was not reported of a declined order is not known to be honest."
        )
    missing = found.n_orders - found.difference.n_orders_with_cost
    if missing:
        yield f"{missing:,} orders have no amount in {found.currency} and are in no cost."


def _loosening_notes(found: Backtest) -> Iterator[str]:
    cost, difference = found.difference.cost_minor, found.difference
    if difference.n_loosened:
        yield (
            f"{difference.n_loosened:,} orders that {found.old} declines are let through by "
            f"{found.new}. An order that was in fact declined has no outcome; loosening is "
            "estimated only where such orders had a logged chance to be approved, and else "
            "bracketed between bounds."
        )
    if cost.estimated is not None:
        held = cost.estimated
        told = (
            "The interval says how well."
            if held.low is not None
            else "That is too few to tell, so it is bracketed between bounds."
        )
        yield (
            f"Of {held.n_orders:,} orders with a logged chance the change is estimated from the "
            f"{held.n_explored:,} that were approved by chance (effective sample size "
            f"{held.effective_sample_size:,.0f}). {told}"
        )
    if cost.bounded.n_orders:
        yield (
            f"The change of {cost.bounded.n_orders:,} orders depends on an outcome that nobody "
            "knows and no logged chance stands for: it is only bracketed between bounds. The "
            "model's figure rests on its probability being right for them."
        )


def _interval_notes(found: Backtest) -> Iterator[str]:
    cost = found.difference.cost_minor
    yield {
        "identified": "The change of cost is identified: a sum over what is known.",
        "estimated": "The change of cost is estimated, in part from logged chances.",
        "bounded": "The change of cost as a whole is not known: only its bounds are.",
    }[cost.kind]
    if found.n_orders and cost.identified.low is None:
        yield "There are no intervals: they need orders of at least 5 days."
    elif found.n_orders:
        yield "Intervals are 90 % intervals over whole days like these."


def _matrix_table(found: Backtest) -> TableContent:
    cells = {(cell.old_action, cell.new_action): cell for cell in found.matrix}
    rows = []
    for old in ACTIONS:
        row = [cells[old, new] for new in ACTIONS]
        if not any(cell.n_orders for cell in row) and not any(
            cells[new, old].n_orders for new in ACTIONS
        ):
            continue
        shown = (
            f"{cell.n_orders:,}\n{cell.amount_minor:,.0f}\n{cell.n_frauds:,}"
            if cell.n_orders
            else NOT_KNOWN
            for cell in row
        )
        rows.append((old, *shown))
    caption = (
        f"Orders by action: down as {found.old} decides, across as {found.new} decides; each cell "
        f"holds orders, their amount in minor units of {found.currency}, frauds known"
    )
    return TableContent(caption, ("", *ACTIONS), tuple(rows))


def _money_table(found: Backtest) -> TableContent:
    difference = found.difference
    cost = difference.cost_minor
    known, tried, rest = cost.identified, cost.estimated, cost.bounded
    rows = [
        ("cost, where outcomes are known", _told(known.value, known.low, known.high, 0), NOT_KNOWN,
         f"{known.n_orders:,} orders"),
    ]  # fmt: skip
    if tried is not None:
        rows.append((
            "cost, estimated by logged chances",
            _told(tried.doubly_robust, tried.low, tried.high, 0),
            _bounds(tried.bound_low, tried.bound_high, 0),
            f"{tried.n_orders:,} orders",
        ))  # fmt: skip
    if rest.n_orders:
        rows.append((
            "cost, only bracketed", NOT_KNOWN, _bounds(rest.bound_low, rest.bound_high, 0),
            f"{rest.n_orders:,} orders; by the model {rest.modelled:,.0f}",
        ))  # fmt: skip
    rows.append(_change_row("cost, all", cost, 0))
    if difference.fraud_rate_bps is not None:
        rows.append(_change_row("fraud rate by value, basis points", difference.fraud_rate_bps, 2))
    rows.append(_change_row("share of approvals", difference.approval_share, 4))
    caption = (
        f"Change: {found.new} less {found.old}; costs in minor units of {found.currency}, "
        "negative is a gain"
    )
    columns = ("figure", "change [90 % interval]", "bounds", "how it is known")
    return TableContent(caption, columns, tuple(rows), whole=frozenset({1}))


def _change_row(words: str, change: Change, digits: int) -> tuple[str, str, str, str]:
    how = change.kind
    told = NOT_KNOWN
    if change.value is not None:
        told = _told(change.value, change.low, change.high, digits)
    if change.kind == "identified":
        return words, told, NOT_KNOWN, how
    by_model = f"{how}; by the model {change.modelled:,.{digits}f}"
    return words, told, _bounds(change.bound_low, change.bound_high, digits), by_model


def _told(value: float, low: float | None, high: float | None, digits: int) -> str:
    if low is None or high is None:
        return f"{value:,.{digits}f}"
    return f"{value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def _bounds(low: float, high: float, digits: int) -> str:
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def _group_table(dimension: str, found: Backtest) -> TableContent:
    groups = [group for group in found.groups if group.dimension == dimension]
    most = sorted(groups, key=lambda group: -group.n_moved)[:_VALUES_SHOWN_MAX]
    shown = [group for group in groups if group in most]
    caption = f"{dimension}; costs in minor units of {found.currency}"
    if len(groups) > len(shown):
        caption += f"; the {len(shown)} of {len(groups)} values with most moved orders"
    columns = ("value", "orders", "moved", "stricter", "milder", "known cost", "cost, bounds")
    return TableContent(caption, columns, tuple(_group_row(group) for group in shown))


def _group_row(group: AffectedGroup) -> tuple[str, ...]:
    return (
        group.value,
        f"{group.n_orders:,}",
        f"{group.n_moved:,}",
        f"{group.n_stricter:,}",
        f"{group.n_milder:,}",
        f"{group.cost_minor:,.0f}",
        _bounds(group.cost_low_minor, group.cost_high_minor, 0)
        if group.n_moved_unknown
        else NOT_KNOWN,
    )


def _example_table(found: Backtest) -> TableContent:
    rows = []
    for order in found.examples:
        low, high = order.cost_low_minor, order.cost_high_minor
        stake = NOT_KNOWN
        if low is not None and high is not None:
            stake = f"{low:,.0f}" if low == high else _bounds(low, high, 0)
        rows.append((
            order.transaction_id,
            _day(order.event_time_ms),
            f"{order.old_action} → {order.new_action}",
            NOT_KNOWN if order.amount_minor is None else f"{order.amount_minor:,.0f}",
            f"{order.fraud_probability:.4f}",
            {True: "yes", False: "no", None: NOT_KNOWN}[order.is_fraud],
            stake,
        ))  # fmt: skip
    columns = ("transaction", "day", "moves", "amount", "probability", "fraud", "change of cost")
    return TableContent("The moved orders with the largest stakes", columns, tuple(rows))


def _day(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d}"
