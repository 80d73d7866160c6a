"""A source that hangs, asked with a time limit."""

from __future__ import annotations

import time
from threading import Event

import pytest

from fraudkit.enrichment.bounded import Bounded
from fraudkit.errors import InputError, StoreError
from fraudkit.features.enrichment import Enrichment, IpFacts
from fraudkit.features.guarded_sources import guarded, guards_of

SLACK_S = 0.2  # for a machine that others share


class HangingSource:
    """Answers once it is let go."""

    name, version = "a far service", "7"

    def __init__(self) -> None:
        self.is_let_go = Event()
        self.asked: list[str] = []

    def facts(self, ip_address: str) -> IpFacts | None:
        self.asked.append(ip_address)
        self.is_let_go.wait(30)
        if ip_address == "bad":
            raise KeyError(ip_address)
        return IpFacts(country="SE")


def test_a_source_that_hangs_costs_its_time_once_and_then_nothing() -> None:
    source = HangingSource()
    bounded = Bounded(source, timeout_ms=50)
    began_s = time.monotonic()
    with pytest.raises(StoreError, match=r"must answer within 50 ms\. Got no answer; see"):
        bounded.facts("a")
    assert 0.05 <= time.monotonic() - began_s < 0.05 + SLACK_S
    began_s = time.monotonic()
    for _ in range(100):
        with pytest.raises(StoreError, match="no answer yet to an earlier question"):
            bounded.facts("b")
    assert time.monotonic() - began_s < SLACK_S
    assert source.asked == ["a"]
    source.is_let_go.set()
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            # An answer that came too late is no answer to the next question.
            assert bounded.facts("c") == IpFacts(country="SE")
        except StoreError:
            time.sleep(0.01)
        else:
            break
    assert source.asked[-1] == "c"


def test_what_the_source_raises_is_told_without_what_was_asked() -> None:
    source = HangingSource()
    source.is_let_go.set()
    bounded = Bounded(source, timeout_ms=10_000)
    with pytest.raises(StoreError, match=r"a far service must answer\. Got KeyError") as told:
        bounded.facts("bad")
    assert "bad" not in str(told.value)
    assert bounded.facts("good") == IpFacts(country="SE")
    assert (bounded.name, bounded.version) == ("a far service", "7")


def test_its_limit_is_what_counts_as_slow() -> None:
    source = HangingSource()
    source.is_let_go.set()
    (guard,) = guards_of(guarded(Enrichment(ip=Bounded(source, timeout_ms=70))))
    assert guard._budget_s == 0.07


@pytest.mark.parametrize("timeout_ms", [0.0, -1.0, float("nan")])
def test_a_limit_is_above_0(timeout_ms: float) -> None:
    with pytest.raises(InputError, match="timeout_ms must be above 0"):
        Bounded(HangingSource(), timeout_ms=timeout_ms)
