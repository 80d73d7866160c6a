"""A part of a run as bytes, and back: what is not as it was written is not read.

Invariant: nothing of a part is decoded before its SHA-256 is that which stands before it.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["ScoredRows", "decoded_part", "encoded_part"]

_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_FLOAT: Final = "<f8"


class ScoredRows(NamedTuple):
    """What a model says of some orders, one after the other.

    Attributes
    ----------
    raw_score : ndarray of float64, shape (n_orders,)
        Log-odds before calibration.
    fraud_probability : ndarray of float64, shape (n_orders,)
        In [0, 1].
    reason_codes : list of list of str
        One list an order, strongest first.
    """

    raw_score: NDArray[np.float64]
    fraud_probability: NDArray[np.float64]
    reason_codes: list[list[str]]


class _Stored(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part, and which one of which run it is."""

    run: str
    number: int
    raw_score: bytes
    fraud_probability: bytes
    reason_codes: list[list[str]]


def encoded_part(run: str, number: int, rows: ScoredRows) -> bytes:
    """Return a part as bytes: the SHA-256 of the rest, then the part in MessagePack.

    Parameters
    ----------
    run : str
        What names the run and all that decides it.
    """
    stored = _Stored(
        run,
        number,
        rows.raw_score.astype(_FLOAT).tobytes(),
        rows.fraud_probability.astype(_FLOAT).tobytes(),
        rows.reason_codes,
    )
    body = msgspec.msgpack.encode(stored)
    return hashlib.sha256(body).digest() + body


def decoded_part(content: bytes, run: str, number: int, n_rows: int) -> ScoredRows | None:
    """Return the part that bytes hold; ``None`` unless it is whole, and this one of this run.

    Examples
    --------
    >>> rows = ScoredRows(np.array([-4.5]), np.array([0.25]), [["NEW_CARD"]])
    >>> content = encoded_part("run", 7, rows)
    >>> decoded_part(content, "run", 7, 1) == rows
    True
    >>> decoded_part(content[:-1], "run", 7, 1), decoded_part(content, "run", 8, 1)
    (None, None)
    """
    body = memoryview(content)[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != content[:_DIGEST_BYTES]:
        return None
    try:
        stored = msgspec.msgpack.decode(body, type=_Stored)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    n_bytes = n_rows * np.dtype(_FLOAT).itemsize
    lengths = (len(stored.raw_score), len(stored.fraud_probability), len(stored.reason_codes))
    if (stored.run, stored.number, *lengths) != (run, number, n_bytes, n_bytes, n_rows):
        return None
    return ScoredRows(
        np.frombuffer(stored.raw_score, _FLOAT).astype(np.float64),
        np.frombuffer(stored.fraud_probability, _FLOAT).astype(np.float64),
        stored.reason_codes,
    )
