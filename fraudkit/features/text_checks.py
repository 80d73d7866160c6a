"""What the sentences of features must hold, so that every value can be said with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import Formatter
from typing import Final

from fraudkit.errors import FeatureError
from fraudkit.features.spec import Aggregation, Feature

__all__ = ["check_texts"]

_OF_AN_ORDER: Final = ("value", "level")
_OF_A_WINDOW: Final = ("value", "duration")
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
        fields, texts = _OF_AN_ORDER, [feature.text, feature.zero_text, feature.one_text]
        if isinstance(feature, Aggregation):
            fields = _OF_A_WINDOW
            texts.append(feature.unknown_text)
        problem = next(filter(None, (_problem(text, fields) for text in texts)), None)
        if problem is not None:
            raise FeatureError(
                f"the text of feature {feature.name!r} must be a sentence with "
                f"{{{fields[0]}}} or {{{fields[1]}}} in it; {problem}"
            )
        if not feature.meaning:
            raise FeatureError(f"the meaning of feature {feature.name!r} must not be empty")


def _problem(text: str, fields: tuple[str, ...]) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        return str(error)
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in fields or conversion is not None:
            return f"got {name[:40]!r}"
        if form and (name != "value" or not _NUMBER_FORMAT.fullmatch(form)):
            return f"got the format {form[:40]!r}"
    return ""
