"""Requests and their deadlines: the header, the arithmetic, and a process that was held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.domain.decision import Decision
from fraudkit.engine import Engine
from fraudkit.features.state import Appended
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from service import examples
from service.app import create_app
from service.deadlines import RESERVE_MS_MAX, Deadlines
from service.refusals import Answer
from service.settings import Settings
from tests.service.asking import error_of, get, in_process, order_with, post

HELD_UP_S = 0.6
SLACK_S = 0.25  # for a machine that others share


@given(
    longest_ms=st.integers(1, 60_000),
    waits_ms=st.none() | st.integers(1, 60_000),
    after_ms=st.floats(0.0, 70_000.0),
)
def test_a_request_is_late_where_less_than_the_reserve_is_left(
    longest_ms: int, waits_ms: int | None, after_ms: float
) -> None:
    now_s = [1_000.0]
    headers = {} if waits_ms is None else {b"x-deadline-ms": b"%d" % waits_ms}
    is_late = Deadlines(longest_ms, clock_s=lambda: now_s[0]).of(headers)
    assert not isinstance(is_late, Answer)
    assert not is_late()
    deadline_ms = longest_ms if waits_ms is None else min(waits_ms, longest_ms)
    reserve_ms = min(RESERVE_MS_MAX, deadline_ms / 2)
    left_ms = deadline_ms - after_ms
    now_s[0] += after_ms / 1000
    assert is_late() is (left_ms <= reserve_ms) or abs(left_ms - reserve_ms) < 1e-6


@pytest.mark.parametrize(
    "value", [b"0", b"60001", b"-5", b"1.5", b"", b" 5", b"1e3", b"ten", b"\xb2", b"0" * 6]
)
def test_a_header_that_does_not_hold_is_refused(bundle: Path, value: bytes) -> None:
    refused = Deadlines(300).of({b"x-deadline-ms": value})
    assert isinstance(refused, Answer)
    app = create_app(Settings(), engine=Engine.open(bundle))
    request = httpx.Request(
        "POST",
        "http://service/v1/score",
        content=order_with(),
        headers=[(b"x-deadline-ms", value)],
    )
    (response,) = in_process(app, request)
    error = error_of(response)
    assert (response.status_code, error["code"]) == (400, "invalid_header")
    assert error["expected"] == "x-deadline-ms of 1 to 60,000 whole milliseconds"


def decision_of(response: httpx.Response) -> Decision:
    assert response.status_code == 200
    return msgspec.json.decode(response.content, type=Decision)


async def slowly() -> AsyncIterator[bytes]:
    """Send an order's body 30 ms after its head."""
    await asyncio.sleep(0.03)
    yield order_with()


def test_an_order_without_time_gets_the_fallback_and_is_counted(
    bundle: Path, tmp_path: Path
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
    app = create_app(Settings(deadline_ms=60_000), engine=engine, journal=journal)
    late = httpx.Request(
        "POST", "http://service/v1/score", content=slowly(), headers={"x-deadline-ms": "20"}
    )
    decision = decision_of(in_process(app, late)[0])
    assert (decision.degraded, decision.action) == (("deadline",), "review")
    assert (decision.fraud_probability, decision.shaped_by) == (None, ("fallback",))
    again, explained, metrics = in_process(
        app,
        post("/v1/score", order_with()),
        get(f"/v1/decisions/{decision.transaction_id}"),
        get("/metrics"),
    )
    assert decision_of(again) == decision
    assert explained.status_code == 409
    assert "no time for a score" in error_of(explained)["received"]
    assert 'fraudkit_degraded_total{source="deadline"} 1.0' in metrics.text
    assert 'fraudkit_decisions_total{action="review"} 1.0' in metrics.text
    engine.close()


class HeldUpStore(MemoryStore):
    """In another process that does not answer for a while, as it were."""

    n_waited = 0

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        self.n_waited += 1
        time.sleep(HELD_UP_S)
        return super().exchange(event, out)

    def exchange_at_once(
        self, event: NDArray[np.int64], _out: NDArray[np.float64]
    ) -> Appended | None:
        self.append(event)
        return None


async def asked_together(app: object, requests: list[httpx.Request]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport) as client:
        return list(await asyncio.gather(*map(client.send, requests)))


def test_what_held_up_one_order_holds_up_none_behind_it(bundle: Path, tmp_path: Path) -> None:
    made: list[HeldUpStore] = []

    def store(plan: object) -> HeldUpStore:
        made.append(HeldUpStore(plan))  # type: ignore[arg-type]
        return made[-1]

    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, store=store, hash_key=b"k" * 32)
    app = create_app(Settings(deadline_ms=300), engine=engine, journal=journal)
    outcome = msgspec.json.encode(examples.OUTCOMES["The issuer authorized it"])
    orders = [post("/v1/score", order_with(transaction_id=f"t-{n}")) for n in range(40)]
    began_s = time.monotonic()
    *decided, told = asyncio.run(asked_together(app, [*orders, post("/v1/outcomes", outcome)]))
    took_s = time.monotonic() - began_s
    assert made[0].n_waited == 1
    assert took_s < HELD_UP_S + SLACK_S
    for place, response in enumerate(decided):
        found = decision_of(response).degraded
        assert found == (("deadline",) if place == 0 else ("store", "deadline"))
    assert told.status_code == 202  # however late: it has no fallback
    assert engine.counters.events == len(orders)
    engine.close()
