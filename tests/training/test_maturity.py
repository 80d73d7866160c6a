"""Label maturity: known is not enough, the order must be of age too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.outcome import Status
from fraudkit.scoring.maturity import (
    censoring,
    labels_known_before,
    last_known_ms,
    mature_labels,
    maturity_curve,
)
from fraudkit.scoring.report import LabelMaturity

DAY_MS = 86_400_000
TIMES = st.integers(0, 400 * DAY_MS)


class Labelled(NamedTuple):
    """An order; ``known_at_ms`` is ``None`` where its label is never known."""

    event_time_ms: int
    known_at_ms: int | None
    is_fraud: bool


ORDERS = st.lists(st.builds(Labelled, TIMES, st.none() | TIMES, st.booleans()), max_size=12)
DELAYS = st.none() | st.sampled_from([0.0, 0.5, 1.0, 60.0])


def frames(orders: list[Labelled]) -> tuple[pl.DataFrame, pl.DataFrame]:
    identifiers = [f"t{number}" for number in range(len(orders))]
    frame = pl.DataFrame(
        {"transaction_id": identifiers, "event_time_ms": [o.event_time_ms for o in orders]},
        schema={"transaction_id": pl.String, "event_time_ms": pl.Int64},
    )
    labels = [
        (identifier, order.is_fraud, order.known_at_ms)
        for identifier, order in zip(identifiers, orders, strict=True)
        if order.known_at_ms is not None
    ]
    schema = {"transaction_id": pl.String, "is_fraud": pl.Boolean, "known_at_ms": pl.Int64}
    return frame, pl.DataFrame(labels, schema=schema, orient="row")


@given(orders=ORDERS, delay_days=DELAYS, data=st.data())
def test_a_label_is_mature_once_it_is_known_and_its_order_is_of_age(
    orders: list[Labelled], delay_days: float | None, data: st.DataObject
) -> None:
    frame, labels = frames(orders)
    labels = labels[data.draw(st.permutations(range(len(labels))))]
    found = mature_labels(frame, labels, delay_days)
    delay_ms = int((delay_days or 0) * DAY_MS)
    assert found.rows() == [
        (f"t{number}", None, None)
        if order.known_at_ms is None
        else (
            f"t{number}",
            order.is_fraud,
            max(order.known_at_ms, order.event_time_ms + delay_ms),
        )
        for number, order in enumerate(orders)
    ]


@given(orders=ORDERS, delay_days=st.sampled_from([1.0, 60.0]), horizon_ms=TIMES)
def test_frauds_reported_early_do_not_crowd_the_young_orders(
    orders: list[Labelled], delay_days: float, horizon_ms: int
) -> None:
    frame, labels = frames(orders)
    known = mature_labels(frame, labels, delay_days).filter(pl.col("matured_at_ms") < horizon_ms)
    ages = known.join(frame, on="transaction_id")["event_time_ms"]
    assert all(time_ms + delay_days * DAY_MS < horizon_ms for time_ms in ages)


@pytest.mark.parametrize(
    ("has_label_column", "expected"), [(True, 9 * DAY_MS), (False, 5 * DAY_MS)]
)
def test_the_file_was_made_when_it_last_says_something(
    *, has_label_column: bool, expected: int
) -> None:
    frame, labels = frames([Labelled(DAY_MS, 9 * DAY_MS, is_fraud=False)])
    outcomes = pl.DataFrame({"known_at_ms": [5 * DAY_MS, 2 * DAY_MS]})
    assert last_known_ms(frame, labels, outcomes, has_label_column=has_label_column) == expected


@given(orders=ORDERS, reports=st.lists(TIMES, max_size=4), has_label_column=st.booleans())
def test_nothing_is_known_after_that(
    orders: list[Labelled], reports: list[int], *, has_label_column: bool
) -> None:
    frame, labels = frames(orders)
    outcomes = pl.DataFrame({"known_at_ms": reports}, schema={"known_at_ms": pl.Int64})
    last_ms = last_known_ms(frame, labels, outcomes, has_label_column=has_label_column)
    times = [order.event_time_ms for order in orders] + reports
    if has_label_column:
        times += labels["known_at_ms"].to_list()
    assert last_ms == max(times, default=0)


def test_before_its_report_a_fraud_counts_as_honest_once_it_is_of_age() -> None:
    labels = pl.DataFrame(
        {
            "transaction_id": ["reported", "honest", "never of age"],
            "is_fraud": [True, False, True],
            "known_at_ms": [50, 20, 50],
            "honest_at_ms": [20, 20, None],
        },
        schema_overrides={"honest_at_ms": pl.Int64},
    )
    before = labels_known_before(labels, 50)
    assert before.rows() == [
        ("reported", False, 20),
        ("honest", False, 20),
        ("never of age", False, None),
    ]
    after = labels_known_before(labels, 51)
    assert after.rows() == [
        ("reported", True, 50),
        ("honest", False, 20),
        ("never of age", True, 50),
    ]


AGES_DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180)


def curve_of_loops(
    orders: list[Labelled], horizon_ms: int, frauds_min: int = 50
) -> tuple[list[int], list[float]]:
    """Return the ages and shares of the curve, by counting."""
    frauds = [
        order
        for order in orders
        if order.is_fraud and order.known_at_ms is not None and order.known_at_ms < horizon_ms
    ]
    last = None
    for age in AGES_DAYS:
        if sum(horizon_ms - o.event_time_ms >= age * DAY_MS for o in frauds) >= frauds_min:
            last = age
    if last is None:
        return [], []
    delays = [
        o.known_at_ms - o.event_time_ms
        for o in frauds
        if o.known_at_ms is not None
        and horizon_ms - o.event_time_ms >= last * DAY_MS
        and o.known_at_ms - o.event_time_ms <= last * DAY_MS
    ]
    ages = [age for age in AGES_DAYS if age <= last] if delays else []
    return ages, [sum(d <= age * DAY_MS for d in delays) / len(delays) for age in ages]


def curve_at(orders: list[Labelled], horizon_ms: int) -> LabelMaturity:
    """Return the curve as training makes it: of orders and labels as they stood."""
    frame, labels = frames(orders)
    labels = labels.with_columns(honest_at_ms=pl.lit(None, pl.Int64))
    before = frame.filter(pl.col("event_time_ms") < horizon_ms)
    known = labels_known_before(labels, horizon_ms)
    return maturity_curve(before, known, np.zeros(len(before), np.bool_), horizon_ms)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**20),
    n_orders=st.integers(0, 400),
    slowest_days=st.sampled_from([0, 1, 7, 40, 250]),
    horizon_days=st.integers(1, 220),
    is_to_the_day=st.booleans(),
)
def test_the_curve_is_counted_over_frauds_old_enough_to_have_come_in(
    seed: int, n_orders: int, slowest_days: int, horizon_days: int, *, is_to_the_day: bool
) -> None:
    rng = np.random.default_rng(seed)
    unit = DAY_MS if is_to_the_day else 1
    times = rng.integers(0, 200 * DAY_MS // unit, n_orders) * unit
    delays = rng.integers(0, slowest_days * DAY_MS // unit + 1, n_orders) * unit
    orders = [
        Labelled(int(time), int(time + delay) if is_told else None, bool(is_fraud))
        for time, delay, is_told, is_fraud in zip(
            times, delays, rng.random(n_orders) < 0.9, rng.random(n_orders) < 0.6, strict=True
        )
    ]
    horizon_ms = horizon_days * DAY_MS
    known = [o for o in orders if o.event_time_ms < horizon_ms]
    ages, shares = curve_of_loops(known, horizon_ms)
    curve = curve_at(orders, horizon_ms)
    assert curve.age_days == tuple(ages)
    assert curve.arrived_share == pytest.approx(shares)
    assert list(curve.arrived_share) == sorted(curve.arrived_share)
    assert set(curve.arrived_share[-1:]) <= {1.0}


@pytest.mark.parametrize("n_frauds", [0, 49, 50])
def test_there_is_no_curve_of_fewer_than_50_frauds(n_frauds: int) -> None:
    orders = [Labelled(number, 3 * DAY_MS, number < n_frauds) for number in range(80)]
    curve = curve_at(orders, 5 * DAY_MS)
    assert bool(curve.age_days) == (n_frauds >= 50)
    assert curve.day_ms == (0,)
    assert curve.mature_share == (0.0,)


def test_the_last_age_is_one_that_50_frauds_have_reached_to_the_millisecond() -> None:
    orders = [Labelled(7 * DAY_MS, 8 * DAY_MS, is_fraud=True)] * 50
    assert curve_at(orders, 10 * DAY_MS).age_days == (0, 1, 2, 3)
    assert curve_at(orders, 10 * DAY_MS - 1).age_days == (0, 1, 2)
    assert curve_at(orders, 10 * DAY_MS).arrived_share == (0.0, 1.0, 1.0, 1.0)


def test_a_report_made_at_the_horizon_is_not_known_yet() -> None:
    orders = [Labelled(0, 5 * DAY_MS, is_fraud=True)] * 60
    assert curve_at(orders, 5 * DAY_MS).age_days == ()
    assert curve_at(orders, 5 * DAY_MS + 1).age_days == (0, 1, 2, 3, 5)


MARKED = st.lists(st.tuples(st.integers(0, 5 * DAY_MS), st.booleans()), max_size=20)


@given(marked=MARKED)
def test_each_day_tells_the_share_of_its_orders_that_were_mature(
    marked: list[tuple[int, bool]],
) -> None:
    frame, labels = frames([Labelled(time, None, is_fraud=False) for time, _mature in marked])
    is_mature = np.array([mature for _time, mature in marked], np.bool_)
    curve = maturity_curve(frame, labels, is_mature, 6 * DAY_MS)
    by_day: dict[int, list[bool]] = {}
    for time, mature in sorted(marked):
        by_day.setdefault(time // DAY_MS * DAY_MS, []).append(mature)
    assert curve.day_ms == tuple(by_day)
    assert curve.mature_share == tuple(sum(day) / len(day) for day in by_day.values())


STATUSES = st.sampled_from([*Status])
REPORTS = st.lists(st.tuples(st.integers(0, 12), STATUSES, st.integers(0, 8 * DAY_MS)), max_size=12)


@given(marked=MARKED, reports=REPORTS, horizon_ms=st.integers(0, 8 * DAY_MS))
def test_declined_orders_without_a_label_are_counted_by_day(
    marked: list[tuple[int, bool]], reports: list[tuple[int, Status, int]], horizon_ms: int
) -> None:
    frame, _labels = frames([Labelled(time, None, is_fraud=False) for time, _mature in marked])
    outcomes = pl.DataFrame(
        [(f"t{number}", int(status), known) for number, status, known in reports],
        schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64},
        orient="row",
    )
    found = censoring(frame, outcomes, np.array([m for _t, m in marked], np.bool_), horizon_ms)
    declined = {
        number
        for number, status, known in reports
        if status is Status.DECLINED and known < horizon_ms
    }
    orders: dict[int, list[bool]] = {}
    for number, (time, mature) in sorted(enumerate(marked), key=lambda entry: entry[1]):
        day = orders.setdefault(time // DAY_MS * DAY_MS, [])
        day.append(number in declined and not mature)
    assert found.day_ms == tuple(orders)
    assert found.n_orders == tuple(len(day) for day in orders.values())
    assert found.n_censored == tuple(sum(day) for day in orders.values())
