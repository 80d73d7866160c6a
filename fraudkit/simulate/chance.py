"""Chance: the one source of randomness, and the ways in which the rules state it.

Invariant: everything drawn comes from the one generator, in the order in which it is asked for,
so that the same seed makes the same shop.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from msgspec import Struct

__all__ = ["Delay", "Draw", "FloatArray", "Shares", "Table"]

T = TypeVar("T")
FloatArray = npt.NDArray[np.float64]

Shares = tuple[tuple[str, float], ...]
"""Options and how often each is taken; the shares add up to 1."""

Table = tuple[tuple[str, float], ...]
"""A number for each of some cases."""

_UNIT_MS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "days": 86_400_000}
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Delay(Struct, frozen=True):
    """A waiting time: half are shorter than ``median``; none is longer than ``most``.

    The logarithm is normally distributed with the standard deviation ``spread``.

    Examples
    --------
    >>> print(Delay(25, 0.6, 120, "days"))
    25 days (median; log-normal with spread 0.6, at most 120 days)
    """

    median: float
    spread: float
    most: float
    unit: Literal["s", "min", "h", "days"]

    def __str__(self) -> str:
        return (
            f"{self.median:g} {self.unit} (median; log-normal with spread {self.spread:g}, "
            f"at most {self.most:g} {self.unit})"
        )


class Draw:
    """Draws from one generator; each method takes what the rules state.

    Examples
    --------
    >>> draw = Draw(np.random.default_rng(7))
    >>> draw.pick("abc"), draw.whole(1, 6), draw.token("card")
    ('b', 6, 'card_y...')
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._uniform = generator.random
        self._normal = generator.standard_normal
        self._integers = generator.integers

    def chance(self, share: float) -> bool:
        """Return ``True`` in ``share`` of draws, in [0, 1]."""
        return self._uniform() < share

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high), evenly."""
        return low + (high - low) * self._uniform()

    def near(self, middle: float, spread: float) -> float:
        """Return a normally distributed number."""
        return middle + spread * float(self._normal())

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included, evenly."""
        return low + int(self._uniform() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, evenly."""
        return options[int(self._uniform() * len(options))]

    def weighted(self, shares: Sequence[tuple[T, float]]) -> T:
        """Return one of the options by its share; the shares add up to 1."""
        left = self._uniform()
        for option, share in shares:
            left -= share
            if left < 0:
                return option
        return shares[-1][0]

    def index(self, cumulative: Sequence[float]) -> int:
        """Return an index of cumulative shares; the last of them is 1."""
        return min(bisect_right(cumulative, self._uniform()), len(cumulative) - 1)

    def size(self, median: float, spread: float) -> int:
        """Return a log-normally distributed whole number, at least 1."""
        return max(1, round(median * math.exp(spread * self._normal())))

    def delay_ms(self, delay: Delay) -> int:
        """Return a waiting time in whole milliseconds, at least 1."""
        waited = delay.median * math.exp(delay.spread * self._normal())
        return max(1, int(min(waited, delay.most) * _UNIT_MS[delay.unit]))

    def gammas(self, shape: float, count: int) -> FloatArray:
        """Return ``count`` gamma-distributed numbers of mean ``shape``."""
        return self._generator.gamma(shape, size=count)

    def indices(self, weights: FloatArray, count: int) -> list[int]:
        """Return ``count`` indices of ``weights``, each drawn in proportion to its weight."""
        cumulative = np.cumsum(weights)
        drawn = self._generator.random(count) * cumulative[-1]
        found: list[int] = np.searchsorted(cumulative, drawn, side="right").tolist()
        return found

    def sample(self, total: int, count: int) -> list[int]:
        """Return ``count`` different numbers below ``total``, in rising order."""
        found: list[int] = np.sort(self._generator.permutation(total)[:count]).tolist()
        return found

    def token(self, prefix: str) -> str:
        """Return a token of 80 random bits: the prefix, ``_`` and 16 letters of base 32."""
        bits = int(self._integers(1 << 40)) << 40 | int(self._integers(1 << 40))
        return f"{prefix}_" + "".join(_BASE32[bits >> shift & 31] for shift in _SHIFTS)


_SHIFTS = range(75, -1, -5)
