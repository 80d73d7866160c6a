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
from service.openapi import openapi_document
from service.opening import opened
from service.refusals import Answer, internal_error, refusal_of, refusal_of_status
from service.routes import Alive, Endpoint, readiness, recommend, record, score
from service.settings import Settings
from service.turns import Turns

__all__ = ["create_app"]


def create_app(
    settings: Settings, *, engine: Engine | None = None, journal: Journal | None = None
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

    Examples
    --------
    >>> app = create_app(Settings())
    >>> sorted(app.openapi()["paths"])
    ['/healthz', '/readyz', '/v1/outcomes', '/v1/payment-methods', '/v1/score']
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if engine is not None:
            yield
            return
        with opened(settings) as held:
            _add_routes(app, held.engine, held.journal, settings)
            yield

    app = FastAPIOffline(
        title="fraudkit",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": None},  # else the page calls validator.swagger.io
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    document = openapi_document(version("fraudkit"), needs_key=settings.api_key is not None)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to extend it
    if engine is not None:
        _add_routes(app, engine, journal, settings)
    return app


def _add_routes(app: FastAPI, engine: Engine, journal: Journal | None, settings: Settings) -> None:
    turns = Turns(engine.write, waiting_max=settings.waiting_max, refused=refusal_of)

    async def ready(_: Request) -> Response:
        state = readiness(engine, journal)
        return _response(Answer(200 if state.ready else 503, msgspec.json.encode(state)))

    async def alive(_: Request) -> Response:
        return _response(Answer(200, msgspec.json.encode(Alive())))

    posts = {
        "/v1/score": (score(engine), turns),
        "/v1/outcomes": (record(engine), turns),
        "/v1/payment-methods": (recommend(engine), None),
    }
    for path, (answer, line) in posts.items():
        # Starlette takes ASGI applications here too.
        endpoint: Any = Endpoint(answer, settings.api_key, line)
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
    return Response(answer.body, answer.status, media_type="application/json")
