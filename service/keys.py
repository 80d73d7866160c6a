"""The keys that callers prove: held in memory, and read again when their file changes.

Invariant: a file that cannot be read changes nothing; the keys that were loaded go on, and
`Keys.problem` says so. No secret and no digest is in a message or a text form.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from fraudkit.access import SCOPES, ApiKey, TokenBucket, digest_of, key_id_of, read_keys
from fraudkit.access.key_file import Stamp, stamp_of
from fraudkit.errors import FraudkitError
from service.beside import beside, repeat

__all__ = ["CHECK_SECONDS", "HeldKey", "Keys", "watched"]

CHECK_SECONDS: Final = 1.0
"""How often the key file is looked at."""

_ENVIRONMENT: Final = "environment"
_log = logging.getLogger("service")


class HeldKey(NamedTuple):
    """A key that may be proved, ready to be compared.

    Attributes
    ----------
    key : ApiKey or None
        Its entry; ``None`` is the key of the environment, which may do everything.
    digest : bytes
        SHA-256 of its text.
    scopes : frozenset of str
    bucket : TokenBucket or None
        Its limit, where it has one.
    """

    key: ApiKey | None
    digest: bytes
    scopes: frozenset[str]
    bucket: TokenBucket | None

    def __repr__(self) -> str:
        return f"HeldKey({self.caller})"

    @property
    def caller(self) -> str:
        """Who calls, for the audit log."""
        return _ENVIRONMENT if self.key is None else f"{self.key.name} ({self.key.key_id})"


class Keys:
    """The keys of a file, and the one of the environment.

    Parameters
    ----------
    path : Path or None
        The key file; ``None`` where there is only the key of the environment.
    api_key : str or None
        The key of the environment; it may do everything and has no limit.

    Raises
    ------
    fraudkit.errors.StoreError
        If there is a path and no key file that can be used.
    """

    def __init__(self, path: Path | None, api_key: str | None) -> None:
        self.problem: str | None = None
        self._path = path
        self._stamp: Stamp | None = None
        self._held: Mapping[bytes, HeldKey] = {}
        digest = os.urandom(32) if api_key is None else digest_of(api_key.encode())
        # What an unknown id is compared with; without a key of the environment nothing equals it.
        self._other = HeldKey(None, digest, frozenset(SCOPES), None)
        if path is not None:
            self._load(path)

    def __repr__(self) -> str:
        return f"Keys({len(self._held)} of {self._path}, problem={self.problem!r})"

    def proved(self, text: bytes) -> HeldKey | None:
        """Return the key that a text proves, whether or not it still counts.

        Whatever the text is, one digest is made and one is compared, in constant time.
        """
        held = self._held.get(key_id_of(text), self._other)
        return held if hmac.compare_digest(digest_of(text), held.digest) else None

    def refresh(self) -> None:
        """Read the file if it changed; never raises."""
        if self._path is None:
            return
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._load(self._path)
        except FraudkitError as error:
            self._warn(str(error))
        except Exception as error:  # noqa: BLE001 - a fault here must not end the watching
            self._warn(f"{self._path} cannot be read: {type(error).__name__}")
        else:
            if self.problem is not None:
                _log.warning("The key file can be read again")
            self.problem = None

    def _load(self, path: Path) -> None:
        read = read_keys(path)
        self._held = {key.key_id.encode(): self._holding(key) for key in read.keys}
        self._stamp = read.stamp

    def _holding(self, key: ApiKey) -> HeldKey:
        return HeldKey(key, bytes.fromhex(key.sha256), frozenset(key.scopes), self._bucket(key))

    def _bucket(self, key: ApiKey) -> TokenBucket | None:
        """Return the limit of a key; one that did not change goes on as full as it is."""
        if key.requests_per_second is None:
            return None
        before = self._held.get(key.key_id.encode())
        bucket = None if before is None else before.bucket
        limit = (key.requests_per_second, key.allowed_burst)
        if bucket is not None and (bucket.requests_per_second, bucket.burst) == limit:
            return bucket
        return TokenBucket(*limit)

    def _warn(self, problem: str) -> None:
        self.problem = f"{problem}; the keys that were loaded before go on"
        _log.error("%s", self.problem)


@asynccontextmanager
async def watched(keys: Keys | None, every_seconds: float = CHECK_SECONDS) -> AsyncIterator[None]:
    """Refresh the keys now and then while the block runs, beside the event loop."""
    if keys is None:
        yield
        return
    async with beside(repeat(keys.refresh, every_seconds)):
        yield
