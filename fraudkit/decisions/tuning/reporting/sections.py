"""What a tuning report says, as sections."""

from __future__ import annotations

from typing import Final

from fraudkit.decisions.policy import ACTIONS
from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import money_of, percent_text, with_interval
from fraudkit.decisions.tuning.reporting.glance import WAYS, glance, warnings_section
from fraudkit.decisions.tuning.reporting.table_sections import (
    origin_section,
    rates_section,
    segments_section,
    stability_section,
)
from fraudkit.reporting.sections import NOT_KNOWN, Section, TableContent

__all__ = ["report_sections"]

_STOPS: Final = {
    "decline": "declined",
    "review": "reviewed or declined",
    "challenge": "challenged, reviewed or declined",
}


def report_sections(report: TuningReport, *, has_cards: bool = False) -> tuple[Section, ...]:
    """Return the sections of a report that have something to say, in order.

    Parameters
    ----------
    has_cards : bool
        Whether the figures of `glance` are shown apart.
    """
    found = (
        warnings_section(report),
        None if has_cards else _at_a_glance(report),
        _costs(report),
        _decides(report),
        _stops(report),
        _days(report),
        rates_section(report),
        segments_section(report),
        stability_section(report),
        origin_section(report),
    )
    return tuple(section for section in found if section is not None)


def _at_a_glance(report: TuningReport) -> Section:
    rows = tuple(glance(report))
    told = report.label_coverage.notes[:1]
    return Section("At a glance", told, (TableContent("", ("", "", ""), rows),))


def _costs(report: TuningReport) -> Section:
    currency, money = report.policy.costs.currency, money_of(report)
    sentences = [
        (
            "The curve is the cost an order if the odds of fraud were taken so many times as the "
            "tuned policy takes them: to the right it is stricter, to the left milder. A negative "
            "cost is a gain. Where the curve is flat, the choice matters little."
        ),
        (
            "It is of the orders that were tuned on, so a narrow dip at the dot is luck. How sure "
            "the thresholds are stands in their intervals below."
        ),
    ]
    prices = report.policy.prices
    if prices.review_minor or prices.decline_minor or prices.fraud_share:
        sentences.append(
            "Constraints bind. The curve may be lower beside the tuned policy: there it would "
            "not keep to them."
        )
    rows = tuple(
        (
            WAYS[row["decided_by"]],
            with_interval(row["mean_cost_minor"], row["low"], row["high"], money),
            with_interval(row["tuned_saves_minor"], row["saves_low"], row["saves_high"], money),
        )
        for row in report.baselines.rows(named=True)
    )
    caption = (
        f"{currency} an order, limits of the day held. The costs alone take the odds as they "
        "are. What the tuned policy saves is measured on days that a redrawn tuning did not see"
    )
    columns = ("decided by", "cost", "the tuned policy saves")
    table = TableContent(caption, columns, rows, whole=frozenset({1, 2}))
    return Section("What it costs", tuple(sentences), (table,), ("cost",))


def _decides(report: TuningReport) -> Section:
    segments = report.decision_regions["segment"].drop_nulls()
    return Section(
        "What it decides",
        (
            "Each point of the plane is an order, by its amount and its probability of fraud.",
            "Its colour says what happens to it, limits of the day aside.",
            "A challenge is shown where any such payment can be challenged.",
        ),
        (_thresholds_table(report),),
        ("regions", "segment-regions") if len(segments) else ("regions",),
    )


def _thresholds_table(report: TuningReport) -> TableContent:
    money = money_of(report)
    rest = "the rest" if report.policy.segments else "all"
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in report.thresholds.rows(named=True):
        place = row["segment"] or rest, money(row["amount_minor"])
        shown = with_interval(row["from_probability"], row["low"], row["high"], percent_text)
        share = row["drawn_share"]
        if share is not None and share < 1.0:
            shown += f" in {percent_text(share)}"
        cells.setdefault(place, {})[row["action"]] = shown
    stricter = ACTIONS[1:]
    caption = (
        "From which probability on, at the first, fifth and ninth decile of the amounts in "
        f'{report.policy.costs.currency}; "in 80%" is: taken there at all in so many of the '
        "redrawn tunings"
    )
    return TableContent(
        caption,
        ("segment", "amount", *stricter),
        tuple(
            (*place, *(held.get(action, NOT_KNOWN) for action in stricter))
            for place, held in cells.items()
        ),
        whole=frozenset({2, 3, 4}),
    )


def _stops(report: TuningReport) -> Section:
    rows = tuple(
        (
            _STOPS[row["point"]],
            *(
                NOT_KNOWN if row[name] is None else percent_text(row[name])
                for name in ("recall", "precision", "value_recall", "value_precision")
            ),
        )
        for row in report.precision_recall.rows(named=True)
        if row["point"] in _STOPS
    )
    columns = (
        "what counts as stopped", "of all frauds, stopped", "of the stopped, fraud",
        "of fraud value, stopped", "of the value stopped, fraud",
    )  # fmt: skip
    return Section(
        "What it stops",
        (
            (
                "The curves are what one cut on the probability would do, at every cut. The dots "
                "are the tuned policy. They may lie beside the curve, because its thresholds "
                "depend on the amount."
            ),
        ),
        (TableContent("The tuned policy, limits of the day aside", columns, rows),),
        ("stopped",),
    )


def _days(report: TuningReport) -> Section:
    days = report.days
    counts = [
        (name, f"{days[name].to_numpy().mean():,.1f}", f"{days[name].to_numpy().max():,}")
        for name in ("n_orders", "approvals", "challenges", "reviews", "declines")
    ]
    rows = tuple(("orders" if name == "n_orders" else name, *shown) for name, *shown in counts)
    sentences = [
        (
            "Decided one after the other, as the checkout does: limits are held on every day. All "
            "orders are counted once, also those without a known outcome."
        )
    ]
    room = report.policy.constraints.reviews_per_day
    if room is not None:
        full = int((days["reviews"] >= room).sum())
        sentences.append(
            f"On {full:,} of {len(days):,} days all {room:,} reviews were used: an order that came "
            "later could not be reviewed and got the next best action."
        )
    table = TableContent("", ("", "mean of days", "most on a day"), rows)
    return Section("Day by day", tuple(sentences), (table,), ("days",))
