"""Traces: the spans of a request, under the caller's, with nothing of the order in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fraudkit.engine import Engine
from fraudkit.errors import InputError
from fraudkit.journal.sqlite import SqliteJournal
from service import examples
from service.app import create_app
from service.settings import Settings
from service.tracing import Tracing, tracing_to
from tests.architecture.files import ROOT
from tests.service.asking import get, in_process, order_with, post

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Traced:
    def __init__(self, folder: Path, bundle: Path, share: float) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        journal = SqliteJournal(folder / "journal")
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        self.app = create_app(
            Settings(), engine=engine, journal=journal, tracing=Tracing(provider, share=share)
        )

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def traced(tmp_path: Path, bundle: Path) -> Traced:
    return Traced(tmp_path, bundle, 1.0)


def times_of(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


def test_a_request_has_a_span_that_holds_its_stages(traced: Traced) -> None:
    [answer] = in_process(traced.app, post("/v1/score", order_with()))
    spans = traced.spans()
    request = spans.pop("POST /v1/score")
    assert list(spans) == ["wait", "decode", "decide", "journal"]
    assert request.context is not None
    start, end = times_of(request)
    for span in spans.values():
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert start <= times_of(span)[0] <= times_of(span)[1] <= end
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/score",
        "http.response.status_code": 200,
        "fraudkit.request_id": answer.headers["x-request-id"],
    }
    assert request.parent is None


def test_a_span_hangs_under_the_callers(traced: Traced) -> None:
    in_process(
        traced.app, post("/v1/score", order_with(), traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01")
    )
    request = traced.spans()["POST /v1/score"]
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE_ID
    assert f"{request.parent.span_id:016x}" == SPAN_ID


def test_nothing_of_the_order_is_in_a_span(traced: Traced) -> None:
    headers = {"x-request-id": "4111111111111111"}
    in_process(
        traced.app,
        post("/v1/score", order_with(), **headers),
        post("/v1/score", order_with(emial={}), **headers),
        get("/v1/decisions/order-1001-attempt-1", **headers),
    )
    written = "".join(span.to_json() for span in traced.spans().values())
    order = examples.ORDER
    for secret in (
        order["transaction_id"],
        order["account"]["user_id"],
        order["email"]["address"],
        order["device"]["ip_address"],
        "4111111111111111",
    ):
        assert secret not in written


def test_a_failure_is_marked(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: Any, **__: Any) -> None:
        raise KeyError

    monkeypatch.setattr(Engine, "recommend", faulty)
    in_process(traced.app, post("/v1/payment-methods", b'{"country":"NL"}'))
    fine = traced.spans()["POST /v1/payment-methods"]
    assert (fine.attributes or {})["http.response.status_code"] == 422
    assert fine.status.is_unset
    body = b'{"country":"NL","currency":"EUR","amount_minor":5000}'
    in_process(traced.app, post("/v1/payment-methods", body))
    failed = traced.spans()["POST /v1/payment-methods"]
    assert (failed.attributes or {})["http.response.status_code"] == 500
    assert not failed.status.is_ok
    assert not failed.status.is_unset


@pytest.mark.parametrize(
    ("share", "traceparent", "wanted"),
    [
        (1.0, f"00-{TRACE_ID}-{SPAN_ID}-00", 0),
        (0.0, f"00-{TRACE_ID}-{SPAN_ID}-01", 10),
        (0.0, f"00-{TRACE_ID}-{SPAN_ID}-03", 10),
        (0.0, None, 0),
        (1.0, None, 10),
        (0.5, None, 5),
        (0.1, "nonsense", 1),
    ],
)
def test_who_decides_whether_a_request_is_traced(
    share: float, traceparent: str | None, wanted: int
) -> None:
    held = Tracing(TracerProvider(), share=share)
    given = None if traceparent is None else traceparent.encode()
    assert sum(held.is_wanted(given) for _ in range(10)) == wanted


def test_a_share_of_requests_is_traced(tmp_path: Path, bundle: Path) -> None:
    app = Traced(tmp_path, bundle, 0.5)
    in_process(app.app, *[get("/healthz")] * 10)
    assert len(app._exporter.get_finished_spans()) == 5


class Collector(BaseHTTPRequestHandler):
    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[str]:
    Collector.received.clear()
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_reach_a_collector(collector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    traces = tracing_to(collector, share=1.0, version="1.2.3")
    attributes: dict[str, str | int] = {"http.response.status_code": 200}
    traces.record("POST /v1/score", attributes, [], start_ns=0, traceparent=None)
    traces.close()
    [(path, body)] = Collector.received
    assert path == "/v1/traces"
    assert b"POST /v1/score" in body
    assert b"1.2.3" in body


def test_without_the_package_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InputError, match=r"needs the package .*install fraudkit\[tracing\]"):
        create_app(Settings(traces_endpoint="http://127.0.0.1:4318/v1/traces"))


def test_off_no_sdk_is_imported() -> None:
    program = (
        "import sys; from service.app import create_app; from service.settings import Settings; "
        "create_app(Settings()); "
        "print([name for name in sys.modules if 'opentelemetry.sdk' in name or 'otlp' in name])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
