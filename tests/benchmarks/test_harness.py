import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness import Lane, do_nothing, percentile, percentiles, take_turns

samples = st.lists(st.integers(0, 10**12), min_size=1, max_size=200)


@given(samples, st.floats(0.001, 1.0))
def test_a_percentile_is_the_least_sample_with_so_many_at_or_below_it(
    values: list[int], share: float
) -> None:
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@given(samples)
def test_percentiles_are_in_microseconds_and_rise(values: list[int]) -> None:
    figures = percentiles("way", values)
    assert list(figures) == ["way_us_p50", "way_us_p90", "way_us_p99", "way_us_p99_9"]
    assert list(figures.values()) == sorted(figures.values())
    assert figures["way_us_p99_9"] * 1000 <= max(values) * (1 + 1e-12)


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 25), st.integers(0, 99))
def test_each_lane_takes_each_order_once_in_order_and_prepared(
    first: int, count: int, block: int, seed: int
) -> None:
    walked: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    prepared: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    lanes = {name: Lane(walked[name].append, prepared[name].append) for name in walked}
    places = range(first, first + count)
    taken = take_turns(lanes, places, block=block, generator=np.random.default_rng(seed))
    assert all(walked[name] == prepared[name] == list(places) for name in walked)
    assert {name: len(times) for name, times in taken.items()} == dict.fromkeys(walked, count)


def test_no_lane_is_ever_more_than_a_block_ahead() -> None:
    done = {"a": 0, "b": 0}

    def run(name: str) -> None:
        done[name] += 1
        assert abs(done["a"] - done["b"]) <= 5

    lanes = {name: Lane(lambda _, name=name: run(name), do_nothing) for name in done}
    take_turns(lanes, range(32), block=5, generator=np.random.default_rng(0))
    assert done == {"a": 32, "b": 32}


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_the_percentile_of_one_sample_is_that_sample(share: float) -> None:
    assert percentile([7], share) == 7
