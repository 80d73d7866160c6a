"""The routes that are only read: the metrics, and a decision with its explanation.

Invariant: explaining never holds up the event loop, and never takes more than two threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from fraudkit.decisions.fallback import DEADLINE
from fraudkit.domain.decision import Decision
from fraudkit.engine import Engine
from fraudkit.errors import ExplanationError
from fraudkit.explanation.values import Explanation
from fraudkit.journal.record import DecisionRecord, Journal
from service.beside import answer_of
from service.metrics import Metrics
from service.refusals import Answer, refusal

__all__ = [
    "EXPLAINED_AT_ONCE_MAX",
    "DecisionEndpoint",
    "ExplainedDecision",
    "MayRead",
    "MetricsEndpoint",
    "explained",
    "send_answer",
]

EXPLAINED_AT_ONCE_MAX: Final = 2
"""How many decisions are explained at once; one more gets 503."""

MayRead = Callable[[Mapping[bytes, bytes]], Answer | None]
"""Returns the refusal of a request by its headers if it may not read, else ``None``."""

_log = logging.getLogger("service")
_encode = msgspec.json.Encoder().encode


class ExplainedDecision(Struct, frozen=True, kw_only=True):
    """A decision as the journal holds it, and all that made it.

    Attributes
    ----------
    decision : Decision
        As it was answered.
    explanation : Explanation
        What every feature added, and what would have decided it otherwise.
    """

    decision: Decision
    explanation: Explanation


class MetricsEndpoint:
    """``GET /metrics`` as an ASGI application.

    Parameters
    ----------
    metrics : Metrics
    may_read : callable
        As `MayRead`.
    """

    def __init__(self, metrics: Metrics, may_read: MayRead) -> None:
        self._metrics = metrics
        self._may_read = may_read

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer in the format that the header ``accept`` asks for."""
        refused = self._may_read(dict(scope["headers"]))
        if refused is not None:
            await send_answer(send, refused)
            return
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        body, media_type = self._metrics.exposed(accept)
        await send_answer(send, Answer(200, body), media_type.encode("latin-1"))


class DecisionEndpoint:
    """``GET /v1/decisions/{transaction_id}`` as an ASGI application.

    Parameters
    ----------
    engine : Engine
    journal : Journal or None
        That of the engine.
    may_read : callable
        As `MayRead`.
    """

    def __init__(self, engine: Engine, journal: Journal | None, may_read: MayRead) -> None:
        self._engine = engine
        self._journal = journal
        self._may_read = may_read
        self._busy = 0

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer from a thread, while orders are decided."""
        answer = self._may_read(dict(scope["headers"]))
        if answer is None:
            answer = await self._explained(scope["path_params"]["transaction_id"])
        await send_answer(send, answer)

    async def _explained(self, transaction_id: str) -> Answer:
        if self._busy >= EXPLAINED_AT_ONCE_MAX:
            return refusal(
                "overloaded",
                f"at most {EXPLAINED_AT_ONCE_MAX} decisions to explain at once",
                "one more",
                "ask again after the seconds of Retry-After",
            )
        self._busy += 1
        try:
            return await asyncio.to_thread(explained, self._engine, self._journal, transaction_id)
        finally:
            self._busy -= 1


def explained(engine: Engine, journal: Journal | None, transaction_id: str) -> Answer:
    """Return the answer about one decision; never raises."""

    def make() -> Answer:
        record = None if journal is None else journal.last_decision(transaction_id)
        return _unknown() if record is None else _explained(engine, record)

    return answer_of(make)


def _explained(engine: Engine, record: DecisionRecord) -> Answer:
    decision = msgspec.json.decode(record.decision, type=Decision)
    bundle = engine.versions.bundle
    if decision.versions.bundle != bundle:
        return _not_explained(
            f"a decision of the bundle in force, {bundle}",
            f"one of {decision.versions.bundle}",
            "run fraudkit explain with --bundle and the folder of that version",
        )
    if DEADLINE in decision.degraded:
        return _not_explained(
            "a decision that a score made",
            f"{decision.action} by the policy's fallback: there was no time for a score",
            "fraudkit replay shows that the policy says so",
        )
    try:
        explanation = engine.explain(decision)
    except ExplanationError:
        return _not_explained(
            "a journal that holds the decision as it was made",
            "another",
            "run fraudkit replay on the journal",
        )
    return Answer(200, _encode(ExplainedDecision(decision=decision, explanation=explanation)))


def _not_explained(expected: str, received: str, hint: str) -> Answer:
    return refusal("not_explained", expected, received, hint)


def _unknown() -> Answer:
    return refusal(
        "decision_not_found",
        "the id of a transaction that this service decided",
        "another",
        "send the transaction_id of /v1/score, percent-encoded; another service's decisions stand "
        "in its own journal",
    )


async def send_answer(send: Send, answer: Answer, media_type: bytes = b"application/json") -> None:
    """Send an answer whole."""
    headers = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
