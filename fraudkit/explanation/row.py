"""A feature row explained: what its score is made of, and what would have flipped the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy, parse_policy
from fraudkit.decisions.rulings import Ruling
from fraudkit.errors import ExplanationError
from fraudkit.explanation.values import Explanation, FeatureShare, Flip, GroupShare
from fraudkit.features.clearing import WindowClearing, window_clearings
from fraudkit.features.customer_words import customer_texts
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.counterfactual import least_replacements
from fraudkit.scoring.reasons import feature_text, moment

__all__ = ["TreeShapValues", "explain_row"]

TreeShapValues = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From a row to its path-dependent SHAP values: `fraudkit.scoring.trees.treeshap.TreeShap`."""


def explain_row(  # noqa: PLR0913 - what an order is beside its row
    bundle: Bundle,
    values: NDArray[np.float64],
    *,
    amount_minor: int | None,
    can_challenge: bool = True,
    missing: Iterable[str] = (),
    segment: str | None = None,
    own_costs: Mapping[str, float] | None = None,
    shaped_by: Sequence[str] = (),
    transaction_id: str | None = None,
    time_ms: int | None = None,
    clears_at: Callable[[WindowClearing], int | None] = lambda _clearing: None,
    policy: Policy | None = None,
    treeshap: TreeShapValues | None = None,
) -> Explanation:
    """Explain what a bundle makes of a feature row.

    Parameters
    ----------
    values : ndarray of float64, shape (n_features,)
        The feature row.
    amount_minor : int or None
        The order's amount in the policy's currency.
    can_challenge : bool
        Whether the payment can be authenticated.
    missing : iterable of str
        Sources that were missing, which the policy may answer with a stricter action.
    segment, own_costs, shaped_by
        As in a `fraudkit.domain.decision.Decision`.
    time_ms : int, optional
        The order's event time, UTC epoch milliseconds; without it no window clears.
    clears_at : callable
        From a window to the exact time at which it clears, or ``None``.
    policy : Policy, optional
        The bundle's own if not given.
    treeshap : callable, optional
        A `fraudkit.scoring.trees.treeshap.TreeShap` of the bundle.

    Raises
    ------
    ExplanationError
        If the row is not one of the bundle's feature set.
    """
    if values.shape != (len(bundle.features.names),):
        raise ExplanationError(
            f"a row of bundle {bundle.version} must have {len(bundle.features.names)} values, "
            f"got shape {values.shape}"
        )
    policy = parse_policy(bundle.policy_text, "policy.toml") if policy is None else policy
    sources = tuple(missing)
    decider = Decider(policy)

    def rule(raw_score: float) -> _Said:
        fraud_probability = probability(bundle.calibration.log_odds_of(raw_score))
        ruling = decider.of_values(
            fraud_probability,
            amount_minor,
            can_challenge=can_challenge,
            segment=segment,
            missing=sources,
            own_costs=own_costs,
            shaped_by=shaped_by,
            transaction_id=transaction_id,
        )
        return _Said(ruling, fraud_probability)

    shapley = bundle.scorer.explain_many(values[None, :])[0]
    raw_score, beside = bundle.scorer.score(values), None if treeshap is None else treeshap(values)
    ruling, fraud_probability = rule(raw_score)
    features = _features(bundle, values, shapley, beside, time_ms, clears_at)
    return Explanation(
        transaction_id=transaction_id or "",
        bundle=bundle.version,
        action=ruling.action,
        fraud_probability=fraud_probability,
        raw_score=raw_score,
        reference_raw_score=bundle.scorer.reference_score,
        amount_minor=amount_minor,
        currency=policy.costs.currency,
        ranges=ruling.ranges,
        flips=_flips(bundle, rule, values, ruling),
        groups=_groups(bundle, features),
        features=features,
        shapley_residual=raw_score - bundle.scorer.reference_score - float(shapley.sum()),
        treeshap_mean=None if beside is None else float(beside[-1]),
        degraded=sources,
    )


class _Said(NamedTuple):
    """What the policy says of a raw score."""

    ruling: Ruling
    fraud_probability: float


def _flips(
    bundle: Bundle,
    rule: Callable[[float], _Said],
    values: NDArray[np.float64],
    ruling: Ruling,
) -> tuple[Flip, ...]:
    strictness = ACTIONS.index(ruling.action)
    if all(ACTIONS.index(held.action) >= strictness for held in ruling.ranges):
        return ()

    def are_more_lenient(raw_scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        found = (ACTIONS.index(rule(score).ruling.action) for score in raw_scores.tolist())
        return np.fromiter((action < strictness for action in found), np.bool_, len(raw_scores))

    found = least_replacements(
        bundle.scorer, values, bundle.reference, _columns_by_code(bundle), are_more_lenient
    )
    flips = []
    for held in found:
        then = rule(held.raw_score)
        flips.append(
            Flip(
                codes=held.groups,
                fraud_probability=then.fraud_probability,
                action=then.ruling.action,
                is_least=held.is_least,
            )
        )
    return tuple(flips)


def _columns_by_code(bundle: Bundle) -> Mapping[str, list[int]]:
    columns: dict[str, list[int]] = {}
    for column, feature in enumerate(bundle.features.features):
        columns.setdefault(feature.reason_code, []).append(column)
    return columns


def _features(
    bundle: Bundle,
    values: NDArray[np.float64],
    shapley: NDArray[np.float64],
    beside: NDArray[np.float64] | None,
    time_ms: int | None,
    clears_at: Callable[[WindowClearing], int | None],
) -> tuple[FeatureShare, ...]:
    """Return every feature; one that raised the risk says when it clears."""
    clearings = window_clearings(bundle.features, bundle.reference)
    shares = []
    for column, feature in enumerate(bundle.features.features):
        clearing = clearings.get(column) if shapley[column] > 0.0 else None
        at_ms = by_ms = None
        if clearing is not None and time_ms is not None:
            at_ms, by_ms = clears_at(clearing), clearing.clears_by_ms(values, time_ms)
        shares.append(
            FeatureShare(
                name=feature.name,
                code=feature.reason_code,
                text=feature_text(feature, float(values[column])),
                value=_known(values[column]),
                reference=_known(bundle.reference[column]),
                shapley=float(shapley[column]),
                treeshap=None if beside is None else float(beside[column]),
                clears_at=moment(at_ms),
                clears_by=moment(by_ms),
            )
        )
    return tuple(sorted(shares, key=lambda share: abs(share.shapley), reverse=True))


def _groups(bundle: Bundle, features: Iterable[FeatureShare]) -> tuple[GroupShare, ...]:
    texts = customer_texts(bundle.features.features)
    by_code: dict[str, list[FeatureShare]] = {}
    for share in features:
        by_code.setdefault(share.code, []).append(share)
    groups = []
    for code, shares in by_code.items():
        weight = sum(share.shapley for share in shares)
        pick = max if weight >= 0.0 else min
        strongest = pick(shares, key=lambda share: share.shapley)
        groups.append(
            GroupShare(code=code, weight=weight, text=strongest.text, customer_text=texts[code])
        )
    return tuple(sorted(groups, key=lambda group: group.weight, reverse=True))


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)
