"""The application: routes over one engine, and nothing that decides.

Invariant: the application is made for one process; the engine's windows live in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from service.docs_page import add_docs_page
from service.gate import Gate, open_gate
from service.keys import watched
from service.openapi import openapi_document
from service.opening import opened
from service.refusals import Answer, internal_error, refusal_of, refusal_of_status
from service.routes import Alive, Endpoint, readiness, recommend, record, score
from service.security_headers import SECURITY_HEADERS, SecurityHeaders
from service.settings import Settings
from service.turns import Turns

__all__ = ["create_app"]


_POSTS = frozenset({"/v1/score", "/v1/outcomes", "/v1/payment-methods"})


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    journal: Journal | None = None,
    gate: Gate | None = None,
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

    Examples
    --------
    >>> app = create_app(Settings())
    >>> sorted(app.openapi()["paths"])
    ['/healthz', '/readyz', '/v1/outcomes', '/v1/payment-methods', '/v1/score']
    """
    entrance = open_gate(settings) if gate is None else gate

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with watched(entrance.keys):
            if engine is not None:
                yield
                return
            with opened(settings) as held:
                _add_routes(app, held.engine, held.journal, settings, entrance)
                yield

    app = FastAPIOffline(
        title="fraudkit",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.add_middleware(SecurityHeaders, carrying=_POSTS)
    add_docs_page(app)
    document = openapi_document(version("fraudkit"), needs_key=entrance.needs_key)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to extend it
    if engine is not None:
        _add_routes(app, engine, journal, settings, entrance)
    return app


def _add_routes(
    app: FastAPI, engine: Engine, journal: Journal | None, settings: Settings, gate: Gate
) -> None:
    turns = Turns(engine.write, waiting_max=settings.waiting_max, refused=refusal_of)

    async def ready(_: Request) -> Response:
        state = readiness(engine, journal, gate.problem)
        return _response(Answer(200 if state.ready else 503, msgspec.json.encode(state)))

    async def alive(_: Request) -> Response:
        return _response(Answer(200, msgspec.json.encode(Alive())))

    may_score, may_tell = gate.asking("score"), gate.asking("outcomes")
    posts = {
        "/v1/score": Endpoint(score(engine), may_score, turns),
        "/v1/outcomes": Endpoint(record(engine), may_tell, turns),
        "/v1/payment-methods": Endpoint(recommend(engine), may_score),
    }
    for path in _POSTS:
        endpoint: Any = posts[path]  # Starlette takes ASGI applications here too
        app.add_route(path, endpoint, methods=["POST"])
    app.add_route("/healthz", alive, methods=["GET"])
    app.add_route("/readyz", ready, methods=["GET"])


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
