"""Traces of requests for OpenTelemetry, whose SDK is not imported where they are off.

The spans of a request are made after it was answered, from the times that were noted. They hold
names, times, the status and the request's name, and nothing of the body.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fraudkit.errors import InputError
from service.stages import Stage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["Tracing", "tracing_to"]

_TRACEPARENT_BYTES: Final = 55
"""``00-<32 digits>-<16 digits>-<2 digits>``, https://www.w3.org/TR/trace-context/."""


class Tracing:
    """Makes the spans of requests.

    Parameters
    ----------
    provider : opentelemetry.sdk.trace.TracerProvider
        Where they go.
    share : float
        In [0, 1]: of the requests that bring no ``traceparent``, how many are traced. One that
        brings it is traced where its caller is.
    """

    def __init__(self, provider: TracerProvider, *, share: float) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("fraudkit")
        self._propagator = TraceContextTextMapPropagator()
        self._share = share
        self._due = 1.0 - share  # the first is traced

    def is_wanted(self, traceparent: bytes | None) -> bool:
        """Return whether a request is traced; asked once a request."""
        if traceparent is not None and len(traceparent) >= _TRACEPARENT_BYTES:
            return traceparent[53:55] in _SAMPLED_FLAGS
        self._due += self._share
        if self._share == 0 or self._due < 1:
            return False
        self._due -= 1
        return True

    def record(
        self,
        name: str,
        attributes: dict[str, str | int],
        stages: Iterable[Stage],
        *,
        start_ns: int,
        traceparent: bytes | None,
    ) -> None:
        """Make the spans of a request that ends now.

        Parameters
        ----------
        name : str
            Such as ``"POST /v1/score"``.
        start_ns : int
            When it came, of `time.perf_counter_ns`, as in the stages.
        """
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        epoch_ns = time.time_ns() - time.perf_counter_ns()
        carrier = {} if traceparent is None else {"traceparent": traceparent.decode("latin-1")}
        request = self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=epoch_ns + start_ns,
        )
        inside = set_span_in_context(request)
        for stage in stages:
            span = self._tracer.start_span(
                stage.name, context=inside, start_time=epoch_ns + stage.start_ns
            )
            span.end(epoch_ns + stage.end_ns)
        if int(attributes["http.response.status_code"]) >= 500:
            request.set_status(StatusCode.ERROR)
        request.end(time.time_ns())

    def close(self) -> None:
        """Send what waits, and stop."""
        self._provider.shutdown()


_SAMPLED_FLAGS: Final = frozenset(b"%02x" % flags for flags in range(1, 256, 2))


def tracing_to(endpoint: str, *, share: float, version: str) -> Tracing:
    """Return traces that go to a collector, from a thread of their own.

    Parameters
    ----------
    endpoint : str
        Where it takes OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``.
    share : float
        As of `Tracing`.
    version : str
        Of fraudkit.

    Raises
    ------
    fraudkit.errors.InputError
        If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise InputError(
            f"FRAUDKIT_TRACES_ENDPOINT needs the package {error.name}; install fraudkit[tracing]"
        ) from error
    resource = Resource.create({"service.name": "fraudkit", "service.version": version})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider, share=share)
