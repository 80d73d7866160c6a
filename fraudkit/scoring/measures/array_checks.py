"""What must hold of arrays of orders before anything is measured on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import InputError

__all__ = ["check_kinds", "check_range"]


def check_kinds(named: dict[str, NDArray[Any] | None], kinds: str, shape: tuple[int, ...]) -> None:
    """Refuse arrays of another shape or kind than the orders need."""
    wanted = "bool" if kinds == "b" else "integers"
    for name, held in named.items():
        if held is not None and (held.shape != shape or held.dtype.kind not in kinds):
            raise InputError(
                f"{name} must be an array of {wanted} of shape {shape}, "
                f"got {held.dtype} of shape {held.shape}"
            )


def check_range(
    name: str,
    values: NDArray[Any] | None,
    shape: tuple[int, ...],
    low: float,
    high: float = np.inf,
    *,
    may_be_unknown: bool = False,
) -> None:
    """Refuse an array of another shape, or with a number that cannot be."""
    if values is None:
        return
    if values.shape != shape or values.dtype.kind not in "iuf":
        raise InputError(
            f"{name} must be an array of numbers of shape {shape}, "
            f"got {values.dtype} of shape {values.shape}"
        )
    is_bad = ~((values >= low) & (values <= high)) | np.isinf(values)
    if may_be_unknown:
        is_bad &= ~np.isnan(values)
    if is_bad.any():
        place = int(np.argmax(is_bad))
        unknown = ", or NaN where it is not known" if may_be_unknown else ""
        raise InputError(
            f"{name} must be finite and from {low:g} to {high:g}{unknown}, "
            f"got {values[place]} at row {place}"
        )
