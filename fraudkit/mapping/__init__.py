"""From a merchant's columns to the vocabulary.

What needs polars is loaded when it is first asked for, so that a mapping can be read where no
data is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fraudkit.mapping.spec import Mapping

if TYPE_CHECKING:
    from fraudkit.mapping.reading import MappedData, read_data

__all__ = ["MappedData", "Mapping", "read_data"]


def __getattr__(name: str) -> Any:
    if name in {"MappedData", "read_data"}:
        from fraudkit.mapping import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
