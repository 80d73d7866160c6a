"""Features written as expressions: text in a bundle, compiled to an online and an offline form.

`expression_feature` makes one, `described_expression` makes it again of what a bundle holds. The
language, and what an unknown value does in it, stand in ``docs/own-features.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, Final

import msgspec

from fraudkit.errors import FeatureError
from fraudkit.features.expression_forms import offline_form, online_form
from fraudkit.features.expression_tree import expression_tree, fields_of
from fraudkit.features.spec import OrderFeature

__all__ = ["ExpressionFeature", "described_expression", "expression_feature"]


class ExpressionFeature(OrderFeature, frozen=True, kw_only=True):
    """An order feature that is computed as its expression says; see `expression_feature`.

    Attributes
    ----------
    expression : str
        The text that both forms are compiled from.
    """

    expression: str

    def describe(self) -> dict[str, Any]:
        """Return all of the feature as plain values, so that it needs no code of a user's."""
        plain: dict[str, Any] = {"kind": "expression", "name": self.name}
        plain["expression"] = self.expression
        plain |= {name: getattr(self, name) for name in _WORDS}
        limits = {"low": self.low, "high": self.high}
        plain |= {name: value if isfinite(value) else None for name, value in limits.items()}
        return {**plain, "revision": self.revision}


_WORDS: Final = ("unit", "meaning", "reason_code", "text", "zero_text")


class _Described(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An `ExpressionFeature` as `ExpressionFeature.describe` writes it; a limit may be none."""

    name: str
    expression: str
    unit: str
    meaning: str
    reason_code: str
    text: str
    zero_text: str
    low: float | None
    high: float | None
    revision: int


def expression_feature(  # noqa: PLR0913 - the fields of a feature
    name: str,
    expression: str,
    *,
    unit: str = "0 or 1",
    meaning: str,
    reason_code: str,
    low: float = -inf,
    high: float = inf,
    text: str = "",
    zero_text: str = "",
) -> ExpressionFeature:
    """Return the feature that an expression describes.

    Parameters
    ----------
    name : str
        Unique in a set.
    expression : str
        What is computed, as ``docs/own-features.md`` describes it.
    unit, meaning, reason_code : str
        For people; the code is stable.
    low, high : float
        The range of values that are not NaN; of a truth value 0 and 1.
    text : str
        A sentence for an agent with ``{value}``.
    zero_text : str
        The sentence for the value 0, where that is another one.

    Raises
    ------
    FeatureError
        If it is not written as an expression, is too large, or reads what is not there. The
        message shows the place.

    Examples
    --------
    >>> pricey = expression_feature(
    ...     "has_pricey_lines",
    ...     "reference_amount_minor / default(order.item_count, 1) > 5000",
    ...     meaning="Whether a line of the basket costs more than 50.00 on average",
    ...     reason_code="BASKET",
    ... )
    >>> pricey.inputs
    ('reference_amount_minor', 'order.item_count')
    >>> pricey.compute(18_000, 3), pricey.compute(18_000, None), pricey.compute(None, 3)
    (1.0, 1.0, nan)
    """
    described = _Described(
        name=name,
        expression=expression,
        unit=unit,
        meaning=meaning,
        reason_code=reason_code,
        text=text,
        zero_text=zero_text,
        low=low,
        high=high,
        revision=1,
    )
    return _feature(described)


def described_expression(description: Mapping[str, Any]) -> ExpressionFeature:
    """Return the feature that `ExpressionFeature.describe` described.

    Raises
    ------
    FeatureError
        If it is not such a description, or its expression does not hold.
    """
    plain = {name: value for name, value in description.items() if name != "kind"}
    try:
        return _feature(msgspec.convert(plain, _Described))
    except msgspec.ValidationError as error:
        raise FeatureError(
            f"this version of fraudkit cannot read the expression: {error}; retrain the bundle"
        ) from error


def _feature(described: _Described) -> ExpressionFeature:
    try:
        tree = expression_tree(described.expression)
    except FeatureError as error:
        raise FeatureError(f"feature {described.name!r}: {error}") from error
    low = -inf if described.low is None else described.low
    high = inf if described.high is None else described.high
    if tree.kind == "truth":
        low, high = max(low, 0.0), min(high, 1.0)
    return ExpressionFeature(
        name=described.name,
        inputs=fields_of(tree),
        compute=online_form(tree),
        compute_many=offline_form(tree),
        unit=described.unit,
        meaning=described.meaning,
        reason_code=described.reason_code,
        low=low,
        high=high,
        text=described.text,
        zero_text=described.zero_text,
        revision=described.revision,
        expression=described.expression,
    )
