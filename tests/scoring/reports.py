"""A report with every part filled, for tests."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fraudkit.scoring.measures.curves import Curves, score_curves
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from fraudkit.scoring.report import (
    CalibrationChoice,
    Censoring,
    LabelMaturity,
    SettingsSearch,
    TrainingReport,
)
from tests.scoring.labelled import DAY_MS, spread_over_days

__all__ = ["START_MS", "full_report"]

START_MS = 20_000 * DAY_MS


def full_report(**changed: Any) -> TrainingReport:
    """Return a report that has something to say in every section, with given fields changed."""
    metrics, curves = _measured()
    rng = np.random.default_rng(4)
    days = tuple(START_MS + number * DAY_MS for number in range(60))
    ages = tuple(float(age) for age in range(0, 91, 3))
    fields: dict[str, Any] = {
        "title": "Fraud model of a made-up shop",
        "metrics": metrics,
        "measured_on": "The last fifth of the history, by a model that never saw it.",
        "trained_on": "Sixty days of a made-up shop.",
        "bundle": "3f9c2a7be104",
        "currency": "EUR",
        "train_from_ms": START_MS,
        "train_until_ms": START_MS + 60 * DAY_MS,
        "test_from_ms": START_MS + 40 * DAY_MS + 3_600_000,
        "test_until_ms": START_MS + 59 * DAY_MS,
        "counts": {"orders": 31_250, "frauds": 902, "features": 118, "trees": 240},
        "total_cost_minor": {"the policy": -812_345.0, "approving all": 90_000.5},
        "n_cost_orders": 5_900,
        "curves": curves,
        "maturity": LabelMaturity(
            age_days=ages,
            arrived_share=tuple(float(1 - np.exp(-age / 20)) for age in ages),
            day_ms=days,
            mature_share=tuple(float(min(1.0, (60 - number) / 30)) for number in range(60)),
        ),
        "censoring": Censoring(
            day_ms=days,
            n_orders=tuple(rng.integers(400, 600, 60).tolist()),
            n_censored=tuple(rng.integers(5, 30, 60).tolist()),
        ),
        "search": SettingsSearch(
            chosen={"num_leaves": 31, "learning_rate": 0.05},
            rows=(
                {"rung": 1, "num_leaves": 15, "score": 0.61, "deviation": 0.02, "chosen": False},
                {"rung": 1, "num_leaves": 31, "score": 0.64, "deviation": 0.02, "chosen": False},
                {"rung": 2, "num_leaves": 31, "n_orders": 30_000, "score": 0.667, "chosen": True},
            ),
            measured_by="average precision on three earlier folds",
        ),
        "calibration": CalibrationChoice(
            chosen="beta",
            held_back_log_loss={"isotonic": 0.081234, "beta": 0.080911, "logistic": 0.080999},
            raw_score=(-6.0, -3.0, 0.0, 2.0),
            log_odds=(-6.5, -3.6, -0.4, 1.9),
        ),
        "feature_gain_shares": {"email_age_days": 0.21, "amount": 0.34, "card_attempts_1d": 0.1},
        "warnings": ("Only 20 days were measured on: the intervals are rough.",),
    }
    return TrainingReport(**(fields | changed))


@cache
def _measured() -> tuple[ScoreMetrics, Curves]:
    is_fraud, probability, time_ms = spread_over_days(6_000, 20, seed=9)
    rng = np.random.default_rng(4)
    metrics = score_metrics(
        is_fraud,
        probability,
        event_time_ms=START_MS + time_ms,
        amount_minor=rng.gamma(2.0, 3_000.0, 6_000).round(),
        entity=rng.integers(0, 700, 6_000),
        is_approved=probability < 0.4,
        cost_minor=rng.normal(-900.0, 4_000.0, 6_000),
        top_k=(10,),
    )
    return metrics, score_curves(is_fraud, probability)
