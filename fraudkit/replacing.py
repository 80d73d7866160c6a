"""Another bundle made ready beside an engine that goes on deciding.

Invariant: nothing that the engine holds is changed before `Replacement.finish`, and that cannot
fail where the store is of this process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from time import sleep
from typing import Final, NamedTuple

from fraudkit.deciding import DecidingBundle, deciding_bundle, plan_of
from fraudkit.errors import InputError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import StateStore
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.noted import NotedDecisions
from fraudkit.past import Past
from fraudkit.scoring.bundle import Bundle

__all__ = ["Held", "MadeOf", "Replacement"]

_LEFT_MAX: Final = 64
"""Of what is written meanwhile, so many records may be left to the engine's lock."""

_PAUSE_EVERY: Final = 64
_PAUSE_S: Final = 0.0005


class MadeOf(NamedTuple):
    """What every bundle of one engine is made ready with."""

    store: Callable[[WindowPlan], StateStore]
    identifier_hash: IdentifierHash
    enrichment: Enrichment | None


class Held(NamedTuple):
    """What an engine holds of one bundle, and exchanges as one."""

    deciding: DecidingBundle
    store: StateStore
    past: Past


class Replacement:
    """A bundle that is made ready to take the place of another.

    Parameters
    ----------
    bundle : Bundle
    before : Held
        What decides until then.
    made_of : MadeOf
    noted : NotedDecisions or None
        Of the engine's journal, from which windows and counts are filled.

    Attributes
    ----------
    now : Held
        What takes the place.

    Raises
    ------
    fraudkit.errors.PolicyError
        If the policy must not be used.
    fraudkit.errors.InputError
        If the bundle's windows cannot be filled.
    """

    def __init__(
        self, bundle: Bundle, before: Held, made_of: MadeOf, noted: NotedDecisions | None
    ) -> None:
        plan = plan_of(bundle)
        store, past = before.store, before.past
        is_same = plan.is_same(before.deciding.plan)
        if not is_same:
            _check_fillable(plan, before, has_journal=noted is not None)
            store = made_of.store(plan)
            past = Past(bundle.features, plan, store, bundle.rates.reference_currency)
        deciding = deciding_bundle(bundle, plan, store, made_of.identifier_hash, made_of.enrichment)
        self.now = Held(deciding, store, past)
        self._before = before
        self._fills_windows = not is_same and not store.outlives_process
        is_counted = deciding.decider.is_counted_by(before.deciding.decider)
        self._counts_anew = noted is not None and not is_counted
        self._noted = noted
        self._followed: deque[Record] = deque()
        self._is_done = False

    def make_ready(self, lock: Lock) -> None:
        """Fill what is new from the journal, and load what the first order would wait for.

        Parameters
        ----------
        lock : Lock
            Which the engine decides under.
        """
        if self._noted is not None and (self._fills_windows or self._counts_anew):
            with lock:
                self._followed = self._noted.follow()
                records = self._noted.records()
            self._replay(records)
        self.now.deciding.warm_up()

    def catch_up(self) -> None:
        """Take in what was written meanwhile, but for a few records."""
        while len(self._followed) > _LEFT_MAX:
            self._replay(self._followed.popleft() for _ in range(len(self._followed)))

    def finish(self) -> None:
        """Take in the rest, and what waits to be written; to be called under the lock."""
        decider, earlier = self.now.deciding.decider, self._before.deciding.decider
        if self._noted is not None:
            for record in (*self._followed, *self._noted.waiting):
                self._restore(record)
            self._noted.name_entities(self.now.deciding.bundle.features.entity_names)
        if not self._counts_anew:
            decider.count_on_from(earlier)
        self.now.past.go_on_from(self._before.past)
        self._is_done = True

    def close(self) -> None:
        """Follow the journal no longer, and let go of the store that is not needed."""
        if self._noted is not None:
            self._noted.unfollow()
        if self.now.store is not self._before.store:
            (self._before if self._is_done else self.now).store.close()

    def _replay(self, records: Iterable[Record]) -> None:
        """Take in what was written; other threads get their turn."""
        for number, record in enumerate(records):
            self._restore(record)
            if number % _PAUSE_EVERY == 0:
                sleep(_PAUSE_S)

    def _restore(self, record: Record) -> None:
        if self._fills_windows:
            self.now.past.restore(record)
        if self._counts_anew and isinstance(record, DecisionRecord):
            self.now.deciding.decider.recall(record.decision, record.event_time_ms)


def _check_fillable(plan: WindowPlan, before: Held, *, has_journal: bool) -> None:
    """Raise unless the past of other windows can be had while orders are decided."""
    if before.store.outlives_process:
        if plan.layout != before.deciding.plan.layout:
            raise InputError(
                "the bundle's windows must be those that the shared store holds, they are of "
                "another layout and would begin without a past; fill the store for them with "
                "store.load (docs/redis.md), then restart what serves"
            )
    elif not has_journal:
        raise InputError(
            "the bundle's windows must be those of the bundle in force, or there must be a "
            "journal to fill them from, and there is none; open the engine with a journal, or anew"
        )
