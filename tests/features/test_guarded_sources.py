"""Sources of others that are slow, flap or raise: left out for a while, named, and asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.money import rate_table
from fraudkit.domain.transaction import Device, Order, Transaction
from fraudkit.errors import StoreError
from fraudkit.features.enrichment import Enrichment, IpFacts
from fraudkit.features.guarded_sources import BUDGET_MS, RETRY_AFTER_MS, guarded, guards_of
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineFeatures, OnlineRow
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import FeatureSet, OrderFeature
from fraudkit.stores.memory import MemoryStore

ANONYMOUS = IpFacts(country="NL", is_anonymous=True)


class IllSource:
    """Takes as long as it is told and raises what it is told, on a clock of its own."""

    name, version = "ill", "1"

    def __init__(self) -> None:
        self.now_s = 0.0
        self.takes_s = 0.0
        self.raises: Exception | None = None
        self.n_asked = 0

    def clock(self) -> float:
        return self.now_s

    def facts(self, _ip_address: str) -> IpFacts | None:
        self.n_asked += 1
        self.now_s += self.takes_s
        if self.raises is not None:
            raise self.raises
        return ANONYMOUS


def is_anonymous(value: object) -> float:
    return np.nan if value is None else float(bool(value))


FEATURES = FeatureSet(
    [],
    [
        OrderFeature(
            name="is_anonymous",
            inputs=("ip.is_anonymous",),
            compute=is_anonymous,
            unit="truth",
            meaning="",
            reason_code="X",
            low=0.0,
            high=1.0,
        )
    ],
)
ORDER = Transaction(
    transaction_id="t",
    event_time=datetime(2026, 3, 1, tzinfo=UTC),
    order=Order(amount_minor=1, currency="EUR"),
    device=Device(ip_address="81.2.69.160"),
)


def features_with(source: IllSource) -> OnlineFeatures:
    plan = window_plan(FEATURES)
    sources = guarded(Enrichment(ip=source), source.clock)
    hashes = IdentifierHash(b"k" * 16)
    return OnlineFeatures(FEATURES, plan, MemoryStore(plan), rate_table("EUR", {}), hashes, sources)


def told(row: OnlineRow) -> tuple[float | None, tuple[str, ...]]:
    value = float(row.values[0])
    return None if np.isnan(value) else value, row.missing


calls = st.tuples(
    st.floats(0.0, 1.5),
    st.floats(0.0, 0.06),
    st.sampled_from([None, StoreError, KeyError, OSError]),
)


@given(history=st.lists(calls, max_size=30))
def test_a_source_is_left_out_for_a_while_after_it_was_slow_or_raised(
    history: list[tuple[float, float, type[Exception] | None]],
) -> None:
    source = IllSource()
    features, left_out_until_s = features_with(source), float("-inf")
    for wait_s, takes_s, raises in history:
        source.now_s += wait_s
        source.takes_s = takes_s
        source.raises = None if raises is None else raises("ill")
        is_asked, began_s = source.now_s >= left_out_until_s, source.now_s
        row = told(features.prepare(ORDER))
        is_known = is_asked and raises is None
        assert row == ((1.0, ()) if is_known else (None, ("ip",)))
        if is_asked and (raises or source.now_s - began_s > BUDGET_MS / 1000):
            left_out_until_s = source.now_s + RETRY_AFTER_MS / 1000


def test_one_that_flaps_costs_one_wait_for_each_pause() -> None:
    source = IllSource()
    features = features_with(source)
    source.takes_s = 0.5
    for _ in range(1_000):
        features.prepare(ORDER)
        source.now_s += 0.01
    assert source.n_asked <= 10.0 / (RETRY_AFTER_MS / 1000) + 1
    source.takes_s = 0.0
    source.now_s += RETRY_AFTER_MS / 1000
    assert told(features.prepare(ORDER)) == (1.0, ())


def test_an_order_that_asks_nothing_misses_nothing() -> None:
    source = IllSource()
    features = features_with(source)
    source.raises = StoreError("ill")
    assert told(features.prepare(ORDER)) == (None, ("ip",))
    plain = Transaction(
        transaction_id="u", event_time=ORDER.event_time, order=Order(amount_minor=1, currency="EUR")
    )
    assert told(features.prepare(plain)) == (None, ())


def test_what_answers_at_once_is_not_timed() -> None:
    default = Enrichment.default()
    assert guards_of(guarded(default)) == ()
    assert guarded(default) == default
    assert [held.name for held in guards_of(guarded(Enrichment(ip=IllSource())))] == ["ill"]
    twice = guarded(guarded(Enrichment(ip=IllSource())))
    assert guards_of(twice)[0].version == "1"
    assert len(guards_of(twice)) == 1
