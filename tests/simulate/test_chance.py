from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.simulate.chance import Delay, Draw

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.floats(0.1, 1e3), st.floats(0, 3), st.floats(0.1, 1e3))
def test_no_delay_is_longer_than_the_most_or_shorter_than_a_millisecond(
    seed: int, median: float, spread: float, most: float
) -> None:
    delay = Delay(median, spread, most, "h")
    assert 1 <= Draw(np.random.default_rng(seed)).delay_ms(delay) <= most * 3_600_000


@given(SEEDS, st.integers(-5, 5), st.integers(0, 9))
def test_whole_numbers_lie_between_both_ends(seed: int, low: int, width: int) -> None:
    assert low <= Draw(np.random.default_rng(seed)).whole(low, low + width) <= low + width


@given(SEEDS, st.lists(st.floats(0.1, 9), min_size=1, max_size=9))
def test_an_index_is_one_of_the_shares(seed: int, weights: list[float]) -> None:
    cumulative = [total / sum(weights) for total in accumulate(weights)]
    assert 0 <= Draw(np.random.default_rng(seed)).index(cumulative) < len(weights)


@given(SEEDS)
def test_what_has_no_share_is_never_drawn(seed: int) -> None:
    draw = Draw(np.random.default_rng(seed))
    assert draw.weighted((("never", 0.0), ("always", 1.0))) == "always"
    assert draw.indices(np.array([0.0, 2.0, 0.0]), 3) == [1, 1, 1]


@given(SEEDS, st.integers(0, 20), st.integers(0, 20))
def test_a_sample_holds_different_numbers_in_order(seed: int, total: int, count: int) -> None:
    found = Draw(np.random.default_rng(seed)).sample(total, count)
    assert len(found) == min(total, count)
    assert found == sorted(set(found))
    assert set(found) <= set(range(total))


def test_half_of_the_delays_are_shorter_than_the_median() -> None:
    draw = Draw(np.random.default_rng(1))
    drawn = [draw.delay_ms(Delay(10, 0.6, 1000, "s")) for _ in range(4_000)]
    assert 0.47 < sum(wait < 10_000 for wait in drawn) / len(drawn) < 0.53


def test_tokens_are_a_prefix_and_sixteen_letters_of_base_32() -> None:
    draw = Draw(np.random.default_rng(1))
    tokens = {draw.token("card") for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 21 for token in tokens)
    assert set("".join(tokens)) <= set("abcdefghijklmnopqrstuvwxyz234567_")
