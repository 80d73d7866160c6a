"""The Fraud Detection Handbook's protocol: train 7 days, wait 7, test 7, four times.

Settings are chosen, and the calibration is fitted, on four folds whose last test day lies before
the first label of a test fold was made. Customers known to be defrauded are left out of the test
days, as in the book.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.features.catalog import default_features
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline import feature_rows
from fraudkit.features.offline_columns import with_derived
from fraudkit.features.spec import FeatureSet
from fraudkit.mapping import Mapping, read_data
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.calibration_fit import compare_calibrations
from fraudkit.scoring.learning.fit import columns_of, fit_model
from fraudkit.scoring.learning.search import search_settings
from fraudkit.scoring.learning.walk_forward import N_MODELS
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from fraudkit.scoring.splits import DelayedTimeSplit, Fold
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["FOLDS", "handbook"]

FOLDS: Final = 4

_FILE: Final = "handbook_raw_2018-04-01_2018-09-04.parquet"
_MAPPING: Final = Path(__file__).parents[1] / "docs" / "examples" / "handbook.toml"
_DAY_MS: Final = 86_400_000
_TEST_FROM_MS: Final = 1_533_686_400_000  # 2018-08-08
_CHOOSE_FROM_MS: Final = _TEST_FROM_MS - 42 * _DAY_MS  # so that all is known when learning begins
_TOP_K: Final = 100
_THREADS: Final = 2


class _Payments(NamedTuple):
    """The payments from the first day that a fold learns from."""

    features: FeatureSet
    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    event_time_ms: NDArray[np.int64]
    customer: NDArray[np.int64]


def handbook(folder: Path, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures, and the settings that were chosen."""
    payments = _payments(folder)
    earlier, later = _folds(payments, _CHOOSE_FROM_MS), _folds(payments, _TEST_FROM_MS)
    searched = search_settings(
        payments.rows,
        payments.is_fraud,
        columns_of(payments.features),
        earlier,
        base=ModelSettings(seed=seed),
        count=16,
        n_jobs=_THREADS,
    )
    settings = msgspec.structs.replace(searched.settings, n_models=N_MODELS)
    before = np.concatenate([fold.test for fold in earlier])
    calibration = compare_calibrations(
        np.concatenate([_scores(payments, fold, settings) for fold in earlier]),
        payments.is_fraud[before],
        payments.event_time_ms[before],
    ).chosen
    log_odds = [calibration.log_odds_of_many(_scores(payments, fold, settings)) for fold in later]
    by_fold = [
        _figures(payments, fold.test, held) for fold, held in zip(later, log_odds, strict=True)
    ]
    figures: dict[str, float] = {}
    for name in by_fold[0]:
        values = [found[name] for found in by_fold]
        figures[f"handbook_{name}"] = float(np.mean(values))
        figures[f"handbook_{name}_deviation"] = float(np.std(values))
    tested = np.concatenate([fold.test for fold in later])
    together = _metrics(payments, tested, np.concatenate(log_odds))
    slope = together.by_count.calibration_slope
    if slope is not None:
        figures["handbook_calibration_slope"] = slope.value
    chosen = msgspec.to_builtins(settings) | {"calibration": calibration.method}
    return figures, chosen


def _payments(folder: Path) -> _Payments:
    mapping = Mapping.load(_MAPPING)
    data = read_data([folder / _FILE], mapping)
    sources = Enrichment.default()
    frame = with_derived(data.frame.sort("event_time_ms", "row"), DERIVED_PATHS, sources)
    first_ms = _CHOOSE_FROM_MS - 14 * _DAY_MS
    first = int((frame["event_time_ms"] < first_ms).sum())
    features = default_features(own_entities=["terminal"])
    rows = feature_rows(
        frame, features, mapping.rates, data.outcomes, first_query=first, enrichment=sources
    )
    later = frame.slice(first)
    early = rows[(later["event_time_ms"] < _TEST_FROM_MS - 7 * _DAY_MS).to_numpy()]
    varies = [bool(np.unique(early[:, place][:50_000]).size > 1) for place in range(rows.shape[1])]
    kept = [name for name, does in zip(features.names, varies, strict=True) if does]
    labels = later.select("transaction_id").join(
        data.labels, on="transaction_id", how="left", maintain_order="left"
    )
    return _Payments(
        features.keep(kept),
        np.ascontiguousarray(rows[:, varies]),
        labels["is_fraud"].to_numpy(),
        later["event_time_ms"].to_numpy(),
        later["account.user_id"].cast(pl.Int64).to_numpy(),
    )


def _folds(payments: _Payments, test_from_ms: int) -> list[Fold]:
    split = DelayedTimeSplit(
        train_days=7,
        gap_days=7,
        test_days=7,
        n_splits=FOLDS,
        test_from_ms=test_from_ms,
        entity="customer",
        pos_label=True,
    )
    groups = pl.DataFrame({"event_time_ms": payments.event_time_ms, "customer": payments.customer})
    return list(split.split(payments.rows, payments.is_fraud, groups))


def _scores(payments: _Payments, fold: Fold, settings: ModelSettings) -> NDArray[np.float64]:
    model = fit_model(
        payments.rows[fold.train],
        payments.is_fraud[fold.train],
        payments.features,
        settings,
        n_threads=_THREADS,
    )
    trees, _names = parse_model_text(model.text)
    scorer = TreeScorer(trees, np.zeros(payments.rows.shape[1]))
    return scorer.score_many(payments.rows[fold.test], n_threads=_THREADS)


def _metrics(
    payments: _Payments, places: NDArray[np.int64], log_odds: NDArray[np.float64]
) -> ScoreMetrics:
    return score_metrics(
        payments.is_fraud[places],
        np.array([probability(value) for value in log_odds.tolist()]),
        event_time_ms=payments.event_time_ms[places],
        entity=payments.customer[places],
        top_k=(_TOP_K,),
    )


def _figures(
    payments: _Payments, places: NDArray[np.int64], log_odds: NDArray[np.float64]
) -> dict[str, float]:
    metrics = _metrics(payments, places, log_odds)
    return {
        "auc": metrics.auc,
        "ap": metrics.average_precision,
        "cp100": metrics.card_precision[str(_TOP_K)].value,
    }
