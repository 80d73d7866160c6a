"""Segments: orders that a policy treats in a way of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from fraudkit.decisions.costs import Share
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import FeatureError
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.field_kinds import field_kind, nearest_path
from fraudkit.features.fields import field_reader

__all__ = [
    "CutOffs",
    "OddsFactor",
    "Segment",
    "SegmentFinder",
    "cut_off_problems",
    "segment_problems",
]

_KINDS: Final = {"text": (str,), "truth": (bool,), "any": (str, bool)}

OddsFactor = Annotated[float, Meta(ge=0.01, le=100.0)]


class CutOffs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plain cut-offs on the probability of fraud; an action without one is not taken.

    Attributes
    ----------
    challenge_from, review_from, decline_from : float or None
        The probability at which the action begins, ascending in this order.
    """

    challenge_from: Share | None = None
    review_from: Share | None = None
    decline_from: Share | None = None


class Segment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Orders whose fields have some values, and how they are decided.

    Attributes
    ----------
    name : str
    when : dict[str, tuple of str or bool]
        Path of a transaction's field → the values that belong here; all paths must match. A
        field that did not come matches nothing.
    costs : dict[str, float]
        Those figures of `fraudkit.decisions.costs.Costs` that differ here.
    odds_factor : float or None
        How many times the odds of fraud are taken; ``None`` is as in the whole policy.
    cut_offs : CutOffs or None
        Instead of the least expected cost.
    never_decline, always_review : bool
        What holds whatever the cost. A review needs a place in the day's capacity all the same.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9_]{1,40}$(?!\\n)")]
    when: Annotated[
        dict[str, Annotated[tuple[str | bool, ...], Meta(min_length=1, max_length=300)]],
        Meta(min_length=1, max_length=10),
    ]
    costs: Annotated[dict[str, float], Meta(max_length=10)] = {}
    odds_factor: OddsFactor | None = None
    cut_offs: CutOffs | None = None
    never_decline: bool = False
    always_review: bool = False


class SegmentFinder:
    """Tells the segment of an order: the first whose conditions all hold.

    Examples
    --------
    >>> finder = SegmentFinder([Segment(name="de", when={"billing.country": ("DE", "AT")})])
    >>> finder.of_many({"billing.country": ["DE", "FR", None]}, 3)
    array([0, 1, 1])
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.paths = tuple(dict.fromkeys(path for segment in segments for path in segment.when))
        place = {path: number for number, path in enumerate(self.paths)}
        self._conditions = [
            [(place[path], frozenset(values)) for path, values in segment.when.items()]
            for segment in segments
        ]
        self._is_open = any(field_kind(path) == "any" for path in self.paths)
        self._readers: list[Callable[[Transaction], object]] = [
            field_reader(path) for path in self.paths
        ]

    def of(self, transaction: Transaction) -> int:
        """Return the place of an order's segment; the number of segments if it has none."""
        if not self._conditions:
            return 0
        return self._first([read(transaction) for read in self._readers])

    def of_many(self, columns: Mapping[str, Sequence[object]], n_orders: int) -> NDArray[np.int64]:
        """Return the places of many orders' segments, as `of`.

        Parameters
        ----------
        columns : mapping
            Those of ``paths`` that came, each with a value an order, ``None`` where absent.
        """
        if not self._conditions:
            return np.zeros(n_orders, np.int64)
        absent: Sequence[object] = [None] * n_orders
        known: dict[tuple[object, ...], int] = {}

        def places() -> Iterator[int]:
            for values in zip(*(columns.get(path, absent) for path in self.paths), strict=True):
                key = (*values, *map(type, values)) if self._is_open else values
                if key not in known:
                    known[key] = self._first(values)
                yield known[key]

        return np.fromiter(places(), np.int64, n_orders)

    def _first(self, values: Sequence[object]) -> int:
        for number, conditions in enumerate(self._conditions):
            for place, wanted in conditions:
                value = values[place]
                # A number is no truth value, though 1 == True.
                if not isinstance(value, str | bool) or value not in wanted:
                    break
            else:
                return number
        return len(self._conditions)


def segment_problems(segments: Sequence[Segment]) -> Iterator[str]:
    """Yield what does not hold in the segments, each beginning with where."""
    seen: dict[str, int] = {}
    for number, segment in enumerate(segments):
        at = f"/segments/{number}"
        if segment.name in seen:
            yield f"{at}/name: expected a name of its own, got {segment.name!r} again"
        seen[segment.name] = number
        for path, values in segment.when.items():
            yield from (f"{at}/when/{path}: {said}" for said in _condition_problems(path, values))
        if segment.cut_offs is not None:
            yield from cut_off_problems(segment.cut_offs, f"{at}/cut_offs")
            if segment.odds_factor is not None:
                yield f"{at}/odds_factor: expected none beside cut_offs, got {segment.odds_factor}"


def cut_off_problems(cut_offs: CutOffs, at: str) -> Iterator[str]:
    """Yield what does not hold in cut-offs."""
    given = [(name, getattr(cut_offs, name)) for name in CutOffs.__struct_fields__]
    stated = [(name, value) for name, value in given if value is not None]
    if not stated:
        yield f"{at}: expected at least one of {', '.join(CutOffs.__struct_fields__)}, got none"
    for (milder, first), (stricter, second) in pairwise(stated):
        if first > second:
            yield f"{at}/{stricter}: expected at least {milder} = {first}, got {second}"


def _condition_problems(path: str, values: tuple[str | bool, ...]) -> Iterator[str]:
    try:
        kind = field_kind(path)
        field_reader(path)
    except FeatureError:
        kind = None
    if kind not in _KINDS or path in DERIVED_PATHS:
        yield f"expected the path of a text or a truth value of an order{nearest_path(path)}"
        return
    for value in values:
        if not isinstance(value, _KINDS[kind]):
            yield f"expected {'true or false' if kind == 'truth' else 'texts'}, got {value!r}"
