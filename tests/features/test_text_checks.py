"""What can be said of an order is said with a sentence that any value fits."""

from __future__ import annotations

from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import FeatureError
from fraudkit.features.catalog import default_features
from fraudkit.features.order_catalog import ORDER_FEATURES
from fraudkit.features.spec import Feature
from fraudkit.features.text_checks import check_texts
from fraudkit.scoring.reasons import feature_text

FEATURE = ORDER_FEATURES[0]
WINDOW = default_features().aggregations[0]
VALUES = (0.0, -1.5, 1e308, -1e308, 5e-324, inf, -inf)


@given(
    st.sampled_from([FEATURE, WINDOW]),
    st.sampled_from(["{value}", "{level}", "{duration}", "{duration}, {value:,.0f}"])
    | st.text("{}value:leduration.,0123%fge!r[] ", max_size=24)
    | st.builds("{{value:{}}}".format, st.text("0123456789,.efg%d<>^+# ", max_size=5)),
)
def test_a_sentence_that_is_taken_can_be_filled_in_and_stays_short(
    feature: Feature, text: str
) -> None:
    try:
        check_texts([msgspec.structs.replace(feature, text=text, zero_text="", one_text="")])
    except FeatureError:
        return
    for value in VALUES if feature is FEATURE else map(abs, VALUES):
        said = feature_text(msgspec.structs.replace(feature, text=text, zero_text=""), value)
        assert len(said) <= 500 + len(text) * 500


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{value", "expected '}' before end of string"),
        ("{worth}", "got 'worth'"),
        ("{}", "got ''"),
        ("{0}", "got '0'"),
        ("{value!r}", "got 'value'"),
        ("{value.real}", "got 'value.real'"),
        ("{value:d}", "got the format 'd'"),
        ("{value:999f}", "got the format '999f'"),
        ("{value:{level}}", "got the format '{level}'"),
        ("{duration}", "got 'duration'"),
        ("{level:.0f}", "got the format '.0f'"),
    ],
)
def test_what_could_fail_is_refused_by_name(text: str, problem: str) -> None:
    for field in ("text", "zero_text", "one_text"):
        with pytest.raises(FeatureError) as caught:
            check_texts([msgspec.structs.replace(FEATURE, **{field: text})])
        assert f"the text of feature {FEATURE.name!r} must be a sentence" in str(caught.value)
        assert problem in str(caught.value)


def test_a_feature_has_a_meaning() -> None:
    with pytest.raises(FeatureError, match="must not be empty"):
        check_texts([msgspec.structs.replace(FEATURE, meaning="")])
