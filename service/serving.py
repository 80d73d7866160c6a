"""Serves one bundle from one process until it is told to stop.

Invariant: nothing of a request reaches the terminal or a log.
"""

from __future__ import annotations

import gc
import shlex
import signal
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI

from fraudkit.errors import StoreError
from service.app import create_app
from service.examples import ORDER
from service.gate import open_gate
from service.opening import opened
from service.request_log import configure_log
from service.settings import Settings
from service.shedding import SheddingProtocol

__all__ = ["pasteable_curl", "serve"]

_BACKLOG = 2048
_THREAD_SECONDS_MAX = 0.0005
"""How long an order waits for a thread beside it that makes a bundle ready; 5 ms by default."""
_SHUTDOWN_SECONDS_MAX = 10


def serve(settings: Settings) -> None:
    """Open the engine, say where it listens and serve until SIGINT or SIGTERM.

    Raises
    ------
    fraudkit.errors.FraudkitError
        If it cannot start.
    KeyboardInterrupt
        When it was told to stop, after the requests under way and with the journal closed.
    """
    configure_log(settings.log_format)
    sys.setswitchinterval(_THREAD_SECONDS_MAX)
    # uvicorn raises the signal again once it has shut down; as an exception it lets us close.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gate = open_gate(settings)
    with opened(settings) as held, _listening(settings) as listener:
        app = create_app(settings, engine=held.engine, journal=held.journal, gate=gate)
        _greet(settings, listener, needs_key=gate.needs_key)
        # What was opened stays: no collection has to walk it in the middle of an order.
        gc.collect()
        gc.freeze()
        uvicorn.Server(_configuration(app)).run(sockets=[listener])


def pasteable_curl(url: str, now_ms: int, *, needs_key: bool) -> str:
    """Return a line for a POSIX shell that sends a whole order made now and shows the decision.

    Parameters
    ----------
    url : str
        Where the service listens.
    now_ms : int
        The order's time, UTC epoch milliseconds.
    needs_key : bool
        Whether to send the key, from the shell's ``FRAUDKIT_API_KEY``.
    """
    made_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    order = {
        **ORDER,
        "transaction_id": f"order-{now_ms}-attempt-1",
        "event_time": made_at.isoformat(timespec="milliseconds"),
    }
    key = '-H "Authorization: Bearer $FRAUDKIT_API_KEY" ' if needs_key else ""
    body = shlex.quote(msgspec.json.encode(order).decode())
    return f"curl -sS {url}/v1/score {key}-H 'content-type: application/json' -d {body}"


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StoreError(
            f"Nothing can listen on {settings.host}:{settings.port}: {error.strerror}; stop what "
            "does, or set FRAUDKIT_PORT"
        ) from error


def _configuration(app: FastAPI) -> uvicorn.Config:
    protocol: Any = partial(
        SheddingProtocol, refused=app.state.refused, shedding=app.state.shedding
    )
    return uvicorn.Config(
        app,
        http=protocol,
        workers=1,
        lifespan="on",
        ws="none",
        access_log=False,
        log_config=None,  # its lines go where ours go
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS_MAX,
    )


def _greet(settings: Settings, listener: socket.socket, *, needs_key: bool) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listener.getsockname()[1]}"
    now_ms = time.time_ns() // 1_000_000
    curl = pasteable_curl(url, now_ms, needs_key=needs_key)
    sys.stdout.write(
        f"Serving {settings.bundle} on {url} (try it: {url}/docs, stop: Ctrl-C).\n\n"
        f"Paste this in another terminal to get a decision:\n\n{curl}\n\n"
    )
    sys.stdout.flush()
