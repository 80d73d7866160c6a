"""LightGBM's own TreeSHAP, for those who want it beside the exact Shapley values.

It explains another game: what a feature adds is averaged over the orders of training that take
the same way through the trees, and sums to the distance from the mean score, not from the
reference order's. It takes milliseconds, needs LightGBM, and is no part of the request path.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import BundleError, ExplanationError
from fraudkit.scoring.bundle import Bundle, resolve_bundle

__all__ = ["TreeShap"]

_MODEL: Final = "model.txt"


class TreeShap:
    """Computes path-dependent SHAP values of a bundle's model; call it with a row.

    Parameters
    ----------
    bundle : Bundle
        As `fraudkit.scoring.bundle.load_bundle` checked it.
    folder : Path
        Where it was loaded from: the text of the model is read again, and checked again.

    Raises
    ------
    BundleError
        If the folder no longer holds the bundle's model.
    ExplanationError
        If LightGBM cannot be loaded.

    References
    ----------
    Lundberg et al., "From local explanations to global understanding with explainable AI for
    trees", Nature Machine Intelligence 2 (2020), algorithm 2; LightGBM's ``pred_contrib``.
    """

    __slots__ = ("_booster",)

    def __init__(self, bundle: Bundle, folder: str | Path) -> None:
        path = resolve_bundle(Path(folder)) / _MODEL
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path} must be readable: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != bundle.manifest.files[_MODEL]:
            raise BundleError(
                f"{path} is not the model of bundle {bundle.version}; name the folder that the "
                "bundle was loaded from"
            )
        try:
            import lightgbm
        except OSError as error:  # the package is there, its OpenMP runtime is not
            raise ExplanationError(
                "TreeSHAP needs LightGBM, which needs the OpenMP runtime libgomp.so.1: install it "
                "(Debian: apt-get install libgomp1), or do without TreeSHAP"
            ) from error
        self._booster = lightgbm.Booster(model_str=content.decode())

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of one row, shape (n_features + 1,): the last is the mean score.

        They sum to the raw score.
        """
        found = self._booster.predict(values[None, :], pred_contrib=True, num_threads=1)
        return np.asarray(found[0], np.float64)
