"""`Engine.score` taken apart: the library's own parts called in the engine's order, with a clock.

Invariant: what comes out equals the engine's decision, or the benchmark does not report.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.policy import can_be_challenged, parse_policy
from fraudkit.domain.decision import Decision, Versions
from fraudkit.domain.decoding import decode_transaction
from fraudkit.domain.outcome import Outcome, statuses_of
from fraudkit.domain.transaction import Transaction
from fraudkit.features.keys import EntityKeys, IdentifierHash, event_id
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.state import Event, window_plan
from fraudkit.features.window import NO_AMOUNT
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons
from fraudkit.stores.memory import MemoryStore

__all__ = ["STAGES", "StagedRoad"]

STAGES: Final = (
    "decode",
    "order_features",
    "entity_keys",
    "windows",
    "score_and_shapley",
    "reasons",
    "policy_and_decision",
    "append",
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
        features = bundle.features
        self._bundle = bundle
        self._plan = window_plan(features)
        self._store = MemoryStore(self._plan)
        self._policy = parse_policy(bundle.policy_text, "policy.toml")
        self._hash = IdentifierHash(_HASH_KEY)
        self._keys = EntityKeys(features.entities, self._hash)
        self._online = OnlineFeatures(features, self._plan, self._store, bundle.rates, self._hash)
        self._reasons = Reasons(features)
        self._versions = Versions(
            bundle=bundle.version,
            features=features.digest[:16],
            policy=self._policy.digest[:16],
        )
        self.taken: list[list[int]] = []

    def walk(self, body: bytes) -> tuple[Decision, NDArray[np.float64]]:
        """Return the decision and the feature row, remember the order, and note the times."""
        marks: list[int] = []
        mark = marks.append
        mark(perf_counter_ns())
        transaction = decode_transaction(body)
        mark(perf_counter_ns())
        values = np.empty(self._plan.n_out)
        amount_minor = self._online.order_values(transaction, values)
        mark(perf_counter_ns())
        keys = self._keys.of(transaction)
        mark(perf_counter_ns())
        event = self._windows(transaction, keys, values, amount_minor)
        mark(perf_counter_ns())
        raw_score, shapley = self._bundle.scorer.explain(values)
        mark(perf_counter_ns())
        reasons = self._reasons.of(values, shapley)
        mark(perf_counter_ns())
        fraud_probability = probability(self._bundle.calibration.log_odds_of(raw_score))
        payment = transaction.payment
        action, cost = self._policy.decide(
            fraud_probability,
            amount_minor,
            can_challenge=can_be_challenged(payment.method, payment.card.was_3d_secure_successful),
        )
        decision = Decision(
            transaction_id=transaction.transaction_id,
            action=action,
            fraud_probability=fraud_probability,
            raw_score=raw_score,
            reasons=reasons,
            expected_cost_minor=cost,
            currency=self._policy.costs.currency,
            versions=self._versions,
            degraded=("rates",) if cost is None else (),
        )
        mark(perf_counter_ns())
        self._store.append(event)
        mark(perf_counter_ns())
        msgspec.json.encode(decision)
        mark(perf_counter_ns())
        self.taken.append(np.diff(marks).tolist())
        return decision, values

    def note(self, outcome: Outcome) -> None:
        """Take an outcome in."""
        identifier = event_id(outcome.transaction_id)
        for status in statuses_of(outcome):
            self._store.record(identifier, status, outcome.available_at_ms)

    def _windows(
        self,
        transaction: Transaction,
        keys: NDArray[np.int64],
        values: NDArray[np.float64],
        amount_minor: int | None,
    ) -> Event:
        time_ms = transaction.event_time_ms
        amount = NO_AMOUNT if amount_minor is None else amount_minor
        held = keys[self._plan.entity_places]
        self._store.read(held, time_ms, amount, values)
        event = Event(event_id(transaction.transaction_id), time_ms, amount, held)
        self._store.classify(event)
        return event
