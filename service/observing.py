"""Sees every request from outside: its name, its duration, its answer.

A request that succeeds costs a few microseconds of counting, and no line of the log.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.counting import OTHER
from service.metrics import ROUTES, SAMPLED_1_IN, Metrics
from service.refusals import ErrorBody
from service.request_log import RequestIds, RequestLog
from service.stages import OBSERVATION, Observation
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
        start_ns = perf_counter_ns()
        seen = self._seen(scope)
        answered = _Answered(send, seen.request_id)
        try:
            await self._app(scope, receive, answered)
        except Exception:
            answered.status = 500
            raise
        finally:
            # 0: the client left before its answer.
            if answered.status:
                self._count(scope, seen, answered, start_ns)

    def _seen(self, scope: Scope) -> _Seen:
        given = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent":
                traceparent = value
        request_id = self._request_ids.of(given)
        route = _route_of(scope["path"])
        tracing = self._tracing
        is_traced = tracing is not None and tracing.is_wanted(traceparent)
        is_sampled = False
        if route == _SCORE:
            self._scored += 1
            is_sampled = self._scored % SAMPLED_1_IN == 0
        observation = None
        if is_traced or is_sampled:
            observation = scope[OBSERVATION] = Observation(self._metrics.stages)
        scope[REQUEST_ID] = request_id
        return _Seen(route, request_id, traceparent, observation, is_sampled, is_traced)

    def _count(self, scope: Scope, seen: _Seen, answered: _Answered, start_ns: int) -> None:
        seconds = (perf_counter_ns() - start_ns) / 1e9
        status = answered.status
        self._metrics.requests.count(seen.route, status, seconds)
        if status >= 400:
            code = _code_in(answered.body)
            self._metrics.requests.count_refusal(code)
            self._log.write(seen.request_id, seen.route, status, seconds, code)
        if seen.observation is None:
            return
        if seen.is_sampled:
            self._metrics.stages.count(seen.observation)
        tracing = self._tracing
        if tracing is not None and seen.is_traced:
            attributes: dict[str, str | int] = {
                "http.request.method": scope["method"],
                "http.route": seen.route,
                "http.response.status_code": status,
                "fraudkit.request_id": seen.request_id.decode("ascii"),
            }
            tracing.record(
                f"{scope['method']} {seen.route}",
                attributes,
                seen.observation.stages,
                start_ns=start_ns,
                traceparent=seen.traceparent,
            )


class _Seen(msgspec.Struct, frozen=True):
    """What is known of a request before it is served."""

    route: str
    request_id: bytes
    traceparent: bytes | None
    observation: Observation | None
    is_sampled: bool
    is_traced: bool


class _Answered:
    """Sends an answer on, and keeps its status and the body of a refusal."""

    __slots__ = ("_request_id", "_send", "body", "status")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self._request_id)]
            message = {**message, "headers": headers}
        elif self.status >= 400:
            self.body += message.get("body", b"")
        await self._send(message)


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
