"""An API key: what its owner may call, until when and how often; and the text that proves it.

The text is ``fk_KEYID_SECRET``. Whoever checks it finds the entry by the id, so that exactly one
digest is compared. The secret has 256 random bits: no list and no search finds it, however fast
the hash, so the digest is a plain SHA-256. A slow or salted hash protects passwords that people
choose; here it would only cost time on every request.

Invariant: the text of a key is in no field of its entry, and the digest is not in its text form.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from fraudkit.errors import InputError

__all__ = ["SCOPES", "ApiKey", "Scope", "digest_of", "key_id_of", "new_key"]

Scope = Literal["score", "outcomes", "admin"]
"""What a key may do: ask for decisions and payment methods; tell outcomes; administer."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_KEY_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_TIME_MS = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class ApiKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of a key file.

    Attributes
    ----------
    key_id : str
        12 hexadecimal digits; no secret.
    name : str
        Whose it is: 1 to 100 printable characters.
    scopes : tuple of {"score", "outcomes", "admin"}
        What it may do; at least one, each once.
    sha256 : str
        SHA-256 of the whole text of the key, 64 hexadecimal digits.
    created_at_ms : int
        UTC epoch milliseconds.
    expires_at_ms, revoked_at_ms : int or None
        From when it counts no more.
    requests_per_second : float or None
        How many requests it may send in the long run, 0.001 to 1,000,000, to the thousandth;
        ``None`` is without a limit.
    burst : int or None
        How many requests it may send at once after a pause, 1 to 1,000,000; ``None`` is those of
        one second, and at least one.

    Raises
    ------
    ValueError
        If scopes repeat, the name does not print, or there is a burst without a rate.
    """

    key_id: Annotated[str, Meta(pattern="^[0-9a-f]{12}$")]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created_at_ms: _TIME_MS
    expires_at_ms: _TIME_MS | None = None
    revoked_at_ms: _TIME_MS | None = None
    requests_per_second: Annotated[float, Meta(ge=0.001, le=1_000_000)] | None = None
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        if len(set(self.scopes)) != len(self.scopes):
            raise ValueError("scopes must differ from one another")
        if not self.name.isprintable():
            raise ValueError("the name must be of printable characters")
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst needs requests_per_second")

    def __repr__(self) -> str:
        return f"ApiKey({self.key_id}, {self.name!r}, scopes={','.join(self.scopes)})"

    @property
    def allowed_burst(self) -> int:
        """How many requests may come at once; only where there is a rate."""
        return self.burst or max(1, math.ceil(self.requests_per_second or 0))

    def state(self, now_ms: int) -> Literal["active", "revoked", "expired"]:
        """Return whether the key counts at a time, UTC epoch milliseconds."""
        if self.revoked_at_ms is not None and self.revoked_at_ms <= now_ms:
            return "revoked"
        if self.expires_at_ms is not None and self.expires_at_ms <= now_ms:
            return "expired"
        return "active"


def new_key(
    name: str,
    scopes: Iterable[str],
    *,
    now_ms: int,
    random_bytes: Callable[[int], bytes],
    expires_at_ms: int | None = None,
    requests_per_second: float | None = None,
    burst: int | None = None,
) -> tuple[ApiKey, str]:
    """Return a new entry, and the text of its key, which nothing keeps.

    Parameters
    ----------
    name, scopes, expires_at_ms, requests_per_second, burst
        As in `ApiKey`.
    now_ms : int
        UTC epoch milliseconds.
    random_bytes : callable
        From a number to that many bytes that nobody can guess: `secrets.token_bytes`.

    Raises
    ------
    fraudkit.errors.InputError
        If what was given makes no key.

    Examples
    --------
    >>> key, text = new_key("till", ["score"], now_ms=0, random_bytes=lambda count: b"k" * count)
    >>> key
    ApiKey(6b6b6b6b6b6b, 'till', scopes=score)
    >>> text[:16], len(text)
    ('fk_6b6b6b6b6b6b_', 80)
    """
    if expires_at_ms is not None and expires_at_ms <= now_ms:
        raise InputError("A key must expire in the future. Got a time that is past; name a later")
    key_id = random_bytes(_KEY_ID_BYTES).hex()
    text = f"fk_{key_id}_{random_bytes(_SECRET_BYTES).hex()}"
    entry = {
        "key_id": key_id,
        "name": name,
        "scopes": tuple(scopes),
        "sha256": digest_of(text.encode()).hex(),
        "created_at_ms": now_ms,
        "expires_at_ms": expires_at_ms,
        "requests_per_second": requests_per_second,
        "burst": burst,
    }
    try:
        return msgspec.convert(entry, ApiKey), text
    except msgspec.ValidationError as error:
        raise InputError(f"A key must hold: {error}; scopes are {', '.join(SCOPES)}") from error


def digest_of(text: bytes) -> bytes:
    """Return the SHA-256 of the text of a key."""
    return hashlib.sha256(text).digest()


def key_id_of(text: bytes) -> bytes:
    """Return the id in the text of a key, or ``b""`` where there is none.

    Examples
    --------
    >>> key_id_of(b"fk_0123456789ab_f00d"), key_id_of(b"correct-horse-battery")
    (b'0123456789ab', b'')
    """
    parts = text.split(b"_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == b"fk" else b""
