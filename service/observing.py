"""Sees every request from outside: its name, its duration, its answer.

A request that succeeds costs a few microseconds of counting, and no line of the log.
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter_ns
from typing import Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.counting import OTHER
from service.metrics import ROUTES, SAMPLED_1_IN, Metrics
from service.refusals import ErrorBody
from service.request_log import RequestIds, RequestLog, shown_id
from service.stages import OBSERVATION, Observation, Stage
from service.tracing import Tracing

__all__ = ["REQUEST_ID", "Observing"]

REQUEST_ID: Final = "fraudkit.request_id"
"""Where an ASGI scope holds the name of its request, as bytes."""

_SCORE: Final = "/v1/score"
_DECISIONS: Final = "/v1/decisions/"
_ROUTE_OF: Final = {route: route for route in ROUTES}
_decoder = msgspec.json.Decoder(ErrorBody)


class Observing:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
        Where requests are counted.
    request_ids : RequestIds
    tracing : Tracing or None
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        request_ids: RequestIds,
        tracing: Tracing | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._request_ids = request_ids
        self._tracing = tracing
        self._log = RequestLog()
        self._scored = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and count it once it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = self._seen(scope, send)
        try:
            await self._app(scope, receive, seen.send)
        except Exception:
            seen.status = 500
            raise
        finally:
            # 0: the client left before its answer.
            if seen.status:
                self._count(scope, seen)

    def _seen(self, scope: Scope, send: Send) -> _Seen:
        given = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent":
                traceparent = value
        seen = _Seen(send, _route_of(scope["path"]), self._request_ids.of(given), traceparent)
        scope[REQUEST_ID] = seen.request_id
        if seen.route == _SCORE:
            self._scored += 1
            seen.is_sampled = self._scored % SAMPLED_1_IN == 0
        if self._tracing is not None:
            seen.is_traced = self._tracing.is_wanted(traceparent)
        if seen.is_sampled or seen.is_traced:
            seen.observation = scope[OBSERVATION] = Observation(self._metrics.stages)
        return seen

    def _count(self, scope: Scope, seen: _Seen) -> None:
        seconds = (perf_counter_ns() - seen.start_ns) / 1e9
        status = seen.status
        self._metrics.requests.count(seen.route, status, seconds)
        if status >= 400:
            code = _code_in(seen.body)
            self._metrics.requests.count_refusal(code)
            self._log.write(seen.request_id, seen.route, status, seconds, code)
        if seen.observation is not None:
            self._look_closer(scope, seen, seen.observation.stages)

    def _look_closer(self, scope: Scope, seen: _Seen, stages: list[Stage]) -> None:
        if seen.is_sampled:
            self._metrics.stages.count(stages)
        if self._tracing is not None and seen.is_traced:
            attributes: dict[str, str | int] = {
                "http.request.method": scope["method"],
                "http.route": seen.route,
                "http.response.status_code": seen.status,
                "fraudkit.request_id": shown_id(seen.request_id),
            }
            self._tracing.record(
                f"{scope['method']} {seen.route}",
                attributes,
                stages,
                start_ns=seen.start_ns,
                traceparent=seen.traceparent,
            )


class _Seen:
    """What is seen of one request and of its answer, which is sent on."""

    observation: Observation | None = None
    is_sampled = False
    is_traced = False
    status = 0
    body = b""

    def __init__(
        self, send: Send, route: str, request_id: bytes, traceparent: bytes | None
    ) -> None:
        self._send = send
        self.route = route
        self.request_id = request_id
        self.traceparent = traceparent
        self.start_ns = perf_counter_ns()

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self.request_id)]
        elif self.status >= 400:
            self.body += message.get("body", b"")
        return self._send(message)


def _route_of(path: str) -> str:
    route = _ROUTE_OF.get(path)
    if route is None:
        return f"{_DECISIONS}{{transaction_id}}" if path.startswith(_DECISIONS) else OTHER
    return route


def _code_in(body: bytes) -> str:
    try:
        return _decoder.decode(body).error.code
    except msgspec.DecodeError:
        return OTHER
