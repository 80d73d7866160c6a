"""A class becomes a feature that a feature set takes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fraudkit.checks import check_feature
from fraudkit.errors import FeatureError
from fraudkit.features.expression import expression_feature
from fraudkit.features.offline_columns import fill_order_features
from fraudkit.features.own import OwnFeature
from fraudkit.features.spec import FeatureSet


class IsGift(OwnFeature):
    name = "is_gift_of_guest"
    inputs = ("order.is_gift", "account.is_guest")
    unit = "0 or 1"
    meaning = "Whether a guest buys a gift"
    reason_code = "BASKET"
    low = 0.0
    high = 1.0
    text = "a guest buys a gift"
    zero_text = "it is no gift of a guest"
    revision = 2

    def online(self, *flags: bool | None) -> float:
        return float("nan") if None in flags else float(all(flags))


class IsGiftInColumns(IsGift):
    def offline(self, is_gift: pl.Series, is_guest: pl.Series) -> pl.Series:
        return is_gift.cast(pl.Int8) * is_guest.cast(pl.Int8)


def test_a_class_becomes_a_feature() -> None:
    feature = IsGift().order_feature()
    stated = ("name", "inputs", "unit", "meaning", "reason_code", "low", "high", "text")
    assert all(getattr(feature, name) == getattr(IsGift, name) for name in stated)
    assert (feature.zero_text, feature.revision) == (IsGift.zero_text, 2)
    assert feature.compute(True, True) == 1.0
    assert FeatureSet([], [feature]).names == ("is_gift_of_guest",)


def test_the_offline_form_need_not_be_written() -> None:
    assert IsGift().order_feature().compute_many is None
    compute_many = IsGiftInColumns().order_feature().compute_many
    assert compute_many is not None
    columns = (pl.Series([True, False]), pl.Series([True, True]))
    assert compute_many(*columns).to_list() == [1, 0]


def test_what_is_not_stated_is_named() -> None:
    class Nameless(OwnFeature):
        inputs = ("order.is_gift",)
        unit = "0 or 1"
        reason_code = "BASKET"

        def online(self, *flags: bool | None) -> float:
            return float(len(flags))

    with pytest.raises(FeatureError, match="and has no name, meaning; set them in the class"):
        Nameless().order_feature()


def test_the_online_form_must_be_written() -> None:
    with pytest.raises(TypeError, match="abstract method"):
        OwnFeature()  # type: ignore[abstract]


def test_both_hold_what_a_feature_must() -> None:
    for own in (IsGift(), IsGiftInColumns()):
        assert check_feature(own).subject == "feature 'is_gift_of_guest'"


def test_the_offline_driver_gives_what_the_online_form_gives() -> None:
    features = [
        IsGift().order_feature(),
        IsGiftInColumns().order_feature(),
        expression_feature(
            "is_guest_or_heavy", "default(account.is_guest, False) or custom_inputs.weight > 2",
            meaning="A test", reason_code="BASKET",
        ),
    ]  # fmt: skip
    gifts, guests = [True, False, None, True], [True, None, False, False]
    frame = pl.DataFrame({"order.is_gift": gifts, "account.is_guest": guests})
    out = np.empty((len(frame), len(features)))
    fill_order_features(frame, features, out, lambda _done: None)
    online = [
        [features[0].compute(gift, guest) for gift, guest in zip(gifts, guests, strict=True)],
        [features[1].compute(gift, guest) for gift, guest in zip(gifts, guests, strict=True)],
        [features[2].compute(guest, None) for guest in guests],
    ]
    np.testing.assert_array_equal(out, np.array(online).T)
