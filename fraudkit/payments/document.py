"""Writes the catalogue as a Markdown page, so that people can check it.

Invariant: the page holds nothing that is not in the catalogue or the law module;
``docs/payment-methods.md`` is this page, and a test says when it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.entries import AmountLimit, Cost, EditionEntry, MethodEntry, PairEntry
from fraudkit.payments.law import ORDERING_RULES
from fraudkit.payments.market import money_text

__all__ = ["catalog_markdown"]

_CAVEATS = """\
# Payment methods

Generated from the catalogue by `fraudkit.payments.document.catalog_markdown`; edit the files in
`fraudkit/payments/data` instead. Catalogue version `{version}`: {methods} methods, {markets}
markets (pairs of country and currency), {countries} countries with published shares.

## Read this first

- **Shares are not your shares.** They are published figures for whole countries. Two editions or
  publishers differ by 5 to 15 points for the same country, and a line of business moves them
  further. Learn from your own orders as soon as you have some.
- **Shares are of different things.** Some count amounts, some payments, some people; the column
  *counts* says which. They are used side by side for want of better.
- **Buckets overlap.** Publishers count a card in a phone wallet as wallet or as card, and a
  national scheme as itself and as bank transfer. The catalogue puts each method in one bucket and
  takes off what was already given; `fraudkit/payments/shares.py` states the rule.
- **Few tables are complete.** *Full* means that the shares add up to about 100. What a country's
  figures leave open is filled from its region, then from the world: weak, and `why` says so.
- **How a bucket divides over its methods is an assumption**, stated with each method.
- **Costs are list prices, averages or bounds on a date**, never your contract. Many pages are
  undated; where no price was found, the cost is unknown and not zero.
- **A market is a pair.** A method that takes a country and a currency need not take them together.
- **Limits are one provider's.** Another provider of the same method may allow more or less.
- **A credit card always involves credit here**, also where a shop shows one button for all cards.
  A debit card never does; a wallet may.
"""


def catalog_markdown(catalog: PaymentCatalog) -> str:
    """Return the page; it ends with a line break."""
    sections = [
        _CAVEATS.format(
            version=catalog.version,
            methods=len(catalog.methods),
            markets=len(_markets(catalog)),
            countries=len({held.geo for held in catalog.editions if len(held.geo) == 2}),
        ),
        _overview(catalog),
        _law(),
        _shares(catalog.editions),
        _deltas(catalog),
        "## Methods one by one\n",
        *(_method(method, catalog) for method in catalog.methods),
    ]
    return "\n".join(sections).rstrip() + "\n"


def _markets(catalog: PaymentCatalog) -> set[str]:
    return {pair.pair for method in catalog.methods for pair in catalog.pairs(method.method_type)}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _overview(catalog: PaymentCatalog) -> str:
    rows = [
        (
            f"`{method.method_type}`",
            method.name,
            method.family,
            method.bucket.replace("_", " "),
            method.credit,
            _countries(catalog.pairs(method.method_type)),
        )
        for method in catalog.methods
    ]
    header = ("method_type", "name", "family", "bucket", "involves credit", "countries")
    return f"## All methods\n\n{_table(header, rows)}"


def _countries(pairs: Sequence[PairEntry]) -> str:
    names = sorted({pair.country for pair in pairs})
    return " ".join(names) if len(names) <= 12 else f"{len(names)} countries"


def _law() -> str:
    rows = [
        (
            rule.country,
            str(rule.in_force_from),
            rule.text,
            f"[{rule.citation}]({rule.url})",
        )
        for rule in ORDERING_RULES
    ]
    return f"## Law on the order\n\n{_table(('country', 'since', 'rule', 'source'), rows)}"


def _shares(editions: Sequence[EditionEntry]) -> str:
    rows = [
        (
            edition.geo.removeprefix("region:").replace("_", " "),
            edition.year_text,
            ", ".join(
                f"{figure.method or figure.bucket} {figure.percent:g}"
                + ("" if figure.published_as is None else f" ({figure.published_as})")
                for figure in edition.shares
            ),
            "full" if edition.is_full_partition else "partial",
            edition.counts,
            f"{edition.metric}: [{edition.source}]({edition.url})",
            edition.note or "",
        )
        for edition in editions
    ]
    header = ("place", "year", "percent", "partition", "counts", "metric and source", "note")
    return f"## Published shares, in the order of use\n\n{_table(header, rows)}"


def _deltas(catalog: PaymentCatalog) -> str:
    rows = [
        (held.country, f"`{held.method}`", f"{held.factor:g}", held.reason)
        for held in catalog.deltas
    ]
    header = ("country", "method", "factor", "reason")
    return f"## Differences by country in how a bucket divides\n\n{_table(header, rows)}"


def _method(method: MethodEntry, catalog: PaymentCatalog) -> str:
    refunds = {None: "unknown", True: "yes", False: "no"}[method.refundable]
    lines = [
        f"### {method.name} (`{method.method_type}`)\n",
        f"- Markets: {_markets_text(catalog.pairs(method.method_type))}",
        f"- Refunds: {refunds}",
    ]
    lines += [
        f"- Amounts in {limit.currency}: {_bounds(limit)} ([source]({limit.url}))"
        for limit in method.limits
    ]
    lines += [f"- Cost in {_place(cost)}: {_cost_text(cost)}" for cost in method.costs]
    if method.costs_like is not None:
        lines.append(f"- Otherwise costs what `{method.costs_like}` costs.")
    if method.no_cost_published is not None:
        lines.append(f"- Cost unknown: {method.no_cost_published}")
    if method.split_basis is not None:
        lines.append(
            f"- Takes {method.split_weight:g} parts of its bucket (assumption): "
            f"{method.split_basis}"
        )
    if method.note is not None:
        lines.append(f"- {method.note}")
    lines.append("- Sources: " + ", ".join(f"[{held.name}]({held.url})" for held in method.sources))
    return "\n".join(lines) + "\n"


def _markets_text(pairs: Sequence[PairEntry]) -> str:
    return ", ".join(
        pair.pair
        + (" (not legal tender there)" if pair.is_cross_currency else "")
        + ("" if pair.valid_from is None else f" from {pair.valid_from}")
        + ("" if pair.valid_to is None else f" until {pair.valid_to}")
        for pair in pairs
    )


def _bounds(limit: AmountLimit) -> str:
    bounds = (("from", limit.min_minor), ("to", limit.max_minor))
    return " ".join(
        f"{word} {money_text(amount, limit.currency)}"
        for word, amount in bounds
        if amount is not None
    )


def _place(cost: Cost) -> str:
    places = [*cost.countries, *(() if cost.area is None else (cost.area.replace("_", " "),))]
    return ", ".join(places)


def _cost_text(cost: Cost) -> str:
    fixed = f" + {money_text(cost.fixed_minor, cost.currency)}" if cost.fixed_minor else ""
    most = (
        "" if cost.max_minor is None else f", at most {money_text(cost.max_minor, cost.currency)}"
    )
    return (
        f"{cost.fee_bps / 100:g} %{fixed}{most}, {cost.kind.replace('_', ' ')} of {cost.as_of} "
        f"([{cost.source}]({cost.url}))"
    )


def _write(folder: Path) -> None:
    text = catalog_markdown(PaymentCatalog.default())
    (folder / "payment-methods.md").write_text(text, "utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
