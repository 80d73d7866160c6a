"""The drawn plane is what the decider says at every point of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Breaker, Policy, Prices
from fraudkit.decisions.segments import CutOffs, Segment
from fraudkit.decisions.tuning.decision_regions import decision_regions_table
from fraudkit.decisions.tuning.orders import tuning_orders
from tests.decisions.tuning.test_tuner import shop, tuned

share = st.floats(0.0, 1.0)
stated_begins = st.lists(st.none() | share, min_size=3, max_size=3).filter(
    lambda held: held != [None] * 3
)
cut_offs = stated_begins.map(
    lambda held: CutOffs(**dict(zip(CutOffs.__struct_fields__, ascending(held), strict=True)))
)
costs = st.builds(
    Costs, review_cost_minor=st.integers(0, 3_000), review_detection_share=share,
    challenge_fraud_dropout_share=share, challenge_honest_dropout_share=share,
    challenge_liability_shift_share=share,
)  # fmt: skip


def ascending(begins: list[float | None]) -> list[float | None]:
    stated = iter(sorted(begin for begin in begins if begin is not None))
    return [None if begin is None else next(stated) for begin in begins]


def regions(policy: Policy, orders: dict[str, Any]) -> pl.DataFrame:
    known = tuning_orders(
        policy, orders["y"], orders["p"], orders["amount_minor"], orders["event_time"],
        None, orders["columns"], (), support_frauds=30,
    )  # fmt: skip
    return decision_regions_table(known, policy)


def policies(**whole: Any) -> st.SearchStrategy[Policy]:
    segment = st.builds(
        Segment,
        name=st.just("wallets"),
        when=st.just({"payment.method": ("wallet",)}),
        odds_factor=st.none() | st.floats(0.05, 20.0),
        never_decline=st.booleans(),
    )
    return st.builds(Policy, costs=costs, segments=segment.map(lambda held: (held,)), **whole)


@settings(max_examples=25, deadline=None)
@given(
    policy=policies(
        odds_factor=st.floats(0.05, 20.0),
        prices=st.builds(Prices, review_minor=st.floats(0.0, 2_000.0)),
    )
    | policies(cut_offs=cut_offs),
    seed=st.integers(0, 10**6),
    data=st.data(),
)
def test_each_point_is_what_the_decider_says(policy: Policy, seed: int, data: Any) -> None:
    orders = shop(300, seed)
    if not 0 < orders["y"].sum() < 300:
        return
    table = regions(policy, orders)
    decider = Decider(policy)
    for row in table.sample(400, seed=data.draw(st.integers(0, 99))).rows(named=True):
        held = decider.of_values(
            row["probability"], row["amount_minor"], segment=row["segment"],
            can_challenge=row["segment"] is None,
        )  # fmt: skip
        begins = {r.action: r.from_probability for r in held.ranges}
        # Where two actions cost the same to the last bit, rounding decides.
        if min(abs(row["probability"] - begin) for begin in begins.values()) > 1e-12:
            assert row["action"] == held.action
            assert row["from_probability"] == begins[held.action]


def test_the_grid_is_whole_and_sorted() -> None:
    orders = shop(4_000, 1)
    table = tuned(orders, segments=["billing.country"]).decision_regions_
    assert table["segment"].unique(maintain_order=True).to_list()[0] is None
    amounts, probabilities = table["amount_minor"].unique(), table["probability"].unique()
    assert len(probabilities) == 121
    assert len(table) == table["segment"].n_unique() * len(amounts) * 121
    low, high = np.quantile(orders["amount_minor"], [0.005, 0.995])
    assert [amounts.min(), amounts.max()] == pytest.approx([low, high], rel=0.01)
    log_odds = np.log(np.sort(probabilities) / (1.0 - np.sort(probabilities)))
    assert np.diff(log_odds) == pytest.approx(np.full(120, np.diff(log_odds)[0]))
    for _key, part in table.group_by("segment", "amount_minor", maintain_order=True):
        assert part["probability"].is_sorted()
        break


def test_six_segments_with_most_frauds_are_drawn() -> None:
    orders = shop(4_000, 3)
    countries = [f"C{place % 8}" for place in range(4_000)]
    orders["columns"]["billing.country"] = countries
    segments = tuple(Segment(name=f"c{n}", when={"billing.country": (f"C{n}",)}) for n in range(8))
    table = regions(Policy(segments=segments), orders)
    names = table["segment"].unique(maintain_order=True).to_list()
    frauds = {
        f"c{n}": sum(y for y, c in zip(orders["y"], countries, strict=True) if c == f"C{n}")
        for n in range(8)
    }
    most = sorted(frauds, key=lambda name: -frauds[name])[:6]
    assert names == [None, *most]


def test_a_plane_needs_more_than_one_amount_and_no_breaker() -> None:
    orders = shop(500, 3) | {"amount_minor": np.full(500, 9_000.0)}
    table = regions(Policy(breaker=Breaker(decline_share_max=0.0, orders=10)), orders)
    assert table["amount_minor"].n_unique() > 50
    assert (table["amount_minor"].min(), table["amount_minor"].max()) == (4_500, 18_000)
    assert "decline" in table["action"]
