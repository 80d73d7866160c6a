"""Labels are dated by when they could be known; what is not known has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.outcome import Decided, Outcome, Status, label_of, statuses_of
from fraudkit.errors import DataFileError, MappingError
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.mapping.labels import known_labels, known_outcomes

DAY_MS = 86_400_000
START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp()) * 1000
ORDERS = pl.DataFrame(
    {
        "transaction_id": ["a", "b", "c", "d"],
        "event_time": [(START + timedelta(days=day)).isoformat() for day in range(4)],
        "order.amount_minor": [1, 2, 3, 4],
        "order.currency": ["EUR"] * 4,
    }
)


def outcome(kind: str, transaction_id: str, day: float, **more: Any) -> dict[str, Any]:
    known = (START + timedelta(days=day)).isoformat()
    base = {"kind": kind, "outcome_id": f"{kind}-{transaction_id}-{day}"}
    times = {"occurred_at": START.isoformat(), "available_at": known}
    return base | {"transaction_id": transaction_id} | times | more


def chargeback(transaction_id: str, day: float, *, is_fraud: bool = True) -> dict[str, Any]:
    return outcome("chargeback", transaction_id, day, is_fraud=is_fraud, reason="10.4")


def verdict(transaction_id: str, day: float, said: str) -> dict[str, Any]:
    return outcome("review_verdict", transaction_id, day, verdict=said, reviewed_by="ann")


def read(
    folder: Path, label: str, frame: pl.DataFrame = ORDERS, lines: list[Any] | None = None
) -> MappedData:
    text = label
    if lines is not None:
        encoded = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
        (folder / "outcomes.ndjson").write_bytes(b"\n".join(encoded))
        text += '\n[outcomes]\nfile = "outcomes.ndjson"\n'
    (folder / "mapping.toml").write_text(text)
    frame.write_parquet(folder / "orders.parquet")
    return read_data([folder / "orders.parquet"], Mapping.load(folder / "mapping.toml"))


def labels(data: MappedData) -> dict[str, tuple[bool, float]]:
    return {
        held: (is_fraud, (known - START_MS) / DAY_MS)
        for held, is_fraud, known, _honest in data.labels.iter_rows()
    }


def outcomes(data: MappedData) -> list[tuple[str, Status, float]]:
    return [
        (held, Status(status), (known - START_MS) / DAY_MS)
        for held, status, known in data.outcomes.iter_rows()
    ]


LABEL = '[label]\ncolumn = "fraud"\ndelay_days = 7\n'


def test_a_label_column_is_known_after_its_delay(tmp_path: Path) -> None:
    frame = ORDERS.with_columns(fraud=pl.Series([1, 0, None, 1]))
    data = read(tmp_path, LABEL, frame)
    assert labels(data) == {"a": (True, 7), "b": (False, 8), "d": (True, 10)}
    assert outcomes(data) == [("a", Status.FRAUD, 7), ("d", Status.FRAUD, 10)]
    assert data.labels.schema == {
        "transaction_id": pl.String,
        "is_fraud": pl.Boolean,
        "known_at_ms": pl.Int64,
        "honest_at_ms": pl.Int64,
    }
    assert data.outcomes.schema["status"] == pl.Int8
    assert "fraud" not in data.ignored_columns
    assert not any("label" in column for column in data.frame.columns)


@pytest.mark.parametrize(
    "values",
    [
        [1, 0, None, 1],
        [1.0, 0.0, float("nan"), 1.0],
        [True, False, None, True],
        ["1", "0", "", "1"],
        ["TRUE", "false", None, "true"],
        ["fraud", "legitimate", " ", "Fraud"],
    ],
)
def test_the_usual_words_and_numbers_are_understood(tmp_path: Path, values: list[Any]) -> None:
    data = read(tmp_path, LABEL, ORDERS.with_columns(fraud=pl.Series(values)))
    assert [held[0] for held in labels(data).values()] == [True, False, True]
    assert list(labels(data)) == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("values", "fraud_values"),
    [([2, 1, None, 2], "[2]"), (["cb", "ok", None, "tc40"], '["cb", "tc40"]'),
     ([2.0, 3.0, None, 2.0], "[2]"), (["2", "1", None, "2"], "[2]"),
     ([True, False, None, True], "[true]"), ([1, 0, None, 1], '["1"]')],
)  # fmt: skip
def test_fraud_values_say_what_fraud_is(
    tmp_path: Path, values: list[Any], fraud_values: str
) -> None:
    label = f"{LABEL}fraud_values = {fraud_values}\n"
    data = read(tmp_path, label, ORDERS.with_columns(fraud=pl.Series(values)))
    assert [held[0] for held in labels(data).values()] == [True, False, True]


def test_words_that_nobody_explained_are_not_taken_for_honest(tmp_path: Path) -> None:
    frame = ORDERS.with_columns(fraud=pl.Series(["0", "cb", "2", "cb"]))
    with pytest.raises(MappingError, match=r"holds 'cb', '2': say which values mean fraud with"):
        read(tmp_path, LABEL, frame)


def test_outcomes_date_labels_by_report_or_by_age(tmp_path: Path) -> None:
    lines = [
        chargeback("a", 90),
        outcome("early_fraud_warning", "a", 30),
        verdict("b", 2, "legitimate"),
        outcome("false_positive_report", "b", 5),
        verdict("c", 3, "legitimate"),
        chargeback("c", 60),
        chargeback("d", 20, is_fraud=False),
        outcome("authorized", "d", 1),
        outcome("captured", "d", 1),
    ]
    data = read(tmp_path, "[label]\ndelay_days = 45\n", lines=lines)
    assert labels(data) == {"a": (True, 30), "b": (False, 2), "c": (True, 60), "d": (False, 48)}
    assert [held[2] for held in outcomes(data)] == [1, 2, 3, 5, 30, 60, 90]
    assert outcomes(data)[0] == ("d", Status.AUTHORIZED, 1)


def test_without_a_delay_nobody_is_honest_by_age(tmp_path: Path) -> None:
    data = read(tmp_path, "", lines=[chargeback("a", 90), verdict("b", 2, "legitimate")])
    assert labels(data) == {"a": (True, 90), "b": (False, 2)}


def test_a_report_beats_the_label_column(tmp_path: Path) -> None:
    frame = ORDERS.with_columns(fraud=pl.Series([1, 0, 0, None]))
    lines = [chargeback("a", 3), chargeback("b", 30), verdict("c", 1, "legitimate")]
    data = read(tmp_path, LABEL, frame, lines)
    assert labels(data) == {"a": (True, 3), "b": (True, 30), "c": (False, 1)}


def test_without_labels_nothing_is_known(tmp_path: Path) -> None:
    data = read(tmp_path, "")
    assert data.labels.is_empty()
    assert data.outcomes.is_empty()


def test_an_outcome_counts_once_and_one_of_another_order_is_counted_apart(tmp_path: Path) -> None:
    lines = [chargeback("a", 9), chargeback("a", 9), chargeback("elsewhere", 9)]
    data = read(tmp_path, "", lines=lines)
    assert outcomes(data) == [("a", Status.FRAUD, 9)]
    assert data.unmatched_outcome_count == 1


def test_lines_that_are_no_outcome_are_told(tmp_path: Path) -> None:
    lines = [b"{", chargeback("a", 9), b"", b'{"kind": "chargebakc"}', chargeback("b", -1)]
    data = read(tmp_path, "", lines=lines)
    assert data.outcome_errors["line"].to_list() == [1, 4, 5]
    assert "did you mean 'chargeback'?" in data.outcome_errors["error"][1]
    assert data.outcome_errors["error"][2].startswith("/available_at: expected a time not before")
    assert data.outcomes.height == 1


def test_an_absent_outcomes_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"outcomes file must be readable"):
        read(tmp_path, '[outcomes]\nfile = "none.ndjson"\n')


def test_rows_that_do_not_hold_have_no_label(tmp_path: Path) -> None:
    frame = ORDERS.with_columns(
        pl.Series("order.amount_minor", [-1, 2, 3, 4]), fraud=pl.Series([1, 0, 0, 0])
    )
    data = read(tmp_path, LABEL, frame, [chargeback("a", 9)])
    assert list(labels(data)) == ["b", "c", "d"]
    assert data.outcomes.is_empty()


def decided(transaction_id: str, day: float, action: str = "decline") -> dict[str, Any]:
    return outcome("decided", transaction_id, day, action=action)


def test_no_report_about_a_declined_order_says_nothing(tmp_path: Path) -> None:
    lines = [
        decided("a", 0),
        decided("b", 1, "approve"),
        decided("c", 2, "review"),
        outcome("issuer_declined", "d", 3, decline="hard", code="14"),
    ]
    data = read(tmp_path, "[label]\ndelay_days = 45\n", lines=lines)
    assert labels(data) == {"b": (False, 46), "c": (False, 47), "d": (False, 48)}
    assert ("a", Status.DECLINED, 0) in outcomes(data)


def test_an_order_that_was_declined_when_it_was_honest_by_age_stays_honest(tmp_path: Path) -> None:
    lines = [decided("a", 45), decided("b", 46.25), decided("c", 46.75), decided("c", 50)]
    data = read(tmp_path, "[label]\ndelay_days = 45\n", lines=lines)
    assert labels(data) == {"b": (False, 46), "d": (False, 48)}


def test_what_is_said_of_a_declined_order_counts(tmp_path: Path) -> None:
    lines = [decided(who, 0) for who in "abcd"]
    lines += [verdict("a", 2, "legitimate"), chargeback("b", 9), verdict("c", 1, "unsure")]
    data = read(tmp_path, "[label]\ndelay_days = 45\n", lines=lines)
    assert labels(data) == {"a": (False, 2), "b": (True, 9)}
    assert dict(data.labels.select("transaction_id", "honest_at_ms").iter_rows())["b"] is None


def test_the_label_column_of_a_declined_order_counts(tmp_path: Path) -> None:
    frame = ORDERS.with_columns(fraud=pl.Series([1, 0, None, 0]))
    data = read(tmp_path, LABEL, frame, [decided(who, 0) for who in "abc"])
    assert labels(data) == {"a": (True, 7), "b": (False, 8), "d": (False, 10)}


REPORTS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 200).map(lambda quarter: quarter / 4),
        st.sampled_from(
            ["chargeback", "service", "legitimate", "fraud", "unsure", "decline", "approve"]
        ),
    ),
    max_size=8,
)


def said_of(who: str, day: float, said: str) -> dict[str, Any]:
    if said in {"chargeback", "service"}:
        return chargeback(who, day, is_fraud=said == "chargeback")
    return decided(who, day, said) if said in {"decline", "approve"} else verdict(who, day, said)


@given(REPORTS, st.none() | st.floats(0, 30) | st.integers(0, 120).map(
    lambda quarter: quarter / 4
), st.none() | st.lists(
    st.none() | st.booleans(), min_size=4, max_size=4
))  # fmt: skip
def test_labels_equal_those_of_a_plain_reading(
    reports: list[tuple[str, float, str]], delay: float | None, column: list[bool | None] | None
) -> None:
    delay = 5.0 if column is not None and delay is None else delay
    held = [
        msgspec.convert(said_of(who, day, said), Outcome)  # type: ignore[arg-type]
        for who, day, said in reports
    ]
    times = {who: START_MS + index * DAY_MS for index, who in enumerate("abcd")}
    orders = pl.DataFrame(
        {"transaction_id": list("abcd"), "event_time_ms": list(times.values()),
         "is_fraud": pl.Series(column or [None] * 4, dtype=pl.Boolean)}
    )  # fmt: skip
    from_file = pl.DataFrame(
        [
            (one.transaction_id, int(status), one.available_at_ms)
            for one in held
            for status in statuses_of(one)
        ],
        schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64},
        orient="row",
    )
    known = known_outcomes(orders, from_file, delay)
    told = known_labels(orders, known, delay, honest_by_age=column is None)
    expected = []
    for index, (who, time_ms) in enumerate(times.items()):
        aged = None if delay is None else time_ms + round(delay * DAY_MS)
        own = [one for one in held if one.transaction_id == who]
        frauds = [one.available_at_ms for one in own if label_of(one) is True]
        goods = [one.available_at_ms for one in own if label_of(one) is False]
        said = None if column is None else column[index]
        if said:
            frauds.append(aged or 0)
        declined = any(
            isinstance(one, Decided) and one.action == "decline"
            for one in own
            if aged is not None and one.available_at_ms <= aged
        )
        of_age = aged if said is False or (column is None and not declined) else None
        honest = min(goods) if goods else of_age
        if frauds:
            expected.append((who, True, min(frauds), honest))
        elif honest is not None:
            expected.append((who, False, honest, honest))
    assert told.rows() == expected
