"""Headers that tell browsers and caches to do nothing with an answer but hand it over.

The values follow what OWASP's cheat sheets "REST Security" and "Content Security Policy" ask for.
``Strict-Transport-Security`` is left to the proxy that speaks TLS.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["POLICY", "SECURITY_HEADERS", "SecurityHeaders"]

POLICY: Final = b"content-security-policy"

SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (POLICY, b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer carries; a page brings a policy of its own."""


class SecurityHeaders:
    """ASGI middleware that adds what an answer does not carry yet.

    Parameters
    ----------
    app : ASGIApp
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = {name.lower() for name, _ in message["headers"]}
                added = [header for header in SECURITY_HEADERS if header[0] not in held]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_on)
