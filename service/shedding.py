"""Turns requests away while too many wait, before anything is made of them.

A request that will be shed costs its parsing alone, and its answer waits for no turn: there is
the least time for it where there are the most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.counting import RequestCounts
from service.protocol import BoundedProtocol
from service.request_log import RequestIds
from service.routes import OVERLOADED
from service.security_headers import SECURITY_HEADERS
from service.turns import Turns

__all__ = ["Shedding", "SheddingProtocol"]

_ROUTES: Final = {b"/v1/score": "/v1/score", b"/v1/outcomes": "/v1/outcomes"}
"""The paths whose requests stand in line, as they come and as they are counted."""

_HEADERS: Final = b"".join(
    b"%s: %s\r\n" % header
    for header in (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(OVERLOADED.body)),
        *OVERLOADED.headers,
        *SECURITY_HEADERS,
    )
)


class Shedding:
    """Knows whether a request is to be turned away, and counts those that are.

    Parameters
    ----------
    requests : RequestCounts
    request_ids : RequestIds
    refused : callable
        Told of each refusal's code.

    Attributes
    ----------
    turns : Turns or None
        The line; ``None`` before there is one.
    """

    def __init__(
        self, requests: RequestCounts, request_ids: RequestIds, refused: Callable[[str], None]
    ) -> None:
        self.turns: Turns | None = None
        self._requests = requests
        self._request_ids = request_ids
        self._refused = refused

    def is_due(self, url: bytes) -> bool:
        """Return whether a request to this path would find the line full."""
        return self.turns is not None and self.turns.is_full and url in _ROUTES

    def note(self, url: bytes, given_id: bytes | None) -> bytes:
        """Count a request that is turned away, and return its name."""
        self._refused("overloaded")
        self._requests.count(_ROUTES[url], OVERLOADED.status, 0.0)
        return self._request_ids.of(given_id)


class SheddingProtocol(BoundedProtocol):
    """One connection, whose requests may be turned away.

    Parameters
    ----------
    shedding : Shedding
    """

    _is_shed = False

    def __init__(self, *args: Any, shedding: Shedding, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shedding = shedding

    def on_headers_complete(self) -> None:
        """Hand the request on, or turn it away once its body is read."""
        if self._shedding.is_due(self.url) and self._is_plain():
            self._is_shed = True
            self._head_bytes = None
            self._stop_waiting()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body; that of a request that is turned away is let go."""
        if not self._is_shed:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._is_shed:
            self._is_shed = False
            self._turn_away()
        else:
            super().on_message_complete()

    def _is_plain(self) -> bool:
        """Whether nothing on this connection is under way, and the body comes unasked."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return (
            (cycle is None or cycle.response_complete)
            and not self.pipeline
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and self.parser.get_method() == b"POST"
        )

    def _turn_away(self) -> None:
        given = next((value for name, value in self.headers if name == b"x-request-id"), None)
        lines = [b"%s: %s\r\n" % header for header in self.server_state.default_headers]
        lines.append(b"x-request-id: %s\r\n" % self._shedding.note(self.url, given))
        is_kept = self.parser.should_keep_alive()
        if not is_kept:
            lines.append(b"connection: close\r\n")
        self.transport.write(
            b"".join((STATUS_LINE[OVERLOADED.status], *lines, _HEADERS, b"\r\n", OVERLOADED.body))
        )
        self.server_state.total_requests += 1
        if is_kept:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.transport.close()
