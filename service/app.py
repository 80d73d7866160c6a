"""The application: routes over one engine, and nothing that decides.

Invariant: the application is made for one process; the engine's windows live in it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fraudkit.engine import Engine
from fraudkit.journal.record import Journal
from service.counting import OTHER
from service.docs_page import add_docs_page
from service.gate import Gate, open_gate
from service.keys import watched
from service.metrics import Metrics
from service.observing import Observing
from service.openapi import openapi_document
from service.opening import opened
from service.readiness import readiness
from service.reading import DecisionEndpoint, MetricsEndpoint
from service.refusals import CODES, Answer, internal_error, refusal_of, refusal_of_status
from service.request_log import RequestIds, RequestLog
from service.routes import Alive, Endpoint, recommend, record, score
from service.security_headers import SECURITY_HEADERS, SecurityHeaders
from service.settings import Settings
from service.tracing import Tracing, tracing_to
from service.turns import Turns

__all__ = ["create_app"]


_POSTS = frozenset({"/v1/score", "/v1/outcomes", "/v1/payment-methods"})


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    journal: Journal | None = None,
    gate: Gate | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Return the ASGI application.

    Parameters
    ----------
    settings : Settings
        Where its files are and who may call.
    engine : Engine or None
        An engine that the caller opened and will close. ``None``: it is opened with its journal
        at start-up, before any request is taken, and closed at shutdown.
    journal : Journal or None
        The journal of ``engine``, for ``/readyz``; ``None`` where it has none.
    gate : Gate or None
        Who may call; ``None``: as the settings say.
    tracing : Tracing or None
        Where traces go; as the settings say if none is given. Closed at shutdown.

    Examples
    --------
    >>> app = create_app(Settings())
    >>> sorted(app.openapi()["paths"])
    ['/healthz', '/metrics', '/readyz', '/v1/decisions/{transaction_id}', '/v1/outcomes',
     '/v1/payment-methods', '/v1/score']
    """
    entrance = open_gate(settings) if gate is None else gate
    release = version("fraudkit")
    metrics = Metrics(release)
    if tracing is None and settings.traces_endpoint is not None:
        share = settings.traces_share
        tracing = tracing_to(settings.traces_endpoint, share=share, version=release)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with watched(entrance.keys), AsyncExitStack() as closing:
            if tracing is not None:
                closing.callback(tracing.close)
            if engine is not None:
                yield
                return
            with opened(settings) as held:
                _add_routes(app, held.engine, held.journal, settings, metrics, entrance)
                yield

    app = FastAPIOffline(
        title="fraudkit",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.state.refused = _noting(metrics)
    app.add_middleware(SecurityHeaders, carrying=_POSTS)
    ids = RequestIds(secrets.token_hex(4))
    app.add_middleware(Observing, metrics=metrics, request_ids=ids, tracing=tracing)
    add_docs_page(app)
    document = openapi_document(release, needs_key=entrance.needs_key)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to extend it
    if engine is not None:
        _add_routes(app, engine, journal, settings, metrics, entrance)
    return app


def _add_routes(
    app: FastAPI,
    engine: Engine,
    journal: Journal | None,
    settings: Settings,
    metrics: Metrics,
    gate: Gate,
) -> None:
    write = metrics.stages.written_by(metrics.unwritten.counted_by(engine.write))
    turns = Turns(write, waiting_max=settings.waiting_max, refused=refusal_of)
    store = metrics.watch(engine)
    may_read = gate.asking("admin")

    async def ready(_: Request) -> Response:
        state = readiness(engine, journal, store, gate.problem)
        return _response(Answer(200 if state.ready else 503, msgspec.json.encode(state)))

    async def alive(_: Request) -> Response:
        return _response(Answer(200, msgspec.json.encode(Alive())))

    may_score, may_tell = gate.asking("score"), gate.asking("outcomes")
    posts = {
        "/v1/score": Endpoint(score(engine, metrics), may_score, turns),
        "/v1/outcomes": Endpoint(record(engine, metrics), may_tell, turns),
        "/v1/payment-methods": Endpoint(recommend(engine), may_score),
    }
    for path in _POSTS:
        endpoint: Any = posts[path]  # Starlette takes ASGI applications here too
        app.add_route(path, endpoint, methods=["POST"])
    gets: dict[str, Any] = {
        "/metrics": MetricsEndpoint(metrics, may_read),
        "/v1/decisions/{transaction_id:path}": DecisionEndpoint(engine, journal, may_read),
    }
    for path, endpoint in gets.items():
        app.add_route(path, endpoint, methods=["GET"])
    app.add_route("/healthz", alive, methods=["GET"])
    app.add_route("/readyz", ready, methods=["GET"])


def _noting(metrics: Metrics) -> Callable[[str], None]:
    """Return what counts and logs a refusal of what was no request yet."""
    log = RequestLog()

    def refused(code: str) -> None:
        metrics.requests.count_refusal(code)
        log.write(b"none", OTHER, CODES[code][0], 0.0, code)

    return refused


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = _response(refusal_of_status(status))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _failed(_: Request, __: Exception) -> Response:
    return _response(internal_error())


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type="application/json")
    # The middleware stands inside what answers a fault, and would not see that.
    response.raw_headers.extend((*answer.headers, *SECURITY_HEADERS))
    return response
