"""A limit on how often something may happen: a bucket of tokens that refills at a steady rate.

Everything is counted in whole numbers, so that no request is admitted or refused by a rounding.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TokenBucket"]

_PER_TOKEN: Final = 10**12
"""Parts of a token: thousandths of requests per second, times nanoseconds."""


class TokenBucket:
    """Admits at most ``burst + rate * t`` requests in any time of ``t`` seconds.

    The bucket is full at first. A request takes one token; tokens come back at the rate, up to
    the burst. Where the clock goes back, nothing comes back until it goes on.

    Parameters
    ----------
    requests_per_second : float
        The rate, at least 0.001; counted to the thousandth.
    burst : int
        How many tokens the bucket holds, at least 1.

    References
    ----------
    ITU-T I.371, "Traffic control and congestion control in B-ISDN", 2004, annex A: the same
    limit as a leaky bucket.

    Examples
    --------
    >>> bucket = TokenBucket(requests_per_second=0.5, burst=1)
    >>> bucket.take(now_ns=0), bucket.take(now_ns=0), bucket.take(now_ns=2_000_000_000)
    (0, 2000000000, 0)
    """

    __slots__ = ("_at_ns", "_full", "_level", "_rate", "burst", "requests_per_second")

    def __init__(self, requests_per_second: float, burst: int) -> None:
        self.requests_per_second = requests_per_second
        self.burst = burst
        self._rate = round(requests_per_second * 1000)
        self._full = burst * _PER_TOKEN
        self._level = self._full
        self._at_ns: int | None = None

    def take(self, now_ns: int) -> int:
        """Take a token.

        Parameters
        ----------
        now_ns : int
            The time, in nanoseconds of any clock.

        Returns
        -------
        int
            0 where there was one; else after how many nanoseconds there will be, if nobody else
            takes it, and none is taken.
        """
        if self._at_ns is not None and now_ns > self._at_ns:
            self._level = min(self._full, self._level + (now_ns - self._at_ns) * self._rate)
        self._at_ns = now_ns
        if self._level >= _PER_TOKEN:
            self._level -= _PER_TOKEN
            return 0
        return -((self._level - _PER_TOKEN) // self._rate)
