"""`DelayedTimeSplit` against what its docstring says, row by row and in plain Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

from fraudkit.errors import FraudkitError, ParameterError, TableError, TrainingError
from fraudkit.scoring.splits import DelayedTimeSplit

DAY_MS = 86_400_000
HANDBOOK_PARAMETERS = {"train_days": 7, "gap_days": 7, "test_days": 7}
DATA = os.environ.get("FRAUDKIT_DATA")


class Shop(NamedTuple):
    """Rows in any order; ``table`` has the columns that a split may name."""

    table: pl.DataFrame
    is_fraud: NDArray[np.bool_]

    @property
    def features(self) -> NDArray[np.float64]:
        return np.zeros((len(self.table), 1))


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    seed, n_rows = draw(st.integers(0, 2**32)), draw(st.integers(20, 120))
    rng = np.random.default_rng(seed)
    step_ms = draw(st.sampled_from([1, 3_600_000, DAY_MS // 2, DAY_MS]))
    event = rng.integers(-20 * DAY_MS, 20 * DAY_MS, n_rows) // step_ms * step_ms
    delay = rng.choice([0, 1, DAY_MS, 3 * DAY_MS, 30 * DAY_MS], n_rows)
    known = [None if rng.random() < 0.1 else int(time) for time in event + delay]
    entity = [None if rng.random() < 0.1 else f"c{rng.integers(0, 8)}" for _ in range(n_rows)]
    table = pl.DataFrame(
        {"event_time_ms": event, "known_at_ms": known, "customer": entity},
        schema_overrides={"known_at_ms": pl.Int64, "customer": pl.String},
    )
    is_fraud = rng.random(n_rows) < 0.2
    is_fraud[0] = True
    return Shop(table, is_fraud)


splits = st.builds(
    DelayedTimeSplit,
    train_days=st.sampled_from([None, 1, 5, 12]),
    gap_days=st.sampled_from([0, 0.5, 1, 3]),
    test_days=st.integers(1, 4),
    n_splits=st.integers(1, 4),
    step_days=st.sampled_from([None, 5]),
    test_from_ms=st.sampled_from([None, 0, -3_600_000, DAY_MS]),
    day_origin_ms=st.sampled_from([0, -7_200_000, 12_345]),
    label_available_at=st.sampled_from([None, "known_at_ms"]),
    entity=st.sampled_from([None, "customer"]),
)
Parts = list[tuple[list[int], list[int]]]


def parts(split: DelayedTimeSplit, shop: Shop) -> Parts:
    folds = split.split(shop.features, shop.is_fraud, shop.table)
    return [(train.tolist(), test.tolist()) for train, test in folds]


def naive_parts(split: DelayedTimeSplit, shop: Shop) -> Parts:
    """Return the folds as the docstring says them, asked of each row by itself."""
    rows = [
        (event, event + split.gap_days * DAY_MS if split.label_available_at is None else known, who)
        for event, known, who in shop.table.iter_rows()
    ]
    starts = naive_starts(split, [event for event, known, _who in rows if known is not None])
    folds = []
    for start in starts:
        cut = start - split.gap_days * DAY_MS
        begin = -(10**18) if split.train_days is None else cut - split.train_days * DAY_MS
        frauds = [
            (who, known)
            for (event, known, who), fraud in zip(rows, shop.is_fraud, strict=True)
            if fraud and known is not None and event >= begin and who is not None
        ]
        train, test = [], []
        for place, (event, known, who) in enumerate(rows):
            if known is None:
                continue
            if begin <= event < cut and known < start:
                train.append(place)
            day = int((event - start) // DAY_MS)
            day_start = start + day * DAY_MS
            is_out = split.entity is not None and any(
                who == other and known_fraud < day_start for other, known_fraud in frauds
            )
            if 0 <= day < split.test_days and not is_out:
                test.append(place)
        folds.append((train, test))
    return folds


def naive_starts(split: DelayedTimeSplit, events: list[int]) -> list[int]:
    step = (split.step_days or split.test_days) * DAY_MS
    if split.test_from_ms is not None:
        return [split.test_from_ms + fold * step for fold in range(split.n_splits)]
    end = split.day_origin_ms - 400 * DAY_MS
    while end <= max(events):
        end += DAY_MS
    last = end - split.test_days * DAY_MS
    return [last - fold * step for fold in reversed(range(split.n_splits))]


@settings(max_examples=300)
@given(split=splits, shop=shops())
def test_the_folds_are_what_is_said_of_each_row(split: DelayedTimeSplit, shop: Shop) -> None:
    expected = naive_parts(split, shop)
    if all(train and test for train, test in expected):
        assert parts(split, shop) == expected
    else:
        with pytest.raises(TrainingError, match=r"the (train|test) part of the fold that tests"):
            parts(split, shop)


@settings(max_examples=200)
@given(split=splits, shop=shops())
def test_nothing_is_learnt_from_that_was_not_known_when_the_first_test_day_began(
    split: DelayedTimeSplit, shop: Shop
) -> None:
    try:
        folds = parts(split, shop)
    except TrainingError:
        return
    event = shop.table["event_time_ms"].to_numpy()
    known = shop.table["known_at_ms"].to_numpy()
    origin = split.day_origin_ms if split.test_from_ms is None else split.test_from_ms
    tested: list[int] = []
    for train, test in folds:
        day_start = origin + (event[test].min() - origin) // DAY_MS * DAY_MS
        assert event[train].max() + split.gap_days * DAY_MS < day_start
        if split.label_available_at is not None:
            assert known[train].max() < day_start
        assert event[test].min() > max((event[place] for place in tested), default=-(10**18))
        tested += test
    assert len(set(tested)) == len(tested)


@given(split=splits, shop=shops(), seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_means_nothing(
    split: DelayedTimeSplit, shop: Shop, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(len(shop.table))
    other = Shop(shop.table[shuffled], shop.is_fraud[shuffled])
    try:
        folds = parts(split, shop)
    except TrainingError:
        with pytest.raises(TrainingError):
            parts(split, other)
        return
    for fold, moved in zip(folds, parts(split, other), strict=True):
        for part, moved_part in zip(fold, moved, strict=True):
            assert moved_part == sorted(moved_part)
            assert sorted(part) == sorted(shuffled[moved_part])


@given(shop=shops(), zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/St_Johns"]))
def test_neither_the_zone_nor_the_kind_of_time_nor_the_library_changes_a_fold(
    shop: Shop, zone: str
) -> None:
    split = DelayedTimeSplit(
        train_days=9, gap_days=1, test_days=4, n_splits=2, entity="customer",
        label_available_at="known_at_ms",
    )  # fmt: skip
    try:
        folds = parts(split, shop)
    except TrainingError:
        return
    in_zone = shop.table.with_columns(
        pl.from_epoch(pl.col("event_time_ms", "known_at_ms"), "ms")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone)
    )
    plain = pd.DataFrame(shop.table.to_dict(as_series=False))
    for table in (
        in_zone,
        shop.table.with_columns(pl.from_epoch(pl.col("event_time_ms", "known_at_ms"), "ms")),
        plain,
        plain.assign(
            event_time_ms=pd.to_datetime(plain["event_time_ms"], unit="ms"),
            known_at_ms=pd.to_datetime(plain["known_at_ms"], unit="ms", utc=True).dt.tz_convert(
                zone
            ),
        ),
    ):
        assert parts(split, Shop(table, shop.is_fraud)) == folds
        from_x = split.split(table, shop.is_fraud)
        assert [(train.tolist(), test.tolist()) for train, test in from_x] == folds


def handbook_parts(
    day: NDArray[np.int64], customer: NDArray[Any], is_fraud: NDArray[np.bool_], first_day: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return train and test by the book's words: 7 days each of training, delay and test.

    Customers with a fraud in train, or on any day up to test day - 8, are removed from that day.
    """
    train = np.flatnonzero((day >= first_day) & (day < first_day + 7))
    removed = set(customer[train][is_fraud[train]].tolist())
    tested = []
    for test_day in range(first_day + 14, first_day + 21):
        upto = (day >= first_day) & (day <= test_day - 8)
        removed |= set(customer[upto & is_fraud].tolist())
        rows = np.flatnonzero(day == test_day)
        tested.append(rows[[who not in removed for who in customer[rows].tolist()]])
    return train, np.sort(np.concatenate(tested))


def assert_like_the_handbook(table: pl.DataFrame, first_day: int, n_splits: int) -> None:
    day = (table["event_time"].dt.epoch("ms") // DAY_MS).cast(pl.Int64).to_numpy()
    customer, is_fraud = table["customer"].to_numpy(), table["is_fraud"].to_numpy()
    split = DelayedTimeSplit(
        **HANDBOOK_PARAMETERS,
        n_splits=n_splits,
        test_from_ms=(first_day + 14) * DAY_MS,
        event_time="event_time",
        entity="customer",
    )
    folds = list(split.split(table, is_fraud))
    assert len(folds) == n_splits
    for index, (train, test) in enumerate(folds):
        expected = handbook_parts(day, customer, is_fraud, first_day + 7 * index)
        assert np.array_equal(train, expected[0])
        assert np.array_equal(test, expected[1])
        assert len(test) < ((day >= day[test].min()) & (day < day[test].min() + 7)).sum()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_known_customers_are_removed_as_the_handbook_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_rows = 3_000
    table = pl.DataFrame(
        {
            "event_time": pl.from_epoch(
                pl.Series(rng.integers(0, 40 * DAY_MS, n_rows)), "ms"
            ),
            "customer": rng.integers(0, 200, n_rows),
            "is_fraud": rng.random(n_rows) < 0.03,
        }
    )  # fmt: skip
    assert_like_the_handbook(table, 2, 3)


@pytest.mark.skipif(DATA is None, reason="FRAUDKIT_DATA names no folder with the public data sets")
def test_the_handbooks_own_folds_are_met() -> None:
    path = Path(str(DATA)) / "handbook_raw_2018-04-01_2018-09-04.parquet"
    table = pl.read_parquet(path).select(
        event_time="TX_DATETIME", customer="CUSTOMER_ID", is_fraud=pl.col("TX_FRAUD") == 1
    )
    first_day = int(np.datetime64("2018-07-25", "D").astype(int))
    assert_like_the_handbook(table, first_day, 4)


def test_it_is_what_scikit_learn_takes_for_a_splitter() -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {"event_time_ms": rng.integers(0, 60 * DAY_MS, 900), "card": rng.integers(0, 90, 900)}
    )
    features, is_fraud = rng.normal(size=(900, 2)), rng.random(900) < 0.2
    split = DelayedTimeSplit(train_days=20, gap_days=3, test_days=5, n_splits=3, entity="card")
    again = clone(split)
    assert again.get_params() == split.get_params()
    assert "gap_days=3" in repr(split)
    assert split.get_n_splits(features, is_fraud, table) == 3
    folds = list(split.split(features, is_fraud, table))
    model = DummyClassifier()
    for groups in (table, table.to_pandas()):
        asked = {"cv": again, "return_indices": True, "scoring": "neg_log_loss"}
        scored = [cross_validate(model, features, is_fraud, groups=groups, **asked)]
        with config_context(enable_metadata_routing=True):
            named = {"groups": groups}
            scored.append(cross_validate(model, features, is_fraud, params=named, **asked))
        for found in scored:
            for part, place in (("train", 0), ("test", 1)):
                for rows, fold in zip(found["indices"][part], folds, strict=True):
                    assert np.array_equal(rows, fold[place])
        grid = {"strategy": ["prior", "uniform"]}
        search = GridSearchCV(model, grid, cv=again, scoring="neg_log_loss")
        search.fit(features, is_fraud, groups=groups)
        assert search.n_splits_ == 3
        assert search.best_params_ == {"strategy": "prior"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no days of training": ({"train_days": 0}, "train_days of .* whole number, at least 1, got 0"),
    "half a day of testing": ({"test_days": 0.5}, r"test_days of .* at least 1, got 0\.5"),
    "no fold": ({"n_splits": 0}, "n_splits of .* at least 1, got 0"),
    "a truth value": ({"n_splits": True}, "n_splits of .* got True"),
    "tests that overlap": ({"step_days": 6}, "step_days of .* at least 7, got 6"),
    "a gap before its time": ({"gap_days": -1}, "gap_days of .* at least 0, got -1"),
    "a gap without end": ({"gap_days": float("inf")}, "gap_days of .* got inf"),
    "a gap that is none": ({"gap_days": float("nan")}, "gap_days of .* got nan"),
    "a start that is text": ({"test_from_ms": "2018"}, "test_from_ms of .* got '2018'"),
    "no origin": ({"day_origin_ms": None}, "day_origin_ms of .* got None"),
}


@pytest.mark.parametrize(("parameters", "told"), WRONG.values(), ids=WRONG)
def test_a_parameter_that_does_not_hold_is_refused(parameters: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        DelayedTimeSplit(**parameters).split(np.zeros((9, 1)), groups=np.arange(9))


DAYS = pl.DataFrame({"event_time_ms": np.arange(40) * DAY_MS})
BAD: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "no times": (None, None, {}, "event_time='event_time_ms' must name a column of groups or of X"),
    "no entity": (DAYS, None, {"entity": "card"}, "entity='card' must name a column"),
    "a time that is absent": (
        DAYS.with_columns(pl.col("event_time_ms").replace(0, None)), None, {},
        "must be there for every row",
    ),
    "times that are text": (DAYS.cast(pl.String), None, {}, "must hold numbers"),
    "nanoseconds": (DAYS * 1_000_000 + 10**18, None, {}, "are they of another unit"),
    "half milliseconds": (DAYS + 0.5, None, {}, "whole milliseconds since 1970-01-01 UTC, got"),
    "a label before its order": (
        DAYS.with_columns(known=pl.col("event_time_ms") - 1), None,
        {"label_available_at": "known"}, "'known' must not come before 'event_time_ms'",
    ),
    "labels that are never known": (
        DAYS.with_columns(known=pl.lit(None)), None, {"label_available_at": "known"},
        "absent in all",
    ),
    "no labels": (
        DAYS.with_columns(card=pl.lit(1)), None, {"entity": "card"}, "40 rows, got none",
    ),
    "too few labels": (
        DAYS.with_columns(card=pl.lit(1)), np.ones(3), {"entity": "card"}, r"got shape \(3,\)",
    ),
    "labels of another name": (
        DAYS.with_columns(card=pl.lit(1)), np.full(40, "fraud"), {"entity": "card"},
        "none of the label 1; is pos_label right",
    ),
    "no rows": (np.zeros(0), None, {}, "a time split needs rows, got none"),
    "a lazy frame": (DAYS.lazy(), None, {}, r"call \.collect\(\)"),
}  # fmt: skip


@pytest.mark.parametrize(("groups", "y", "parameters", "told"), BAD.values(), ids=BAD)
def test_a_table_that_does_not_hold_is_refused(
    groups: Any, y: Any, parameters: Any, told: str
) -> None:
    split = DelayedTimeSplit(**{"n_splits": 1, **parameters})
    with pytest.raises(FraudkitError, match=told) as caught:
        split.split(np.zeros((40, 1)), y, groups)
    assert isinstance(caught.value, TableError | TrainingError)


def test_the_label_of_a_fraud_may_be_a_word() -> None:
    table = DAYS.with_columns(card=pl.lit("c"))
    y = np.where(np.arange(40) == 20, "fraud", "legit")
    split = DelayedTimeSplit(
        train_days=7, gap_days=2, test_days=7, n_splits=1, test_from_ms=18 * DAY_MS,
        entity="card", pos_label="fraud",
    )  # fmt: skip
    ((_train, test),) = split.split(table, y)
    assert test.tolist() == [18, 19, 20, 21, 22]
