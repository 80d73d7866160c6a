"""The floor: the least that any fraud score over HTTP does with these trees.

Decode the order, run LightGBM's own C single-row fast path on a feature row that is given, encode
a small answer. No features, no reasons, no policy, no memory of the order.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.transaction import Transaction
from fraudkit.errors import ArtifactError

__all__ = ["FastPath", "Floor", "FloorAnswer"]

# LightGBM's include/LightGBM/c_api.h.
_DTYPE_FLOAT64: Final = 1
_PREDICT_RAW_SCORE: Final = 1

_decode = msgspec.json.Decoder(Transaction).decode
_encode = msgspec.json.Encoder().encode


class FloorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest useful answer."""

    transaction_id: str
    raw_score: float


class FastPath:
    """LightGBM's single-row prediction with all that can be prepared prepared, on one thread.

    Parameters
    ----------
    model_text : str
        LightGBM's text model.
    n_features : int
        Columns of a row.
    """

    def __init__(self, model_text: str, n_features: int) -> None:
        self._library = _library()
        self._booster = ctypes.c_void_p()
        self._prepared = ctypes.c_void_p()
        self._length = ctypes.c_int64()
        self._result = ctypes.c_double()
        n_trees = ctypes.c_int()
        self._check(
            self._library.LGBM_BoosterLoadModelFromString(
                model_text.encode(), ctypes.byref(n_trees), ctypes.byref(self._booster)
            )
        )
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster,
                ctypes.c_int(_PREDICT_RAW_SCORE),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(_DTYPE_FLOAT64),
                ctypes.c_int32(n_features),
                b"num_threads=1",
                ctypes.byref(self._prepared),
            )
        )
        self._predict = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (ctypes.byref(self._length), ctypes.byref(self._result))

    def raw_score(self, address: ctypes.c_void_p) -> float:
        """Return the raw score of the row that begins at an address."""
        self._check(self._predict(self._prepared, address, *self._arguments))
        return self._result.value

    def close(self) -> None:
        """Free what LightGBM holds."""
        self._library.LGBM_FastConfigFree(self._prepared)
        self._library.LGBM_BoosterFree(self._booster)

    def _check(self, status: int) -> None:
        if status != 0:
            self._library.LGBM_GetLastError.restype = ctypes.c_char_p
            raise ArtifactError(f"LightGBM: {self._library.LGBM_GetLastError().decode()}")


class Floor:
    """From the bytes of an order to the bytes of its raw score.

    Parameters
    ----------
    bodies : sequence of bytes
        The orders.
    rows : ndarray of float64, shape (n_orders, n_features)
        Their feature rows, C-contiguous.
    """

    def __init__(
        self, path: FastPath, bodies: tuple[bytes, ...], rows: NDArray[np.float64]
    ) -> None:
        self._path = path
        self._bodies = bodies
        self._rows = np.ascontiguousarray(rows, np.float64)
        self._addresses = [ctypes.c_void_p(row.ctypes.data) for row in self._rows]

    def answer(self, place: int) -> bytes:
        """Return the answer to the order at a place."""
        transaction = _decode(self._bodies[place])
        raw_score = self._path.raw_score(self._addresses[place])
        return _encode(FloorAnswer(transaction_id=transaction.transaction_id, raw_score=raw_score))

    def raw_scores(self) -> list[float]:
        """Return the raw score of every order."""
        return [self._path.raw_score(address) for address in self._addresses]


def _library() -> ctypes.CDLL:
    """Return the shared library that the Python package of LightGBM itself has loaded."""
    folder = Path(lightgbm.__file__).parent
    for name in ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll"):
        found = next(folder.rglob(name), None)
        if found is not None:
            return ctypes.CDLL(str(found))
    raise ArtifactError(f"LightGBM's shared library must be below {folder}; reinstall lightgbm")
