"""What the parameters of `fraudkit.scoring.classifier.FraudClassifier` must hold."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from numbers import Integral, Real
from typing import Any, Final

from fraudkit.errors import ParameterError

__all__ = ["check_parameters"]

_WHOLE: Final = {
    "n_trees": (1, 100_000),
    "n_models": (1, 1_000),
    "num_leaves": (2, 131_072),
    "min_data_in_leaf": (1, 2**31 - 1),
    "max_bin": (2, 65_535),
    "levels_max": (1, inf),
    "level_orders_min": (1, inf),
    "random_state": (0, 2**31 - 1),
    "n_threads": (1, inf),
}
_REAL: Final = {"learning_rate": inf, "feature_fraction": 1.0, "bagging_fraction": 1.0,
                "negative_share": 1.0, "lambda_l2": inf, "cat_smooth": inf}  # fmt: skip
_MAY_BE_ZERO: Final = frozenset({"lambda_l2", "cat_smooth"})


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Check the parameters, by name.

    Raises
    ------
    ParameterError
        Naming the parameter, what must hold and what came.
    """
    if parameters["boosting"] not in ("gbdt", "dart"):
        raise ParameterError(
            f"boosting of FraudClassifier must be 'gbdt' or 'dart', got {parameters['boosting']!r}"
        )
    for name, (low, high) in _WHOLE.items():
        value = parameters[name]
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:
            upto = "" if high == inf else f" and at most {high}"
            raise ParameterError(
                f"{name} of FraudClassifier must be a whole number, at least {low}{upto}, "
                f"got {value!r}"
            )
    for name, top in _REAL.items():
        value = parameters[name]
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        is_zero = is_number and value == 0 and name in _MAY_BE_ZERO
        if not is_number or not (0 < value <= top or is_zero) or value == inf:
            least = "at least 0" if name in _MAY_BE_ZERO else "above 0"
            upto = "" if top == inf else f" and at most {top:g}"
            raise ParameterError(
                f"{name} of FraudClassifier must be a number {least}{upto}, got {value!r}"
            )
    constraints, categories = parameters["monotone_constraints"], parameters["categorical_features"]
    if not isinstance(constraints, Mapping | None):
        raise ParameterError(
            "monotone_constraints of FraudClassifier must map columns to -1, 0 or 1, "
            f"got {constraints!r}"
        )
    if isinstance(categories, str):
        raise ParameterError(
            "categorical_features of FraudClassifier must be a sequence of columns, got "
            f"{categories!r}; of one write [{categories!r}]"
        )
