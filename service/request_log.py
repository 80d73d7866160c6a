"""The log: one line an event, as JSON for machines or as key=value for a terminal.

A request that succeeds writes none. Nothing of a body, no identity and no key is ever written.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

import structlog
from structlog.typing import Processor

from fraudkit.domain.card_number import looks_like_card_number
from service.settings import LogFormat

__all__ = [
    "REFUSALS_LOGGED_1_IN",
    "RequestIds",
    "RequestLog",
    "configure_log",
    "shown_id",
]

REFUSALS_LOGGED_1_IN: Final = 100
"""Of the answers below 500 that are no success, and of those to an overload, by code: the first,
then one in so many."""

_REQUEST_ID_BYTES_MAX: Final = 64
_OVERLOADED: Final = "overloaded"


class RequestIds:
    """Names of requests, to find one again in the log of another system.

    Parameters
    ----------
    prefix : str
        Tells processes apart.

    Examples
    --------
    >>> ids = RequestIds("5f0c")
    >>> ids.of(b"checkout-17"), ids.of(None), ids.of(b"two words"), ids.of(b"")
    (b'checkout-17', b'5f0c-1', b'5f0c-2', b'5f0c-3')
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode("ascii")
        self._made = 0

    def of(self, given: bytes | None) -> bytes:
        """Return the caller's name if it is 1 to 64 visible ASCII characters, else a new one."""
        if given and len(given) <= _REQUEST_ID_BYTES_MAX and _is_visible(given):
            return given
        self._made += 1
        return b"%s-%x" % (self._prefix, self._made)


def _is_visible(text: bytes) -> bool:
    return text.isascii() and text.decode("ascii").isprintable() and b" " not in text


class RequestLog:
    """Writes the lines about requests."""

    def __init__(self) -> None:
        self._log = logging.getLogger("service.requests")
        self._refusals: dict[str, int] = {}

    def write(self, request_id: bytes, route: str, status: int, seconds: float, code: str) -> None:
        """Write a line about an answer that is no success, if it is to have one.

        Every answer from 500 has one, but for ``overloaded``: a line costs more than the answer,
        and there is the least time for it where there are the most. Of that and of the others, by
        code, the first has one, then one in `REFUSALS_LOGGED_1_IN`.
        """
        if status < 500 or code == _OVERLOADED:
            seen = self._refusals.get(code, 0)
            self._refusals[code] = seen + 1
            if seen % REFUSALS_LOGGED_1_IN:
                return
        self._log.log(
            logging.ERROR if status >= 500 else logging.WARNING,
            "A request was refused" if status < 500 else "A request failed",
            extra={
                "request_id": shown_id(request_id),
                "route": route,
                "status": status,
                "code": code,
                "duration_ms": round(seconds * 1000, 3),
            },
        )


def shown_id(request_id: bytes) -> str:
    """Return a request's name for the log; one that looks like a card number is not written."""
    text = request_id.decode("ascii")
    return "card number" if looks_like_card_number(text) else text


def configure_log(form: LogFormat, stream: TextIO | None = None) -> None:
    """Send every line of this process, also those of the server under it, through one form.

    Parameters
    ----------
    form : {"auto", "json", "text"}
        ``"auto"``: text on a terminal, else JSON.
    stream : text file, optional
        Standard error if none is given.
    """
    stream = sys.stderr if stream is None else stream
    is_text = form == "text" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_facts(), processors=_form(is_text=is_text)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _facts() -> Sequence[Processor]:
    return (
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(("request_id", "route", "status", "code", "duration_ms")),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )


def _form(*, is_text: bool) -> Sequence[Processor]:
    render: Callable[..., str | bytes] = (
        structlog.processors.LogfmtRenderer(key_order=_ORDER)
        if is_text
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    return (
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        render,
    )


_ORDER: Final = ("timestamp", "level", "logger", "message")
