"""The model card: what a bundle is, in words, for whoever finds it."""

from __future__ import annotations

from collections.abc import Mapping
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
    recall = metrics["recall_at_false_positive_rate"]
    rates = "\n".join(
        f"| recall at a false-positive rate of {float(rate):.1%} | {value:.3f} |"
        for rate, value in recall.items()
    )
    return f"""# Model card

{trained_on or "Trained on a merchant's own history."}

- {summary["orders"]:,} orders from {_day(summary["first_event_time_ms"])} to
  {_day(summary["horizon_ms"])}, {summary["orders_with_known_label"]:,} with a label known by
  then, {summary["frauds"]:,} of them fraud.
- {len(features.names)} features, {summary["n_trees"]} trees.
- What it says is a probability of fraud; a policy of costs makes it an action.

## Measured

On the last part of the history, from {_day(held_back["from_ms"])}, by a model that was trained
and calibrated before it. {held_back["label_known_share"]:.1%} of its {held_back["orders"]:,}
orders had a known label; every figure is over those. The model in this bundle was then fitted to
the whole history with the same settings.

| figure | value |
| --- | --- |
| orders, frauds | {metrics["n_orders"]:,}, {metrics["n_frauds"]:,} |
| AUC | {metrics["auc"]:.3f} |
| average precision | {metrics["average_precision"]:.3f} |
{rates}
| Brier score | {metrics["brier_score"]:.5f} |

## What it cannot know

- Orders that were declined have no outcome, so the frauds among them are not seen.
- Features whose fields never came in the history were left out.
- Another shop, another country, another season: measure again before you trust it.
"""


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()
