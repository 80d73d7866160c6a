"""Precision and recall against counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.decisions.tuning.orders import tuning_orders
from fraudkit.decisions.tuning.precision_recall import precision_recall_table
from tests.decisions.tuning.test_tuner import shop, tuned

FIGURES = ("precision", "recall", "value_precision", "value_recall")

one_order = st.tuples(
    st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), st.integers(0, 500),
    st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 3),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(one_order, min_size=2, max_size=25))
def test_each_point_is_what_counting_by_hand_gives(rows: list[Any]) -> None:
    frauds = [row[0] for row in rows]
    if all(frauds) or not any(frauds):
        return
    y, p, amount, weight, actions = (np.array(column) for column in zip(*rows, strict=True))
    orders = tuning_orders(
        Policy(), y.astype(float), p, amount, np.arange(len(y)), weight, {}, (), support_frauds=1
    )
    table = precision_recall_table(orders, actions)
    cuts = table.filter(table["point"] == "cut")
    assert cuts["threshold"].to_list() == sorted(set(p.tolist()), reverse=True)
    for row in table.rows(named=True):
        if row["point"] == "cut":
            stopped = p >= row["threshold"]
        else:
            stopped = actions >= ACTIONS.index(row["point"])
        naive = (*naive_figures(y, stopped, weight), *naive_figures(y, stopped, weight * amount))
        for name, expected in zip(FIGURES, naive, strict=True):
            assert row[name] == (None if expected is None else pytest.approx(expected)), name


def naive_figures(y: Any, stopped: Any, weight: Any) -> tuple[float | None, float | None]:
    caught = sum(w for w, fraud, s in zip(weight, y, stopped, strict=True) if fraud and s)
    held = sum(w for w, s in zip(weight, stopped, strict=True) if s)
    frauds = sum(w for w, fraud in zip(weight, y, strict=True) if fraud)
    return caught / held if held else None, caught / frauds if frauds else None


def test_there_are_at_most_500_cuts_from_the_highest_to_the_lowest() -> None:
    tuner = tuned(shop(8_000, 1))
    table = tuner.precision_recall_
    cuts = table.filter(table["point"] == "cut")
    assert 300 < len(cuts) <= 500
    assert (np.diff(cuts["threshold"].to_numpy()) < 0.0).all()
    assert (np.diff(cuts["recall"].to_numpy()) >= 0.0).all()
    assert np.diff(cuts["recall"].to_numpy()).max() < 0.02
    assert cuts["recall"][-1] == cuts["value_recall"][-1] == 1.0
    assert table["point"].to_list()[-3:] == ["decline", "review", "challenge"]
    assert table["threshold"].to_list()[-3:] == [None] * 3
    assert (np.diff(table["recall"].to_numpy()[-3:]) >= 0.0).all()


def test_the_dots_are_the_tuned_policys() -> None:
    orders = shop(3_000, 4)
    tuner = tuned(orders)
    rates = {row["figure"]: row["value"] for row in tuner.rates_.to_dicts()}
    (declined,) = tuner.precision_recall_.filter(
        tuner.precision_recall_["point"] == "decline"
    ).to_dicts()
    stopped = rates["decline_share"] * 3_000
    assert declined["precision"] * stopped == pytest.approx(declined["recall"] * orders["y"].sum())
