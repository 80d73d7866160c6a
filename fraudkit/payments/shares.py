"""From published shares to pools: how a country's payments divide over the methods there.

Invariant: within a country every method is in exactly one pool, and every pool's percentage is
above 0.

The rule, for one country, over its editions in the order of the file, then its region's, then
the world's:

1. A method's own figure stands: the method is a pool by itself.
2. A bucket's figure is a pool of the methods in that bucket that have no figure of their own.
   What editions used before gave to methods or parts of the bucket is taken off (a national
   scheme is counted again in "bank transfer" elsewhere), down to `RESIDUAL_PERCENT_MIN`.
   ``other`` is the pool of all buckets that the edition does not name.
3. A bucket is settled by the first edition that names it; later figures of it are not used.
4. A partial edition is taken as published, as far as there is room up to 100. A full partition
   is scaled to fill exactly the room that is left: all of it if it comes first.
5. A method that no edition reaches is in a pool of `UNNAMED_PERCENT`.

Within a pool of several buckets (cards, ``other``) the buckets divide as in the first edition
that names at least two of them; one that it does not name counts as the smallest it names.
Within a bucket the methods divide by split weight times the country's delta. Both divide anew
among the methods that can be used for an order: what cannot be used is replaced from within its
pool first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from fraudkit.payments.entries import Bucket, EditionEntry, MethodEntry, ShareEntry

__all__ = [
    "LEAVES",
    "RESIDUAL_PERCENT_MIN",
    "ROOM_PERCENT_MIN",
    "UNNAMED_PERCENT",
    "Pool",
    "country_pools",
]

RESIDUAL_PERCENT_MIN = 0.5
UNNAMED_PERCENT = 0.5
ROOM_PERCENT_MIN = 0.5

LEAVES: tuple[Bucket, ...] = (
    "credit_card",
    "debit_card",
    "wallet",
    "bank_transfer",
    "direct_debit",
    "pay_later",
    "cash",
    "prepaid",
)
"""The buckets that a method can be in."""


class Pool(Struct, frozen=True, kw_only=True):
    """Methods that share one published figure.

    Attributes
    ----------
    percent : float
        What the pool has of the country's payments, above 0.
    weights : dict[str, float]
        Method → how the figure divides; only the proportions mean something.
    edition : EditionEntry or None
        Where the figure is from; ``None`` where no source names one.
    figures : tuple of ShareEntry
        The published figures that the pool is made of.
    is_as_published : bool
        Nothing was taken off and nothing scaled.
    division : EditionEntry or None
        The edition by which the pool's buckets divide, where it has several.
    """

    percent: float
    weights: dict[str, float]
    edition: EditionEntry | None = None
    figures: tuple[ShareEntry, ...] = ()
    is_as_published: bool = True
    division: EditionEntry | None = None


def country_pools(
    methods: Sequence[MethodEntry],
    editions: Sequence[EditionEntry],
    *,
    bucket_of: Mapping[str, Bucket],
    factors: Mapping[str, float],
) -> tuple[Pool, ...]:
    """Return the pools of one country; the rule stands in the module's docstring.

    Parameters
    ----------
    methods : sequence of MethodEntry
        All that have a market in the country.
    editions : sequence of EditionEntry
        The country's, its region's and the world's, in the order of use.
    bucket_of : mapping of str to str
        The bucket of every method in the catalogue, also of those without a market here.
    factors : mapping of str to float
        Method → the country's delta.
    """
    division = _Division(methods, editions, bucket_of, factors)
    for edition in editions:
        division.use(edition)
    return division.finished()


class _Division:
    """The state of dividing one country's 100 percent."""

    def __init__(
        self,
        methods: Sequence[MethodEntry],
        editions: Sequence[EditionEntry],
        bucket_of: Mapping[str, Bucket],
        factors: Mapping[str, float],
    ) -> None:
        self._free = {method.method_type: method for method in methods}
        self._editions = editions
        self._bucket_of = bucket_of
        self._factors = factors
        self._room = 100.0
        self._settled: set[Bucket] = set()
        self._given: defaultdict[Bucket, float] = defaultdict(float)
        self._pools: list[Pool] = []

    def use(self, edition: EditionEntry) -> None:
        """Take over what this edition says about what is still open."""
        parts = self._own_figures(edition) + self._bucket_figures(edition)
        total = sum(percent for percent, _, _, _ in parts)
        if total == 0:
            return
        scale = self._room / total
        if not edition.is_full_partition:
            scale = min(scale, 1.0)
        for percent, names, leaves, figures in parts:
            published = sum(figure.percent for figure in figures)
            self._add(
                Pool(
                    percent=percent * scale,
                    weights=self._weights(names, leaves),
                    edition=edition,
                    figures=figures,
                    is_as_published=abs(percent * scale - published) <= 0.02 * published,
                    division=self._divides(leaves),
                )
            )
            for leaf in leaves:
                self._given[leaf] += percent * scale / len(leaves)
            if figures[0].bucket is not None:
                self._settled.update(leaves)
        self._room = max(self._room - total * scale, ROOM_PERCENT_MIN)

    def finished(self) -> tuple[Pool, ...]:
        """Return all pools, with one for each bucket of the methods that nothing reached."""
        for leaf in LEAVES:
            names = self._in((leaf,))
            self._add(Pool(percent=UNNAMED_PERCENT, weights=self._weights(names, (leaf,))))
        return tuple(self._pools)

    def _add(self, pool: Pool) -> None:
        if pool.weights:
            self._pools.append(pool)
            for name in pool.weights:
                del self._free[name]

    def _own_figures(self, edition: EditionEntry) -> list[_Part]:
        parts: list[_Part] = []
        for figure in edition.shares:
            if figure.method is None or self._bucket_of[figure.method] in self._settled:
                continue
            if any(figure.method in pool.weights for pool in self._pools):
                continue
            names = (figure.method,) if figure.method in self._free else ()
            parts.append((figure.percent, names, (self._bucket_of[figure.method],), (figure,)))
        return parts

    def _bucket_figures(self, edition: EditionEntry) -> list[_Part]:
        own = {figure.method for figure in edition.shares}
        figures_of: defaultdict[Bucket, list[ShareEntry]] = defaultdict(list)
        for figure in edition.shares:
            if figure.bucket is not None:
                figures_of[figure.bucket].append(figure)
        named = {leaf for bucket in figures_of if bucket != "other" for leaf in _leaves(bucket)}
        parts: list[_Part] = []
        for bucket, figures in figures_of.items():
            within = [leaf for leaf in LEAVES if leaf not in named]
            leaves = within if bucket == "other" else list(_leaves(bucket))
            still = tuple(leaf for leaf in leaves if leaf not in self._settled)
            if not still:
                continue
            percent = sum(figure.percent for figure in figures)
            percent -= sum(self._given[leaf] for leaf in leaves)
            names = tuple(name for name in self._in(still) if name not in own)
            parts.append((max(percent, RESIDUAL_PERCENT_MIN), names, still, tuple(figures)))
        return parts

    def _in(self, leaves: Sequence[Bucket]) -> tuple[str, ...]:
        return tuple(name for name, method in self._free.items() if method.bucket in leaves)

    def _weights(self, names: Sequence[str], leaves: Sequence[Bucket]) -> dict[str, float]:
        leaf_shares = _leaf_shares(self._divides(leaves), leaves)
        raw = {name: self._free[name].split_weight * self._factors.get(name, 1.0) for name in names}
        totals: defaultdict[Bucket, float] = defaultdict(float)
        for name, weight in raw.items():
            totals[self._free[name].bucket] += weight
        return {
            name: leaf_shares[self._free[name].bucket] * weight / totals[self._free[name].bucket]
            for name, weight in raw.items()
        }

    def _divides(self, leaves: Sequence[Bucket]) -> EditionEntry | None:
        """Return the first edition that names at least two of the buckets."""
        named_in = ({share.bucket for share in held.shares} for held in self._editions)
        return next(
            (
                edition
                for edition, named in zip(self._editions, named_in, strict=True)
                if len(named.intersection(leaves)) > 1
            ),
            None,
        )


_Part = tuple[float, tuple[str, ...], tuple[Bucket, ...], tuple[ShareEntry, ...]]
"""A percentage, the free methods that share it, their buckets, the figures it is made of."""


def _leaves(bucket: Bucket) -> tuple[Bucket, ...]:
    return ("credit_card", "debit_card") if bucket == "card" else (bucket,)


def _leaf_shares(edition: EditionEntry | None, leaves: Sequence[Bucket]) -> dict[Bucket, float]:
    """Return how buckets that share a figure divide it; equally where no edition tells."""
    named: defaultdict[Bucket, float] = defaultdict(float)
    for figure in () if edition is None else edition.shares:
        if figure.bucket is not None and figure.bucket in leaves:
            named[figure.bucket] += figure.percent
    least = min(named.values(), default=1.0)
    return {leaf: named.get(leaf, least) for leaf in leaves}
