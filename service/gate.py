"""Who may pass: the key, what it may do, and how often.

Invariant: where keys are asked for, nothing of a request is read before its key was proved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from fraudkit.access import SCOPES, Scope
from fraudkit.errors import InputError
from service.keys import HeldKey, Keys
from service.refusals import Answer, refusal
from service.settings import Settings

__all__ = ["Gate", "open_gate"]

_SCHEME: Final = b"bearer "
_SEND: Final = "send the header 'Authorization: Bearer KEY'"
_UNKNOWN: Final = refusal("unauthorized", "a key of the service", "another or none", _SEND)
_ENDED: Final = {
    state: refusal("unauthorized", "a key that counts", f"one that is {state}", "ask for a new key")
    for state in ("revoked", "expired")
}
_FORBIDDEN: Final = {
    scope: msgspec.structs.replace(
        refusal(
            "forbidden",
            f"a key with the scope {scope!r}",
            "one without it",
            f"send one that `fraudkit keys create` made with --scopes {scope}",
        ),
        headers=(
            (b"www-authenticate", f'Bearer error="insufficient_scope", scope="{scope}"'.encode()),
        ),
    )
    for scope in SCOPES
}


class Gate:
    """Lets a request pass, or answers it.

    Parameters
    ----------
    keys : Keys or None
        ``None``: whoever can reach the service may call it.
    now_ns : callable
        The clock: UTC epoch nanoseconds.
    """

    def __init__(self, keys: Keys | None, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.keys = keys
        self._now_ns = now_ns

    @property
    def needs_key(self) -> bool:
        """Whether callers must send a key."""
        return self.keys is not None

    @property
    def problem(self) -> str | None:
        """What is wrong with the key file, for ``/readyz``; it names no key."""
        return None if self.keys is None else self.keys.problem

    def asking(self, scope: Scope) -> Callable[[Mapping[bytes, bytes]], Answer | None]:
        """Return `refused` for a route that needs a scope."""
        return partial(self.refused, scope=scope)

    def refused(self, given: Mapping[bytes, bytes], scope: Scope) -> Answer | None:
        """Return the answer to a request that ends here, or ``None`` where it may pass.

        Parameters
        ----------
        given : mapping
            The request's headers, names in lower case.
        scope : {"score", "outcomes", "admin"}
            What the route needs.
        """
        if self.keys is None:
            return None
        held = self._proved(given)
        if held is None:
            return _UNKNOWN
        now_ns = self._now_ns()
        if held.key is not None:
            state = held.key.state(now_ns // 1_000_000)
            if state != "active":
                return _ENDED[state]
        if scope not in held.scopes:
            return _FORBIDDEN[scope]
        wait_ns = 0 if held.bucket is None else held.bucket.take(now_ns)
        return _too_often(held, wait_ns) if wait_ns else None

    def caller(self, given: Mapping[bytes, bytes]) -> str:
        """Return who sent a request that was let pass, for the audit log; no secret."""
        held = self._proved(given)
        return "unknown" if held is None else held.caller

    def _proved(self, given: Mapping[bytes, bytes]) -> HeldKey | None:
        if self.keys is None:
            return None
        sent = given.get(b"authorization", b"")
        has_scheme = sent[: len(_SCHEME)].lower() == _SCHEME
        return self.keys.proved(sent[len(_SCHEME) :] if has_scheme else b"")


def open_gate(settings: Settings) -> Gate:
    """Return the gate that the settings ask for.

    Keys are asked for where there is a key file, or a key of the environment. Whether they are
    is settled here, once: a key file that appears later takes effect at the next start.

    Raises
    ------
    fraudkit.errors.InputError
        If other machines can call and there are no keys.
    fraudkit.errors.StoreError
        If the key file cannot be used, or the settings name one that is missing.
    """
    path = Path(settings.keys_file or Path(settings.data_dir) / "keys.json")
    is_file_expected = settings.keys_file is not None or path.exists()
    if is_file_expected or settings.api_key is not None:
        return Gate(Keys(path if is_file_expected else None, settings.api_key))
    if not settings.is_loopback:
        raise InputError(
            "There must be a key where other machines can call. Got FRAUDKIT_HOST="
            f"{settings.host} and no {path}; make one with `fraudkit keys create NAME --scopes "
            "score,outcomes`, set FRAUDKIT_API_KEY, or listen on 127.0.0.1"
        )
    return Gate(None)


def _too_often(held: HeldKey, wait_ns: int) -> Answer:
    seconds = -(-wait_ns // 1_000_000_000)
    rate = 0.0 if held.bucket is None else held.bucket.requests_per_second
    answer = refusal(
        "rate_limited",
        f"at most {rate:g} requests a second with this key",
        "more",
        "nothing was recorded; send the request again after the seconds of Retry-After",
    )
    return msgspec.structs.replace(answer, headers=((b"retry-after", b"%d" % seconds),))
