"""Proof of parity on a shop's own traffic: served rows, computed again offline and compared.

The journal says what was seen, when it was received and what the row was. The windows are
computed again from the journal alone; the order features from the shop's own data, where it is
given, since no journal holds what they are made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.decision import Action, InputWarning
from fraudkit.domain.decoding import decode_outcome
from fraudkit.domain.money import RateTable
from fraudkit.domain.outcome import DECISION_STATUS, Status, statuses_of
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.keys import event_id
from fraudkit.features.offline import order_rows
from fraudkit.features.offline_windows import window_columns
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import ALLOWED_LATENESS_MS
from fraudkit.features.window_arrays import EVENT_ID, NO_AMOUNT, NO_KEY
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.past import STORE, TOO_LATE_WARNING

__all__ = ["Mismatch", "Verification", "verify_rows"]

_EXAMPLES_MAX: Final = 20


class Mismatch(Struct, frozen=True, kw_only=True):
    """A served value that is not what it is when computed again."""

    transaction_id: str
    feature: str
    served: float
    recomputed: float


class Verification(Struct, frozen=True, kw_only=True):
    """What came of holding served rows against the same rows computed again.

    Attributes
    ----------
    rows_served : int
        Decisions in the journal.
    rows_sampled : int
        Of these, how many were drawn.
    rows_other_features, rows_degraded : int
        Of those drawn, how many cannot be compared: another feature set made them, or the store
        could not be reached.
    rows_compared, rows_with_order_features : int
        How many were; and of these, how many with their order features too.
    values_compared, values_differing : int
        Values of all compared rows; two NaN are equal.
    differing_by_feature : dict[str, int]
        Feature → values that differ, the most first.
    examples : tuple of Mismatch
        The first few.
    """

    rows_served: int
    rows_sampled: int
    rows_other_features: int
    rows_degraded: int
    rows_compared: int
    rows_with_order_features: int
    values_compared: int
    values_differing: int
    differing_by_feature: dict[str, int]
    examples: tuple[Mismatch, ...]


class _Served(Struct):
    """What is read of a journalled decision."""

    action: Action
    currency: str
    degraded: tuple[str, ...] = ()
    warnings: tuple[InputWarning, ...] = ()


class _History(NamedTuple):
    """What a journal holds.

    Attributes
    ----------
    records : list of DecisionRecord
        In the order in which they were written.
    events : ndarray of int64, shape (n_records, n_columns)
        Their events, with the "known at" times of all the journal.
    is_degraded : ndarray of bool, shape (n_records,)
        Whether the windows were unknown when the row was served.
    """

    records: list[DecisionRecord]
    events: NDArray[np.int64]
    is_degraded: NDArray[np.bool_]


def verify_rows(
    journal: Iterable[Record],
    features: FeatureSet,
    rates: RateTable,
    *,
    generator: np.random.Generator,
    sample_rows: int | None = None,
    frame: pl.DataFrame | None = None,
    enrichment: Enrichment | None = None,
    allowed_lateness_ms: int = ALLOWED_LATENESS_MS,
) -> Verification:
    """Compute a sample of served rows again, and compare with ``==``.

    Parameters
    ----------
    journal : iterable of Record
        All of it, in the order in which it was written.
    features : FeatureSet
        That of the bundle that served.
    rates : RateTable
        Of the bundle.
    generator : numpy.random.Generator
        Draws the sample.
    sample_rows : int, optional
        How many rows are drawn; all if not given.
    frame : polars.DataFrame, optional
        The orders in the vocabulary; without it only windows are compared. Of an order that was
        served with different contents they are not: a file holds but one.
    enrichment : Enrichment, optional
        The sources that the service had; the default ones if not given.
    allowed_lateness_ms : int
        Of the store that served.

    Notes
    -----
    The windows are what a store computes that has let nothing go by capacity; see the store's
    counters.
    """
    plan = window_plan(features)
    history = _history(journal, plan, rates.reference_currency)
    n_served = len(history.records)
    n_drawn = n_served if sample_rows is None else min(sample_rows, n_served)
    drawn = np.sort(generator.choice(n_served, n_drawn, replace=False))
    version = features.digest[:16]
    is_ours = np.array([history.records[row].features_version == version for row in drawn], bool)
    kept = drawn[is_ours & ~history.is_degraded[drawn]]
    recomputed = window_columns(
        history.events, history.events[kept], plan, allowed_lateness_ms=allowed_lateness_ms
    )
    served = np.array(
        [np.frombuffer(history.records[row].features, "<f8") for row in kept], np.float64
    ).reshape(len(kept), plan.n_out)
    is_compared = np.zeros(served.shape, np.bool_)
    is_compared[:, plan.first_out :] = True
    ids = [history.records[row].transaction_id for row in kept]
    times_served = Counter(record.transaction_id for record in history.records)
    n_whole = 0
    if frame is not None:
        once = frame.filter(pl.col("transaction_id").replace_strict(times_served, default=0) == 1)
        places, values = _order_values(once, ids, features, rates, enrichment)
        recomputed[places, : plan.first_out] = values
        is_compared[places, : plan.first_out] = True
        n_whole = len(places)
    differs = is_compared & (served != recomputed) & ~(np.isnan(served) & np.isnan(recomputed))
    counted = Counter({n: int(c) for n, c in zip(features.names, differs.sum(axis=0), strict=True)})
    return Verification(
        rows_served=n_served,
        rows_sampled=n_drawn,
        rows_other_features=int((~is_ours).sum()),
        rows_degraded=int((is_ours & history.is_degraded[drawn]).sum()),
        rows_compared=len(kept),
        rows_with_order_features=n_whole,
        values_compared=int(is_compared.sum()),
        values_differing=int(differs.sum()),
        differing_by_feature={name: n for name, n in counted.most_common() if n},
        examples=tuple(
            Mismatch(
                transaction_id=ids[row],
                feature=features.names[column],
                served=float(served[row, column]),
                recomputed=float(recomputed[row, column]),
            )
            for row, column in np.argwhere(differs)[:_EXAMPLES_MAX]
        ),
    )


def _history(journal: Iterable[Record], plan: WindowPlan, currency: str) -> _History:
    records: list[DecisionRecord] = []
    events: list[NDArray[np.int64]] = []
    is_degraded: list[bool] = []
    known: dict[tuple[int, Status], int] = {}

    def note(identifier: int, status: Status, known_at_ms: int) -> None:
        known[identifier, status] = min(known_at_ms, known.get((identifier, status), known_at_ms))

    for record in journal:
        if isinstance(record, OutcomeRecord):
            outcome = decode_outcome(record.outcome)
            for status in statuses_of(outcome):
                at_ms = max(outcome.available_at_ms, record.received_at_ms)
                note(event_id(record.transaction_id), status, at_ms)
            continue
        served = msgspec.json.decode(record.decision, type=_Served)
        is_too_late = any(warning.code == TOO_LATE_WARNING for warning in served.warnings)
        if served.action in DECISION_STATUS and not is_too_late:
            status = DECISION_STATUS[served.action]
            note(event_id(record.transaction_id), status, record.received_at_ms)
        records.append(record)
        is_known = served.currency == currency
        events.append(_event(record, plan, record.amount_minor if is_known else None))
        is_degraded.append(STORE in served.degraded)
    rows = np.array(events, np.int64).reshape(len(events), plan.n_columns)
    _fill_known_at(rows, known, plan)
    return _History(records, rows, np.array(is_degraded, np.bool_))


def _event(record: DecisionRecord, plan: WindowPlan, amount_minor: int | None) -> NDArray[np.int64]:
    return plan.event_row(
        event_id(record.transaction_id),
        record.event_time_ms,
        record.received_at_ms,
        NO_AMOUNT if amount_minor is None else amount_minor,
        [record.entities.get(name, NO_KEY) for name in plan.hashed],
    )


def _fill_known_at(
    events: NDArray[np.int64], known: Mapping[tuple[int, Status], int], plan: WindowPlan
) -> None:
    places: dict[int, list[int]] = {}
    for row, identifier in enumerate(events[:, EVENT_ID].tolist()):
        places.setdefault(identifier, []).append(row)
    for (identifier, status), known_at_ms in known.items():
        column = plan.status_column(status)
        if column is not None and identifier in places:
            events[places[identifier], column] = known_at_ms


def _order_values(
    frame: pl.DataFrame,
    ids: list[str],
    features: FeatureSet,
    rates: RateTable,
    enrichment: Enrichment | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which of the ids the frame holds, and their order features."""
    wanted = pl.DataFrame({"transaction_id": ids}, schema={"transaction_id": pl.String})
    found = wanted.with_row_index("place").join(
        frame.unique("transaction_id", keep="last"), on="transaction_id", maintain_order="left"
    )
    places = found["place"].cast(pl.Int64).to_numpy()
    return places, order_rows(found, features, rates, enrichment=enrichment)
