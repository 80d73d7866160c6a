"""Training: a merchant's history in, a bundle out, measured on what it never saw.

Labels are used only once they were known. Settings are chosen, the model is calibrated and
measured walking forward through time; the bundle's own model is then fitted to the whole history
with the same settings, and calibrated by the forward steps' scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import polars as pl

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy, policy_toml
from fraudkit.domain.money import RateTable
from fraudkit.errors import PolicyError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.spec import Feature
from fraudkit.mapping import MappedData
from fraudkit.scoring.bundle import BundleContent
from fraudkit.scoring.card import model_card
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import reference_row
from fraudkit.scoring.learning.training_rows import TrainingRows, training_rows
from fraudkit.scoring.learning.walk_forward import Walked, walk_forward
from fraudkit.scoring.maturity import censoring, labels_known_before, maturity_curve
from fraudkit.scoring.measures.card_precision import customer_codes
from fraudkit.scoring.measures.curves import score_curves
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from fraudkit.scoring.report import CalibrationChoice, SettingsSearch, TrainingReport

__all__ = ["Progress", "Training", "train"]

Progress = Callable[[str], None]

_CARD: Final = "payment.card.fingerprint"
_GAINS_KEPT: Final = 30
_PACKAGES: Final = ("lightgbm", "numpy", "polars", "scikit-learn", "scipy", "fraudkit")


class Training(NamedTuple):
    """What training made.

    Attributes
    ----------
    content : BundleContent
        To be written by `fraudkit.scoring.bundle.write_bundle`.
    metrics : ScoreMetrics
        On the held-back last part, of a model that never saw it.
    report : TrainingReport
        All that is known of it: text, a notebook's tables, a page with plots.
    summary : dict
        Counts, times and metrics, as they stand in the bundle.
    """

    content: BundleContent
    metrics: ScoreMetrics
    report: TrainingReport
    summary: dict[str, Any]


def train(  # noqa: PLR0913 - what a training is made of
    data: MappedData,
    rates: RateTable,
    *,
    horizon_ms: int,
    label_delay_days: float | None = None,
    policy: Policy | None = None,
    settings: ModelSettings | None = None,
    n_candidates: int = 16,
    seed: int = 0,
    propensities: pl.DataFrame | None = None,
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
    horizon_ms : int
        Orders at or after it are not used, nor what became known then.
    label_delay_days : float, optional
        How long labels take. An order younger than that at the horizon is not used, even where
        its fraud is known already: its honest neighbours are not, and the fraud share would lie.
    policy : Policy, optional
        The default costs in the reference currency if not given.
    settings : ModelSettings, optional
        Of the model. If not given they are searched on earlier parts of the history.
    n_candidates : int
        How many settings the search tries; with fewer than 2 the defaults are taken.
    seed : int
        Of the search and of the model, unless settings are given; and of the intervals.
    propensities : polars.DataFrame, optional
        ``transaction_id`` and ``approve_propensity``, see
        `fraudkit.scoring.learning.training_rows.training_rows`.
    enrichment : Enrichment, optional
        The sources of derived fields; the default ones if not given. The bundle says which.
    own_features : iterable of Feature
        Features beside the default ones. Those of classes must be named again wherever the
        bundle is loaded.
    trained_on : str
        For the model card.
    progress : callable
        Called with the name of each stage as it begins, and of each trial of the search.

    Raises
    ------
    TrainingError
        If no honest model can be made from this history.
    PolicyError
        If the policy's costs are in another currency than the amounts.
    """
    policy = policy or Policy(
        costs=msgspec.structs.replace(Policy().costs, currency=rates.reference_currency)
    )
    if policy.costs.currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {policy.costs.currency}"
        )
    progress("features")
    sources = Enrichment.default() if enrichment is None else enrichment
    known = training_rows(
        data,
        rates,
        horizon_ms=horizon_ms,
        label_delay_days=label_delay_days,
        sources=sources,
        own_features=own_features,
        propensities=propensities,
    )
    walked = walk_forward(known, settings, seed=seed, n_candidates=n_candidates, progress=progress)
    progress("figures")
    metrics = _metrics(known, walked, policy, seed)
    report = _report(data, known, walked, metrics, rates.reference_currency, horizon_ms, trained_on)
    summary = _summary(known, walked, report, horizon_ms, label_delay_days)
    summary["sources"] = sources.versions()
    content = BundleContent(
        model_text=walked.model.text,
        features=known.features,
        calibration=walked.calibration.chosen,
        reference=reference_row(known.rows, known.is_fraud, walked.model.text),
        rates=rates,
        policy_text=policy_toml(policy),
        training=summary,
        search=[candidate.plain() for candidate in walked.search],
        card=model_card(trained_on, known.features, summary),
        libraries={name: version(name) for name in _PACKAGES},
    )
    return Training(content, metrics, report, summary)


def _metrics(known: TrainingRows, walked: Walked, policy: Policy, seed: int) -> ScoreMetrics:
    places, fraud_probability, _from_ms = walked.held_back
    is_fraud, amount = known.is_fraud[places], known.amount_minor[places]
    orders = known.frame.filter(known.is_labelled)[places]
    decider, time_ms = Decider(policy), known.event_time_ms[places]
    columns = {path: orders[path].to_list() for path in decider.paths if path in orders.columns}
    chosen = decider.of_many(fraud_probability, amount, columns, time_ms=time_ms).action
    at_honest, at_fraud = decider.cost_lines_of_many(amount, columns)
    cost = np.where(is_fraud, at_fraud, at_honest)[chosen, np.arange(len(places))]
    return score_metrics(
        is_fraud,
        fraud_probability,
        event_time_ms=time_ms,
        amount_minor=amount,
        entity=customer_codes(orders[_CARD]).to_numpy() if _CARD in orders.columns else None,
        is_approved=chosen == ACTIONS.index("approve"),
        cost_minor=cost,
        weight=None if np.all(known.weights == 1.0) else known.weights[places],
        seed=seed,
    )


def _report(
    data: MappedData,
    known: TrainingRows,
    walked: Walked,
    metrics: ScoreMetrics,
    currency: str,
    horizon_ms: int,
    trained_on: str,
) -> TrainingReport:
    places, fraud_probability, from_ms = walked.held_back
    labels = labels_known_before(data.labels, horizon_ms)
    n_later = int((known.frame["event_time_ms"] >= from_ms).sum())
    curve = walked.calibration.chosen
    return TrainingReport(
        title="A fraud model and how it did",
        metrics=metrics,
        measured_on=(
            f"The last part of the history, by a model and a calibration from before it: "
            f"{len(places):,} of its {n_later:,} orders had a mature label "
            f"({len(places) / n_later:.1%})."
        ),
        trained_on=trained_on,
        currency=currency,
        train_from_ms=int(known.frame["event_time_ms"][0]),
        train_until_ms=horizon_ms,
        test_from_ms=from_ms,
        test_until_ms=int(known.event_time_ms[places].max()),
        counts={
            "orders": len(known.frame),
            "orders with a mature label": len(known.is_fraud),
            "frauds among them": int(known.is_fraud.sum()),
            "features": len(known.features.names),
            "trees": walked.settings.n_trees * walked.settings.n_models,
        },
        curves=score_curves(known.is_fraud[places], fraud_probability),
        maturity=maturity_curve(known.frame, labels, known.is_labelled, horizon_ms),
        censoring=censoring(known.frame, data.outcomes, known.is_labelled, horizon_ms),
        search=SettingsSearch(
            chosen=msgspec.to_builtins(walked.settings),
            rows=tuple(
                {("chosen" if name == "is_chosen" else name): value for name, value in row.items()}
                for row in (candidate.plain() for candidate in walked.search)
            ),
            measured_by="log loss on earlier folds, after the best straight line",
        ),
        calibration=CalibrationChoice(
            chosen=curve.method,
            held_back_log_loss=walked.calibration.held_back_log_loss,
            raw_score=curve.raw_score,
            log_odds=curve.log_odds,
        ),
        feature_gain_shares=_gain_shares(known, walked),
        warnings=(*walked.notes, *_cautions(known)),
    )


def _gain_shares(known: TrainingRows, walked: Walked) -> dict[str, float]:
    gain = walked.model.gain / max(float(walked.model.gain.sum()), 1.0)
    strongest = np.argsort(-gain, kind="stable")[:_GAINS_KEPT]
    return {known.features.names[place]: float(gain[place]) for place in strongest.tolist()}


def _cautions(known: TrainingRows) -> list[str]:
    """Return what the reader must know of the labels before believing the figures."""
    total, squares = float(known.weights.sum()), float((known.weights**2).sum())
    if total == len(known.weights):
        return []
    n_weighted = int((known.weights > 1.0).sum())
    caution = (
        f"{n_weighted:,} orders were let through by chance and stand for those that were declined, "
        f"each for one over its propensity, {known.weights.max():.0f} at most. Together the "
        f"{len(known.weights):,} labelled orders tell as much as {total**2 / squares:,.0f} would "
        "that weigh the same (Kish's effective sample size)."
    )
    return [caution]


def _summary(
    known: TrainingRows,
    walked: Walked,
    report: TrainingReport,
    horizon_ms: int,
    label_delay_days: float | None,
) -> dict[str, Any]:
    """Return what the bundle says of how it was made, as plain data."""
    from_ms = walked.held_back.from_ms
    n_later = int((known.frame["event_time_ms"] >= from_ms).sum())
    n_censored = 0 if report.censoring is None else sum(report.censoring.n_censored)
    return {
        "orders": len(known.frame),
        "orders_with_known_label": len(known.is_fraud),
        "orders_declined_without_label": n_censored,
        "frauds": int(known.is_fraud.sum()),
        "first_event_time_ms": int(known.frame["event_time_ms"][0]),
        "horizon_ms": horizon_ms,
        "label_delay_days": label_delay_days,
        "label_maturity": msgspec.to_builtins(report.maturity),
        "features": len(known.features.names),
        "n_trees": walked.settings.n_trees * walked.settings.n_models,
        "settings": msgspec.to_builtins(walked.settings),
        "settings_searched": len(walked.search),
        "calibration": {
            "method": walked.calibration.chosen.method,
            "held_back_log_loss": walked.calibration.held_back_log_loss,
            "standard_error": walked.calibration.standard_error,
        },
        "feature_gain_shares": report.feature_gain_shares,
        "warnings": list(report.warnings),
        "held_back": {
            "from_ms": from_ms,
            "orders": n_later,
            "label_known_share": len(walked.held_back.places) / n_later,
            "metrics": report.metrics.plain(),
        },
    }
