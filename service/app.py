"""The application: routes over one engine, and nothing that decides.

Invariant: the application is made for one process; the engine's windows live in it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from fraudkit.engine import Engine
from fraudkit.journal.record import Journal
from service.bundle_changes import BundleChanges
from service.changing import ChangeEndpoint, InForceEndpoint, following, requests_of
from service.counting import OTHER
from service.deadlines import Deadlines
from service.direct import Direct
from service.docs_page import add_docs_page
from service.erasing import ErasureEndpoint, check_retention, expiring
from service.gate import Gate, open_gate
from service.keys import watched
from service.metrics import Metrics
from service.observing import Observing
from service.openapi import openapi_document
from service.opening import opened, trusted_keys_of
from service.readiness import readiness
from service.reading import DecisionEndpoint, MetricsEndpoint
from service.refusals import CODES, Answer, internal_error, refusal_of, refusal_of_status
from service.request_log import RequestIds, RequestLog
from service.routes import Alive, Endpoint, recommend, record, score
from service.security_headers import SECURITY_HEADERS, SecurityHeaders
from service.settings import Settings
from service.shedding import Shedding
from service.tracing import Tracing, tracing_to
from service.turns import Turns

__all__ = ["create_app"]


_Besides = tuple[Callable[[], AbstractAsyncContextManager[None]], ...]


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
    ['/healthz', '/metrics', '/readyz', '/v1/bundle', '/v1/bundle/promote', '/v1/bundle/rollback',
     '/v1/decisions/{transaction_id}', '/v1/erasures', '/v1/outcomes', '/v1/payment-methods',
     '/v1/policy/promote', '/v1/score']
    """
    entrance = open_gate(settings) if gate is None else gate
    release = version("fraudkit")
    metrics = Metrics(release)
    posts: dict[str, ASGIApp] = {}
    if tracing is None and settings.traces_endpoint is not None:
        share = settings.traces_share
        tracing = tracing_to(settings.traces_endpoint, share=share, version=release)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with watched(entrance.keys), AsyncExitStack() as closing:
            if tracing is not None:
                closing.callback(tracing.close)
            beside = added
            if beside is None:
                held = closing.enter_context(opened(settings))
                beside = _add_routes(
                    app, posts, held.engine, held.journal, settings, metrics, entrance
                )
            for work in beside:
                await closing.enter_async_context(work())
            yield

    app = FastAPIOffline(
        title="fraudkit",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    ids = RequestIds(secrets.token_hex(4))
    app.state.refused = _noting(metrics)
    app.state.shedding = Shedding(metrics.requests, ids, app.state.refused)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Direct, posts=posts)
    app.add_middleware(Observing, metrics=metrics, request_ids=ids, tracing=tracing)
    add_docs_page(app)
    document = openapi_document(release, needs_key=entrance.needs_key)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to extend it
    added: _Besides | None = None
    if engine is not None:
        added = _add_routes(app, posts, engine, journal, settings, metrics, entrance)
    return app


def _add_routes(
    app: FastAPI,
    posts: dict[str, ASGIApp],
    engine: Engine,
    journal: Journal | None,
    settings: Settings,
    metrics: Metrics,
    gate: Gate,
) -> _Besides:
    """Add the routes over an engine, and return what goes on beside them."""
    check_retention(engine, settings.retention_days)
    write = metrics.stages.written_by(metrics.unwritten.counted_by(engine.write))
    turns = Turns(write, waiting_max=settings.waiting_max, refused=refusal_of)
    app.state.shedding.turns = turns
    store = metrics.watch(engine, journal)
    may_read = gate.asking("admin")
    changes = BundleChanges(
        engine,
        Path(settings.bundle),
        audit=Path(settings.data_dir) / "audit.ndjson",
        now_ms=lambda: time.time_ns() // 1_000_000,
        trusted_keys=trusted_keys_of(settings),
    )

    async def ready(_: Request) -> Response:
        state = readiness(
            engine,
            journal,
            store,
            keys_problem=gate.problem,
            bundle_problem=changes.problem,
        )
        return _response(Answer(200 if state.ready else 503, msgspec.json.encode(state)))

    async def alive(_: Request) -> Response:
        return _response(Answer(200, msgspec.json.encode(Alive())))

    posts |= _posts(engine, changes, turns, settings, metrics, gate)
    for path, post in posts.items():
        endpoint: Any = post  # Starlette takes ASGI applications here too
        app.add_route(path, endpoint, methods=["POST"])
    gets: dict[str, Any] = {
        "/metrics": MetricsEndpoint(metrics, may_read),
        "/v1/bundle": InForceEndpoint(changes, may_read),
        "/v1/decisions/{transaction_id:path}": DecisionEndpoint(engine, journal, may_read),
    }
    for path, endpoint in gets.items():
        app.add_route(path, endpoint, methods=["GET"])
    app.add_route("/healthz", alive, methods=["GET"])
    app.add_route("/readyz", ready, methods=["GET"])
    return (
        partial(following, changes),
        partial(expiring, engine, settings.retention_days, metrics.removed),
    )


def _posts(
    engine: Engine,
    changes: BundleChanges,
    turns: Turns,
    settings: Settings,
    metrics: Metrics,
    gate: Gate,
) -> dict[str, ASGIApp]:
    deadlines = Deadlines(settings.deadline_ms)
    may_score, may_tell = gate.asking("score"), gate.asking("outcomes")
    may_change = gate.asking("admin")
    return {
        "/v1/score": Endpoint(score(engine, metrics), may_score, turns, deadlines),
        "/v1/outcomes": Endpoint(record(engine, metrics), may_tell, turns, deadlines),
        "/v1/payment-methods": Endpoint(recommend(engine), may_score, None, deadlines),
        **{
            path: ChangeEndpoint(changes, request, may_change, gate.caller)
            for path, request in requests_of(changes).items()
        },
        "/v1/erasures": ErasureEndpoint(
            engine,
            metrics.removed,
            Path(settings.data_dir) / "audit.ndjson",
            may_change,
            gate.caller,
        ),
    }


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
