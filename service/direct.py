"""Takes the POST routes to their endpoints past the framework, which they do not need."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Direct"]


class Direct:
    """ASGI middleware that hands a POST to its endpoint, and all else on.

    Parameters
    ----------
    app : ASGIApp
        The framework with its own middleware and routes.
    posts : mapping of str to ASGIApp
        Path → endpoint. It is read at every request, so it may be filled later.
    """

    def __init__(self, app: ASGIApp, *, posts: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._posts = posts

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        app = self._app
        if scope["type"] == "http" and scope["method"] == "POST":
            app = self._posts.get(scope["path"], app)
        return app(scope, receive, send)
