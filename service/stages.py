"""How long the stages of a request take, for the few requests that are looked at closely.

A request that is not looked at pays one comparison a stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter_ns
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from starlette.types import Scope

from service.counting import Histogram

__all__ = ["OBSERVATION", "STAGES", "STAGE_BOUNDS_S", "Observation", "Stage", "Stages", "watched"]

OBSERVATION: Final = "fraudkit.observation"
"""Where an ASGI scope holds the `Observation` of its request."""

STAGES: Final = ("wait", "decode", "decide", "journal")
"""In their order: in line, from bytes to an order, from there to the encoded decision, and until
it was durable together with the others of its turn."""

STAGE_BOUNDS_S: Final = (
    *(0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001),
    *(0.002, 0.005, 0.01, 0.05, 0.1, 1.0),
)
"""Upper bounds of the buckets of a stage's duration, in seconds."""

P = ParamSpec("P")
R = TypeVar("R")


class Stage(NamedTuple):
    """A stage of one request, in nanoseconds of `time.perf_counter_ns`."""

    name: str
    start_ns: int
    end_ns: int


class Observation:
    """One request that is looked at closely.

    Attributes
    ----------
    stages : list of Stage
        In the order in which they ended.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.stages: list[Stage] = []

    def note(self, name: str, start_ns: int) -> None:
        """Note a stage that ends now."""
        self.stages.append(Stage(name, start_ns, perf_counter_ns()))

    def run(self, work: Callable[[], R], joined_ns: int) -> R:
        """Do the work of the request, which stood in line since then."""
        self.note("wait", joined_ns)
        return self._stages.run(self, work)


class Stages:
    """The stages of one event loop's requests.

    Attributes
    ----------
    durations : dict of str to Histogram
        By stage.
    """

    def __init__(self) -> None:
        self.durations = {stage: Histogram(STAGE_BOUNDS_S) for stage in STAGES}
        self._running: Observation | None = None
        self._unwritten: list[Observation] = []

    def of(self, stage: str, work: Callable[P, R]) -> Callable[P, R]:
        """Return `work`, with its time noted where the request is looked at."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            observation = self._running
            if observation is None:
                return work(*args, **kwargs)
            start_ns = perf_counter_ns()
            try:
                return work(*args, **kwargs)
            finally:
                observation.note(stage, start_ns)

        return timed

    def run(self, observation: Observation, work: Callable[[], R]) -> R:
        """Do work, with its stages noted."""
        self._running = observation
        self._unwritten.append(observation)
        try:
            return work()
        finally:
            self._running = None

    def written_by(self, write: Callable[[], None]) -> Callable[[], None]:
        """Return `write`, with its time noted for the requests that wait for it."""

        def timed() -> None:
            if not self._unwritten:
                write()
                return
            unwritten, self._unwritten = self._unwritten, []
            start_ns = perf_counter_ns()
            try:
                write()
            finally:
                for observation in unwritten:
                    observation.note("journal", start_ns)

        return timed

    def count(self, stages: Iterable[Stage]) -> None:
        """Count the stages of a request that is over."""
        for stage in stages:
            self.durations[stage.name].observe((stage.end_ns - stage.start_ns) / 1e9)


def watched(scope: Scope, work: Callable[[], R]) -> Callable[[], R]:
    """Return a request's work in line, with its stages noted where it is looked at."""
    observation: Any = scope.get(OBSERVATION)
    return work if observation is None else partial(observation.run, work, perf_counter_ns())
