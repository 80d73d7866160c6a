"""What of an engine depends on the bundle: it makes the row, scores and decides.

Invariant: one `DecidingBundle` is one version of everything; who decides with one decides all of
an order with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.fallback import RATES
from fraudkit.decisions.policy import parse_policy
from fraudkit.decisions.unscored import unscored_decision
from fraudkit.domain.decision import Decision, Versions
from fraudkit.domain.transaction import Transaction
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineFeatures, OnlineRow
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import NO_KEY
from fraudkit.input_checks import input_warnings
from fraudkit.past import Asked
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons
from fraudkit.stores.memory import MemoryStore

__all__ = ["DecidingBundle", "IsLate", "deciding_bundle", "in_time", "plan_of"]

IsLate = Callable[[], bool]
"""Says whether there is no time left for a score."""


def in_time() -> bool:
    """Return that there is time: nobody set a deadline."""
    return False


class DecidingBundle(Struct, frozen=True):
    """A bundle with its policy, ready to decide.

    Attributes
    ----------
    bundle : Bundle
    plan : WindowPlan
        Of its features, in its reference currency.
    features : OnlineFeatures
        Makes rows.
    decider : Decider
        The bundle's policy at work; it counts what its limits count.
    reasons : Reasons
    sources : frozenset of str
        The sources of derived fields that the model was trained with.
    versions : Versions
        What stands in its decisions.
    """

    bundle: Bundle
    plan: WindowPlan
    features: OnlineFeatures
    decider: Decider
    reasons: Reasons
    sources: frozenset[str]
    versions: Versions

    def decision(
        self, transaction: Transaction, row: OnlineRow, asked: Asked, *, is_late: bool = False
    ) -> Decision:
        """Decide an order whose row is filled, and count it.

        Parameters
        ----------
        is_late : bool
            Whether there is no time for a score; then the policy's fallback decides.
        """
        if is_late:
            return self._fallback(transaction, row, asked)
        raw_score, shapley = self.bundle.scorer.explain(row.values)
        fraud_probability = probability(self.bundle.calibration.log_odds_of(raw_score))
        missing = self._missing(row, asked)
        ruling = self.decider.of(
            transaction, fraud_probability, row.reference_amount_minor, missing=missing
        )
        return Decision(
            transaction_id=transaction.transaction_id,
            action=ruling.action,
            fraud_probability=fraud_probability,
            raw_score=raw_score,
            reasons=self.reasons.of(row.values, shapley, transaction.event_time_ms),
            expected_cost_minor=ruling.cost,
            currency=self.decider.policy.costs.currency,
            versions=self.versions,
            warnings=input_warnings(asked.found, row),
            degraded=missing if ruling.cost is not None else (*missing, RATES),
            segment=ruling.segment,
            ranges=ruling.ranges,
            shaped_by=ruling.shaped_by,
            approve_propensity=ruling.approve_propensity,
            own_costs=ruling.own_costs,
        )

    def _fallback(self, transaction: Transaction, row: OnlineRow, asked: Asked) -> Decision:
        missing, amount_minor = self._missing(row, asked), row.reference_amount_minor
        return unscored_decision(
            transaction.transaction_id,
            self.decider.fall_back(transaction, amount_minor),
            currency=self.decider.policy.costs.currency,
            versions=self.versions,
            warnings=input_warnings(asked.found, row),
            degraded=missing if amount_minor is not None else (*missing, RATES),
        )

    def _missing(self, row: OnlineRow, asked: Asked) -> tuple[str, ...]:
        return (*asked.missing, *(name for name in row.missing if name in self.sources))

    def warm_up(self) -> None:
        """Load the compiled kernels, so that the first order does not wait for them."""
        plan = self.plan
        nobody = np.full(plan.n_columns, NO_KEY, np.int64)
        MemoryStore(plan, capacity_events=1).exchange(nobody, np.empty(plan.n_out))
        row = np.zeros(plan.n_out)
        _raw_score, shapley = self.bundle.scorer.explain(row)
        self.reasons.of(row, shapley, 0)
        self.decider.of_values(0.5, 100)
        self.decider.fallback_of_values(100)


def plan_of(bundle: Bundle) -> WindowPlan:
    """Return the windows of a bundle, for events in its reference currency."""
    return window_plan(bundle.features).in_currency(bundle.rates.reference_currency)


def deciding_bundle(
    bundle: Bundle,
    plan: WindowPlan,
    store: StateStore,
    identifier_hash: IdentifierHash,
    enrichment: Enrichment | None,
) -> DecidingBundle:
    """Make a bundle ready to decide, with nothing counted.

    Parameters
    ----------
    plan : WindowPlan
        As `plan_of` gives it.
    store : StateStore
        Of this plan.
    identifier_hash : IdentifierHash
        With the merchant's key.
    enrichment : Enrichment or None
        The sources of derived fields; the default ones if ``None``.

    Raises
    ------
    fraudkit.errors.PolicyError
        If the bundle's policy must not be used.
    """
    currency = bundle.rates.reference_currency
    origin = f"policy.toml of bundle {bundle.version}"
    decider = Decider(parse_policy(bundle.policy_text, origin, currency=currency))
    return DecidingBundle(
        bundle=bundle,
        plan=plan,
        features=OnlineFeatures(
            bundle.features, plan, store, bundle.rates, identifier_hash, enrichment
        ),
        decider=decider,
        reasons=Reasons(bundle.features, bundle.reference),
        sources=frozenset(bundle.training.get("sources", ())),
        versions=Versions(
            bundle=bundle.version,
            features=bundle.features.digest[:16],
            policy=decider.policy.digest[:16],
        ),
    )
