"""Digests of frames: the same for equal frames, another for any other."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.rescoring.contents import frame_digest

KINDS: dict[type[pl.DataType], st.SearchStrategy[object]] = {
    pl.String: st.text(max_size=5),
    pl.Int64: st.integers(-9, 9),
    pl.Float64: st.integers(-9, 9).map(float),
    pl.Boolean: st.booleans(),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Draw frames of few columns, rows and values, so that equal ones and near ones come up."""
    n_rows = draw(st.integers(0, 4))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS, key=str)), max_size=3))
    columns = [
        pl.Series(
            draw(st.sampled_from("ab")) + str(place),
            draw(st.lists(st.none() | KINDS[kind], min_size=n_rows, max_size=n_rows)),
            kind,
        )
        for place, kind in enumerate(kinds)
    ]
    return pl.DataFrame(columns)


@given(frames(), frames())
def test_digests_are_equal_where_frames_are(one: pl.DataFrame, other: pl.DataFrame) -> None:
    is_equal = one.schema == other.schema and one.rows() == other.rows()
    assert (frame_digest(one) == frame_digest(other)) == is_equal


@given(frames(), st.integers(0, 4))
def test_a_digest_does_not_depend_on_the_layout(frame: pl.DataFrame, place: int) -> None:
    chunks = pl.concat([frame[:place], frame[place:]], rechunk=False)
    assert frame_digest(chunks) == frame_digest(frame)
    assert frame_digest(frame[::-1][::-1]) == frame_digest(frame)
    joined = frame.with_columns(pl.all().gather(pl.int_range(pl.len())))
    assert frame_digest(joined) == frame_digest(frame)


NEAR = [
    ({"a": ["x", "yz"]}, {"a": ["xy", "z"]}),
    ({"a": ["", None]}, {"a": [None, ""]}),
    ({"a": [0, None]}, {"a": [0, 0]}),
    ({"a": [True, None]}, {"a": [True, False]}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": [1]}, {"b": [1]}),
    ({"a": [1]}, {"a": [1.0]}),
    ({"a": ["x"], "b": ["y"]}, {"b": ["y"], "a": ["x"]}),
]


@pytest.mark.parametrize(("one", "other"), NEAR)
def test_frames_that_are_nearly_equal_differ(
    one: dict[str, list[object]], other: dict[str, list[object]]
) -> None:
    assert frame_digest(pl.DataFrame(one)) != frame_digest(pl.DataFrame(other))
