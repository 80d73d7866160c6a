"""The metrics of the service, as Prometheus reads them.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): a prefix, the
unit in the name, ``_total`` for what only grows. They are read when they are asked for, from plain
counts, so that a request pays as little as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fraudkit.engine import Engine
from fraudkit.errors import StoreError
from fraudkit.features.state import StoreCounters
from fraudkit.journal.record import Journal
from fraudkit.journal.spooled import SpooledJournal
from service.counting import DecisionCounts, Histogram, RequestCounts, Unwritten
from service.stages import Stages

__all__ = ["METRICS", "ROUTES", "SAMPLED_1_IN", "Metrics", "StoreWatch"]

SAMPLED_1_IN: Final = 16
"""Of so many orders one has its stages timed."""

ROUTES: Final = (
    "/v1/score",
    "/v1/outcomes",
    "/v1/payment-methods",
    "/v1/decisions/{transaction_id}",
    "/v1/bundle",
    "/v1/bundle/promote",
    "/v1/bundle/rollback",
    "/v1/policy/promote",
    "/v1/erasures",
    "/healthz",
    "/readyz",
    "/metrics",
)
"""The routes that requests are counted by."""

METRICS: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "fraudkit_decisions_total": ("counter", ("action",), "Orders decided, each once"),
    "fraudkit_decision_reasons_total": ("counter", ("code",), "Reasons that decisions showed"),
    "fraudkit_decisions_by_country_total": (
        "counter",
        ("country", "action"),
        "Orders decided, by billing country (else that of the delivery)",
    ),
    "fraudkit_decisions_by_method_total": (
        "counter",
        ("method", "action"),
        "Orders decided, by family of the payment method",
    ),
    "fraudkit_degraded_total": (
        "counter",
        ("source",),
        "Orders decided without a source; `deadline`: without a score",
    ),
    "fraudkit_outcomes_total": ("counter", ("kind",), "Outcomes taken in, each once"),
    "fraudkit_request_duration_seconds": (
        "histogram",
        ("route", "status"),
        "From a request's headers to its answer, by class of status",
    ),
    "fraudkit_stage_duration_seconds": (
        "histogram",
        ("stage",),
        f"Stages of POST /v1/score, of one order in {SAMPLED_1_IN}",
    ),
    "fraudkit_requests_shed_total": ("counter", (), "Requests turned away: too many waited"),
    "fraudkit_errors_total": ("counter", ("code",), "Answers that are no success, by their code"),
    "fraudkit_journal_lag_records": ("gauge", (), "Orders decided and not yet durable"),
    "fraudkit_journal_lag_seconds": ("gauge", (), "How long the oldest of them has waited"),
    "fraudkit_journal_up": ("gauge", (), "1 if records reach the journal, else 0"),
    "fraudkit_journal_spooled_records": (
        "gauge",
        (),
        "Records that wait in the spool for the journal",
    ),
    "fraudkit_records_removed_total": (
        "counter",
        ("reason",),
        "Orders and outcomes removed: erased with a customer, or expired",
    ),
    "fraudkit_store_up": ("gauge", (), "1 if the windows' store answers, else 0"),
    "fraudkit_store_events": ("gauge", (), "Events that the windows' store holds"),
    "fraudkit_store_keys": ("gauge", (), "Identities that the windows' store knows"),
    "fraudkit_store_evicted_total": (
        "counter",
        ("reason",),
        "Events let go; only those by capacity can change a feature",
    ),
    "fraudkit_build_info": (
        "gauge",
        ("version", "bundle", "features", "policy"),
        "Always 1; its labels are what decides",
    ),
    "process_cpu_seconds_total": ("counter", (), "Processor time used"),
    "process_resident_memory_bytes": ("gauge", (), "Memory held"),
    "process_virtual_memory_bytes": ("gauge", (), "Address space used"),
    "process_start_time_seconds": ("gauge", (), "When the process started, Unix time"),
    "process_open_fds": ("gauge", (), "Files and sockets open"),
    "process_max_fds": ("gauge", (), "Files and sockets that may be open"),
}
"""Name → type, labels and meaning. Those of the process are there on Linux only."""

_STORE_SECONDS_MAX: Final = 5.0


class StoreWatch:
    """What the windows' store holds, asked for at most every five seconds.

    A store in another process answers slowly, and orders wait for the answer.

    Parameters
    ----------
    engine : Engine
    clock_s : callable
        Seconds of a clock that only goes on.
    """

    def __init__(self, engine: Engine, *, clock_s: Callable[[], float] = monotonic) -> None:
        self._engine = engine
        self._clock_s = clock_s
        self._asked_at_s = float("-inf")
        self._counters: StoreCounters | None = None
        self.problem: str | None = None

    def counters(self) -> StoreCounters | None:
        """Return what it holds and let go; ``None`` where it cannot be reached.

        `problem` then says why.
        """
        now_s = self._clock_s()
        if now_s - self._asked_at_s >= _STORE_SECONDS_MAX:
            self._asked_at_s = now_s
            try:
                self._counters, self.problem = self._engine.counters, None
            except StoreError as error:
                self._counters, self.problem = None, str(error)
        return self._counters


class Metrics(Collector):
    """Everything that one service counts.

    Parameters
    ----------
    version : str
        Of fraudkit.

    Attributes
    ----------
    decisions : DecisionCounts
    unwritten : Unwritten
    requests : RequestCounts
    stages : Stages
    removed : dict of str to int
        Records removed, by why.
    """

    def __init__(self, version: str) -> None:
        self.decisions = DecisionCounts()
        self.unwritten = Unwritten(self.decisions)
        self.requests = RequestCounts(ROUTES)
        self.stages = Stages()
        self.removed = {"erased": 0, "expired": 0}
        self._version = version
        self._store: StoreWatch | None = None
        self._engine: Engine | None = None
        self._journal: Journal | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def watch(self, engine: Engine, journal: Journal | None = None) -> StoreWatch:
        """Tell of an engine and its journal from now on, and return the watch of its store."""
        self._store = StoreWatch(engine)
        self._engine = engine
        self._journal = journal
        return self._store

    def exposed(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics as text, and its media type.

        Parameters
        ----------
        accept : str
            The header ``accept``: OpenMetrics where it asks for it, else Prometheus' own format.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def collect(self) -> Iterator[Metric]:
        """Yield every metric but those of the process."""
        yield from self._of_decisions()
        yield from self._of_requests()
        yield _gauge("fraudkit_journal_lag_records", [((), len(self.unwritten))])
        yield _gauge("fraudkit_journal_lag_seconds", [((), self.unwritten.lag_s)])
        if self._journal is not None:
            yield from _of_journal(self._journal)
        yield _counter("fraudkit_records_removed_total", _one_label(self.removed))
        if self._store is not None:
            yield from _of_store(self._store.counters())
        if self._engine is not None:
            held = self._engine.versions
            labels = (self._version, held.bundle, held.features, held.policy)
            yield _gauge("fraudkit_build_info", [(labels, 1)])

    def _of_decisions(self) -> Iterator[Metric]:
        counts = self.decisions
        yield _counter("fraudkit_decisions_total", _one_label(counts.by_action))
        yield _counter("fraudkit_decision_reasons_total", _one_label(counts.by_reason))
        yield _counter("fraudkit_decisions_by_country_total", counts.by_country.items())
        yield _counter("fraudkit_decisions_by_method_total", counts.by_method.items())
        yield _counter("fraudkit_degraded_total", _one_label(counts.by_source))
        yield _counter("fraudkit_outcomes_total", _one_label(counts.by_outcome))

    def _of_requests(self) -> Iterator[Metric]:
        by_code = self.requests.by_code
        durations = self.requests.shown()
        yield _histogram("fraudkit_request_duration_seconds", durations)
        stages = [((stage,), held) for stage, held in self.stages.durations.items()]
        yield _histogram("fraudkit_stage_duration_seconds", stages)
        yield _counter("fraudkit_requests_shed_total", [((), by_code["overloaded"])])
        yield _counter("fraudkit_errors_total", _one_label(by_code))


def _of_journal(journal: Journal) -> Iterator[Metric]:
    waiting = journal.spooled_records if isinstance(journal, SpooledJournal) else 0
    yield _gauge("fraudkit_journal_up", [((), int(not journal.is_away))])
    yield _gauge("fraudkit_journal_spooled_records", [((), waiting)])


def _of_store(counters: StoreCounters | None) -> Iterator[Metric]:
    yield _gauge("fraudkit_store_up", [((), int(counters is not None))])
    if counters is None:
        return
    yield _gauge("fraudkit_store_events", [((), counters.events)])
    yield _gauge("fraudkit_store_keys", [((), counters.keys)])
    evicted = {"age": counters.evicted_by_age, "capacity": counters.evicted_by_capacity}
    yield _counter("fraudkit_store_evicted_total", _one_label(evicted))


_Samples = Iterable[tuple[tuple[str, ...], float]]


def _one_label(counts: Mapping[str, int]) -> _Samples:
    return [((label,), count) for label, count in counts.items()]


def _counter(name: str, samples: _Samples) -> Metric:
    _, labels, meaning = METRICS[name]
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, count in samples:
        family.add_metric(values, count)
    return family


def _gauge(name: str, samples: _Samples) -> Metric:
    _, labels, meaning = METRICS[name]
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(name: str, samples: Iterable[tuple[tuple[str, ...], Histogram]]) -> Metric:
    _, labels, meaning = METRICS[name]
    family = HistogramMetricFamily(name, meaning, labels=labels)
    for values, histogram in samples:
        family.add_metric(values, list(histogram.cumulative()), sum_value=histogram.sum_s)
    return family
