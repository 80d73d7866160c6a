"""The routes: bytes in, the engine's answer out, byte for byte.

Invariant: an order or outcome that got a 2xx is in the journal, and one that did not is not.
Every POST runs on the event loop from its first byte to its answer: the engine takes a fraction
of a millisecond, less than handing it to a thread would.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from fraudkit.deciding import IsLate
from fraudkit.domain.decoding import (
    BODY_BYTES_MAX,
    decode_outcome,
    decode_payment_context,
    decode_transaction,
)
from fraudkit.engine import Engine
from fraudkit.errors import FraudkitError
from fraudkit.noted import Noted
from service.deadlines import Deadlines
from service.metrics import Metrics
from service.observing import REQUEST_ID
from service.refusals import Answer, internal_error, refusal, refusal_of
from service.request_log import shown_id
from service.security_headers import SECURITY_HEADERS
from service.stages import watched
from service.turns import Made, Turns

__all__ = [
    "BODY_SECONDS_MAX",
    "OVERLOADED",
    "Alive",
    "Answering",
    "Endpoint",
    "Headers",
    "OutcomeAccepted",
    "read_body",
    "recommend",
    "record",
    "score",
]

BODY_SECONDS_MAX = 10
"""How long a body may take to arrive, in seconds."""

_log = logging.getLogger("service")
_encode = msgspec.json.Encoder().encode
_LENGTH_DIGITS_MAX = len(str(BODY_BYTES_MAX))
_JSON = (b"content-type", b"application/json")
OVERLOADED = refusal(
    "overloaded",
    "fewer requests at once",
    "more than may wait",
    "nothing was recorded; send the request again after the seconds of Retry-After",
)
"""The answer where too many wait."""

Headers = Iterable[tuple[bytes, bytes]]

Answering = Callable[[bytes, int, IsLate], Made]
"""From a body, the time of receipt (epoch milliseconds), and what says whether the request is
late, to the answer; or to what gives the answer once it is written."""

_ANY_TIME = Deadlines()
_M = TypeVar("_M")


class OutcomeAccepted(Struct, frozen=True, kw_only=True):
    """The outcome is in the journal; ``duplicate`` where it already was."""

    outcome_id: str
    accepted: bool
    duplicate: bool


class Alive(Struct, frozen=True, kw_only=True):
    """The process is up."""

    alive: bool = True


class Endpoint:
    """A POST route as a bare ASGI application: admits, reads, answers, and never raises.

    Parameters
    ----------
    answer : callable
        As `Answering`; what waits for the journal only with ``turns``.
    refused : callable or None
        From the headers to the answer to a caller who may not pass, see `Gate.asking`;
        ``None`` where all may.
    turns : Turns or None
        Where its requests stand in line; ``None`` where they need not.
    deadlines : Deadlines
        By when its requests are to be answered.
    """

    def __init__(
        self,
        answer: Answering,
        refused: Callable[[Mapping[bytes, bytes]], Answer | None] | None,
        turns: Turns | None = None,
        deadlines: Deadlines = _ANY_TIME,
    ) -> None:
        self._answer = answer
        self._turns = turns
        self._refused = refused
        self._deadlines = deadlines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a client that leaves before its body is whole gets no answer."""
        answer = self._admit(scope["headers"])
        if not isinstance(answer, Answer):
            body = await read_body(receive)
            if body is None:
                return
            answer = await self._in_turn(body, scope, answer) if isinstance(body, bytes) else body
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [_JSON, length, *answer.headers, *SECURITY_HEADERS]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _admit(self, headers: Headers) -> Answer | IsLate:
        given = dict(headers)
        if self._refused is not None and (answer := self._refused(given)) is not None:
            return answer
        refused = _refused_media_type(given) or _refused_length(given)
        return refused or self._deadlines.of(given)

    async def _in_turn(self, body: bytes, scope: Scope, is_late: IsLate) -> Answer:
        request_id = scope.get(REQUEST_ID, b"")
        if self._turns is None:
            made = self._answered(body, request_id, is_late)
            return made if isinstance(made, Answer) else made()
        work = watched(scope, partial(self._answered, body, request_id, is_late))
        answered = self._turns.join(work)
        answer = None if answered is None else await answered
        return OVERLOADED if answer is None else answer

    def _answered(self, body: bytes, request_id: bytes, is_late: IsLate) -> Made:
        work = partial(self._answer, body, time.time_ns() // 1_000_000, is_late)
        made = self._guarded(work, body, request_id)
        if isinstance(made, Answer):
            return made
        return partial(self._guarded, made, body, request_id)

    def _guarded(self, work: Callable[[], _M], body: bytes, request_id: bytes) -> _M | Answer:
        try:
            return work()
        except FraudkitError as error:
            answer = refusal_of(error, body)
            if answer.status >= 500:
                named = {"request_id": shown_id(request_id)}
                _log.error("%s: %s", type(error).__name__, error, extra=named)
            return answer
        except Exception as error:  # noqa: BLE001 - the last guard: one bad order stops no other
            # The message may quote the order, so the log gets the place and the kind only.
            place = "".join(traceback.format_tb(error.__traceback__))
            named = {"request_id": shown_id(request_id)}
            _log.error(
                "A fault of the service, %s at:\n%s", type(error).__name__, place, extra=named
            )
            return internal_error()


def score(engine: Engine, metrics: Metrics) -> Answering:
    """Return the answer of ``POST /v1/score``: the decision that stands once `Turns` wrote it."""
    decode = metrics.stages.of("decode", decode_transaction)
    decide = metrics.stages.of("decide", engine.decide)
    unwritten = metrics.unwritten

    def answer(body: bytes, now_ms: int, is_late: IsLate) -> Callable[[], Answer]:
        transaction = decode(body)
        noted = decide(transaction, now_ms=now_ms, is_late=is_late)
        unwritten.add(transaction, noted)
        return partial(_settled, noted)

    return answer


def _settled(noted: Noted) -> Answer:
    if noted.refusal is not None:
        raise noted.refusal
    return Answer(200, noted.body)


def record(engine: Engine, metrics: Metrics) -> Answering:
    """Return the answer of ``POST /v1/outcomes``; one that is late is recorded all the same."""

    def answer(body: bytes, now_ms: int, _is_late: IsLate) -> Answer:
        outcome = decode_outcome(body)
        is_new = engine.record(outcome, now_ms=now_ms)
        metrics.unwritten.settle()  # what waited was written before it
        if is_new:
            metrics.decisions.count_outcome(outcome)
        accepted = OutcomeAccepted(
            outcome_id=outcome.outcome_id, accepted=True, duplicate=not is_new
        )
        return Answer(202, _encode(accepted))

    return answer


def recommend(engine: Engine) -> Answering:
    """Return the answer of ``POST /v1/payment-methods``: the engine's recommendation as JSON."""

    def answer(body: bytes, now_ms: int, _is_late: IsLate) -> Answer:
        return Answer(200, _encode(engine.recommend(decode_payment_context(body), now_ms=now_ms)))

    return answer


def _refused_media_type(given: dict[bytes, bytes]) -> Answer | None:
    content_type = given.get(b"content-type")
    if content_type is not None:
        kind, _, parameters = content_type.lower().partition(b";")
        charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
        if kind.strip() != b"application/json" or charset not in (b"", b"utf-8"):
            return refusal(
                "unsupported_media_type",
                "content-type application/json in UTF-8",
                "another content-type",
                "send the header 'content-type: application/json'",
            )
    if given.get(b"content-encoding", b"identity").lower() != b"identity":
        return refusal(
            "unsupported_media_type",
            "a body that is not compressed",
            "a content-encoding",
            "send the JSON as it is",
        )
    return None


def _refused_length(given: dict[bytes, bytes]) -> Answer | None:
    declared = given.get(b"content-length", b"0").lstrip(b"0")
    if not declared.isdigit():
        return None
    # Python converts no number of thousands of digits, and none is needed to know.
    is_too_large = len(declared) > _LENGTH_DIGITS_MAX or int(declared) > BODY_BYTES_MAX
    return _too_large() if is_too_large else None


async def read_body(receive: Receive) -> bytes | Answer | None:
    """Return the whole body, a refusal, or ``None`` where the client left."""
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _read_on(receive, bytearray())
    except TimeoutError:
        return refusal(
            "body_timeout",
            f"the whole body within {BODY_SECONDS_MAX} seconds",
            "a part of it",
            "nothing was recorded; send the request again, with all of its body",
        )


async def _read_on(receive: Receive, body: bytearray) -> bytes | Answer | None:
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body) if len(body) <= BODY_BYTES_MAX else _too_large()
    return _too_large()


def _too_large() -> Answer:
    return refusal(
        "body_too_large",
        f"at most {BODY_BYTES_MAX:,} bytes",
        "a longer body",
        "send one order or outcome in a request",
    )
