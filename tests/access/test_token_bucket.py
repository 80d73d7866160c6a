"""The limit admits what an exact oracle admits, and nothing more."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from fraudkit.access import TokenBucket

RATES_MILLI = st.one_of(st.integers(1, 5_000), st.integers(1, 10**9))
BURSTS = st.one_of(st.integers(1, 4), st.integers(1, 10**6))
PAUSES_NS = st.lists(
    st.one_of(st.just(0), st.integers(0, 5 * 10**9), st.integers(0, 10**15)), max_size=60
)


def admitted_by_oracle(rate: Fraction, burst: int, times_ns: list[int]) -> list[bool]:
    """Fill and empty the bucket in fractions, from the first request to the last."""
    level, before, admitted = Fraction(burst), times_ns[0] if times_ns else 0, []
    for now in times_ns:
        level = min(Fraction(burst), level + rate * Fraction(now - before, 10**9))
        before = now
        admitted.append(level >= 1)
        level -= admitted[-1]
    return admitted


def times_of(pauses_ns: list[int]) -> list[int]:
    times, now = [], 7
    for pause in pauses_ns:
        now += pause
        times.append(now)
    return times


@given(RATES_MILLI, BURSTS, PAUSES_NS)
def test_it_admits_what_the_oracle_admits(
    rate_milli: int, burst: int, pauses_ns: list[int]
) -> None:
    bucket = TokenBucket(rate_milli / 1000, burst)
    times = times_of(pauses_ns)
    admitted = [bucket.take(now) == 0 for now in times]
    assert admitted == admitted_by_oracle(Fraction(rate_milli, 1000), burst, times)


@given(st.integers(1, 5_000), st.integers(1, 4), PAUSES_NS)
def test_no_interval_has_more_than_the_burst_and_the_rate(
    rate_milli: int, burst: int, pauses_ns: list[int]
) -> None:
    bucket = TokenBucket(rate_milli / 1000, burst)
    times = [now for now in times_of(pauses_ns) if bucket.take(now) == 0]
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            lasted_s = Fraction(times[last] - start, 10**9)
            assert last - first + 1 <= burst + Fraction(rate_milli, 1000) * lasted_s


@given(RATES_MILLI, BURSTS, PAUSES_NS, st.integers(0, 10**10))
def test_after_the_wait_that_it_tells_there_is_a_token_and_not_before(
    rate_milli: int, burst: int, pauses_ns: list[int], last_pause_ns: int
) -> None:
    times = times_of([*pauses_ns, last_pause_ns])

    def waits(then_ns: int | None) -> int:
        bucket = TokenBucket(rate_milli / 1000, burst)
        told = [bucket.take(now) for now in times][-1]
        return told if then_ns is None else bucket.take(times[-1] + then_ns)

    wait_ns = waits(None)
    assert wait_ns >= 0
    if wait_ns:
        assert waits(wait_ns) == 0
        assert waits(wait_ns - 1) == 1


def test_a_clock_that_goes_back_gives_nothing_and_breaks_nothing() -> None:
    bucket = TokenBucket(1.0, 1)
    assert bucket.take(10 * 10**9) == 0
    assert bucket.take(5 * 10**9) == 10**9
    assert bucket.take(6 * 10**9) == 0
    assert bucket.take(6 * 10**9) == 10**9
