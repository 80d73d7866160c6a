"""HTTP/1.1 with bounds on what comes before a request is known, and refusals in our own form.

The server beneath keeps headers of any length for any time, and answers what is no HTTP in plain
text. A request that offers to speak another protocol too (``Upgrade``, as some clients do over
plain HTTP) would lose its body there; RFC 9110, section 7.8, lets a server ignore the offer.
Costs a request two assignments; a timer only where its headers come in more than one read.

Invariant: whoever gets a refusal from here has an order that was not decided. Where one may have
been, the connection is closed without an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.refusals import Answer, refusal
from service.security_headers import SECURITY_HEADERS

__all__ = ["HEAD_BYTES_MAX", "HEAD_SECONDS_MAX", "BoundedProtocol"]

HEAD_BYTES_MAX: Final = 64 * 1024
"""How long the request line and the headers may be in bytes, after their first read."""

HEAD_SECONDS_MAX: Final = 10.0
"""How long they may take to arrive, in seconds."""

_REFUSALS: Final = {
    "malformed_request": refusal(
        "malformed_request",
        "an HTTP/1.1 request",
        "bytes that are none",
        "check the request line, the headers and the lengths of the chunks",
    ),
    "head_too_large": refusal(
        "head_too_large",
        f"at most {HEAD_BYTES_MAX:,} bytes of headers",
        "more",
        "send fewer headers, or shorter ones",
    ),
    "head_timeout": refusal(
        "head_timeout",
        f"all headers within {HEAD_SECONDS_MAX:g} seconds",
        "a part of them",
        "send the request at once",
    ),
}


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    refused : callable
        Told of each refusal's code.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None
    """Of the headers under way, without their first read; ``None`` where none are."""
    _has_begun = False

    def __init__(self, *args: Any, refused: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refused = refused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        self._unset_keepalive_if_required()
        self._has_begun = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._ignore_offer(data[offered.args[0] :])
        except httptools.HttpParserError:
            self._refuse("malformed_request")
        else:
            self._look_at_head(len(data))

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_bytes = 0
        self._has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        if not self._is_offer():
            super().on_headers_complete()
        self._head_bytes = None

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._is_offer():
            super().on_message_complete()

    def _is_offer(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _ignore_offer(self, rest: bytes) -> None:
        """Read the request again without its header ``upgrade``; the parser takes no body of it."""
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _look_at_head(self, n_bytes: int) -> None:
        if self._head_bytes is None:
            if self._head_timer is not None and self.cycle is not None:
                self._stop_waiting()
            return
        if not self._has_begun:
            self._head_bytes += n_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse("head_too_large")
        elif self._head_timer is None:
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._head_bytes is None:
            self._close()
        else:
            self._refuse("head_timeout")

    def _refuse(self, code: str) -> None:
        self._refused(code)
        if self._is_to_be_answered():
            self.transport.write(self._encoded(_REFUSALS[code]))
        self._close()

    def _is_to_be_answered(self) -> bool:
        """Whether the refusal is about the one request that waits for an answer."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        if cycle is None or cycle.response_complete:
            return self._head_bytes is not None
        return cycle.more_body and not cycle.response_started and not self.pipeline

    def _encoded(self, answer: Answer) -> bytes:
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body

    def _close(self) -> None:
        self._stop_waiting()
        self.transport.close()
