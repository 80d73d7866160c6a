"""The limit admits what an exact oracle admits, and nothing more."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from fraudkit.access import TokenBucket

RATES_MILLI = st.one_of(st.integers(1, 5_000), st.integers(1, 10**9))
BURSTS = st.integers(1, 4)
PAUSES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 250, 500, 999, 1000, 1001, 2000, 9000]), st.integers(0, 2)),
    min_size=4,
    max_size=60,
)
"""Each in thousandths of the time in which a token comes back, and nanoseconds more."""


def admitted_by_oracle(rate: Fraction, burst: int, times_ns: list[int]) -> list[bool]:
    """Fill and empty the bucket in fractions, from the first request to the last."""
    level, before, admitted = Fraction(burst), times_ns[0] if times_ns else 0, []
    for now in times_ns:
        level = min(Fraction(burst), level + rate * Fraction(now - before, 10**9))
        before = now
        admitted.append(level >= 1)
        level -= admitted[-1]
    return admitted


def times_of(pauses: list[tuple[int, int]], rate_milli: int) -> list[int]:
    times, now = [], 7
    for thousandths, more_ns in pauses:
        now += thousandths * 10**9 // rate_milli + more_ns
        times.append(now)
    return times


@given(RATES_MILLI, st.one_of(BURSTS, st.just(10**6)), PAUSES)
@example(1001, 1, [(0, 0), (0, 0), (1000, 1), (0, 0)])  # 1.001 * 1000 is below 1001 as a float
def test_it_admits_what_the_oracle_admits(
    rate_milli: int, burst: int, pauses: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate_milli / 1000, burst)
    times = times_of(pauses, rate_milli)
    admitted = [bucket.take(now) == 0 for now in times]
    assert admitted == admitted_by_oracle(Fraction(rate_milli, 1000), burst, times)


@given(RATES_MILLI, BURSTS, PAUSES)
def test_no_interval_has_more_than_the_burst_and_the_rate(
    rate_milli: int, burst: int, pauses: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate_milli / 1000, burst)
    times = [now for now in times_of(pauses, rate_milli) if bucket.take(now) == 0]
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            lasted_s = Fraction(times[last] - start, 10**9)
            assert last - first + 1 <= burst + Fraction(rate_milli, 1000) * lasted_s


@given(RATES_MILLI, BURSTS, PAUSES)
def test_after_the_wait_that_it_tells_there_is_a_token_and_not_before(
    rate_milli: int, burst: int, pauses: list[tuple[int, int]]
) -> None:
    times = times_of(pauses, rate_milli)

    def emptied() -> tuple[TokenBucket, int]:
        bucket = TokenBucket(rate_milli / 1000, burst)
        for now in times:
            bucket.take(now)
        waits = [bucket.take(times[-1]) for _ in range(burst + 1)]
        return bucket, waits[-1]

    (in_time, wait_ns), (too_soon, _) = emptied(), emptied()
    assert wait_ns > 0
    assert in_time.take(times[-1] + wait_ns) == 0
    assert too_soon.take(times[-1] + wait_ns - 1) == 1


def test_a_clock_that_goes_back_gives_nothing_and_breaks_nothing() -> None:
    bucket = TokenBucket(1.0, 1)
    assert bucket.take(10 * 10**9) == 0
    assert bucket.take(5 * 10**9) == 10**9
    assert bucket.take(6 * 10**9) == 0
    assert bucket.take(6 * 10**9) == 10**9
