"""Orders and outcomes without end, whose customers, cards and devices come again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import msgspec

from tests.crash.asking import Request
from tests.service.conftest import orders_of, outcome_of

__all__ = ["Stream", "orders_from"]

_CHUNK = 60
_OUTCOME_EVERY = 3


class Stream:
    """Requests without end, in an order that the seed alone says.

    Attributes
    ----------
    by_name : dict
        All that were made until now.
    n_orders : int
        How many of them are orders.
    """

    def __init__(self, seed: int) -> None:
        self.by_name: dict[tuple[str, str], Request] = {}
        self.n_orders = 0
        self._seed = seed
        self._made = self._make()

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        request = next(self._made)
        self.by_name[request.name] = request
        return request

    def _make(self) -> Iterator[Request]:
        for first in count(0, _CHUNK):
            orders = orders_of(self._seed, _CHUNK, first=first)
            for number, order in enumerate(orders):
                self.n_orders += 1
                yield Request.of("/v1/score", msgspec.json.encode(order))
                if number % _OUTCOME_EVERY == _OUTCOME_EVERY - 1:
                    outcome = outcome_of(orders[number - 2], number // _OUTCOME_EVERY)
                    yield Request.of("/v1/outcomes", msgspec.json.encode(outcome))


def orders_from(seed: int, count: int, *, first: int) -> list[Request]:
    """Return orders that come after so many of a stream, by the same customers."""
    orders = orders_of(seed, count, first=first)
    return [Request.of("/v1/score", msgspec.json.encode(order)) for order in orders]
