"""What the sentences of features must hold, so that every value can be said with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import Formatter
from typing import Final

from fraudkit.errors import FeatureError
from fraudkit.features.spec import Aggregation, Feature

__all__ = ["check_texts"]

_FIELDS: Final = frozenset({"value", "level", "duration"})
_NUMBER_FORMAT: Final = re.compile(r"0?[0-9]{0,2},?(\.[0-9])?[efg%]?")


def check_texts(features: Iterable[Feature]) -> None:
    """Check that each sentence can be filled in, whatever the value is.

    Raises
    ------
    FeatureError
        Naming the feature, and what its sentence asks for.

    Examples
    --------
    >>> from fraudkit.features.catalog import default_features
    >>> check_texts(default_features().features)
    """
    for feature in features:
        texts = [feature.text, feature.zero_text]
        if isinstance(feature, Aggregation):
            texts.append(feature.unknown_text)
        for text in texts:
            problem = _problem(text)
            if problem:
                raise FeatureError(
                    f"the text of feature {feature.name!r} must be a sentence with "
                    f"{{value}}, {{level}} or {{duration}} in it; {problem}"
                )
        if not feature.meaning:
            raise FeatureError(f"the meaning of feature {feature.name!r} must not be empty")


def _problem(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        return str(error)
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in _FIELDS or conversion is not None:
            return f"got {name[:40]!r}"
        if form and (name != "value" or not _NUMBER_FORMAT.fullmatch(form)):
            return f"got the format {form[:40]!r}"
    return ""
