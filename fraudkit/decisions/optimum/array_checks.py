"""What must hold of the arrays that an optimum is sought over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import InputError

__all__ = ["check_benefits", "check_costs", "check_kind", "check_numbers", "checked_weights"]

_NAMES: Final = ("approve", "challenge", "review", "decline")


def check_costs(
    name: str,
    costs: NDArray[np.float64],
    n_orders: int,
    always_possible: Sequence[int] = (0, 3),
) -> None:
    """Refuse costs that are not (4, n_orders), infinite, or lack what is always possible."""
    _check_shape(name, costs, (4, n_orders), "f")
    if np.isinf(costs).any():
        raise InputError(f"{name} must be finite, or NaN where an action is not possible, got inf")
    for place in always_possible:
        is_absent = np.isnan(costs[place])
        if is_absent.any():
            raise InputError(
                f"{name} must hold a cost of {_NAMES[place]} for every order, "
                f"got NaN at order {int(np.argmax(is_absent))}; leave such orders out"
            )


def check_benefits(benefits: NDArray[np.float64]) -> None:
    """Refuse benefits that are not (n_orders,), or infinite; NaN says that there is none."""
    _check_shape("benefits", benefits, (len(benefits),), "f")
    if np.isinf(benefits).any():
        raise InputError(
            "benefits must be finite, or NaN where the action is not possible, got inf"
        )


def check_numbers(
    name: str, values: NDArray[Any], n_orders: int, low: float = -np.inf, high: float = np.inf
) -> None:
    """Refuse an array of another shape than (n_orders,), or with a number that cannot be."""
    _check_shape(name, values, (n_orders,), "iuf")
    is_bad = ~((values >= low) & (values <= high)) | np.isinf(values)
    if is_bad.any():
        place = int(np.argmax(is_bad))
        raise InputError(
            f"{name} must be finite and from {low:g} to {high:g}, "
            f"got {values[place]} at order {place}"
        )


def check_kind(name: str, values: NDArray[Any], n_orders: int, kinds: str) -> None:
    """Refuse an array of another shape than (n_orders,) or of another kind than numpy's letters."""
    _check_shape(name, values, (n_orders,), kinds)


def checked_weights(weights: NDArray[np.float64] | None, n_orders: int) -> NDArray[np.float64]:
    """Return the weights, ones where none are given; refuse any below 0."""
    if weights is None:
        return np.ones(n_orders)
    check_numbers("weights", weights, n_orders, 0.0)
    return np.asarray(weights, np.float64)


def _check_shape(name: str, values: NDArray[Any], shape: tuple[int, ...], kinds: str) -> None:
    wanted = {"b": "bool", "iu": "integers"}.get(kinds, "numbers")
    if values.shape != shape or values.dtype.kind not in kinds:
        raise InputError(
            f"{name} must be an array of {wanted} of shape {shape}, "
            f"got {values.dtype} of shape {values.shape}"
        )
