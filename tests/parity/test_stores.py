"""One stream through every driver: a naive oracle, memory, Redis, offline. All say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import window_plan
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import (
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    NO_AMOUNT,
    NO_KEY,
)
from fraudkit.stores.memory import MemoryStore
from tests.parity.drivers import Delivered, bytes_of, offline_answers, offline_rows
from tests.parity.windows import (
    HOUR_MS,
    LATENESS_MS,
    MINUTE_MS,
    RETENTION_MS,
    START_MS,
    differing,
    event_row,
    parity_features,
)
from tests.stores.naive import NaiveStore

if TYPE_CHECKING:
    from tests.parity.shared import SharedStores

FEATURES: Final = {max_events: parity_features(max_events) for max_events in (2, 50)}
PLANS: Final = {max_events: window_plan(features) for max_events, features in FEATURES.items()}


class Limits(NamedTuple):
    """The bounds of the embedded store; other drivers hold all that a run delivers."""

    capacity_events: int
    pending_outcomes_max: int


class Arrival(NamedTuple):
    """When something comes: ``after_ms`` after the event time of what came ``back`` before.

    The clock does not go back: what would be earlier comes at the same millisecond.
    """

    back: int
    after_ms: int


class Content(NamedTuple):
    """What an order is about, how late it comes and what is known of it when it comes."""

    late_ms: int
    amount: int
    hashes: dict[str, int]
    known_after_ms: dict[Status, int]


class Asked(NamedTuple):
    """A question for the offline driver; its place, if it is a row that was delivered."""

    query: NDArray[np.int64]
    place: int | None
    expected: NDArray[np.float64]


AMPLE: Final = Limits(500, 100)
_EDGES_MS = (MINUTE_MS, HOUR_MS, RETENTION_MS, LATENESS_MS)

ARRIVALS = st.builds(
    Arrival,
    st.integers(0, 4),
    st.sampled_from(
        [
            *(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 999),
            *[edge + beside for edge in _EDGES_MS for beside in (-1, 0, 1)],
            RETENTION_MS + LATENESS_MS + 1,
        ]
    ),
)
# The same few values in every column; 1,024 and 2,048 share slots of a table as well.
_HASHES = (1024, 1024, 1024, 2048, -(2**33), NO_KEY)
_NAMES = PLANS[2].hashed
# One choice where four would do: a run that is short to tell is long.
HASHES = st.integers(0, len(_HASHES) ** len(_NAMES) - 1).map(
    lambda choice: {
        name: _HASHES[choice // len(_HASHES) ** place % len(_HASHES)]
        for place, name in enumerate(_NAMES)
    }
)
CONTENTS = st.builds(
    Content,
    late_ms=st.sampled_from(
        [
            *(0, 0, 0, 0, 0, 0, -1, 1, 2, MINUTE_MS, MINUTE_MS + 1),
            *(LATENESS_MS - 1, LATENESS_MS, LATENESS_MS + 1, HOUR_MS),
        ]
    ),
    amount=st.sampled_from([100, 101, 0, 2**50, NO_AMOUNT]),
    hashes=HASHES,
    known_after_ms=st.sampled_from(
        [
            *[{} for _ in Status],
            *[{status: after_ms} for status in Status for after_ms in (-HOUR_MS, 0, 1)],
        ]
    ),
)
STATUSES = st.sampled_from(Status)
KNOWN_AFTER_MS = st.sampled_from([0, 0, 1, MINUTE_MS, HOUR_MS, -1, -HOUR_MS])
# The numbers of what is to come, of what came lately, and of what came long ago.
LATELY = st.integers(-2, 6) | st.integers(7, 30)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to every driver and compares all that can be seen of them.

    ``clock_ms`` is when things arrive. The offline driver answers a batch of questions at once:
    it is given what was asked and everything that came up to the cut, also after the question.
    """

    def __init__(self, shared: SharedStores | None = None) -> None:
        super().__init__()
        self.shared = shared

    @initialize(
        max_events=st.sampled_from(list(FEATURES)),
        limits=st.just(AMPLE) | st.builds(Limits, st.integers(1, 8), st.integers(1, 3)),
    )
    def start(self, max_events: int, limits: Limits) -> None:
        self.features, self.plan = FEATURES[max_events], PLANS[max_events]
        self.limits = limits if self.shared is None else AMPLE
        self.clock_ms, self.n_orders, self.n_cut, self.n_loaded = START_MS, 0, 0, 0
        self.delivered = Delivered(self.plan)
        self.batch: list[Asked] = []
        self.naive = self.new_naive()
        self.stores: dict[str, StateStore] = {"memory": self.new_memory()}
        if self.shared is not None:
            self.stores["redis"] = self.shared.new(self.plan)
            self.other_worker = self.shared.again(self.plan)

    def new_naive(self) -> NaiveStore:
        bounds = self.limits._asdict()
        return NaiveStore(self.features, self.plan, allowed_lateness_ms=LATENESS_MS, **bounds)

    def new_memory(self) -> MemoryStore:
        return MemoryStore(self.plan, allowed_lateness_ms=LATENESS_MS, **self.limits._asdict())

    @rule(
        orders=st.lists(st.tuples(ARRIVALS, CONTENTS, st.booleans()), min_size=2, max_size=6),
    )
    def score(self, orders: list[tuple[Arrival, Content, bool]]) -> None:
        """Bring new orders one by one: in time, late or too late; ask for most of them."""
        for arrival, content, is_asked in orders:
            self.wait(arrival)
            self.n_orders += 1
            self.take(self.row(self.n_orders, content), is_asked=is_asked)

    @rule(orders=st.lists(st.tuples(ARRIVALS, CONTENTS), max_size=6))
    def load(self, orders: list[tuple[Arrival, Content]]) -> None:
        """Bring new orders in one piece."""
        rows = []
        for arrival, content in orders:
            self.wait(arrival)
            self.n_orders += 1
            row = self.row(self.n_orders, content)
            self.delivered.deliver(row, self.naive.append(row))
            rows.append(row)
        for store in self.stores.values():
            store.load(np.array(rows, np.int64).reshape(-1, self.plan.n_columns))

    @precondition(lambda self: self.n_orders > 0)
    @rule(arrival=ARRIVALS, lately=LATELY, changed=st.none() | CONTENTS, is_asked=st.booleans())
    def redeliver(
        self, arrival: Arrival, lately: int, changed: Content | None, *, is_asked: bool
    ) -> None:
        """Bring an order again, just as it was or changed in everything but its id."""
        number = self.number(max(lately, 0))
        again = [row for row, _ in self.delivered.rows if row[EVENT_ID] == event_id(number)]
        self.wait(arrival)
        row = again[0].copy() if again and changed is None else None
        if row is None and changed is not None:
            row = self.row(number, changed)
        if row is not None and self.is_current(number):
            row[AVAILABLE_AT] = self.clock_ms
            self.take(row, is_asked=is_asked)

    @rule(lately=LATELY, status=STATUSES, after_ms=KNOWN_AFTER_MS)
    def record(self, lately: int, status: Status, after_ms: int) -> None:
        """Make something known, before or after the order came, as of earlier, now or later."""
        number, known_at_ms = self.number(lately), self.clock_ms + after_ms
        if not self.is_current(number):
            return
        if after_ms < 0:
            self.cut()
        expected = self.naive.record(event_id(number), status, known_at_ms)
        self.delivered.record(event_id(number), status, known_at_ms)
        for name, store in self.stores.items():
            assert store.record(event_id(number), status, known_at_ms) is expected, name

    @rule(lately=LATELY, unknown=CONTENTS)
    def erase(self, lately: int, unknown: Content) -> None:
        """Take an order out for good, or one that has not come."""
        number = self.number(lately)
        if self.is_current(number):
            self.cut()
            delivered = (row for row, _ in self.delivered.rows if row[EVENT_ID] == event_id(number))
            row = next(delivered, self.row(number, unknown)).copy()
            self.delivered.erase(event_id(number))
            self.n_cut = len(self.delivered.rows)
            assert len({held.erase(row) for held in (self.naive, *self.stores.values())}) == 1

    @rule(lately=LATELY)
    def forget(self, lately: int) -> None:
        """Take an order out again, or one that has not come."""
        number = self.number(lately)
        if not self.is_current(number):
            return
        self.cut()
        self.delivered.forget(event_id(number))
        self.n_cut = len(self.delivered.rows)
        said = [store.forget(event_id(number)) for store in (self.naive, *self.stores.values())]
        assert len(set(said)) == 1

    @rule(
        arrival=ARRIVALS,
        lately=LATELY,
        content=CONTENTS,
        ahead_ms=st.sampled_from([0, 0, 0, -1, -MINUTE_MS, HOUR_MS]),
    )
    def ask(self, arrival: Arrival, lately: int, content: Content, ahead_ms: int) -> None:
        """Ask without an order, as of now or as of another time."""
        self.wait(arrival)
        query = self.row(self.number(lately), content)
        query[AVAILABLE_AT] += ahead_ms
        expected = self.answer(query)
        for name in self.stores.keys() & self.comparable(query):
            held, values = bytes_of(self.stores[name]), self.empty()
            self.stores[name].read(query, values)
            self.compare(name, values, expected)
            assert bytes_of(self.stores[name]) == held, name

    @precondition(lambda self: len(self.delivered.rows) > self.n_loaded + 4)
    @rule()
    def restart(self) -> None:
        """Start the process anew: what was in its memory is loaded from what was accepted."""
        if self.shared is not None:
            self.stores.pop("redis").close()
            self.stores["redis"] = self.shared.again(self.plan)
        waiting, self.n_loaded = self.naive.waiting, len(self.delivered.rows)
        accepted = np.array(self.delivered.accepted(), np.int64).reshape(-1, self.plan.n_columns)
        memory = self.new_memory()
        self.naive, self.stores["memory"] = self.new_naive(), memory
        self.naive.load(accepted)
        memory.load(accepted)
        for identifier, outcomes in waiting.items():
            for outcome in outcomes:
                found = self.naive.record(identifier, *outcome)
                assert memory.record(identifier, *outcome) is found

    @precondition(lambda self: self.shared is not None)
    @rule()
    def hand_over(self) -> None:
        """Let the other of two workers that share a store go on, once the first is done."""
        worker = self.stores["redis"]
        assert worker.counters.duplicates >= 0
        self.stores["redis"], self.other_worker = self.other_worker, worker

    @precondition(lambda self: len(self.batch) > 3)
    @rule()
    def cut(self) -> None:
        """Give the offline driver what was asked since the last cut, as one batch."""
        events, first = self.delivered.everything(), self.n_cut
        answers = offline_answers(events, [query for query, _, _ in self.batch], self.plan)
        rows = offline_rows(events, first, self.plan)
        for answer, (_, place, expected) in zip(answers, self.batch, strict=True):
            self.compare("offline", answer, expected)
            if place is not None:
                self.compare("offline, as a row", rows[place - first], expected)
        self.batch, self.n_cut = [], len(events)

    @invariant()
    def memory_holds_and_counts_the_same(self) -> None:
        if hasattr(self, "naive"):
            counters = self.stores["memory"].counters
            assert counters == self.naive.counters
            if self.limits is AMPLE:
                assert counters.evicted_by_capacity == counters.outcomes_dropped == 0

    def teardown(self) -> None:
        if hasattr(self, "naive"):
            self.cut()
            for store in self.stores.values():
                store.close()
            if self.shared is not None:
                self.other_worker.close()

    def wait(self, arrival: Arrival) -> None:
        rows = self.delivered.rows
        since_ms = int(rows[-1 - arrival.back % len(rows)][0][EVENT_TIME]) if rows else START_MS
        self.clock_ms = max(self.clock_ms, since_ms + arrival.after_ms)

    def number(self, lately: int) -> int:
        return max(1, self.n_orders - lately)

    def row(self, number: int, content: Content) -> NDArray[np.int64]:
        return event_row(
            self.plan,
            event_id(number),
            self.clock_ms - content.late_ms,
            available_at_ms=self.clock_ms,
            amount=content.amount,
            hashes=content.hashes,
            known_at_ms={
                status: self.clock_ms + after_ms
                for status, after_ms in content.known_after_ms.items()
            },
        )

    def take(self, row: NDArray[np.int64], *, is_asked: bool) -> None:
        """Append a row to every driver, asking first or not, and compare."""
        comparable, place = self.comparable(row), len(self.delivered.rows)
        expected = self.answer(row, place) if is_asked else self.empty()
        appended = self.naive.append(row)
        for name, store in self.stores.items():
            values = self.empty()
            found = store.exchange(row, values) if is_asked else store.append(row)
            assert found is appended, name
            if name in comparable:
                self.compare(name, values, expected)
        self.delivered.deliver(row, appended)

    def answer(self, query: NDArray[np.int64], place: int | None = None) -> NDArray[np.float64]:
        """Return the oracle's answer; the offline driver is to give it at the next cut."""
        expected = self.empty()
        self.naive.read(query, expected)
        if "offline" in self.comparable(query):
            self.batch.append(Asked(query, place, expected))
        return expected

    def comparable(self, query: NDArray[np.int64]) -> set[str]:
        """Return the drivers that hold all that a query can see.

        The embedded store holds what the oracle holds, always. The others are asked as of now,
        within the allowed lateness, while nothing was let go that they would have kept.
        """
        is_now = query[AVAILABLE_AT] == self.clock_ms
        is_in_time = query[EVENT_TIME] >= self.naive.newest_ms - LATENESS_MS
        if self.limits is AMPLE and is_now and is_in_time:
            return {"memory", "redis", "offline"}
        return {"memory"}

    def is_current(self, number: int) -> bool:
        """Whether an id is held or never was: drivers let an old id go at their own times."""
        was_held = event_id(number) in self.delivered.accepted_ids
        is_held = self.naive.find(event_id(number)) is not None
        return is_held or not was_held or self.limits is not AMPLE

    def empty(self) -> NDArray[np.float64]:
        return np.full(self.plan.n_out, np.nan)

    def compare(
        self, name: str, values: NDArray[np.float64], expected: NDArray[np.float64]
    ) -> None:
        assert np.isnan(values[: self.plan.first_out]).all(), name
        assert differing(self.plan, self.features, values, expected) == {}, name


def event_id(number: int) -> int:
    """Return ids of which many share a slot of a table; no tie is settled by arrival."""
    return (number if number % 3 else -number) << 20


# A run of the machine is up to forty steps, of up to six orders each.
MACHINE: Final = settings(max_examples=80, stateful_step_count=40)


def test_memory_and_offline_say_what_the_oracle_says() -> None:
    run_state_machine_as_test(StoreMachine, settings=MACHINE)


def test_every_driver_says_the_same_of_every_stream(shared_stores: SharedStores) -> None:
    run_state_machine_as_test(lambda: StoreMachine(shared_stores), settings=MACHINE)
