"""Columns of a frame that the online driver computes one transaction at a time.

Derived fields, order features and keys are computed by the very functions that serve one order,
once for each distinct combination of their inputs; or, for an order feature that has an offline
form, by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.errors import FeatureError
from fraudkit.features.derived import derived_fields
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.feature_group import order_calls
from fraudkit.features.spec import Entity, OrderFeature
from fraudkit.features.value_text import text_of
from fraudkit.features.window_arrays import NO_KEY

__all__ = ["entity_hashes", "fill_order_features", "with_derived"]

_SEPARATOR: Final = "\x1f"
_ASCII_SPACE: Final = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
"""What `str.strip` takes away of ASCII text."""
_DTYPES: Final[dict[type, type[pl.DataType]]] = {str: pl.String, int: pl.Int64, bool: pl.Boolean}


def with_derived(frame: pl.DataFrame, paths: Iterable[str], enrichment: Enrichment) -> pl.DataFrame:
    """Return the frame with a column for each derived path; what it holds already stays."""
    for field in derived_fields(paths, enrichment):
        if field.path not in frame.columns:
            values = _by_value(frame, field.inputs, field.compute, _DTYPES[field.kind])
            frame = frame.with_columns(values.alias(field.path))
    return frame


def fill_order_features(
    frame: pl.DataFrame,
    features: Sequence[OrderFeature],
    out: NDArray[np.float64],
    progress: Callable[[int], None],
) -> None:
    """Write the order features of every row.

    Parameters
    ----------
    out : ndarray of float64, shape (len(frame), at least len(features))
        Written in the features' own columns, which are the first.
    progress : callable
        Called with the number of features that are done.
    """
    done = 0
    for call in order_calls(features):
        feature = features[call.columns[0] or 0]
        if not call.is_group and feature.compute_many is not None:
            out[:, call.columns[0]] = _computed_many(frame, feature.inputs, feature.compute_many)
            done += 1
            progress(done)
            continue
        arguments, places = _arguments(frame, call.inputs)
        values = [call.compute(*row) for row in arguments]
        computed = np.array(values, np.float64).reshape(len(values), len(call.columns))
        for index, column in enumerate(call.columns):
            if column is not None:
                out[:, column] = computed[:, index] if places is None else computed[places, index]
                done += 1
        progress(done)


def _computed_many(
    frame: pl.DataFrame, inputs: Sequence[str], compute_many: Callable[..., Any]
) -> NDArray[np.float64]:
    absent = pl.Series([None]).new_from_index(0, len(frame))
    given = (frame[path] if path in frame.columns else absent for path in inputs)
    values = pl.Series(compute_many(*given)).cast(pl.Float64).to_numpy()
    if len(values) != len(frame):
        raise FeatureError(
            f"the offline form of a feature of {', '.join(inputs) or 'nothing'} must give one "
            f"value a row, got {len(values)} for {len(frame)} rows"
        )
    return values


def entity_hashes(frame: pl.DataFrame, entity: Entity) -> NDArray[np.int64]:
    """Return a hash of an entity's key for each row, `NO_KEY` where it has none.

    Two rows have one hash where `fraudkit.features.order_row.digest_names` gives them one; the
    hash itself is another, and means nothing outside this process.
    """
    first, *rest = entity.inputs
    if first not in frame.columns:
        return np.full(len(frame), NO_KEY, np.int64)
    if rest:
        return _signed(_joined(frame, entity))
    series = _text_column(frame[first])
    hashes = series.hash()
    distinct = series.gather(hashes.arg_unique())
    if (_normalised(distinct, is_caseless=entity.is_caseless) == distinct).all():
        return _signed(hashes.set(series.is_null() | (series == ""), None))
    return _signed(_joined(frame, entity))


def _joined(frame: pl.DataFrame, entity: Entity) -> pl.Series:
    """Return the hash of each row's key; null where it has none."""
    absent = pl.Series([None], dtype=pl.String).new_from_index(0, len(frame))
    first, *rest = (
        _normalised(_text_column(frame[path]), is_caseless=entity.is_caseless)
        if path in frame.columns
        else absent
        for path in entity.inputs
    )
    parts = pl.DataFrame(
        [first.alias("0")] + [part.fill_null("").alias(str(i)) for i, part in enumerate(rest, 1)]
    )
    key = pl.when(pl.col("0").str.len_bytes() > 0).then(
        pl.concat_str(parts.columns, separator=_SEPARATOR)
    )
    return parts.select(pl.when(key.is_not_null()).then(key.hash())).to_series()


def _signed(hashes: pl.Series) -> NDArray[np.int64]:
    return hashes.reinterpret(signed=True).replace(NO_KEY, 1).fill_null(NO_KEY).to_numpy()


def _text_column(series: pl.Series) -> pl.Series:
    """Return a column as the text that the parts of keys are made of."""
    if series.dtype == pl.String:
        return series
    if series.dtype in (pl.Categorical, pl.Enum, pl.Null):
        return series.cast(pl.String)
    return _by_value(series.to_frame(), [series.name], text_of, pl.String)


def _normalised(series: pl.Series, *, is_caseless: bool) -> pl.Series:
    """Return each text stripped, perhaps in lower case, as `digest_names` has it.

    Polars and Python agree on ASCII; other text goes through Python.
    """

    def normalise(text: str) -> str:
        stripped = text.strip()
        return stripped.lower() if is_caseless else stripped

    plain = series.str.strip_chars(_ASCII_SPACE)
    plain = plain.str.to_lowercase() if is_caseless else plain
    foreign = (series.str.len_bytes() != series.str.len_chars()).fill_null(value=False).arg_true()
    if len(foreign):
        plain = plain.scatter(foreign, [normalise(value) for value in series.gather(foreign)])
    return plain


def _by_value(
    frame: pl.DataFrame,
    inputs: Sequence[str],
    function: Callable[..., Any],
    dtype: type[pl.DataType] | None = None,
) -> pl.Series:
    """Apply a function of a few columns once to every distinct combination of their values."""
    arguments, places = _arguments(frame, inputs)
    values = pl.Series("value", [function(*row) for row in arguments], dtype)
    return values if places is None else values.gather(pl.Series(places))


def _arguments(
    frame: pl.DataFrame, inputs: Sequence[str | None]
) -> tuple[Iterator[tuple[Any, ...]], NDArray[np.int64] | None]:
    """Return distinct combinations of values, and which one each row has.

    A column that is not there is ``None`` in each. Where most rows differ every row is one, and
    ``None`` stands for which.
    """
    present = [name for name in dict.fromkeys(inputs) if name in frame.columns]
    if not present:
        return iter([(None,) * len(inputs)]), np.zeros(len(frame), np.int64)
    hashes = frame.select(pl.struct(present).hash().alias("hash"))
    first = hashes.to_series().arg_unique()
    is_mostly_distinct = 2 * len(first) > len(frame)
    distinct = frame.select(present) if is_mostly_distinct else frame[first].select(present)
    columns = {name: distinct[name].to_list() for name in present}
    absent = [None] * len(distinct)
    lists = (columns.get(name, absent) if name else absent for name in inputs)
    arguments = zip(*lists, strict=True)
    if is_mostly_distinct:
        return arguments, None
    known = hashes[first].with_row_index("place")
    joined = hashes.join(known, on="hash", how="left", maintain_order="left")
    return arguments, joined["place"].cast(pl.Int64).to_numpy()
