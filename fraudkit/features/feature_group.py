"""Feature groups: one function that computes several features, for what they have in common.

A feature of a group stays a pure function of its own fields: `GroupedFunction` calls the
group's function with ``None`` for the others, and gets the same. `order_calls` says what must
be called for a set of features; `fraudkit.features.order_row` does it for one order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from fraudkit.errors import FeatureError
from fraudkit.features.spec import OrderFeature, Value

__all__ = ["FeatureGroup", "GroupedFunction", "OrderCall", "order_calls"]


class FeatureGroup(Struct, frozen=True, kw_only=True):
    """A pure function that computes several features.

    Attributes
    ----------
    inputs : tuple of str
        Vocabulary paths; the function's arguments, in this order.
    names : tuple of str
        The features that it computes.
    compute : callable
        Takes the fields' values (``None`` where absent), returns a number or a truth value for
        each name; NaN is "unknown". Each depends on nothing but the fields of its feature.
    """

    inputs: tuple[str, ...]
    names: tuple[str, ...]
    compute: Callable[..., Sequence[float]]


class GroupedFunction(Struct, frozen=True):
    """The function of one feature of a group.

    Attributes
    ----------
    group : FeatureGroup
        What computes it.
    name : str
        One of the group's names.
    inputs : tuple of str
        Those of the group's inputs that the feature depends on, in the group's order.

    Raises
    ------
    FeatureError
        If the group has no such name or inputs.

    Examples
    --------
    >>> group = FeatureGroup(
    ...     inputs=("width", "depth"),
    ...     names=("is_wide", "is_deep"),
    ...     compute=lambda width, depth: ((width or 0) > 9, (depth or 0) > 9),
    ... )
    >>> GroupedFunction(group, "is_deep", ("depth",))(12)
    1.0
    """

    group: FeatureGroup
    name: str
    inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        in_order = tuple(path for path in self.group.inputs if path in self.inputs)
        if self.name not in self.group.names or self.inputs != in_order:
            raise FeatureError(
                f"feature {self.name!r} of a group must be one of {', '.join(self.group.names)} "
                f"and read some of {', '.join(self.group.inputs)}, in this order; "
                f"got {', '.join(self.inputs) or 'nothing'}"
            )

    def __call__(self, *values: Value) -> float:
        """Return the feature's value for the values of its inputs."""
        held = dict(zip(self.inputs, values, strict=True))
        computed = self.group.compute(*map(held.get, self.group.inputs))
        return float(computed[self.group.names.index(self.name)])


class OrderCall(Struct, frozen=True, kw_only=True):
    """A call that computes one order feature of a set, or several.

    Attributes
    ----------
    compute : callable
        Takes the values of ``inputs``.
    inputs : tuple of (str or None)
        Vocabulary paths; ``None`` stands for an argument that no feature of the set reads.
    columns : tuple of (int or None)
        Where the answer belongs among the order features; ``None`` for what is not wanted.
    is_group : bool
        Whether the answer is a number for each of ``columns``; else it is that of the only one.
    """

    compute: Callable[..., float | Sequence[float]]
    inputs: tuple[str | None, ...]
    columns: tuple[int | None, ...]
    is_group: bool


def order_calls(features: Sequence[OrderFeature]) -> list[OrderCall]:
    """Return the calls that compute order features, those of a group together."""
    columns: dict[FeatureGroup, dict[str, int]] = {}
    calls = []
    for column, feature in enumerate(features):
        if isinstance(feature.compute, GroupedFunction):
            columns.setdefault(feature.compute.group, {})[feature.compute.name] = column
        else:
            calls.append(
                OrderCall(
                    compute=feature.compute,
                    inputs=feature.inputs,
                    columns=(column,),
                    is_group=False,
                )
            )
    for group, held in columns.items():
        read = {path for column in held.values() for path in features[column].inputs}
        calls.append(
            OrderCall(
                compute=group.compute,
                inputs=tuple(path if path in read else None for path in group.inputs),
                columns=tuple(held.get(name) for name in group.names),
                is_group=True,
            )
        )
    return calls
