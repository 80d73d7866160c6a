"""A feature that holds passes; one that does not fails by the check that says what is wrong."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from fraudkit.checks import FEATURE_CHECKS, CheckFailed, check_feature
from fraudkit.checks.values import rows_of, values_of
from fraudkit.features.expression import expression_feature
from fraudkit.features.field_kinds import named_paths
from fraudkit.features.order_catalog import ORDER_FEATURES
from fraudkit.features.own import OwnFeature
from fraudkit.features.spec import OrderFeature, category_code

AMOUNT = "order.amount_minor"
COUNT = "order.item_count"


def per_line(amount: int | None, count: int | None) -> float:
    return math.nan if amount is None or count is None else amount / count


def per_line_many(amount: pl.Series, count: pl.Series) -> pl.Series:
    return amount / count


class PerLine(OwnFeature):
    name = "per_line"
    inputs = (AMOUNT, COUNT)
    unit = "minor units"
    meaning = "Amount for each line"
    reason_code = "BASKET"
    low = 0.0
    high = 1e13
    text = "each line costs {value:.0f}"

    def online(self, amount: int | None, count: int | None) -> float:
        return per_line(amount, count)

    def offline(self, amount: pl.Series, count: pl.Series) -> pl.Series:
        return per_line_many(amount, count)


def feature(
    compute: Callable[..., Any] = per_line,
    compute_many: Callable[..., Any] | None = None,
    **changed: Any,
) -> OrderFeature:
    plain = {"name": "own", "inputs": (AMOUNT, COUNT), "unit": "minor units", "meaning": "A test"}
    words = {"reason_code": "OWN", "low": 0.0, "high": 1e13, "text": "it is {value}"}
    stated = plain | words | changed
    return OrderFeature(**stated, compute=compute, compute_many=compute_many)


def constant(value: object) -> Callable[..., Any]:
    return lambda *_: value


def counting() -> Callable[..., float]:
    calls = itertools.count()
    return lambda *_: float(next(calls))


def short_is_unknown(amount: pl.Series, count: pl.Series) -> pl.Series:
    return per_line_many(amount, count) if len(amount) > 20 else amount * math.nan


class Untold(OrderFeature, frozen=True, kw_only=True):
    def describe(self) -> dict[str, Any]:
        return super().describe() | {"inputs": self.inputs}


WRONG = {
    "a name in words": (feature(name="My own"), "it is described"),
    "a code in words": (feature(reason_code="own"), "it is described"),
    "no words": (feature(text=" "), "it is described"),
    "limits the wrong way round": (feature(low=1.0, high=0.0), "it is described"),
    "a revision of 0": (feature(revision=0), "it is described"),
    "a demographic": (feature(inputs=(AMOUNT, "demographic.age")), "it reads no demographic"),
    "an unknown field": (feature(inputs=(AMOUNT, "order.colour")), "it reads fields"),
    "a field twice": (feature(inputs=(AMOUNT, AMOUNT)), "it reads fields"),
    "no field": (feature(inputs=()), "it reads fields"),
    "raises": (feature(lambda amount, count: amount / count), "it answers every input"),
    "a whole number": (feature(constant(1)), "it answers every input"),
    "None": (feature(constant(None)), "it answers every input"),
    "counts its calls": (feature(counting()), "the same answer again"),
    "absent is 0": (
        feature(lambda amount, count: amount / count if count else 0.0),
        "unknown in, unknown out",
    ),
    "out of range": (feature(high=1e12), "it stays in its range"),
    "infinite": (
        feature(lambda a, c: per_line(a, c) * math.inf, high=math.inf), "it stays in its range",
    ),
    "no code": (
        feature(lambda a, c: per_line(a, c) / 1e14, levels=("a", "b")), "it stays in its range",
    ),
    "another word": (feature(text="{amount} each"), "it can be said"),
    "another form": (feature(zero_text="{value:d}"), "it can be said"),
    "by the inverse": (
        feature(lambda a, c: per_line(a, c) / 3, lambda a, c: a / c * (1 / 3)),
        "offline equals online",
    ),
    "offline 0": (
        feature(per_line, lambda a, c: (a / c).fill_null(0.0)), "offline equals online",
    ),
    "offline one value": (feature(per_line, lambda a, c: (a / c)[:1]), "offline equals online"),
    "offline raises": (feature(per_line, lambda a, _: a / "b"), "offline equals online"),
    "by the column": (
        feature(per_line, lambda a, c: a / c - (a / c).mean()), "offline equals online",
    ),
    "by the length": (feature(per_line, short_is_unknown), "a row stands alone"),
    "told otherwise": (
        Untold(**{n: getattr(feature(), n) for n in OrderFeature.__struct_fields__}),
        "a bundle keeps it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "check"), WRONG.values(), ids=WRONG)
def test_a_fault_fails_the_check_that_names_it(wrong: OrderFeature, check: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        check_feature(wrong)
    assert caught.value.check == check
    assert caught.value.subject == f"feature {wrong.name!r}"


def test_every_check_is_failed_by_something() -> None:
    assert {check for _, check in WRONG.values()} == {check.name for check in FEATURE_CHECKS}


def test_the_values_that_show_a_fault_are_told() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_feature(feature(lambda amount, count: amount / (count or 1)))
    assert str(caught.value) == (
        "feature 'own' fails the check 'unknown in, unknown out': Without an input that is not "
        "optional the answer is NaN. Expected nan without order.item_count, got 3.0:\n"
        "  order.amount_minor = 3\n"
        "  order.item_count = None"
    )


@pytest.mark.parametrize(
    "own",
    [
        PerLine(),
        PerLine().order_feature(),
        feature(),
        feature(per_line, per_line_many),
        expression_feature(
            "per_line", f"{AMOUNT} / {COUNT}", meaning="A test", reason_code="OWN", text="{value}"
        ),
        OrderFeature(
            name="currency", inputs=("order.currency",), compute=category_code(["EUR", "AED"]),
            unit="category", meaning="A test", reason_code="OWN", low=0.0, high=1.0,
            text="it is {level}", levels=("EUR", "AED"),
        ),
    ],
    ids=["a class", "its feature", "online alone", "both forms", "an expression", "a category"],
)  # fmt: skip
def test_a_feature_that_holds_passes(own: OrderFeature | OwnFeature) -> None:
    report = check_feature(own)
    assert [result.check for result in report.results] == [check.name for check in FEATURE_CHECKS]
    assert "all checks hold" in str(report)


def test_an_input_may_be_optional() -> None:
    own = feature(lambda amount, count: amount / (count or 1))
    check_feature(own, optional=[COUNT])


def test_what_a_field_may_hold_can_be_told() -> None:
    doubled = feature(
        lambda weight: math.nan if weight is None else 2.0 * weight, inputs=("custom_inputs.w",)
    )
    check_feature(doubled, values={"custom_inputs.w": [1.5, 0.0, 70.25, None]})
    with pytest.raises(CheckFailed, match="it answers every input"):
        check_feature(doubled)


OPTIONAL = {
    "address_differs": ("shipping.postal", "billing.postal"),
    "card_billing_country_differs": ("payment.card.country", "card_range.country"),
    "card_shipping_country_differs": ("payment.card.country", "card_range.country"),
    "country_count": (
        "shipping.country", "billing.country", "payment.card.country", "card_range.country",
        "ip.country",
    ),
    "ip_card_country_differs": ("payment.card.country", "card_range.country"),
    "name_differs": ("shipping.first_name", "billing.first_name"),
    "phone_billing_country_differs": ("billing.phone_country_code", "billing.phone_number"),
    "unanswered_checks": (
        "payment.card.cvv_check", "payment.card.address_check", "payment.card.postal_check",
    ),
}  # fmt: skip


@pytest.mark.parametrize("default", ORDER_FEATURES, ids=lambda held: held.name)
def test_a_default_feature_holds(default: OrderFeature) -> None:
    check_feature(default, optional=OPTIONAL.get(default.name, ()))


def test_values_are_of_the_fields_kind_and_within_its_limits() -> None:
    kinds = {"number": (int, float), "truth": (bool,), "text": (str,), "any": (str, float, bool)}
    for path, kind in named_paths().items():
        values = values_of(path)
        assert all(isinstance(value, kinds[kind]) for value in values if value is not None)
        assert values[0] is not None
    assert max(value for value in values_of(AMOUNT) if isinstance(value, int)) == 10**13
    assert min(value for value in values_of(AMOUNT) if isinstance(value, int)) == 0
    assert None not in values_of("order.currency")
    assert {type(value) for value in values_of("custom_inputs.w")} == {str, float, bool, type(None)}


def test_rows_hold_every_value_once_and_every_absence() -> None:
    rows = rows_of(["order.is_gift", "account.is_guest"], {}, seed=3)
    assert sorted(map(repr, rows)) == sorted(
        repr(row) for row in itertools.product([True, False, None], repeat=2)
    )
    assert rows == rows_of(["order.is_gift", "account.is_guest"], {}, seed=3)
