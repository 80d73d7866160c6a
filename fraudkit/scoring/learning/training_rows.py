"""From a history to rows that may be learnt from: features, labels as they stood, weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError, TrainingError
from fraudkit.features.catalog import default_features
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.fields import last_part
from fraudkit.features.offline import feature_rows, reference_amounts
from fraudkit.features.offline_columns import with_derived
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import Feature, FeatureSet
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import labels_known_before, mature_labels

__all__ = ["LEVELS_MAX", "LEVEL_ORDERS_MIN", "TrainingRows", "training_rows"]

LEVELS_MAX: Final = 100
LEVEL_ORDERS_MIN: Final = 20
_PROPENSITY_MIN: Final = 1e-9


class TrainingRows(NamedTuple):
    """Orders whose label was mature at the horizon, in order of time, and what they came from.

    Attributes
    ----------
    features : FeatureSet
        Those that vary over the history.
    rows : ndarray of float64, shape (n_labelled, n_features)
    is_fraud : ndarray of bool, shape (n_labelled,)
    event_time_ms, matured_at_ms : ndarray of int64, shape (n_labelled,)
    weights : ndarray of float64, shape (n_labelled,)
        How many orders each stands for: 1 over the probability with which it was let through.
    frame : polars.DataFrame
        All orders before the horizon, by time, with derived fields.
    is_labelled : ndarray of bool, shape (n_orders,)
        Which of the frame's orders the rows are of.
    amount_minor : ndarray of float64, shape (n_labelled,)
        In the reference currency; NaN where it is not known.
    """

    features: FeatureSet
    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    event_time_ms: NDArray[np.int64]
    matured_at_ms: NDArray[np.int64]
    weights: NDArray[np.float64]
    frame: pl.DataFrame
    is_labelled: NDArray[np.bool_]
    amount_minor: NDArray[np.float64]


def training_rows(
    data: MappedData,
    rates: RateTable,
    *,
    horizon_ms: int,
    label_delay_days: float | None,
    sources: Enrichment,
    own_features: Iterable[Feature] = (),
    propensities: pl.DataFrame | None = None,
) -> TrainingRows:
    """Return the rows that a model may learn from at the horizon.

    Parameters
    ----------
    propensities : polars.DataFrame, optional
        ``transaction_id`` and ``approve_propensity`` in [1e-9, 1]: the logged probability with
        which an order that the policy declined was let through all the same. An order that is not
        there was let through for certain.

    Raises
    ------
    TrainingError
        If there are no orders, or none with a label.
    InputError
        If a propensity is no probability, or an order has two.
    """
    frame = data.frame.filter(pl.col("event_time_ms") < horizon_ms).sort(
        "event_time_ms", "transaction_id"
    )
    if frame.is_empty():
        raise TrainingError("training needs orders before the horizon, got none")
    known = labels_known_before(data.labels, horizon_ms)
    labels = mature_labels(frame, known, label_delay_days)
    is_known = (labels["matured_at_ms"] < horizon_ms).fill_null(value=False).to_numpy()
    if not is_known.any():
        raise TrainingError(
            "training needs orders whose label was known before the horizon, got none; "
            "state [label] or [outcomes] in the mapping"
        )
    frame = with_derived(frame, DERIVED_PATHS, sources)
    features = _features(frame, own_features)
    rows = feature_rows(frame, features, rates, data.outcomes, enrichment=sources)
    features, rows = _without_constants(features, rows)
    labelled = labels.filter(is_known)
    amounts = reference_amounts(frame, rates).cast(pl.Float64).fill_null(np.nan).to_numpy()
    return TrainingRows(
        features=features,
        rows=rows if is_known.all() else rows[is_known],
        is_fraud=labelled["is_fraud"].to_numpy(),
        event_time_ms=frame["event_time_ms"].to_numpy()[is_known],
        matured_at_ms=labelled["matured_at_ms"].to_numpy(),
        weights=_weights(frame, propensities)[is_known],
        frame=frame,
        is_labelled=is_known,
        amount_minor=amounts[is_known],
    )


def _weights(frame: pl.DataFrame, propensities: pl.DataFrame | None) -> NDArray[np.float64]:
    """Return one over each order's propensity.

    References
    ----------
    Horvitz and Thompson, "A generalization of sampling without replacement from a finite
    universe", Journal of the American Statistical Association 47 (1952).
    """
    if propensities is None or propensities.is_empty():
        return np.ones(len(frame))
    joined = frame.select("transaction_id").join(
        _checked(propensities), on="transaction_id", how="left", maintain_order="left"
    )
    return np.asarray(1.0 / joined["propensity"].fill_null(1.0).to_numpy(), np.float64)


def _checked(propensities: pl.DataFrame) -> pl.DataFrame:
    """Return ``transaction_id`` and ``propensity``, each order once."""
    missing = {"transaction_id", "approve_propensity"} - set(propensities.columns)
    if missing:
        raise InputError(
            "propensities must have the columns transaction_id and approve_propensity, "
            f"got {propensities.columns}"
        )
    order = pl.col("transaction_id").cast(pl.String)
    held = pl.col("approve_propensity").cast(pl.Float64, strict=False)
    is_good = held.is_between(_PROPENSITY_MIN, 1.0).fill_null(value=False)
    bad = propensities.filter(~is_good).select(order, "approve_propensity")
    if len(bad):
        name, value = bad.row(0)
        raise InputError(
            f"approve_propensity must be a probability from {_PROPENSITY_MIN:g} to 1, got "
            f"{value!r} for transaction_id {name!r}; an order that could not be let through has "
            "no label"
        )
    each = propensities.select(order, propensity=held).unique()
    twice = each.filter(pl.col("transaction_id").is_duplicated())
    if len(twice):
        name = twice["transaction_id"].sort()[0]
        raise InputError(
            "each order must have one approve_propensity, got several for transaction_id "
            f"{name!r}; keep the one of the decision that was carried out"
        )
    return each


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
