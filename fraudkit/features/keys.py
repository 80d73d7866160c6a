"""Keys of entities: identifiers hashed with the merchant's key before they go anywhere.

Invariant: what leaves this module is a 64-bit keyed hash; nothing behind it sees an identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fraudkit.features.spec import Entity
from fraudkit.features.window_arrays import NO_KEY

__all__ = ["KEY_SEPARATOR", "NO_DIGEST", "IdentifierHash", "event_digest", "event_id"]

_REMEMBERED: Final = 4096
KEY_SEPARATOR: Final = "\x1f"
"""Stands between the parts of a key's text."""
_HASH_BYTES: Final = 8
_UNKEYED: Final = hashlib.blake2b(digest_size=_HASH_BYTES)
NO_DIGEST: Final = NO_KEY.to_bytes(_HASH_BYTES, "little")
"""The hash of what is absent."""
_ONE: Final = (1).to_bytes(_HASH_BYTES, "little")


def event_digest(transaction_id: str) -> bytes:
    """Return the event id of a transaction: BLAKE2b without a key, 8 little-endian bytes, never 0.

    It orders events of the same millisecond, so it must not depend on anybody's key.
    """
    hashed = _UNKEYED.copy()
    hashed.update(transaction_id.encode())
    digest = hashed.digest()
    return _ONE if digest == NO_DIGEST else digest


def event_id(transaction_id: str) -> int:
    """Return `event_digest` as a signed number."""
    return int.from_bytes(event_digest(transaction_id), "little", signed=True)


class IdentifierHash:
    """Keyed BLAKE2b (RFC 7693) of identifiers, 64 bits, never 0.

    Parameters
    ----------
    hash_key : bytes
        The merchant's secret, at most 64 bytes. With another key nothing matches any more.
    """

    __slots__ = ("_keyed",)

    def __init__(self, hash_key: bytes) -> None:
        self._keyed = hashlib.blake2b(key=hash_key, digest_size=_HASH_BYTES)

    def digest_of(self, entity: Entity) -> Callable[[str], bytes]:
        """Return the function from the text of an entity's key to the hash of it.

        The hash is 8 little-endian bytes. Keys of different entities have different hashes, also
        where their text is the same.
        """
        keyed = self._keyed.copy()
        keyed.update(f"{entity.name}{KEY_SEPARATOR}".encode())
        copy_keyed = keyed.copy

        def digest_of(text: str) -> bytes:
            hashed = copy_keyed()
            hashed.update(text.encode())
            digest = hashed.digest()
            return _ONE if digest == NO_DIGEST else digest

        return lru_cache(_REMEMBERED)(digest_of) if entity.is_common else digest_of

    def digest(self, document: bytes) -> bytes:
        """Return a keyed 8-byte digest of a document."""
        keyed = self._keyed.copy()
        keyed.update(document)
        return keyed.digest()
