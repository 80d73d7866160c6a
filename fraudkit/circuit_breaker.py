"""A source that failed, or was slow, is left alone for a while, then tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["CircuitBreaker"]

_SLOW_IN_A_ROW: Final = 2


class CircuitBreaker:
    """Says whether a source may be asked.

    It opens with a failure, and with the second slow answer in a row. After the pause the next
    call is a trial: it closes with a quick answer, and opens again with a slow one. So a source
    that comes and goes costs its caller one wait for each pause.

    Parameters
    ----------
    retry_after_ms : float
        The pause, at least 0.
    slow_ms : float
        An answer that takes longer is slow; without a bound if infinite.
    monotonic_s : callable
        Returns seconds from a clock that never runs back. It measures the pause.

    Examples
    --------
    >>> now_s = [0.0]
    >>> breaker = CircuitBreaker(retry_after_ms=1_000, slow_ms=50, monotonic_s=lambda: now_s[0])
    >>> breaker.failed()
    >>> breaker.is_open
    True
    >>> now_s[0] = 1.0
    >>> breaker.is_open
    False
    """

    def __init__(
        self, *, retry_after_ms: float, slow_ms: float, monotonic_s: Callable[[], float]
    ) -> None:
        self._retry_after_s = retry_after_ms / 1000
        self._slow_s = slow_ms / 1000
        self._monotonic_s = monotonic_s
        self._open_until_s = float("-inf")
        self._n_slow = 0

    @property
    def is_open(self) -> bool:
        """Whether the source is to be left alone."""
        return self._monotonic_s() < self._open_until_s

    def failed(self) -> None:
        """Note that the source did not answer."""
        self._n_slow = _SLOW_IN_A_ROW
        self._open()

    def answered(self, took_s: float) -> None:
        """Note how long an answer took, in seconds."""
        if took_s <= self._slow_s:
            self._n_slow = 0
            return
        self._n_slow += 1
        if self._n_slow >= _SLOW_IN_A_ROW:
            self._open()

    def _open(self) -> None:
        self._open_until_s = self._monotonic_s() + self._retry_after_s
