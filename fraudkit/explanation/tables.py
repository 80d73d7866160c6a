"""An explanation as tables: for a terminal, and for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final, NamedTuple

from fraudkit.explanation.values import Explanation, FeatureShare

__all__ = ["as_html", "as_rich"]

_SHOWN_MAX: Final = 15
_LEAST_SHOWN: Final = 0.005


class _Table(NamedTuple):
    """A title, the heads of columns, and rows of texts."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_rich(explanation: Explanation) -> Any:
    """Return what rich prints."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Any] = [Text(_headline(explanation))]
    for table in _tables(explanation):
        made = Table(*table.heads, title=table.title, title_justify="left")
        for row in table.rows:
            made.add_row(*(Text(cell) for cell in row))
        shown.append(made)
    return Group(*shown)


def as_html(explanation: Explanation) -> str:
    """Return HTML in which everything that came from outside is escaped."""
    parts = [f"<p>{escape(_headline(explanation))}</p>"]
    for table in _tables(explanation):
        heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
        rows = (
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in table.rows
        )
        parts.append(
            f"<table><caption>{escape(table.title)}</caption>"
            f"<tr>{heads}</tr>{''.join(rows)}</table>"
        )
    return "\n".join(parts)


def _headline(held: Explanation) -> str:
    amount = "of unknown amount"
    if held.amount_minor is not None:
        amount = f"of {held.amount_minor:,} minor units of {held.currency}"
    missing = f"; missing: {', '.join(held.degraded)}" if held.degraded else ""
    return (
        f"{held.transaction_id or 'An order'} {amount}: {held.action} at a probability of fraud "
        f"of {held.fraud_probability:.4f}, bundle {held.bundle}{missing}"
    )


def _tables(held: Explanation) -> Iterator[_Table]:
    yield _Table(
        "What this order gets at each probability of fraud",
        ("action", "from", "to"),
        [
            (of.action, f"{of.from_probability:.4f}", f"{of.to_probability:.4f}")
            for of in held.ranges
        ],
    )
    if held.flips:
        yield _Table(
            "What would have given it a more lenient action: these as in a typical order",
            ("reason codes", "probability of fraud", "action"),
            [
                (" and ".join(flip.codes), f"{flip.fraud_probability:.4f}", flip.action)
                for flip in held.flips
            ],
        )
    yield _Table(
        "What moved the score, in log-odds against a typical approved order",
        ("reason code", "log-odds", "strongest", "a customer may be told"),
        [
            (group.code, f"{group.weight:+.3f}", group.text, group.customer_text)
            for group in held.groups
            if abs(group.weight) >= _LEAST_SHOWN
        ],
    )
    yield _features(held)


def _features(held: Explanation) -> _Table:
    heads = ["feature", "value", "typical", "Shapley", "clears"]
    if held.treeshap_mean is not None:
        heads.insert(4, "TreeSHAP")
    rows = []
    for share in held.features[:_SHOWN_MAX]:
        row = [share.name, _number(share.value), _number(share.reference), f"{share.shapley:+.3f}"]
        if share.treeshap is not None:
            row.append(f"{share.treeshap:+.3f}")
        rows.append([*row, _clears(share)])
    title = f"The {len(rows)} strongest of {len(held.features)} features"
    return _Table(title, heads, rows)


def _clears(share: FeatureShare) -> str:
    if share.clears_at is not None:
        return f"at {_time(share.clears_at)}"
    return "" if share.clears_by is None else f"by {_time(share.clears_by)}"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.6g}"
