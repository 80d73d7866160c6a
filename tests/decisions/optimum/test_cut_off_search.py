"""The cheapest places of three cut-offs, against all places there are."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.decisions.optimum import cut_off_search
from fraudkit.decisions.optimum.cut_off_search import Sums, cheapest_places, least_excess


def made_up(seed: int, n_places: int, *, can_challenge: bool, is_rising: bool) -> Sums:
    """Return sums of whole numbers, which add up without rounding."""
    rng = np.random.default_rng(seed)
    cost, excess = (
        rng.integers(-30, 31, (3, n_places)).astype(np.float64) for _ in range(2)
    )  # fmt: skip
    lowest = rng.integers(0, n_places, n_places)
    if is_rising:
        cost, excess = cost.cumsum(axis=1), excess.cumsum(axis=1)
        lowest = np.minimum(np.sort(lowest), np.arange(n_places))
    return Sums(
        cost, excess, float(rng.integers(-9, 9)), float(rng.integers(-20, 60)), lowest,
        (rng.random(n_places) < 0.8) & (lowest <= np.arange(n_places)), can_challenge,
    )  # fmt: skip


@pytest.mark.parametrize("table_max", [2**12, 4])
@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_places=st.integers(1, 14),
    can_challenge=st.booleans(),
    is_rising=st.booleans(),
)
def test_no_places_within_the_limits_are_cheaper(
    table_max: int, seed: int, n_places: int, *, can_challenge: bool, is_rising: bool
) -> None:
    sums = made_up(seed, n_places, can_challenge=can_challenge, is_rising=is_rising)
    allowed = [
        sums.at(places)
        for places in combinations_with_replacement(range(n_places), 3)
        if sums.is_allowed[places[2]]
        and sums.review_lowest[places[2]] <= places[1]
        and (can_challenge or places[0] == places[1])
    ]
    if not allowed:
        return
    assert least_excess(sums).excess == min(found.excess for found in allowed)
    within = [found.cost for found in allowed if found.excess <= 0.0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cut_off_search, "_TABLE_MAX", table_max)
        found = cheapest_places(sums)
    if not within:
        assert found is None
        return
    assert found is not None
    assert found.gap == 0.0
    assert found in allowed
    assert found.excess <= 0.0
    assert found.cost == min(within)
