"""The route that erases a customer, and the removal of orders that are old.

Invariant: both work beside the event loop, and orders are decided meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from starlette.types import Scope

from fraudkit.access.erasures import erase_customer
from fraudkit.deciding import IsLate
from fraudkit.domain.decoding import convert
from fraudkit.domain.transaction import Identifier, Text
from fraudkit.engine import Engine
from fraudkit.erasure import Erased
from fraudkit.errors import FraudkitError, InputError, InvalidField
from service.beside import beside
from service.observing import REQUEST_ID
from service.reading import MayRead
from service.refusals import Answer, refusal
from service.routes import Endpoint

__all__ = [
    "ERASED",
    "EXPIRED",
    "EXPIRY_PAUSE_S",
    "EXPIRY_SECONDS",
    "ErasureEndpoint",
    "ErasureRequest",
    "ErasureResult",
    "check_retention",
    "expiring",
]

ERASED: Final = "erased"
EXPIRED: Final = "expired"
"""Why records were removed, as the metrics say it."""

EXPIRY_SECONDS: Final = 60.0
"""How often the service looks for orders that are too old."""

EXPIRY_PAUSE_S: Final = 1.0
"""How long it waits between batches while there are some."""

_DAY_MS: Final = 86_400_000
_log = logging.getLogger("service")
_BUSY: Final = refusal(
    "overloaded",
    "one erasure at once",
    "another while one is under way",
    "send it again after the seconds of Retry-After, or later",
)


class ErasureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose orders to erase.

    Attributes
    ----------
    entity : str
        Which identifier it is: the name of an entity of the bundle, as ``account``, ``email`` or
        ``card``.
    identifier : str or list of str
        The identifier as orders say it. Of an entity of several fields, as
        ``shipping_address``, a list of all of them in their order, ``""`` for an absent one.
    dry_run : bool
        Remove nothing; say how much there is.
    """

    entity: Identifier
    identifier: Identifier | list[Text]
    dry_run: bool = False


class ErasureResult(Struct, frozen=True, kw_only=True):
    """How much was removed, or would be.

    Attributes
    ----------
    orders : int
        Orders that were decided.
    outcomes : int
        Outcomes of these.
    dry_run : bool
        Whether they are still there.
    fingerprint : str
        What the audit log knows the erasure by; 16 hexadecimal digits.
    """

    orders: int
    outcomes: int
    dry_run: bool
    fingerprint: str


class ErasureEndpoint(Endpoint):
    """``POST /v1/erasures`` as an ASGI application.

    Parameters
    ----------
    engine : Engine
    removed : dict of str to int
        Counts records by why they were removed.
    audit : Path
        The audit log.
    may_erase : callable
        As `MayRead`.
    caller : callable
        From the headers of a request that may pass to who sent it.
    """

    def __init__(
        self,
        engine: Engine,
        removed: dict[str, int],
        audit: Path,
        may_erase: MayRead,
        caller: Callable[[Mapping[bytes, bytes]], str],
    ) -> None:
        super().__init__(lambda _body, _now_ms, _is_late: _BUSY, may_erase)
        self._engine = engine
        self._removed = removed
        self._audit = audit
        self._caller = caller
        self._is_busy = False

    async def _in_turn(self, body: bytes, scope: Scope, _is_late: IsLate) -> Answer:
        """Erase from a thread, one customer at a time."""
        if self._is_busy:
            return _BUSY
        work = partial(self._erased, body, self._caller(dict(scope["headers"])))
        self._is_busy = True
        try:
            done = await asyncio.to_thread(self._guarded, work, body, scope.get(REQUEST_ID, b""))
        finally:
            self._is_busy = False
        if isinstance(done, Answer):
            return done
        if not done.dry_run:
            self._removed[ERASED] += done.orders + done.outcomes
        return Answer(200, msgspec.json.encode(done))

    def _erased(self, body: bytes, by: str) -> ErasureResult:
        asked = _decoded(body)
        given = asked.identifier
        parts = [given] if isinstance(given, str) else given
        erasure = self._engine.erasure
        if asked.dry_run:
            erased = erasure.erase(asked.entity, parts, dry_run=True)
        else:
            erased = erase_customer(
                erasure, asked.entity, parts, audit=self._audit, by=by, now_ms=_now_ms
            )
        return ErasureResult(
            orders=erased.orders,
            outcomes=erased.outcomes,
            dry_run=asked.dry_run,
            fingerprint=erasure.fingerprint(asked.entity, parts),
        )


def check_retention(engine: Engine, days: int | None) -> None:
    """Refuse a retention that is shorter than what the windows look back at.

    The model would take customers whose past is removed for new ones.

    Raises
    ------
    fraudkit.errors.InputError
        If it is shorter.
    """
    if days is None:
        return
    days_min = -(-engine.erasure.retention_ms_min // _DAY_MS)
    if days < days_min:
        raise InputError(
            f"FRAUDKIT_RETENTION_DAYS must be at least {days_min}: so far back do the windows of "
            f"this bundle look, with a day for late orders. Got {days}; raise it, or train a "
            "bundle with shorter windows"
        )


@asynccontextmanager
async def expiring(
    engine: Engine,
    days: int | None,
    removed: dict[str, int],
    *,
    now_ms: Callable[[], int] | None = None,
    every_seconds: float = EXPIRY_SECONDS,
    pause_s: float = EXPIRY_PAUSE_S,
) -> AsyncIterator[None]:
    """Remove what is older than some days while the block runs, in small batches.

    Parameters
    ----------
    engine : Engine
    days : int or None
        ``None``: nothing is too old.
    removed : dict of str to int
        Counts records by why they were removed.
    now_ms : callable, optional
        The clock: UTC epoch milliseconds; that of the system if none is given.
    every_seconds, pause_s : float
        How often it looks, and how long it waits between batches.
    """
    if days is None:
        yield
        return
    clock = _now_ms if now_ms is None else now_ms
    async with beside(_expire(engine, days, removed, clock, every_seconds, pause_s)):
        yield


async def _expire(
    engine: Engine,
    days: int,
    removed: dict[str, int],
    now_ms: Callable[[], int],
    every_seconds: float,
    pause_s: float,
) -> None:
    is_scrubbed = False
    while True:
        wait_s = every_seconds
        try:
            before_ms = now_ms() - days * _DAY_MS
            expired = await asyncio.to_thread(engine.erasure.expire, before_ms)
            if expired != Erased():
                removed[EXPIRED] += expired.orders + expired.outcomes
                is_scrubbed, wait_s = False, pause_s
            elif not is_scrubbed:
                await asyncio.to_thread(engine.erasure.scrub)
                is_scrubbed = True
        except FraudkitError as error:
            _log.error("Old orders are not removed: %s", error)
        await asyncio.sleep(wait_s)


def _decoded(body: bytes) -> ErasureRequest:
    try:
        plain = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidField("", "a JSON document", "malformed JSON") from None
    return convert(plain, ErasureRequest)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
