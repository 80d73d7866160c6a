"""`Engine.score` taken apart: the library's own parts called in the engine's order, with a clock.

Invariant: what comes out equals the engine's decision, or the benchmark does not report.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import parse_policy
from fraudkit.domain.decision import Decision, Versions
from fraudkit.domain.decoding import decode_transaction
from fraudkit.domain.outcome import Outcome
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.plan import window_plan
from fraudkit.past import Past
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons
from fraudkit.stores.memory import MemoryStore

__all__ = ["STAGES", "StagedRoad"]

STAGES: Final = (
    "decode",
    "order_features_and_keys",
    "windows_and_append",
    "score_and_shapley",
    "reasons",
    "policy_and_decision",
    "remember_decision",
    "encode",
)
"""In the order in which the engine walks them."""

_HASH_KEY: Final = b"a key for benchmarks only"


class StagedRoad:
    """The road of an order from bytes to bytes, stage by stage.

    Attributes
    ----------
    taken : list of list of int
        For each order the nanoseconds of each of `STAGES`.
    """

    def __init__(self, bundle: Bundle) -> None:
        features, plan = bundle.features, window_plan(bundle.features)
        store, identifier_hash = MemoryStore(plan), IdentifierHash(_HASH_KEY)
        self._bundle = bundle
        self._past = Past(features, plan, store, bundle.rates.reference_currency)
        self._decider = Decider(parse_policy(bundle.policy_text, "policy.toml"))
        self._online = OnlineFeatures(features, plan, store, bundle.rates, identifier_hash)
        self._reasons = Reasons(features, bundle.reference)
        self._versions = Versions(
            bundle=bundle.version,
            features=features.digest[:16],
            policy=self._decider.policy.digest[:16],
        )
        self.taken: list[list[int]] = []

    def walk(self, body: bytes) -> tuple[Decision, NDArray[np.float64]]:
        """Return the decision and the feature row, remember the order, and note the times."""
        marks: list[int] = []
        mark = marks.append
        mark(perf_counter_ns())
        transaction = decode_transaction(body)
        mark(perf_counter_ns())
        received_at_ms = self._past.received(transaction.event_time_ms)
        row = self._online.prepare(transaction, received_at_ms)
        mark(perf_counter_ns())
        asked = self._past.exchange(row)
        mark(perf_counter_ns())
        raw_score, shapley = self._bundle.scorer.explain(row.values)
        mark(perf_counter_ns())
        reasons = self._reasons.of(row.values, shapley, transaction.event_time_ms)
        mark(perf_counter_ns())
        fraud_probability = probability(self._bundle.calibration.log_odds_of(raw_score))
        ruling = self._decider.of(transaction, fraud_probability, row.reference_amount_minor)
        decision = Decision(
            transaction_id=transaction.transaction_id,
            action=ruling.action,
            fraud_probability=fraud_probability,
            raw_score=raw_score,
            reasons=reasons,
            expected_cost_minor=ruling.cost,
            currency=self._decider.policy.costs.currency,
            versions=self._versions,
            degraded=("rates",) if ruling.cost is None else (),
            ranges=ruling.ranges,
            own_costs=ruling.own_costs,
        )
        mark(perf_counter_ns())
        self._past.note_decision(row, asked, decision.action)
        mark(perf_counter_ns())
        msgspec.json.encode(decision)
        mark(perf_counter_ns())
        self.taken.append(np.diff(marks).tolist())
        return decision, row.values

    def note(self, outcome: Outcome) -> None:
        """Take an outcome in."""
        received_at_ms = self._past.received_outcome(outcome, None)
        self._past.note_outcome(outcome, received_at_ms)
