"""Training: a merchant's history in, a bundle out, measured on what it never saw.

Labels are used only once they were known. The model is tuned, calibrated and measured walking
forward through time; the bundle's own model is then fitted to the whole history with the same
settings, and calibrated by the forward steps' scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.domain.money import RateTable
from fraudkit.errors import PolicyError, TrainingError
from fraudkit.features.catalog import default_features
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.fields import last_part
from fraudkit.features.offline import feature_rows
from fraudkit.features.offline_columns import with_derived
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import Feature, FeatureSet
from fraudkit.mapping import MappedData
from fraudkit.scoring.bundle import BundleContent
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.card import model_card
from fraudkit.scoring.fit import (
    ModelSettings,
    best_tree_count,
    fit_calibration,
    fit_model,
    reference_row,
)
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.maturity import labels_known_before, mature_labels
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from fraudkit.scoring.model_text import parse_model_text
from fraudkit.scoring.splits import Fold, delayed_time_folds

__all__ = ["LEVELS_MAX", "LEVEL_ORDERS_MIN", "Progress", "Training", "train"]

LEVELS_MAX: Final = 100
LEVEL_ORDERS_MIN: Final = 20

Progress = Callable[[str], None]


class Training(NamedTuple):
    """What training made.

    Attributes
    ----------
    content : BundleContent
        To be written by `fraudkit.scoring.bundle.write_bundle`.
    metrics : ScoreMetrics
        On the held-back last part, of a model that never saw it.
    summary : dict
        Counts, times and metrics, as they stand in the bundle.
    """

    content: BundleContent
    metrics: ScoreMetrics
    summary: dict[str, Any]


class _Labelled(NamedTuple):
    """Rows whose label was known at the horizon."""

    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    event_time_ms: NDArray[np.int64]
    matured_at_ms: NDArray[np.int64]


def train(  # noqa: PLR0913 - what a training is made of
    data: MappedData,
    rates: RateTable,
    *,
    horizon_ms: int,
    label_delay_days: float | None = None,
    policy: Policy | None = None,
    settings: ModelSettings | None = None,
    enrichment: Enrichment | None = None,
    own_features: Iterable[Feature] = (),
    trained_on: str = "",
    progress: Progress = lambda _stage: None,
) -> Training:
    """Train, calibrate and measure a model.

    Parameters
    ----------
    data : MappedData
        The history.
    rates : RateTable
        Brings amounts into the reference currency.
    label_delay_days : float, optional
        How long labels take. An order younger than that at the horizon is not used, even where
        its fraud is known already: its honest neighbours are not, and the fraud share would lie.
    horizon_ms : int
        Orders at or after it are not used, nor what became known then.
    policy : Policy, optional
        The default costs in the reference currency if not given.
    enrichment : Enrichment, optional
        The sources of derived fields; the default ones if not given. The bundle says which.
    own_features : iterable of Feature
        Features beside the default ones. Those of classes must be named again wherever the
        bundle is loaded.
    trained_on : str
        For the model card.
    progress : callable
        Called with the name of each stage as it begins.

    Raises
    ------
    TrainingError
        If no honest model can be made from this history.
    PolicyError
        If the policy's costs are in another currency than the amounts.
    """
    settings = settings or ModelSettings()
    policy = policy or Policy(
        costs=msgspec.structs.replace(Policy().costs, currency=rates.reference_currency)
    )
    if policy.costs.currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {policy.costs.currency}"
        )
    frame = data.frame.filter(pl.col("event_time_ms") < horizon_ms).sort(
        "event_time_ms", "transaction_id"
    )
    if frame.is_empty():
        raise TrainingError("training needs orders before the horizon, got none")
    progress("features")
    known = labels_known_before(data.labels, horizon_ms)
    labels = mature_labels(frame, known, label_delay_days)
    labels = labels.with_columns(is_known=pl.col("matured_at_ms") < horizon_ms)
    sources = Enrichment.default() if enrichment is None else enrichment
    frame = with_derived(frame, DERIVED_PATHS, sources)
    features = _features(frame, own_features)
    rows = feature_rows(frame, features, rates, data.outcomes, enrichment=sources)
    features, rows = _without_constants(features, rows)
    labelled = _labelled(frame, labels, rows)
    fitted = _walk_forward(labelled, features, settings, progress)
    summary = _summary(frame, labelled, fitted, features, settings, horizon_ms)
    summary["sources"] = sources.versions()
    content = _content(features, fitted, labelled, rates, policy, summary, trained_on)
    return Training(content, fitted.metrics, summary)


class _Fitted(NamedTuple):
    """What the walk forward gave; ``test_from_ms`` is where the held-back part begins."""

    model_text: str
    calibration: Calibration
    metrics: ScoreMetrics
    n_trees: int
    test_from_ms: int


def _walk_forward(
    labelled: _Labelled, features: FeatureSet, settings: ModelSettings, progress: Progress
) -> _Fitted:
    tuned, held_back = delayed_time_folds(labelled.event_time_ms, labelled.matured_at_ms)
    rows, is_fraud = labelled.rows, labelled.is_fraud
    progress("number of trees")
    n_trees = best_tree_count(rows, is_fraud, tuned.train, tuned.test, features, settings)
    progress("forward steps")
    first = _step_scores(labelled, tuned, features, settings, n_trees)
    second = _step_scores(labelled, held_back, features, settings, n_trees)
    metrics = score_metrics(
        is_fraud[held_back.test],
        _probabilities(fit_calibration(first, is_fraud[tuned.test]), second),
    )
    progress("final model")
    later = np.concatenate([tuned.test, held_back.test])
    return _Fitted(
        model_text=fit_model(rows, is_fraud, features, settings, n_trees),
        calibration=fit_calibration(np.concatenate([first, second]), is_fraud[later]),
        metrics=metrics,
        n_trees=n_trees,
        test_from_ms=int(labelled.event_time_ms[held_back.test].min()),
    )


def _step_scores(
    labelled: _Labelled,
    fold: Fold,
    features: FeatureSet,
    settings: ModelSettings,
    n_trees: int,
) -> NDArray[np.float64]:
    """Return the raw scores of a fold's test part by a model of its training part."""
    text = fit_model(
        labelled.rows[fold.train], labelled.is_fraud[fold.train], features, settings, n_trees
    )
    trees, _names = parse_model_text(text)
    scorer = TreeScorer(trees, np.zeros(len(features.names)))
    return scorer.score_many(labelled.rows[fold.test], n_threads=2)


def _probabilities(
    calibration: Calibration, raw_scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.array([probability(x) for x in calibration.log_odds_of_many(raw_scores).tolist()])


def _labelled(frame: pl.DataFrame, labels: pl.DataFrame, rows: NDArray[np.float64]) -> _Labelled:
    is_known = labels["is_known"].fill_null(value=False).to_numpy()
    if not is_known.any():
        raise TrainingError(
            "training needs orders whose label was known before the horizon, got none; "
            "state [label] or [outcomes] in the mapping"
        )
    known = labels.filter(is_known)
    return _Labelled(
        rows[is_known],
        known["is_fraud"].to_numpy(),
        frame["event_time_ms"].to_numpy()[is_known],
        known["matured_at_ms"].to_numpy(),
    )


def _features(frame: pl.DataFrame, own_features: Iterable[Feature]) -> FeatureSet:
    """Return the default features, and those of the shop's own entities and columns."""
    own = [name for name in frame.columns if name.startswith("custom_inputs.")]
    categories = [name for name in own if frame[name].dtype == pl.String]
    fields = {name: field for name, (field, _code) in CATEGORIES.items()}
    fields |= {f"custom_{last_part(name)}": name for name in categories}
    return default_features(
        own_entities=[last_part(name) for name in frame.columns if name.startswith("entities.")],
        own_numbers=[last_part(name) for name in own if name not in categories],
        own_categories=[last_part(name) for name in categories],
        own_features=own_features,
        levels={
            name: _common_values(frame[field])
            for name, field in fields.items()
            if field in frame.columns
        },
    )


def _common_values(column: pl.Series) -> list[str]:
    counts = column.drop_nulls().cast(pl.String).value_counts(name="orders")
    common = counts.filter(pl.col("orders") >= LEVEL_ORDERS_MIN).sort(
        ["orders", column.name], descending=[True, False]
    )
    return common[column.name].head(LEVELS_MAX).to_list()


def _without_constants(
    features: FeatureSet, rows: NDArray[np.float64]
) -> tuple[FeatureSet, NDArray[np.float64]]:
    """Leave out the features that say nothing in this history."""
    varies = [_varies(rows[:, column]) for column in range(rows.shape[1])]
    if not any(varies):
        raise TrainingError("at least one feature must vary over the history; all are constant")
    kept = [name for name, does_vary in zip(features.names, varies, strict=True) if does_vary]
    return features.keep(kept), np.ascontiguousarray(rows[:, varies])


def _varies(column: NDArray[np.float64]) -> bool:
    present = column[~np.isnan(column)]
    if len(present) in (0, len(column)):
        return len(present) > 0 and bool((present != present[0]).any())
    return True


def _summary(
    frame: pl.DataFrame,
    labelled: _Labelled,
    fitted: _Fitted,
    features: FeatureSet,
    settings: ModelSettings,
    horizon_ms: int,
) -> dict[str, Any]:
    test_orders = int((frame["event_time_ms"] >= fitted.test_from_ms).sum())
    return {
        "orders": len(frame),
        "orders_with_known_label": len(labelled.is_fraud),
        "frauds": int(labelled.is_fraud.sum()),
        "first_event_time_ms": int(frame["event_time_ms"].min()),  # type: ignore[arg-type]
        "horizon_ms": horizon_ms,
        "features": len(features.names),
        "n_trees": fitted.n_trees,
        "settings": msgspec.to_builtins(settings),
        "held_back": {
            "from_ms": fitted.test_from_ms,
            "orders": test_orders,
            "label_known_share": fitted.metrics.n_orders / test_orders,
            "metrics": fitted.metrics.plain(),
        },
    }


def _content(
    features: FeatureSet,
    fitted: _Fitted,
    labelled: _Labelled,
    rates: RateTable,
    policy: Policy,
    summary: dict[str, Any],
    trained_on: str,
) -> BundleContent:
    packages = ("lightgbm", "numpy", "scikit-learn", "fraudkit")
    libraries: Mapping[str, str] = {name: version(name) for name in packages}
    return BundleContent(
        model_text=fitted.model_text,
        features=features,
        calibration=fitted.calibration,
        reference=reference_row(labelled.rows, labelled.is_fraud, features),
        rates=rates,
        policy_text=policy_toml(policy),
        training=summary,
        card=model_card(trained_on, features, summary),
        libraries=dict(libraries),
    )
