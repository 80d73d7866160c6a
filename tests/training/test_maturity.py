"""Label maturity: known is not enough, the order must be of age too."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.scoring.maturity import labels_known_before, last_known_ms, mature_labels

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
