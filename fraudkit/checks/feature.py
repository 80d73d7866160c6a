"""`check_feature`: proves an order feature, of the user's own or of the default ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.checks.report import CheckReport, CheckResult
from fraudkit.checks.values import Row, rows_of
from fraudkit.errors import CheckFailed, FraudkitError
from fraudkit.features.catalog import feature_set
from fraudkit.features.expression import ExpressionFeature
from fraudkit.features.field_kinds import field_kind
from fraudkit.features.offline_columns import fill_order_features
from fraudkit.features.own import OwnFeature
from fraudkit.features.spec import FeatureSet, OrderFeature, Value
from fraudkit.features.spec_checks import FORBIDDEN_INPUTS
from fraudkit.features.value_text import text_of

__all__ = ["FEATURE_CHECKS", "FeatureCheck", "check_feature"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]*")


class _Tried(NamedTuple):
    """A feature and what it is tried on."""

    feature: OrderFeature
    rows: Sequence[Row]
    optional: Collection[str]


class _Fault(NamedTuple):
    """What should have come out of a row, and what did."""

    expected: str
    received: str
    row: Row | None = None


class FeatureCheck(Struct, frozen=True, kw_only=True):
    """One named check of an order feature.

    Attributes
    ----------
    name : str
        What it is called in reports and errors.
    rule : str
        What must hold, as a sentence.
    faults : callable
        Yields what does not hold.
    """

    name: str
    rule: str
    faults: Callable[[_Tried], Iterator[_Fault]]


def check_feature(
    feature: OrderFeature | OwnFeature,
    *,
    optional: Collection[str] = (),
    values: Mapping[str, Sequence[Value]] | None = None,
    seed: int = 0,
) -> CheckReport:
    """Prove that a feature holds what every order feature must.

    It is tried on ordinary values, on those at which features break (absent, empty, very large,
    negative, not ASCII), each by itself and mixed at random, as far as the vocabulary lets them
    in. NaN and infinity are not among them: they are refused at the door.

    Parameters
    ----------
    feature : OrderFeature or OwnFeature
        What is checked.
    optional : collection of str
        The inputs without which it still knows an answer; without any other the answer must be
        NaN.
    values : mapping of str to sequence, optional
        What a field may hold, ``None`` too if it may be absent, where that is narrower than the
        vocabulary says: a shop's own input may hold a number, a text or a truth value.
    seed : int
        Of the random rows.

    Returns
    -------
    CheckReport
        Every check, all of which held.

    Raises
    ------
    CheckFailed
        At the first check that does not hold. It names the check and shows the values.

    Examples
    --------
    >>> from fraudkit.features.expression import expression_feature
    >>> is_large = expression_feature(
    ...     "is_large",
    ...     "reference_amount_minor >= 50_000",
    ...     meaning="Whether the amount is 500.00 or more",
    ...     reason_code="AMOUNT",
    ...     text="the amount is high: {value:g}",
    ... )
    >>> check_feature(is_large).results[-1].check
    'a bundle keeps it'
    """
    if isinstance(feature, OwnFeature):
        feature = feature.order_feature()
    subject = f"feature {feature.name!r}"
    given = {path: tuple(held) for path, held in (values or {}).items()}
    tried = _Tried(feature, (), optional)
    results = []
    for check in FEATURE_CHECKS:
        if check.name == _FIRST_TRIED:
            tried = tried._replace(rows=rows_of(feature.inputs, given, seed))
        for fault in check.faults(tried):
            raise CheckFailed(
                subject,
                check.name,
                check.rule,
                expected=fault.expected,
                received=fault.received,
                shown_by=_shown(feature, fault.row),
            )
        n_rows = f"{len(tried.rows)} rows" if tried.rows else "its description"
        results.append(CheckResult(check=check.name, rule=check.rule, tried=n_rows))
    return CheckReport(subject=subject, results=tuple(results))


def _shown(feature: OrderFeature, row: Row | None) -> str:
    if row is None:
        return f"  {feature.describe()}"
    pairs = zip(feature.inputs, row, strict=True)
    return "\n".join(f"  {path} = {value!r}" for path, value in pairs)


def _is_same(value: float, other: float) -> bool:
    return value == other or (math.isnan(value) and math.isnan(other))


def _described(tried: _Tried) -> Iterator[_Fault]:
    feature = tried.feature
    if not _NAME.fullmatch(feature.name):
        yield _Fault("a name of a-z, 0-9 and _", repr(feature.name))
    if not _CODE.fullmatch(feature.reason_code):
        yield _Fault("a reason code of A-Z, 0-9 and _", repr(feature.reason_code))
    for what in ("unit", "meaning", "text"):
        if not getattr(feature, what).strip():
            yield _Fault(f"a {what}", "none")
    if not feature.low <= feature.high:
        yield _Fault("low at most high", f"{feature.low} and {feature.high}")
    if feature.revision < 1:
        yield _Fault("a revision of at least 1", str(feature.revision))


def _reads_no_demographic(tried: _Tried) -> Iterator[_Fault]:
    for path in tried.feature.inputs:
        if path.startswith(FORBIDDEN_INPUTS):
            yield _Fault("no input of a person's group", repr(path))


def _reads_fields(tried: _Tried) -> Iterator[_Fault]:
    inputs = tried.feature.inputs
    if not inputs or len(set(inputs)) < len(inputs):
        yield _Fault("one input or more, each once", str(inputs))
    for path in inputs:
        if field_kind(path) is None:
            yield _Fault("inputs of the vocabulary", repr(path))


def _answers(tried: _Tried) -> Iterator[_Fault]:
    for row in tried.rows:
        try:
            value = tried.feature.compute(*row)
        except Exception as error:  # noqa: BLE001 - what a feature raises is its answer
            yield _Fault("a float", f"{type(error).__name__}: {error}", row)
            return
        if not isinstance(value, float):
            yield _Fault("a float", f"{value!r}, a {type(value).__name__}", row)


def _repeats(tried: _Tried) -> Iterator[_Fault]:
    values = _online(tried.feature, tried.rows)
    again = _online(tried.feature, tried.rows[::-1])[::-1]
    for row, value, other in zip(tried.rows, values, again, strict=True):
        if not _is_same(value, other):
            yield _Fault(repr(value), repr(other), row)


def _knows_no_more(tried: _Tried) -> Iterator[_Fault]:
    for row in tried.rows:
        value = tried.feature.compute(*row)
        pairs = zip(tried.feature.inputs, row, strict=True)
        absent = [path for path, held in pairs if held is None and path not in tried.optional]
        if absent and not math.isnan(value):
            yield _Fault(f"nan without {absent[0]}", repr(value), row)


def _stays_in_range(tried: _Tried) -> Iterator[_Fault]:
    low, high = tried.feature.low, tried.feature.high
    for row, value in zip(tried.rows, _online(tried.feature, tried.rows), strict=True):
        if not math.isnan(value) and not low <= value <= high:
            yield _Fault(f"{low:g} to {high:g}", repr(value), row)
        if math.isinf(value):
            yield _Fault("a finite number or nan", repr(value), row)
        if tried.feature.levels and not math.isnan(value) and value % 1 != 0:
            yield _Fault("the code of a level", repr(value), row)


def _speaks(tried: _Tried) -> Iterator[_Fault]:
    feature = tried.feature
    for row, value in zip(tried.rows, _online(feature, tried.rows), strict=True):
        if math.isnan(value):
            continue
        level = feature.levels[int(value)] if feature.levels else ""
        for text in (feature.text, feature.zero_text):
            try:
                text.format(value=value, level=level)
            except (IndexError, KeyError, ValueError, AttributeError) as error:
                yield _Fault(
                    "a sentence that takes {value} or {level}", f"{error!r} for {text!r}", row
                )


def _agrees(tried: _Tried) -> Iterator[_Fault]:
    for frame, rows in _frames(tried):
        try:
            values = _offline(tried.feature, frame)
        except Exception as error:  # noqa: BLE001 - what a feature raises is its answer
            yield _Fault("a float for each row", f"{type(error).__name__}: {error}", rows[0])
            return
        if len(values) != len(rows):
            yield _Fault(f"{len(rows)} values", str(len(values)), rows[0])
            return
        for row, expected, value in zip(rows, _online(tried.feature, rows), values, strict=True):
            if not _is_same(expected, value):
                yield _Fault(f"{expected!r} as online", repr(value), row)


def _stands_alone(tried: _Tried) -> Iterator[_Fault]:
    for frame, rows in _frames(tried):
        whole = _offline(tried.feature, frame)
        parts = {
            "in reverse": _offline(tried.feature, frame.reverse())[::-1],
            "cut in two": np.concatenate(
                [_offline(tried.feature, frame[:7]), _offline(tried.feature, frame[7:])]
            ),
            "twice": _offline(tried.feature, pl.concat([frame, frame]))[len(frame) :],
        }
        for told, values in parts.items():
            for row, value, other in zip(rows, whole, values, strict=True):
                if not _is_same(value, other):
                    yield _Fault(f"{value!r} for the row {told}", repr(other), row)


def _survives(tried: _Tried) -> Iterator[_Fault]:
    feature = tried.feature
    try:
        held = msgspec.json.decode(msgspec.json.encode(FeatureSet([], [feature]).describe()))
        own = [] if isinstance(feature, ExpressionFeature) else [feature]
        (again,) = feature_set(held, own).order_features
    except (FraudkitError, TypeError) as error:
        yield _Fault("a description that is read back", str(error))
        return
    if again.describe() != feature.describe():
        yield _Fault(f"{feature.describe()}", f"{again.describe()}")
    pairs = zip(_online(feature, tried.rows), _online(again, tried.rows), strict=True)
    for row, (value, other) in zip(tried.rows, pairs, strict=True):
        if not _is_same(value, other):
            yield _Fault(f"{value!r} after it was read back", repr(other), row)


def _online(feature: OrderFeature, rows: Sequence[Row]) -> list[float]:
    return [feature.compute(*row) for row in rows]


def _offline(feature: OrderFeature, frame: pl.DataFrame) -> NDArray[np.float64]:
    out = np.empty((len(frame), 1))
    fill_order_features(frame, [feature], out, lambda _done: None)
    return out[:, 0]


def _frames(tried: _Tried) -> Iterator[tuple[pl.DataFrame, Sequence[Row]]]:
    """Yield the rows as files hold them: a column of one type, of text, or not there at all."""
    inputs = tried.feature.inputs
    places = [place for place, path in enumerate(inputs) if field_kind(path) == "any"]
    by_type: dict[object, list[Row]] = {}
    for row in tried.rows:
        held = {_column_type(row[place]) for place in places} - {None}
        if len(held) < 2:
            by_type.setdefault(next(iter(held), None), []).append(row)
    for rows in by_type.values():
        yield _frame(inputs, rows), rows
    mixed = list(tried.rows)
    if len(by_type.keys() - {None}) > 1:
        mixed = [
            tuple(text_of(held) if place in places else held for place, held in enumerate(row))
            for row in tried.rows
        ]
        yield _frame(inputs, mixed), tried.rows
    for place, path in enumerate(inputs):
        rows = [row for row in mixed if row[place] is None]
        if rows:
            yield _frame(inputs, rows).with_columns(pl.lit(None).alias(path)), rows


def _column_type(value: Value) -> type | None:
    """Return the type of a column that holds the value; a number is a number."""
    return None if value is None else float if type(value) is int else type(value)


def _frame(inputs: Sequence[str], rows: Sequence[Row]) -> pl.DataFrame:
    columns = zip(inputs, zip(*rows, strict=True), strict=True)
    return pl.DataFrame([pl.Series(path, held, strict=False) for path, held in columns])


FEATURE_CHECKS: Final = (
    FeatureCheck(
        name="it is described",
        rule="A feature says in words what it is, and within which limits it lies.",
        faults=_described,
    ),
    FeatureCheck(
        name="it reads no demographic",
        rule="Demographics order payment methods and never reach the fraud score.",
        faults=_reads_no_demographic,
    ),
    FeatureCheck(
        name="it reads fields",
        rule="Each input is a field of the vocabulary, or one that is derived.",
        faults=_reads_fields,
    ),
    FeatureCheck(
        name="it answers every input",
        rule="Whatever a field may hold, the answer is a float.",
        faults=_answers,
    ),
    FeatureCheck(
        name="the same answer again",
        rule="The same values give the same answer, whatever came before.",
        faults=_repeats,
    ),
    FeatureCheck(
        name="unknown in, unknown out",
        rule="Without an input that is not optional the answer is NaN.",
        faults=_knows_no_more,
    ),
    FeatureCheck(
        name="it stays in its range",
        rule="A value that is not NaN lies between low and high.",
        faults=_stays_in_range,
    ),
    FeatureCheck(
        name="it can be said",
        rule="Its sentence can be filled in with every value.",
        faults=_speaks,
    ),
    FeatureCheck(
        name="offline equals online",
        rule="A row of a file gets the float that the order got online, with ==.",
        faults=_agrees,
    ),
    FeatureCheck(
        name="a row stands alone",
        rule="Offline a row's value depends on no other row.",
        faults=_stands_alone,
    ),
    FeatureCheck(
        name="a bundle keeps it",
        rule="What a bundle says of it is read back as the same feature.",
        faults=_survives,
    ),
)
"""Every check of an order feature, in the order in which they are made."""

_FIRST_TRIED: Final = "it answers every input"
"""The first check that needs values; those before it hold of the inputs they are made for."""
