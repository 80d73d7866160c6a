"""What goes on beside the event loop: work that ends with its block, answers made in a thread."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from fraudkit.errors import FraudkitError
from service.refusals import Answer, internal_error, refusal_of

__all__ = ["answer_of", "beside", "repeat"]

_log = logging.getLogger("service")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let work go on while the block runs; it is cancelled at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def repeat(work: Callable[[], object], every_seconds: float) -> None:
    """Do work in a thread now and then, for ever."""
    while True:
        await asyncio.sleep(every_seconds)
        await asyncio.to_thread(work)


def answer_of(make: Callable[[], Answer], body: bytes = b"") -> Answer:
    """Return the answer that is made of a body, or the refusal; never raises."""
    try:
        return make()
    except FraudkitError as error:
        answer = refusal_of(error, body)
        if answer.status >= 500:
            _log.error("%s: %s", type(error).__name__, error)
        return answer
    except Exception as error:  # noqa: BLE001 - as of the other routes
        place = "".join(traceback.format_tb(error.__traceback__))
        _log.error("A fault of the service, %s at:\n%s", type(error).__name__, place)
        return internal_error()
