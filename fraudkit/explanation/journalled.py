"""Decisions explained from the journal, which holds the row and the decision as they were."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.fallback import DEADLINE, RATES
from fraudkit.domain.decision import Decision
from fraudkit.errors import ExplanationError, StoreError
from fraudkit.explanation.replay import was_challengeable
from fraudkit.explanation.row import TreeShapValues, explain_row
from fraudkit.explanation.values import Explanation
from fraudkit.features.clearing import ReadWindows, WindowClearing, clears_at_ms
from fraudkit.features.keys import event_id
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.window_arrays import NO_AMOUNT, NO_KEY
from fraudkit.journal.record import DecisionRecord, Journal
from fraudkit.past import Past
from fraudkit.scoring.bundle import Bundle
from fraudkit.stores.memory import MemoryStore

__all__ = ["explain_decision", "explain_journalled", "explain_record"]


def explain_decision(
    bundle: Bundle,
    journal: Journal | None,
    decision: Decision | str,
    *,
    read: ReadWindows | None = None,
    treeshap: TreeShapValues | None = None,
) -> Explanation:
    """Explain a decision, or the newest about a transaction, of a service that runs.

    Parameters
    ----------
    read, treeshap
        As in `explain_record`.

    Raises
    ------
    ExplanationError
        If there is no journal, it does not hold the decision, another bundle made it, or it is a
        fallback.
    """
    if journal is None:
        raise ExplanationError(
            "a decision is explained from the journal, and this engine has none; open it with "
            "Engine.open(..., journal=..., hash_key=...)"
        )
    if isinstance(decision, str):
        record = _newest(journal, decision)
    else:
        record = _newest(journal, decision.transaction_id)
        if msgspec.json.decode(record.decision, type=Decision) != decision:
            raise ExplanationError(
                f"transaction {decision.transaction_id[:80]!r} was decided anew, with other "
                "content; explain the newest decision about it, by its id"
            )
    return explain_record(bundle, record, read=read, treeshap=treeshap)


def explain_record(
    bundle: Bundle,
    record: DecisionRecord,
    *,
    read: ReadWindows | None = None,
    treeshap: TreeShapValues | None = None,
) -> Explanation:
    """Explain a decision as a journal holds it.

    Parameters
    ----------
    read : callable, optional
        `StateStore.read` of a store that holds what the order saw, to tell exactly when windows
        clear.

    Raises
    ------
    ExplanationError
        If another bundle made the decision, it is a fallback, or it does not come out again.
    """
    decision = msgspec.json.decode(record.decision, type=Decision)
    if decision.versions.bundle != bundle.version:
        raise ExplanationError(
            f"transaction {record.transaction_id!r} must be explained with bundle "
            f"{decision.versions.bundle}, which decided it, got {bundle.version}; "
            "name the folder of that version"
        )
    if DEADLINE in decision.degraded:
        raise ExplanationError(
            f"transaction {record.transaction_id!r} must have a score to be explained, and it got "
            f"{decision.action} by the policy's fallback: there was no time for one; see "
            "[fallback] in the policy"
        )
    values = np.frombuffer(record.features, "<f8").astype(np.float64)
    cost = decision.expected_cost_minor
    query = _query(record, window_plan(bundle.features))

    def clears_at(clearing: WindowClearing) -> int | None:
        if read is None:
            return None
        with suppress(StoreError):
            return clears_at_ms(clearing, read, query, values)
        return None

    explained = explain_row(
        bundle,
        values,
        amount_minor=None if cost is None else record.amount_minor,
        can_challenge=was_challengeable(decision),
        missing=[name for name in decision.degraded if name != RATES],
        segment=decision.segment,
        own_costs=decision.own_costs,
        shaped_by=decision.shaped_by,
        transaction_id=record.transaction_id,
        time_ms=record.event_time_ms,
        clears_at=clears_at,
        treeshap=treeshap,
    )
    if (explained.raw_score, explained.action) != (decision.raw_score, decision.action):
        raise ExplanationError(
            f"transaction {record.transaction_id!r} must come out as it was decided, "
            f"{decision.action} at raw score {decision.raw_score!r}, got {explained.action} at "
            f"{explained.raw_score!r}; was the journal altered?"
        )
    return explained


def explain_journalled(
    bundle: Bundle,
    journal: Journal,
    transaction_id: str,
    *,
    treeshap: TreeShapValues | None = None,
) -> Explanation:
    """Explain the newest decision about a transaction from a journal alone.

    The journal is read up to that decision, to know what the order saw.

    Raises
    ------
    ExplanationError
        If the journal has no decision about it, another bundle made it, or it is a fallback.
    """
    wanted = _newest(journal, transaction_id)
    plan = window_plan(bundle.features)
    store = MemoryStore(plan)
    past = Past(bundle.features, plan, store, bundle.rates.reference_currency)
    for record in journal.records():
        if record == wanted:
            break
        past.restore(record)
    return explain_record(bundle, wanted, read=store.read, treeshap=treeshap)


def _newest(journal: Journal, transaction_id: str) -> DecisionRecord:
    record = journal.last_decision(transaction_id)
    if record is None:
        raise ExplanationError(
            f"transaction {transaction_id[:80]!r} must be in the journal, which has no decision "
            "about it; is it the journal of the service that decided it?"
        )
    return record


def _query(record: DecisionRecord, plan: WindowPlan) -> NDArray[np.int64]:
    return plan.event_row(
        event_id(record.transaction_id),
        record.event_time_ms,
        record.received_at_ms,
        NO_AMOUNT if record.amount_minor is None else record.amount_minor,
        [record.entities.get(name, NO_KEY) for name in plan.hashed],
    )
