"""The routes that show and change what decides, and the watch over the models folder.

Invariant: a change is made in a thread, one at a time; requests are decided meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from starlette.types import Receive, Scope, Send

from fraudkit.deciding import IsLate
from fraudkit.domain.explaining import explain
from fraudkit.errors import InvalidField
from fraudkit.registry import Change
from service.beside import answer_of, beside, repeat
from service.bundle_changes import (
    BundleChanges,
    InForce,
    PromoteBundle,
    PromotePolicy,
    RollBack,
)
from service.reading import MayRead, send_answer
from service.refusals import Answer, internal_error, refusal
from service.routes import Endpoint, Headers

__all__ = [
    "CHECK_SECONDS",
    "ChangeEndpoint",
    "ChangeRequest",
    "Changed",
    "InForceEndpoint",
    "following",
    "requests_of",
]

CHECK_SECONDS: Final = 1.0
"""How often the models folder is looked at."""

_log = logging.getLogger("service")
_encode = msgspec.json.Encoder().encode


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change.

    Attributes
    ----------
    change : Change or None
        As the history holds it; ``None`` where it was in force already.
    in_force : InForce
        What decides now.
    """

    change: Change | None
    in_force: InForce


class ChangeRequest(NamedTuple):
    """What a route takes, and what it does with it for a caller."""

    kind: Any
    carry_out: Callable[[Any, str], Change | None]


def requests_of(changes: BundleChanges) -> dict[str, ChangeRequest]:
    """Return the routes that change something, by path."""
    return {
        "/v1/bundle/promote": ChangeRequest(PromoteBundle, changes.promote),
        "/v1/bundle/rollback": ChangeRequest(RollBack, changes.roll_back),
        "/v1/policy/promote": ChangeRequest(PromotePolicy, changes.promote_policy),
    }


class InForceEndpoint:
    """``GET /v1/bundle`` as an ASGI application.

    Parameters
    ----------
    changes : BundleChanges
    may_read : callable
        As `service.reading.MayRead`.
    """

    def __init__(self, changes: BundleChanges, may_read: MayRead) -> None:
        self._changes = changes
        self._may_read = may_read

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer from a thread: the history is on the disk."""
        answer = self._may_read(dict(scope["headers"]))
        if answer is None:
            shown = partial(_shown, self._changes.shown)
            answer = await asyncio.to_thread(answer_of, shown)
        await send_answer(send, answer)


class ChangeEndpoint(Endpoint):
    """A POST route that changes what decides, as an ASGI application.

    Parameters
    ----------
    changes : BundleChanges
    request : ChangeRequest
    may_change : callable
        As `service.reading.MayRead`.
    caller : callable
        From the headers to who asks, for the history and the audit log.
    """

    def __init__(
        self,
        changes: BundleChanges,
        request: ChangeRequest,
        may_change: MayRead,
        caller: Callable[[Mapping[bytes, bytes]], str],
    ) -> None:
        super().__init__(lambda _body, _now_ms, _is_late: internal_error(), may_change)
        self._changes = changes
        self._request = request
        self._caller = caller

    def _admit(self, headers: Headers) -> Answer | IsLate:
        answer = super()._admit(headers)
        if not isinstance(answer, Answer) and b"content-type" not in dict(headers):
            # A page in a browser on this machine cannot send this type to another origin.
            return refusal(
                "unsupported_media_type",
                "content-type application/json",
                "none",
                "send the header 'content-type: application/json'",
            )
        return answer

    async def _in_turn(self, body: bytes, scope: Scope, _is_late: IsLate) -> Answer:
        if self._changes.is_fixed:
            return refusal(
                "bundle_fixed",
                "a service that was started with models/current",
                "one that was started with a bundle's folder",
                "start it with FRAUDKIT_BUNDLE=models/current",
            )
        if self._changes.is_asked:
            return refusal(
                "overloaded",
                "one change at a time",
                "one more",
                "ask again after the seconds of Retry-After",
            )
        caller = self._caller(dict(scope["headers"]))
        self._changes.is_asked = True
        try:
            return await asyncio.to_thread(answer_of, partial(self._changed, body, caller), body)
        finally:
            self._changes.is_asked = False

    def _changed(self, body: bytes, caller: str) -> Answer:
        asked = _decoded(body or b"{}", self._request.kind)
        change = self._request.carry_out(asked, caller)
        return Answer(200, _encode(Changed(change=change, in_force=self._changes.shown())))


@asynccontextmanager
async def following(
    changes: BundleChanges, every_seconds: float = CHECK_SECONDS
) -> AsyncIterator[None]:
    """Take what the models folder names, now and then while the block runs, in a thread."""
    if changes.is_fixed:
        yield
        return
    async with beside(repeat(changes.refresh, every_seconds)):
        yield


def _shown(made: Callable[[], object]) -> Answer:
    return Answer(200, _encode(made()))


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise explain(error, msgspec.json.decode(body), kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidField("", "a JSON document in UTF-8", "something else") from None
