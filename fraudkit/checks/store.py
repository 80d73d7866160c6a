"""`check_store`: proves any implementation of `fraudkit.features.state.StateStore`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

import numpy as np
from msgspec import Struct

from fraudkit.checks import stories
from fraudkit.checks.erased_story import erased
from fraudkit.checks.report import CheckReport, CheckResult
from fraudkit.checks.scene import WIDTHS_MS, Scene
from fraudkit.checks.steps import Step, Walk, first_difference, least_steps, lines_of
from fraudkit.errors import CheckFailed, InputError
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    FeatureSet,
    OperationName,
    OrderFeature,
    Where,
)
from fraudkit.features.spec_checks import OPERATIONS_OF
from fraudkit.features.state import ALLOWED_LATENESS_MS, StateStore

__all__ = ["STORE_CHECKS", "StoreCheck", "check_store"]

_ENTITIES: Final = (
    Entity(name="card", inputs=("payment.card.fingerprint",)),
    Entity(name="email", inputs=("email.address",)),
    Entity(name="country", inputs=("billing.country",)),
)
_EVERY_OPERATION: Final[tuple[OperationName, ...]] = (
    "count", "sum", "mean", "min", "max", "std", "distinct", "seconds_since_last",
    "seconds_since_first", "share", "amount_over_mean", "amount_over_max", "count_same_amount",
    "count_same", "is_new", "seconds_since_same",
)  # fmt: skip


def _windows(
    operations: tuple[OperationName, ...], wheres: tuple[Where, ...], max_events: int
) -> FeatureSet:
    """Return every operation of every entity, width and condition, after an order feature."""
    amount = OrderFeature(
        name="amount",
        inputs=("reference_amount_minor",),
        compute=float,
        unit="minor units",
        meaning="The amount",
        reason_code="AMOUNT",
        low=0.0,
        high=float("inf"),
    )
    windows = [
        Aggregation(
            name=f"{entity}_{operation}_{where}_{width_ms or 'retention'}",
            entity=entity,
            operation=operation,
            window_ms=width_ms,
            where=where,
            of="country" if operation in OPERATIONS_OF else None,
            unit="as the operation's",
            meaning=f"{operation} of {entity}",
            reason_code="CHECKED",
        )
        for entity, operation, where, width_ms in product(
            ("card", "email"), operations, wheres, (*WIDTHS_MS[:-1], None)
        )
    ]
    return FeatureSet(
        _ENTITIES, [amount, *windows], max_events=max_events, retention_ms=WIDTHS_MS[-1]
    )


_COUNTS: Final = _windows(("count", "sum"), ("attempted",), 1000)
_FEW: Final = _windows(("count", "sum"), ("attempted",), 3)
_KNOWN: Final = _windows(("count",), ("attempted", "fraud", "declined_soft"), 1000)
_EVERYTHING: Final = _windows(_EVERY_OPERATION, ("attempted", "fraud", "refunded"), 1000)
_EVERYTHING_OF_FEW: Final = _windows(_EVERY_OPERATION, ("attempted", "fraud"), 4)


class StoreCheck(Struct, frozen=True, kw_only=True):
    """One named check of a store.

    Attributes
    ----------
    name : str
        What it is called in reports and errors.
    rule : str
        The clause of the contract, as a sentence.
    story : callable
        Takes a `fraudkit.checks.scene.Scene`, returns the steps that bring it to the point.
    features : FeatureSet
        The windows that are compared.
    watches_arrays, watches_counters : bool
        See `fraudkit.checks.steps.Walk`.
    streams_max : int
        The most streams that are walked, where one is long and the next says the same.
    """

    name: str
    rule: str
    story: Callable[[Scene], list[Step]]
    features: FeatureSet = _COUNTS
    watches_arrays: bool = False
    watches_counters: bool = False
    streams_max: int = 1_000_000


STORE_CHECKS: Final = (
    StoreCheck(
        name="an event counts once",
        rule="An event id counts once, as it was first taken in, however often it comes.",
        story=stories.twice,
    ),
    StoreCheck(
        name="no event is lost",
        rule="Every event that was taken in counts.",
        story=stories.many,
    ),
    StoreCheck(
        name="no order is in its own past",
        rule="An order does not count for itself, also when it is asked about again.",
        story=stories.own_past,
    ),
    StoreCheck(
        name="ties in event time are invisible",
        rule="Events of the same millisecond do not see each other, whichever came first.",
        story=stories.tied_in_event_time,
    ),
    StoreCheck(
        name="ties in receipt are invisible",
        rule="An event is seen from the first millisecond after it was received.",
        story=stories.tied_in_receipt,
    ),
    StoreCheck(
        name="windows are half open",
        rule="A window of width W at t holds t - W and t - 1 ms, but not t - W - 1 ms nor t.",
        story=stories.at_the_edges,
    ),
    StoreCheck(
        name="late events stand where they belong",
        rule="An event within the allowed lateness counts by its own time.",
        story=stories.late,
    ),
    StoreCheck(
        name="what is too late is left out",
        rule="An event beyond the allowed lateness is not taken in, and counted.",
        story=stories.too_late,
    ),
    StoreCheck(
        name="what counts is kept",
        rule="An event is kept as long as an order within the allowed lateness may see it.",
        story=stories.old,
    ),
    StoreCheck(
        name="delivery in any order",
        rule="A value does not depend on the order in which events came.",
        story=stories.delivered_in_any_order,
    ),
    StoreCheck(
        name="the newest max_events",
        rule="A window looks at the newest max_events events of a key, late ones among them.",
        story=stories.hot_key,
        features=_FEW,
    ),
    StoreCheck(
        name="reads change nothing",
        rule="A read leaves no trace, whatever it asks about.",
        story=stories.only_read,
        watches_counters=True,
    ),
    StoreCheck(
        name="outcomes count once known",
        rule="An outcome counts from the first millisecond after it was known.",
        story=stories.reported_with_a_time,
        features=_KNOWN,
    ),
    StoreCheck(
        name="the earliest known time stands",
        rule="Of an outcome that is reported again the earliest time counts.",
        story=stories.reported_twice,
        features=_KNOWN,
    ),
    StoreCheck(
        name="an outcome may come first",
        rule="An outcome waits for its event; the earliest time counts.",
        story=stories.outcome_first,
        features=_KNOWN,
    ),
    StoreCheck(
        name="many outcomes may wait",
        rule="Outcomes wait for their events, however many there are.",
        story=stories.plenty_waiting,
        features=_KNOWN,
    ),
    StoreCheck(
        name="a repeat brings nothing",
        rule="What an event that comes again brings along is not taken in.",
        story=stories.repeated_with_an_outcome,
        features=_KNOWN,
    ),
    StoreCheck(
        name="exchange reads, then appends",
        rule="An exchange is a read and then an append; one that is not waited for is not lost.",
        story=stories.exchanged,
    ),
    StoreCheck(
        name="load is many appends",
        rule="A bulk load is the same as appending its rows one by one.",
        story=stories.loaded,
        features=_KNOWN,
    ),
    StoreCheck(
        name="forget takes out",
        rule="A forgotten event counts no more; what was told of it, and is not unsaid, waits.",
        story=stories.forgotten,
        features=_KNOWN,
    ),
    StoreCheck(
        name="erase takes out for good",
        rule="An erased event counts no more, and nothing that was told of it waits.",
        story=erased,
        features=_KNOWN,
    ),
    StoreCheck(
        name="no key, no value",
        rule="Without a key all windows of an entity are NaN; a key never seen counts 0.",
        story=stories.without_keys,
    ),
    StoreCheck(
        name="entities do not mix",
        rule="The same hash under two entities is two keys.",
        story=stories.same_hashes,
    ),
    StoreCheck(
        name="counters tell",
        rule="The counters say what is held, what came again, what was too late, what waits.",
        story=stories.counted,
        features=_KNOWN,
    ),
    StoreCheck(
        name="arrays stay the caller's",
        rule="A store copies what it is given and writes only the windows' columns of `out`.",
        story=stories.mixed,
        watches_arrays=True,
    ),
    StoreCheck(
        name="a restart changes nothing",
        rule="What a store keeps beyond its process it knows after a restart.",
        story=stories.restarted,
        features=_KNOWN,
    ),
    StoreCheck(
        name="every operation equals the contract's",
        rule="Every operation under every condition equals plain Python's answer with ==.",
        story=stories.mixed,
        features=_EVERYTHING,
    ),
    StoreCheck(
        name="every operation of a hot key",
        rule="So it does where a key has more than max_events events.",
        story=stories.mixed,
        features=_EVERYTHING_OF_FEW,
    ),
    StoreCheck(
        name="many events are held",
        rule="Every event of a large load counts, of a key the newest max_events.",
        story=stories.plenty,
        streams_max=1,
    ),
)
"""Every check of a store, simplest first: a store fails the one that says what is wrong."""


def check_store(
    make_store: Callable[[WindowPlan], StateStore],
    *,
    allowed_lateness_ms: int = ALLOWED_LATENESS_MS,
    reopen: Callable[[StateStore], StateStore] | None = None,
    streams: int = 10,
    seed: int = 0,
) -> CheckReport:
    """Prove that a store holds the contract of `fraudkit.features.state.StateStore`.

    Streams of events, questions and outcomes are walked by a new store and by the contract in
    plain Python, and every answer must be equal, floats with ``==``.

    Parameters
    ----------
    make_store : callable
        Takes a `fraudkit.features.plan.WindowPlan`, returns a store that holds nothing. It is
        called some hundred times; each store is closed.
    allowed_lateness_ms : int
        What the stores are made with. At least 0.
    reopen : callable or None
        Takes a store that was closed and returns one over what it held; needed where
        ``outlives_process`` is true.
    streams : int
        How many random streams each check walks.
    seed : int
        Of the streams; the same seed walks the same ones.

    Returns
    -------
    CheckReport
        Every check, all of which held.

    Raises
    ------
    CheckFailed
        At the first check that does not hold. It names the check and shows the fewest steps
        that make the store fail.

    Examples
    --------
    >>> from fraudkit.stores.memory import MemoryStore
    >>> report = check_store(MemoryStore, streams=1)
    >>> report.results[0].check
    'an event counts once'
    """
    results, subject = [], ""
    for check in STORE_CHECKS:
        walk = Walk(
            check.features,
            window_plan(check.features),
            make_store,
            reopen,
            allowed_lateness_ms,
            check.watches_arrays,
            check.watches_counters,
        )
        subject = subject or _subject(walk)
        tried = min(streams, check.streams_max)
        results.append(_result(check, walk, subject, tried, seed))
    return CheckReport(subject=subject, results=tuple(results))


def _subject(walk: Walk) -> str:
    store = walk.make_store(walk.plan)
    name, needs_reopen = type(store).__name__, store.outlives_process
    store.close()
    if needs_reopen and walk.reopen is None:
        raise InputError(
            f"check_store must be told how to open {name} again, as it outlives its process, "
            "got no `reopen`; pass a function from the closed store to a new one"
        )
    return name


def _result(check: StoreCheck, walk: Walk, subject: str, streams: int, seed: int) -> CheckResult:
    if check.story is stories.restarted and walk.reopen is None:
        return CheckResult(
            check=check.name, rule=check.rule, tried="not tried: it ends with its process"
        )
    n_steps = 0
    for stream in range(streams):
        rng = np.random.default_rng([seed, stream])
        steps = check.story(Scene(rng, walk.allowed_lateness_ms))
        found = first_difference(walk, steps)
        if found is not None:
            least, shown = least_steps(walk, steps, found)
            raise CheckFailed(
                subject,
                check.name,
                check.rule,
                expected=shown.expected,
                received=shown.received,
                shown_by=lines_of(least, walk.features),
            )
        n_steps += len(steps)
    tried = f"{streams} streams, {n_steps} steps"
    return CheckResult(check=check.name, rule=check.rule, tried=tried)
