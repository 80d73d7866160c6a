"""When a source is left alone, against the words of its class."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraudkit.circuit_breaker import CircuitBreaker

PAUSE_S = 1.0
SLOW_S = 0.05
answers = st.tuples(st.floats(0.0, 3.0), st.none() | st.floats(0.0, 0.2))


def is_to_be_asked(history: list[tuple[float, float | None]], now_s: float) -> bool:
    """Say so the slow way; a history is of when an answer came and how long it took."""
    n_slow, open_until_s = 0, float("-inf")
    for at_s, took_s in history:
        if took_s is not None and took_s <= SLOW_S:
            n_slow = 0
        elif took_s is None or n_slow >= 1:
            n_slow, open_until_s = 2, at_s + PAUSE_S
        else:
            n_slow = 1
    return now_s >= open_until_s


@given(calls=st.lists(answers, max_size=30))
def test_a_source_is_left_alone_after_a_failure_and_after_two_slow_answers(
    calls: list[tuple[float, float | None]],
) -> None:
    now_s = [0.0]
    breaker = CircuitBreaker(
        retry_after_ms=1_000 * PAUSE_S, slow_ms=1_000 * SLOW_S, monotonic_s=lambda: now_s[0]
    )
    history: list[tuple[float, float | None]] = []
    for wait_s, took_s in calls:
        now_s[0] += wait_s
        assert breaker.is_open is not is_to_be_asked(history, now_s[0])
        if breaker.is_open:
            continue
        history.append((now_s[0], took_s))
        if took_s is None:
            breaker.failed()
        else:
            breaker.answered(took_s)


def test_a_source_that_stays_slow_costs_one_wait_for_each_pause() -> None:
    now_s, waited_s = [0.0], 0.0
    breaker = CircuitBreaker(retry_after_ms=1_000, slow_ms=50, monotonic_s=lambda: now_s[0])
    while now_s[0] < 20.0:
        if not breaker.is_open:
            now_s[0] += 0.1
            waited_s += 0.1
            breaker.answered(0.1)
        now_s[0] += 0.01
    assert 0.1 * 18 <= waited_s <= 0.1 * 21
