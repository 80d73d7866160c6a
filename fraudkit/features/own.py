"""Features of the user's own, as classes: one method for one order, and one for many.

For what fits in a line, `fraudkit.features.expression.expression_feature` is shorter.
`fraudkit.checks.check_feature` proves either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Any, ClassVar, Final

from fraudkit.errors import FeatureError
from fraudkit.features.spec import Monotone, OrderFeature

__all__ = ["OwnFeature"]

_STATED: Final = ("name", "inputs", "unit", "meaning", "reason_code")


class OwnFeature(ABC):
    """A feature of the user's own: a subclass states what it is and how it is computed.

    Attributes
    ----------
    name : str
        Unique in a set.
    inputs : tuple of str
        Vocabulary paths; the arguments of both forms, in this order.
    unit, meaning, reason_code : str
        For people; the code is stable.
    low, high : float
        The range of values that are not NaN.
    text : str
        A sentence for an agent with ``{value}``.
    zero_text : str
        The sentence for the value 0, where that is another one.
    monotone : {-1, 0, 1}
        1 where a higher value can only raise the risk, -1 where it can only lower it.
    revision : int
        Raised whenever a form changes its answer, so that old bundles are refused.

    Examples
    --------
    >>> class PricePerLine(OwnFeature):
    ...     name = "price_per_line"
    ...     inputs = ("reference_amount_minor", "order.item_count")
    ...     unit = "minor units"
    ...     meaning = "Amount for each line of the basket"
    ...     reason_code = "BASKET"
    ...     low = 0.0
    ...     text = "each line of the basket costs {value:.0f} on average"
    ...
    ...     def online(self, amount_minor: int | None, item_count: int | None) -> float:
    ...         if amount_minor is None or item_count is None:
    ...             return float("nan")
    ...         return amount_minor / item_count
    ...
    ...     def offline(self, amount_minor: Any, item_count: Any) -> Any:
    ...         return amount_minor / item_count
    >>> feature = PricePerLine().order_feature()
    >>> feature.compute(900, 3), feature.compute(900, None)
    (300.0, nan)
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    unit: ClassVar[str]
    meaning: ClassVar[str]
    reason_code: ClassVar[str]
    low: ClassVar[float] = -inf
    high: ClassVar[float] = inf
    text: ClassVar[str] = ""
    zero_text: ClassVar[str] = ""
    monotone: ClassVar[Monotone] = 0
    revision: ClassVar[int] = 1

    @abstractmethod
    def online(self, *args: Any, **kwargs: Any) -> float:
        """Return the value of one order.

        It takes the values of ``inputs``, ``None`` where absent, and returns NaN where the answer
        is not known. It must be pure: the same values give the same answer.
        """

    def offline(self, *args: Any, **kwargs: Any) -> Any:
        """Return the values of many orders; need not be written.

        It takes a polars Series for each of ``inputs``, null where absent, and returns one value
        a row: what ``online`` returns for it.
        """
        raise NotImplementedError

    def order_feature(self) -> OrderFeature:
        """Return the feature as a `fraudkit.features.spec.FeatureSet` takes it.

        Raises
        ------
        FeatureError
            If the class does not state all that a feature has.
        """
        missing = [name for name in _STATED if not hasattr(self, name)]
        if missing:
            raise FeatureError(
                f"{type(self).__name__} must state {', '.join(_STATED)}, and has no "
                f"{', '.join(missing)}; set them in the class"
            )
        has_offline = type(self).offline is not OwnFeature.offline
        return OrderFeature(
            name=self.name,
            inputs=self.inputs,
            compute=self.online,
            compute_many=self.offline if has_offline else None,
            unit=self.unit,
            meaning=self.meaning,
            reason_code=self.reason_code,
            low=self.low,
            high=self.high,
            text=self.text,
            zero_text=self.zero_text,
            monotone=self.monotone,
            revision=self.revision,
        )
