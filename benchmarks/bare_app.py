"""The bare ASGI application: decodes an order and encodes a small answer, nothing else.

``python -m benchmarks.bare_app`` serves it on a free loopback port, under the server and with the
settings that the service has, and prints where.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import uvicorn

from fraudkit.domain.transaction import Transaction

__all__ = ["app", "main"]

Message = MutableMapping[str, Any]

_decode = msgspec.json.Decoder(Transaction).decode
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The small answer."""

    transaction_id: str
    amount_minor: int


async def app(
    _scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer one request."""
    message = await receive()
    body = message["body"]
    while message.get("more_body", False):
        message = await receive()
        body += message["body"]
    transaction = _decode(body)
    answer = _encode(
        Answer(
            transaction_id=transaction.transaction_id, amount_minor=transaction.order.amount_minor
        )
    )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    configuration = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(configuration).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
