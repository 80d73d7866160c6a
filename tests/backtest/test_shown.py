"""A backtest as text, in a notebook and as plain data; and what is refused."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from fraudkit.backtest import Backtest, backtest
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy
from fraudkit.errors import DataFileError, InputError, PolicyError
from tests.backtest.drawn import CAREFUL, LOGGED, LOOSER, explored, made


def test_a_backtest_shows_itself() -> None:
    orders = explored().with_columns(pl.lit("<b>[red]").alias("payment.method"))
    found = backtest(orders, LOGGED, LOOSER, names=("ours", "<i>theirs"))
    for text in (found.text(140), str(found), found._repr_html_()):
        words = " ".join(text.split())
        for told in (
            "in the place of ours", "orders move", "What it is worth", "share of approvals",
            "fraud rate by value", "estimated", "payment.method", "amount_band", "Orders to open",
            "What is known and what is not", "Both sides are priced at the stated costs of",
        ):  # fmt: skip
            assert told in words, told
    assert max(map(len, found.text(120).splitlines())) <= 120
    assert "<i>" not in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    assert "<b>[red]" in found.text(140)
    assert len(found.tables()) == 2 + 2 + 1


def test_plain_data_is_json_and_has_everything() -> None:
    found = backtest(explored(), LOGGED, LOOSER)
    plain = msgspec.json.decode(msgspec.json.encode(found.plain()))
    assert set(plain) == set(Backtest.__struct_fields__) - {"remarks"} | {"notes"}
    assert len(plain["matrix"]) == 16
    assert plain["difference"]["cost_minor"]["kind"] == "estimated"
    assert plain["notes"] == list(found.notes)


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        (
            {"action": pl.lit("allow")},
            DataFileError,
            "an action must be one of approve, .* 'allow'",
        ),
        ({"transaction_id": pl.lit("t")}, DataFileError, "an order must come once, got 't'"),
        ({"fraud_probability": pl.lit(1.5)}, InputError, "fraud_probability must be from 0 to 1"),
        ({"fraud_probability": pl.lit(None, pl.Float64)}, DataFileError, "for every order"),
        ({"amount_minor": pl.lit(-1.0)}, InputError, "amount_minor must be 0 or more"),
        ({"approve_propensity": pl.lit(0.0)}, InputError, "approve_propensity must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(
    changed: dict[str, pl.Expr], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        backtest(made(**changed), Policy(), CAREFUL)


def test_other_refusals_name_what_to_mend() -> None:
    with pytest.raises(DataFileError, match="must have the column 'is_fraud'"):
        backtest(made().drop("is_fraud"), Policy(), CAREFUL)
    with pytest.raises(InputError, match="must be a column of the orders or amount_band, got 'x'"):
        backtest(made(), Policy(), CAREFUL, dimensions=["x"])
    with pytest.raises(InputError, match=r"customer needs account\.first_purchase_at_ms"):
        backtest(made(), Policy(), CAREFUL, dimensions=["customer"])
    dollars = Policy(costs=replace(Costs(), currency="USD"))
    with pytest.raises(PolicyError, match="got USD and EUR"):
        backtest(made(), dollars, CAREFUL)
    many = made(10_001)
    with pytest.raises(InputError, match="at most 10,000 values, got 10,001 of transaction_id"):
        backtest(many, Policy(), CAREFUL, dimensions=["transaction_id"])
