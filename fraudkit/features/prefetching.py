"""`prefetch_row`: lets compiled code ask for memory before it needs it.

The events of a key lie all over a log. Without this each is waited for by itself; asked for
ahead they come side by side. Values never depend on it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fraudkit.compiled import compiled_part

__all__ = ["prefetch", "prefetch_row"]

_FOR_READING: Final = 0
_TO_BE_KEPT: Final = 3
_DATA: Final = 1
_LINE: Final = 8
"""Values of 64 bits in a cache line of 64 bytes."""


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Ask for the memory of an element, given by a tuple of integers; nothing is waited for.

    It is the ``llvm.prefetch`` of LLVM's language reference. The index must be within bounds.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, places = signature.args
        held = context.make_array(kind)(context, builder, arguments[0])
        numbers = [
            context.cast(builder, number, given, types.intp)
            for number, given in zip(
                cgutils.unpack_tuple(builder, arguments[1]), places, strict=True
            )
        ]
        address = cgutils.get_item_pointer(context, builder, kind, held, numbers)
        pointer, number = cgutils.voidptr_t, cgutils.int32_t
        function = cgutils.get_or_insert_function(
            builder.module,
            cgutils.ir.FunctionType(cgutils.ir.VoidType(), [pointer, number, number, number]),
            "llvm.prefetch.p0",
        )
        how = [number(_FOR_READING), number(_TO_BE_KEPT), number(_DATA)]
        builder.call(function, [builder.bitcast(address, pointer), *how])
        return context.get_dummy_value()

    return types.void(array, index), code


@compiled_part
def prefetch_row(rows: NDArray[np.int64], row: int) -> None:
    """Ask for a row of a matrix."""
    for column in range(0, rows.shape[1], _LINE):
        prefetch(rows, (row, column))
