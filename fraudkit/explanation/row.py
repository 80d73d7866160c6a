"""A feature row explained: what its score is made of, and what would have flipped the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isnan

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS, Policy, parse_policy
from fraudkit.decisions.thresholds import ActionRange, action_ranges
from fraudkit.domain.decision import Action
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
    transaction_id: str = "",
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
    decider = _Decider(bundle, policy, amount_minor, can_challenge, sources)
    shapley = bundle.scorer.explain_many(values[None, :])[0]
    raw_score = bundle.scorer.score(values)
    beside = None if treeshap is None else treeshap(values)
    action, fraud_probability = decider.decide(raw_score)
    ranges = action_ranges(policy, amount_minor, can_challenge=can_challenge, missing=sources)
    features = _features(bundle, values, shapley, beside, time_ms, clears_at)
    return Explanation(
        transaction_id=transaction_id,
        bundle=bundle.version,
        action=action,
        fraud_probability=fraud_probability,
        raw_score=raw_score,
        reference_raw_score=bundle.scorer.reference_score,
        amount_minor=amount_minor,
        currency=policy.costs.currency,
        ranges=ranges,
        flips=_flips(decider, values, action, ranges),
        groups=_groups(bundle, features),
        features=features,
        shapley_residual=raw_score - bundle.scorer.reference_score - float(shapley.sum()),
        treeshap_mean=None if beside is None else float(beside[-1]),
        degraded=sources,
    )


class _Decider:
    """From raw scores to actions, for one order."""

    def __init__(
        self,
        bundle: Bundle,
        policy: Policy,
        amount_minor: int | None,
        can_challenge: bool,  # noqa: FBT001 - as a policy takes it
        missing: tuple[str, ...],
    ) -> None:
        self.bundle = bundle
        self._policy = policy
        self._amount_minor = amount_minor
        self._can_challenge = can_challenge
        self._missing = missing

    def decide(self, raw_score: float) -> tuple[Action, float]:
        """Return the action and the probability of fraud."""
        fraud_probability = probability(self.bundle.calibration.log_odds_of(raw_score))
        action, _cost = self._policy.decide(
            fraud_probability, self._amount_minor, can_challenge=self._can_challenge
        )
        return self._policy.restrained(action, self._missing), fraud_probability

    def are_more_lenient(
        self, raw_scores: NDArray[np.float64], action: Action
    ) -> NDArray[np.bool_]:
        """Return whether each score gives a more lenient action than one that was taken."""
        strictness = ACTIONS.index(action)
        actions = (self.decide(score)[0] for score in raw_scores.tolist())
        found = (ACTIONS.index(other) < strictness for other in actions)
        return np.fromiter(found, np.bool_, len(raw_scores))


def _flips(
    decider: _Decider,
    values: NDArray[np.float64],
    action: Action,
    ranges: tuple[ActionRange, ...],
) -> tuple[Flip, ...]:
    strictness = ACTIONS.index(action)
    if all(ACTIONS.index(held.action) >= strictness for held in ranges):
        return ()
    bundle = decider.bundle
    found = least_replacements(
        bundle.scorer,
        values,
        bundle.reference,
        _columns_by_code(bundle),
        lambda scores: decider.are_more_lenient(scores, action),
    )
    flips = []
    for held in found:
        then, fraud_probability = decider.decide(held.raw_score)
        flips.append(
            Flip(
                codes=held.groups,
                fraud_probability=fraud_probability,
                action=then,
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
