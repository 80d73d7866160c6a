"""A server under load: what it was sent, and what was seen of it at each number of connections."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.drivers import Bodies, Driven, Orders, drive
from benchmarks.harness import PERCENTILES, percentile

__all__ = ["CONNECTIONS", "LATENCIES", "Target", "ratios"]

CONNECTIONS: Final = (1, 8, 64)
"""Numbers of connections at which every server is driven."""

LATENCIES: Final = {suffix.replace("_", ""): share for suffix, share in PERCENTILES.items()}
"""Percentiles of latency: p50 and so on → share of the requests at or below it."""

_MODEL_SERVERS: Final = ("mlserver", "bentoml", "litserve")


class Target:
    """A server, what it was sent and what was seen of it.

    Parameters
    ----------
    name : str
        Prefix of its figures.
    url : str
        Where it listens.
    sent : Orders or Bodies
        The first round's requests; each later round goes on in time.
    """

    def __init__(self, name: str, url: str, sent: Orders | Bodies) -> None:
        self.name = name
        self.url = url
        self.sent = sent
        self._rounds: dict[int, list[Driven]] = {}
        self.answered = 0
        self.failed = 0

    def drive(self, seconds: int, connections: int, *, is_counted: bool = True) -> None:
        """Send requests for some seconds."""
        driven = drive(self.url, self.sent, seconds, connections=connections)
        self.take_in(driven, connections)
        if is_counted:
            self._rounds.setdefault(connections, []).append(driven)

    def take_in(self, driven: Driven, connections: int) -> None:
        """Count what was answered, and go on to requests that were not sent yet."""
        self.answered += driven.requests - driven.failed
        self.failed += driven.failed
        self.sent = self.sent.after(driven.requests + 2 * connections)

    def figures(self) -> dict[str, float]:
        """Return good answers a second and percentiles of latency, over the rounds of a number."""
        figures = {}
        for connections, rounds in self._rounds.items():
            values, counts = np.array([pair for r in rounds for pair in r.latency_us]).T
            ordered = np.sort(np.repeat(values, counts)).tolist()
            good = sum(driven.requests - driven.failed for driven in rounds)
            duration_us = sum(driven.duration_us for driven in rounds)
            figures[f"{self.name}_rps_c{connections}"] = good / duration_us * 1e6
            for suffix, share in LATENCIES.items():
                latency_us = percentile(ordered, share)
                figures[f"{self.name}_{suffix}_ms_c{connections}"] = latency_us / 1000
        return figures

    @property
    def counted(self) -> int:
        """How many requests the figures rest on."""
        return sum(driven.requests for rounds in self._rounds.values() for driven in rounds)


def ratios(figures: dict[str, float]) -> dict[str, float]:
    """Return what ours answers over what others answer, each at the same number of connections.

    Parameters
    ----------
    figures : dict[str, float]
        ``{server}_rps_c{connections}`` of ours, of the bare application and of peers.

    Returns
    -------
    dict[str, float]
        ``ours_over_bare_c1`` and so on, and, each the least over the numbers of connections,
        ``ours_over_bare``, ``ours_over_plain_fastapi`` and ``ours_over_fastest_model_server``,
        of the servers that there are.

    Examples
    --------
    >>> rps = {"ours": 4.0, "bare_asgi": 16.0, "bentoml": 1.0, "litserve": 2.0}
    >>> found = ratios({f"{name}_rps_c{n}": rps[name] for name in rps for n in CONNECTIONS})
    >>> found["ours_over_bare"], found["ours_over_fastest_model_server"]
    (0.25, 2.0)
    """
    over_bare = {
        f"ours_over_bare_c{connections}": _least(figures, "bare_asgi", connections=connections)
        for connections in CONNECTIONS
    }
    found = {**over_bare, "ours_over_bare": min(over_bare.values())}
    if "plain_fastapi_rps_c1" in figures:
        found["ours_over_plain_fastapi"] = min(
            _least(figures, "plain_fastapi", connections=n) for n in CONNECTIONS
        )
    servers = [name for name in _MODEL_SERVERS if f"{name}_rps_c1" in figures]
    if servers:
        found["ours_over_fastest_model_server"] = min(
            _least(figures, *servers, connections=n) for n in CONNECTIONS
        )
    return found


def _least(figures: dict[str, float], *others: str, connections: int) -> float:
    """Return ours over the fastest of some others."""
    ours = figures[f"ours_rps_c{connections}"]
    return ours / max(figures[f"{name}_rps_c{connections}"] for name in others)
