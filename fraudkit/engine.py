"""`Engine`: the library's front door, put together from a bundle, a store and a journal.

`fraudkit.orders` is the road of an order; here is who may walk it when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from fraudkit.deciding import IsLate, deciding_bundle, in_time, plan_of
from fraudkit.domain.decision import Decision, Versions
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext, Recommendation
from fraudkit.domain.transaction import Transaction
from fraudkit.erasure import Erasure
from fraudkit.errors import InputError
from fraudkit.explanation.journalled import explain_decision
from fraudkit.explanation.row import TreeShapValues
from fraudkit.explanation.values import Explanation
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import OrderFeature
from fraudkit.features.state import StateStore, StoreCounters
from fraudkit.input_checks import refuse_future
from fraudkit.journal.record import Journal
from fraudkit.noted import Noted, NotedDecisions
from fraudkit.orders import Orders
from fraudkit.past import Past
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.ranking import recommend
from fraudkit.replacing import Held, MadeOf, Replacement
from fraudkit.scoring.bundle import Bundle, load_bundle
from fraudkit.scoring.signature import TrustedKeys
from fraudkit.stores.memory import MemoryStore

__all__ = ["Engine"]

_PROCESS_KEY: Final = b"fraudkit: no journal, hashes stay in this process"


class Engine:
    """Scores transactions, learns from outcomes, recommends payment methods.

    Make one with `Engine.open`. Safe to use from several threads: orders are decided one at a
    time, each seeing all before it.

    Examples
    --------
    >>> import fraudkit as fk
    >>> engine = fk.Engine.open("models/current")
    >>> transaction = fk.decode_transaction(b'''{
    ...   "transaction_id": "t1", "event_time": "2026-03-01T12:00:00+01:00",
    ...   "order": {"amount_minor": 4999, "currency": "EUR"}}''')
    >>> engine.score(transaction).action in ("approve", "challenge", "review", "decline")
    True
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        catalog: PaymentCatalog,
        journal: Journal | None = None,
        store: Callable[[WindowPlan], StateStore] = MemoryStore,
        hash_key: bytes = _PROCESS_KEY,
        enrichment: Enrichment | None = None,
    ) -> None:
        features, plan = bundle.features, plan_of(bundle)
        self._catalog = catalog
        self._journal = journal
        windows = store(plan)
        past = Past(features, plan, windows, bundle.rates.reference_currency)
        identifier_hash = self._hash = IdentifierHash(hash_key)
        self._made_of = MadeOf(store, identifier_hash, enrichment)
        deciding = deciding_bundle(bundle, plan, windows, identifier_hash, enrichment)
        self._noted = None
        if journal is not None:
            self._noted = NotedDecisions(journal, features.entity_names, identifier_hash)
        self._orders = Orders(Held(deciding, windows, past), self._noted)
        self._lock = Lock()
        self._replacing = Lock()
        if journal is not None:
            self._orders.restore(journal)
        deciding.warm_up()

    @classmethod
    def open(  # noqa: PLR0913 - what an engine is made of
        cls,
        bundle: str | Path,
        *,
        journal: Journal | None = None,
        store: Callable[[WindowPlan], StateStore] = MemoryStore,
        hash_key: bytes | None = None,
        catalog: PaymentCatalog | None = None,
        enrichment: Enrichment | None = None,
        own_features: Iterable[OrderFeature] = (),
        trusted_keys: TrustedKeys | None = None,
        unsupported: Literal["refuse", "lightgbm"] = "refuse",
    ) -> Engine:
        """Open a bundle and, with a journal, rebuild the windows from it.

        Parameters
        ----------
        bundle : path
            A bundle's folder, or a file that names one, such as ``models/current``.
        journal : Journal, optional
            Where every transaction, decision and outcome is written before it is acknowledged.
            Without one nothing outlives the process.
        store : callable
            Makes the windows' store for a plan: `MemoryStore`, or for several workers
            ``lambda plan: RedisStore(plan, url)``. One that outlives the process is not filled
            from the journal again.
        hash_key : bytes, optional
            The merchant's secret for identifiers, 16 to 64 bytes; needed with a journal.
        catalog : PaymentCatalog, optional
            Payment methods; fraudkit's own if none is given.
        enrichment : Enrichment, optional
            The sources of derived fields; the kept lists of mail domains if none is given. One
            that the model was trained with and that is not there stands in
            `Decision.degraded`.
        own_features : iterable of OrderFeature
            The features of your own classes that the bundle was trained with.
        trusted_keys : TrustedKeys, optional
            Then only a bundle that one of them signed is opened; see
            `fraudkit.scoring.signature.trusted_keys`.
        unsupported : {"refuse", "lightgbm"}
            What to do with a model of a kind that the kernel does not score; see
            `fraudkit.scoring.bundle.load_bundle`.

        Raises
        ------
        fraudkit.errors.BundleError, fraudkit.errors.PolicyError
            If the bundle, or its policy, must not be used.
        fraudkit.errors.JournalError
            If the journal cannot be used.
        """
        if journal is not None and hash_key is None:
            raise InputError("hash_key must be given with a journal: it outlives the process")
        if hash_key is not None and not 16 <= len(hash_key) <= 64:
            raise InputError(f"hash_key must be 16 to 64 bytes, got {len(hash_key)}")
        return cls(
            load_bundle(
                Path(bundle), own_features, trusted_keys=trusted_keys, unsupported=unsupported
            ),
            catalog=PaymentCatalog.default() if catalog is None else catalog,
            journal=journal,
            store=store,
            hash_key=_PROCESS_KEY if hash_key is None else hash_key,
            enrichment=enrichment,
        )

    def score(
        self, transaction: Transaction, *, now_ms: int | None = None, is_late: IsLate = in_time
    ) -> Decision:
        """Decide one transaction, and remember it for those that follow.

        It is in the journal when this returns. A transaction that was decided before gets the
        decision that stands.

        Parameters
        ----------
        now_ms : int, optional
            When it was received, UTC epoch milliseconds. If given, an event time more than five
            minutes later is refused: it would make every honest order late.
        is_late : callable
            Says that no time is left; then the policy's fallback decides, without waiting.

        Raises
        ------
        fraudkit.errors.InvalidField
            If the event time lies in the future.
        fraudkit.errors.TransactionConflict
            If the journal holds other content under its id.
        fraudkit.errors.JournalError
            If it cannot be journalled; then it is not remembered either.
        """
        with self._lock:
            noted = self._orders.decide(transaction, now_ms, is_late)
            self._orders.write()
        return noted.settled

    def decide(
        self, transaction: Transaction, *, now_ms: int | None = None, is_late: IsLate = in_time
    ) -> Noted:
        """Decide as `score` does; it is in the journal, and may be answered, after `write`."""
        with self._lock:
            return self._orders.decide(transaction, now_ms, is_late)

    def write(self) -> None:
        """Write all decisions that wait to the journal, in one commit; or forget them and raise."""
        with self._lock:
            self._orders.write()

    def record(self, outcome: Outcome, *, now_ms: int | None = None) -> bool:
        """Take in an outcome, once; an outcome may come before its transaction.

        Returns ``False`` where the journal holds an outcome of this id already; without a journal
        always ``True``.

        Parameters
        ----------
        now_ms : int, optional
            As of `score`; an outcome that was available more than five minutes later is refused.

        Raises
        ------
        fraudkit.errors.InvalidField
            If it lies in the future, or its id was recorded with other content.
        fraudkit.errors.JournalError
            If it cannot be journalled; then it is not used either.
        """
        if now_ms is not None:
            refuse_future("/available_at", outcome.available_at, now_ms)
        with self._lock:
            return self._orders.record(outcome, now_ms)

    def recommend(self, context: PaymentContext, *, now_ms: int | None = None) -> Recommendation:
        """Return the payment methods to show, ranked, and why the others are left out.

        ``now_ms`` is the day whose catalogue holds; the catalogue's own day if none is given.
        """
        day_ms = self._catalog.as_of_ms if now_ms is None else now_ms
        return recommend(context, self._catalog, now_ms=day_ms)

    def explain(
        self, decision: Decision | str, *, treeshap: TreeShapValues | None = None
    ) -> Explanation:
        """Return why an order was decided so, and what would have decided it otherwise.

        Takes up to a second; other orders are decided meanwhile.

        Parameters
        ----------
        decision : Decision or str
            A decision, or the id of a transaction: the newest decision about it.
        treeshap : callable, optional
            A `fraudkit.scoring.trees.treeshap.TreeShap`; its values then stand beside ours.

        Raises
        ------
        fraudkit.errors.ExplanationError
            If there is no journal, or it holds no decision that this bundle's score made.
        """
        with self._lock:
            bundle, store = self.bundle, self._orders.held.store

        def read(query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
            with self._lock:
                store.read(query, out)

        return explain_decision(bundle, self._journal, decision, read=read, treeshap=treeshap)

    def replace(self, bundle: Bundle, *, commit: Callable[[], object] = lambda: None) -> None:
        """Decide by another bundle from now on; other threads go on deciding meanwhile.

        Each order is decided by one bundle alone, what limits count goes on, and the windows
        stay, or are filled from the journal where the new features have others. Where this
        raises, nothing is changed.

        Parameters
        ----------
        bundle : Bundle
            As `fraudkit.scoring.bundle.load_bundle` gives it.
        commit : callable
            Called when all is ready, just before. Where it raises, nothing is changed.

        Raises
        ------
        fraudkit.errors.PolicyError
            If the bundle's policy must not be used.
        fraudkit.errors.InputError
            If its windows cannot be filled: there is no journal, or the store outlives the
            process and does not hold them.
        fraudkit.errors.JournalError
            If the journal cannot be read.
        """
        with self._replacing:
            made = Replacement(bundle, self._orders.held, self._made_of, self._noted)
            try:
                made.make_ready(self._lock)
                commit()
                made.catch_up()
                with self._lock:
                    made.finish()
                    self._orders.held = made.now
            finally:
                made.close()

    @property
    def bundle(self) -> Bundle:
        """The bundle that decides."""
        return self._orders.held.deciding.bundle

    @property
    def versions(self) -> Versions:
        """What decides."""
        return self._orders.held.deciding.versions

    @property
    def erasure(self) -> Erasure:
        """What removes the orders of one customer, or old ones, from journal and windows."""
        return Erasure(
            self._journal,
            self.bundle.features,
            self._hash,
            lambda: self._orders.held.past,
            lock=self._lock,
            alone=self._replacing,
            write=self._orders.write_on,
        )

    @property
    def counters(self) -> StoreCounters:
        """What the windows' store holds and let go."""
        with self._lock:
            return self._orders.held.store.counters

    def close(self) -> None:
        """Close the store and the journal."""
        with self._lock:
            self._orders.held.store.close()
            if self._journal is not None:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
