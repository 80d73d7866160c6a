"""The model card: what a bundle is, in words, for whoever finds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fraudkit.features.spec import FeatureSet

__all__ = ["model_card"]


def model_card(trained_on: str, features: FeatureSet, summary: Mapping[str, Any]) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    trained_on : str
        What the history was, in a sentence or two.
    summary : mapping
        The summary that training writes into the bundle.
    """
    held_back = summary["held_back"]
    metrics = held_back["metrics"]
    settings = "\n".join(f"| {name} | {value} |" for name, value in summary["settings"].items())
    return f"""# Model card

{trained_on or "Trained on a merchant's own history."}

- {summary["orders"]:,} orders from {_day(summary["first_event_time_ms"])} to
  {_day(summary["horizon_ms"])}, {summary["orders_with_known_label"]:,} with a label that was
  mature by then, {summary["frauds"]:,} of them fraud.
- {len(features.names)} features, {summary["n_trees"]} trees.
- What it says is a probability of fraud; a policy of costs makes it an action.

## Labels

- {_delay(summary["label_delay_days"])}
- {summary["orders_declined_without_label"]:,} orders were declined and have no label. What they
  would have become is not known, and the model has not learnt from them.
{_arrival(summary["label_maturity"])}
## Measured

On the last part of the history, from {_day(held_back["from_ms"])}, by a model that was trained
and calibrated before it. {held_back["label_known_share"]:.1%} of its {held_back["orders"]:,}
orders had a mature label: {metrics["n_orders"]:,}, with {metrics["n_frauds"]:,} frauds. Every
figure is over those. The intervals are of 95 %, by redrawing whole days. The model in this bundle
was then fitted to the whole history with the same settings.

| figure | by count | by amount |
| --- | --- | --- |
{chr(10).join(_figures(metrics))}

## How it was made

- Calibration: {summary["calibration"]["method"]}, the one with the least log loss on orders that
  it was not fitted to, or a simpler one within two standard errors of it.
- Settings: {_chosen(summary)}
- Reasons compare with one honest order of the history, a typical one. It stands in
  `reference.json`, without identifiers.

| setting | value |
| --- | --- |
{settings}

## What it cannot know

- Orders that were declined have no outcome, so the frauds among them are not seen.
- Features whose fields never came in the history were left out.
- Another shop, another country, another season: measure again before you trust it.
{"".join(f"- {warning}{chr(10)}" for warning in summary["warnings"])}"""


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    by_count, by_amount = metrics["by_count"], metrics["by_amount"] or {}
    names = (
        ("AUC", "auc", 3),
        ("average precision", "average_precision", 3),
        ("Brier score", "brier_score", 5),
        ("log loss", "log_loss", 5),
        ("calibration slope, ideally 1", "calibration_slope", 2),
        ("fraud basis points, of what would be approved", "fraud_basis_points", 1),
    )
    for title, name, digits in names:
        held = [_estimate(side.get(name), digits) for side in (by_count, by_amount)]
        yield f"| {title} | {held[0]} | {held[1]} |"
    recalls = by_amount.get("recall_at_false_positive_rate", {})
    for rate, recall in by_count["recall_at_false_positive_rate"].items():
        held = [_estimate(recall, 3), _estimate(recalls.get(rate), 3)]
        yield f"| recall at {float(rate):.1%} false positives | {held[0]} | {held[1]} |"
    for k, precision in metrics["card_precision"].items():
        yield f"| Card Precision@{k}, mean of days | {_estimate(precision, 3)} | - |"


def _estimate(held: Mapping[str, Any] | None, digits: int) -> str:
    if held is None:
        return "-"
    value = f"{held['value']:.{digits}f}"
    if held["low"] is None:
        return value
    return f"{value} ({held['low']:.{digits}f} to {held['high']:.{digits}f})"


def _delay(days: float | None) -> str:
    if days is None:
        return "A label counts from when it was reported."
    return f"A label is mature when it is known and its order is {days:g} days old."


def _arrival(maturity: Mapping[str, Any]) -> str:
    curve = zip(maturity["age_days"], maturity["arrived_share"], strict=True)
    reached = [f"{share:.0%} by day {age:g}" for age, share in curve if age in {1, 7, 30, 60, 90}]
    if not reached:
        return ""
    last = maturity["age_days"][-1]
    return f"- Of the frauds known by day {last:g}: {', '.join(reached)}.\n"


def _chosen(summary: Mapping[str, Any]) -> str:
    tried = summary["settings_searched"]
    if not tried:
        return "as given, or the defaults; nothing was searched."
    return (
        f"chosen by {tried} trials on folds that precede what was measured: the defaults, unless\n"
        "  others were clearly better; see `search.json`."
    )


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()
