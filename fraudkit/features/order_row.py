"""`order_function`: all that one order says by itself, in one call.

The hashes of its entities and its order features are computed by one function, which
`fraudkit.features.function_text` writes out for a feature set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from struct import Struct
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.transaction import Transaction
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.feature_group import order_calls
from fraudkit.features.fields import REFERENCE_AMOUNT, FieldNames
from fraudkit.features.function_text import FunctionText
from fraudkit.features.keys import KEY_SEPARATOR, NO_DIGEST, IdentifierHash
from fraudkit.features.order_features import as_given
from fraudkit.features.spec import Entity, FeatureSet, OrderFeature
from fraudkit.features.value_text import text_of

__all__ = ["OrderFunction", "digest_names", "feature_names", "order_function"]


class OrderFunction(Protocol):
    """What `order_function` makes."""

    def __call__(
        self, transaction: Transaction, time_ms: int, amount: int | None, row: NDArray[np.float64]
    ) -> bytes:
        """Write the order features into a row, and return the hashes of the entities.

        Parameters
        ----------
        time_ms : int
            The transaction's event time.
        amount : int or None
            Its amount in minor units of the reference currency.
        row : ndarray of float64, shape (at least n_order_features,)
            The order features are its first columns; truth values stand as 1 and 0.

        Returns
        -------
        bytes
            8 little-endian bytes an entity, in the order of the feature set.
        """
        ...


def order_function(
    features: FeatureSet, identifier_hash: IdentifierHash, enrichment: Enrichment
) -> OrderFunction:
    """Return the function that hashes the entities and computes the order features."""
    text = FunctionText("transaction", "time_ms", "amount", "row")
    inputs = (path for entity in features.entities for path in entity.inputs)
    given = {REFERENCE_AMOUNT: "amount", "event_time_ms": "time_ms"}
    names = FieldNames(text, given, (*features.inputs, *inputs), enrichment)
    digests = digest_names(text, features.entities, names, identifier_hash)
    columns = feature_names(text, features.order_features, names)
    pack_into = Struct(f"{len(columns)}d").pack_into
    text.run(text.call(pack_into, ["row", "0", *columns]))
    return text.function(text.call(b"".join, [f"({''.join(f'{name}, ' for name in digests)})"]))


def digest_names(
    text: FunctionText,
    entities: Sequence[Entity],
    names: Mapping[str, str],
    identifier_hash: IdentifierHash,
) -> list[str]:
    """Add the lines that hash keys; return the names of the hashes.

    There is no key without its first part. White space around a part never tells two keys
    apart; letter case only where the entity says so.

    Parameters
    ----------
    names : mapping of str to str
        The names of the values of every path that an entity reads.
    """
    absent = text.hold(NO_DIGEST)
    digests = []
    for entity in entities:
        values = (names[path] for path in entity.inputs)
        parts = [text.line(_part_text(text, value)) for value in values]
        key = f"f{KEY_SEPARATOR.join(f'{{{part}}}' for part in parts)!r}" if parts[1:] else parts[0]
        digest = text.call(
            identifier_hash.digest_of(entity), [f"{key}.lower()" if entity.is_caseless else key]
        )
        digests.append(text.line(f"{digest} if {parts[0]} else {absent}"))
    return digests


def _part_text(text: FunctionText, value: str) -> str:
    """Return the expression of a part of a key; numbers are as in a file's column of text."""
    as_text = f"({value} if {value}.__class__ is str else {text.call(text_of, [value])} or '')"
    return f"'' if {value} is None else {as_text}.strip()"


def feature_names(
    text: FunctionText, features: Sequence[OrderFeature], names: Mapping[str, str]
) -> list[str]:
    """Add the lines that compute order features; return the names of their values.

    Parameters
    ----------
    names : mapping of str to str
        The names of the values of every path that a feature reads.
    """
    columns = [""] * len(features)
    for call in order_calls(features):
        arguments = [names[path] if path else "None" for path in call.inputs]
        expression = _expression(text, call.compute, arguments)
        if call.is_group:
            values = text.unpack(expression, len(call.columns))
        else:
            values = [text.line(expression)]
        for column, value in zip(call.columns, values, strict=True):
            if column is not None:
                columns[column] = value
    return columns


def _expression(text: FunctionText, compute: Callable[..., object], arguments: list[str]) -> str:
    if compute is as_given:
        return f"{text.hold(nan)} if {arguments[0]} is None else {arguments[0]}"
    return text.call(compute, arguments)
