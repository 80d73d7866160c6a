"""The engine, one order at a time, and re-scoring a file: the same decisions, with ==."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace

from fraudkit.decisions.policy import ACTIONS, Breaker, Constraints, Exploration, policy_toml
from fraudkit.decisions.rulings import SHAPED_BY
from fraudkit.decisions.segments import Segment
from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.evaluation import explored
from fraudkit.rescoring import score_data
from fraudkit.scoring.bundle import load_bundle, write_bundle
from tests.training.trained_shop import POLICY, TrainedShop, by_time, write_lines

# Everything that shapes a decision besides its cost, each in some of the orders.
SHAPING = replace(
    POLICY,
    costs=replace(POLICY.costs, review_cost_minor=50, challenge_honest_dropout_share=0.9),
    segments=(
        Segment(name="vouchers", when={"payment.method": ("voucher",)}, always_review=True),
        Segment(name="guests", when={"account.is_guest": (True,)}, costs={"loss_share": 0.5}),
    ),
    constraints=Constraints(reviews_per_day=6),
    breaker=Breaker(decline_share_max=0.2, orders=20),
    exploration=Exploration(
        approve_share=0.2, order_loss_minor_max=60_000, day_loss_minor_max=30_000
    ),
)


@pytest.fixture(scope="module")
def decisions(shop: TrainedShop) -> dict[str, Decision]:
    return decided_online(shop, shop.bundle)


def decided_online(shop: TrainedShop, bundle: Path) -> dict[str, Decision]:
    """Return what the engine decided, walking through orders and outcomes in order of time."""
    decided = {}
    with Engine.open(bundle) as engine:
        for value in by_time(shop.transactions, shop.outcomes):
            if isinstance(value, Transaction):
                decided[value.transaction_id] = engine.score(value)
            else:
                engine.record(value)
        assert engine.counters.events == len(shop.transactions)
        assert engine.counters.outcomes_dropped == 0
    return decided


def plain(decision: Decision) -> dict[str, Any]:
    """Return a decision as the row of a scores file."""
    cost = decision.expected_cost_minor
    names = ("approve", "challenge", "review", "decline")
    return {
        "transaction_id": decision.transaction_id,
        "raw_score": decision.raw_score,
        "fraud_probability": decision.fraud_probability,
        "action": decision.action,
        "reason_codes": [reason.code for reason in decision.reasons],
        "expected_cost_minor": {name: cost and getattr(cost, name) for name in names},
        "segment": decision.segment,
        "shaped_by": list(decision.shaped_by),
        "approve_propensity": decision.approve_propensity,
        "error": None,
    }


def test_a_file_is_decided_as_its_orders_were_online(
    shop: TrainedShop, decisions: dict[str, Decision]
) -> None:
    scores = score_data(load_bundle(shop.bundle), shop.read()).frame
    assert scores.to_dicts() == [plain(decisions[t.transaction_id]) for t in shop.transactions]


def test_what_shapes_a_decision_is_said_of_a_file_as_online(
    shop: TrainedShop, tmp_path: Path
) -> None:
    content = replace(shop.training.content, policy_text=policy_toml(SHAPING))
    write_bundle(tmp_path / "bundle", content)
    decided = decided_online(shop, tmp_path / "bundle")
    scores = score_data(load_bundle(tmp_path / "bundle"), shop.read()).frame
    assert scores.to_dicts() == [plain(decided[t.transaction_id]) for t in shop.transactions]
    backwards = shop.read(write_lines(tmp_path / "backwards.ndjson", shop.transactions[::-1]))
    assert score_data(load_bundle(tmp_path / "bundle"), backwards).frame.equals(scores.reverse())
    made = list(decided.values())
    named = {name for decision in made for name in decision.shaped_by}
    assert named == set(SHAPED_BY.values()) - {"missing_source", "fallback"}
    assert {decision.segment for decision in made} == {"vouchers", "guests", None}
    chances = [d for d in made if d.approve_propensity is not None]
    assert {decision.action for decision in chances} == {"approve", "decline"}
    assert explored(scores).to_list() == ["explored" in d.shaped_by for d in made]


def test_the_stream_holds_what_makes_the_comparison_worth_it(
    decisions: dict[str, Decision],
) -> None:
    made = list(decisions.values())
    assert {decision.action for decision in made} == set(ACTIONS)
    assert len({decision.raw_score for decision in made}) > 500
    assert any(len(decision.reasons) > 1 for decision in made)
    assert any(decision.expected_cost_minor is None for decision in made)
    assert any(d.expected_cost_minor and d.expected_cost_minor.challenge is None for d in made)
    assert any(d.expected_cost_minor and d.expected_cost_minor.challenge for d in made)


@pytest.mark.parametrize("first", [1, 3_500, 4_999])
def test_history_fills_the_windows_and_is_not_scored(
    shop: TrainedShop, decisions: dict[str, Decision], tmp_path: Path, first: int
) -> None:
    earlier = shop.read(write_lines(tmp_path / "earlier.ndjson", shop.transactions[:first]))
    later = shop.read(write_lines(tmp_path / "later.ndjson", shop.transactions[first:]))
    scores = score_data(load_bundle(shop.bundle), later, earlier).frame
    expected = [plain(decisions[t.transaction_id]) for t in shop.transactions[first:]]
    assert scores.to_dicts() == expected
    if first > 1:
        alone = score_data(load_bundle(shop.bundle), later).frame
        assert not alone["raw_score"].equals(scores["raw_score"])


def test_an_order_in_both_files_counts_once(
    shop: TrainedShop, decisions: dict[str, Decision], tmp_path: Path
) -> None:
    earlier = shop.read(write_lines(tmp_path / "earlier.ndjson", shop.transactions[:4_100]))
    later = shop.read(write_lines(tmp_path / "later.ndjson", shop.transactions[4_000:]))
    scores = score_data(load_bundle(shop.bundle), later, earlier).frame
    assert scores.to_dicts() == [
        plain(decisions[t.transaction_id]) for t in shop.transactions[4_000:]
    ]


def test_the_order_of_rows_does_not_matter(
    shop: TrainedShop, decisions: dict[str, Decision], tmp_path: Path
) -> None:
    backwards = shop.transactions[::-1]
    data = shop.read(write_lines(tmp_path / "orders.ndjson", backwards))
    scores = score_data(load_bundle(shop.bundle), data).frame
    assert scores.to_dicts() == [plain(decisions[t.transaction_id]) for t in backwards]


def test_a_file_of_nothing_but_bad_rows_has_their_errors(shop: TrainedShop, tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_text('{"transaction_id": "a"}\n{"transaction_id": "b"}\n')
    scores = score_data(load_bundle(shop.bundle), shop.read(path)).frame
    assert scores["transaction_id"].to_list() == ["a", "b"]
    assert scores["error"].null_count() == 0
    assert scores["raw_score"].null_count() == 2


def test_the_columns_have_the_same_types_whatever_the_rows(
    shop: TrainedShop, tmp_path: Path
) -> None:
    bundle = load_bundle(shop.bundle)
    whole = score_data(
        bundle, shop.read(write_lines(tmp_path / "a.ndjson", shop.transactions[:99]))
    )
    bad = tmp_path / "bad.ndjson"
    bad.write_text('{"transaction_id": "a"}\n')
    assert score_data(bundle, shop.read(bad)).frame.schema == whole.frame.schema
    assert whole.frame.schema == {
        "transaction_id": pl.String,
        "raw_score": pl.Float64,
        "fraud_probability": pl.Float64,
        "action": pl.String,
        "reason_codes": pl.List(pl.String),
        "expected_cost_minor": pl.Struct(
            dict.fromkeys(("approve", "challenge", "review", "decline"), pl.Float64)
        ),
        "segment": pl.String,
        "shaped_by": pl.List(pl.String),
        "approve_propensity": pl.Float64,
        "error": pl.String,
    }
