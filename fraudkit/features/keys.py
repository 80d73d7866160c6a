"""Keys of entities: identifiers hashed with the merchant's key before they go anywhere.

Invariant: what leaves this module is a 64-bit keyed hash; nothing behind it sees an identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.transaction import Transaction
from fraudkit.features.fields import arguments_of, fields_reader
from fraudkit.features.spec import Entity, Value
from fraudkit.features.window import NO_KEY

__all__ = ["EntityKeys", "IdentifierHash", "event_id"]

_SEPARATOR = "\x1f"


def event_id(transaction_id: str) -> int:
    """Return the event id of a transaction: BLAKE2b without a key, signed 64 bits, never 0.

    It orders events of the same millisecond, so it must not depend on anybody's key.
    """
    digest = hashlib.blake2b(transaction_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


class IdentifierHash:
    """Keyed BLAKE2b (RFC 7693) of identifiers, 64 bits, never 0.

    Parameters
    ----------
    hash_key : bytes
        The merchant's secret, at most 64 bytes. With another key nothing matches any more.
    """

    __slots__ = ("_keyed",)

    def __init__(self, hash_key: bytes) -> None:
        self._keyed = hashlib.blake2b(key=hash_key, digest_size=8)

    def of(self, kind: str, identifier: str) -> int:
        """Return the signed 64-bit hash of an identifier of a kind."""
        keyed = self._keyed.copy()
        keyed.update(f"{kind}{_SEPARATOR}{identifier}".encode())
        return int.from_bytes(keyed.digest(), "little", signed=True) or 1

    def of_entity(self, entity: Entity, values: Sequence[Value]) -> int:
        """Return the hash of an entity's key, or `NO_KEY` where its first field is absent.

        White space around a value never tells two keys apart; letter case only where the
        entity says so.
        """
        first = values[0]
        if first is None:
            return NO_KEY
        joined = str(first).strip()
        if not joined:
            return NO_KEY
        for value in values[1:]:
            joined += _SEPARATOR if value is None else f"{_SEPARATOR}{str(value).strip()}"
        return self.of(entity.name, joined.lower() if entity.is_caseless else joined)

    def digest(self, document: bytes) -> bytes:
        """Return a keyed 8-byte digest of a document."""
        keyed = self._keyed.copy()
        keyed.update(document)
        return keyed.digest()


class EntityKeys:
    """Reads and hashes every entity of a transaction."""

    __slots__ = ("_entities", "_hash", "_read")

    def __init__(self, entities: Sequence[Entity], identifier_hash: IdentifierHash) -> None:
        self._hash = identifier_hash
        paths = list(dict.fromkeys(path for entity in entities for path in entity.inputs))
        self._read = fields_reader(paths)
        self._entities = [(entity, arguments_of(paths, entity.inputs)) for entity in entities]

    def of(self, transaction: Transaction) -> NDArray[np.int64]:
        """Return one hash an entity, ``ndarray of int64, shape (n_entities,)``."""
        of_entity = self._hash.of_entity
        inputs = self._read(transaction, None)
        return np.array(
            [of_entity(entity, pick(inputs)) for entity, pick in self._entities], np.int64
        )
