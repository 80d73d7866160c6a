"""A journalled decision comes out again, byte for byte; an altered one is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.policy import (
    ACTIONS,
    Breaker,
    Constraints,
    Exploration,
    Policy,
    policy_toml,
)
from fraudkit.decisions.rulings import SHAPED_BY
from fraudkit.decisions.segments import Segment
from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.errors import ReplayDiffers, ReplayError, StoreError, TransactionConflict
from fraudkit.explanation import Replayer, explain_record, replay_journal, replay_record
from fraudkit.features.state import Appended
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.scoring.bundle import Bundle, load_bundle, write_bundle
from fraudkit.stores.memory import MemoryStore
from tests.decisions.drawn import drawn_orders, drawn_policies, transaction_of
from tests.scoring.mutations import content
from tests.training.trained_shop import POLICY, TrainedShop

OWN_COSTS = {"margin_share": "custom_inputs.margin", "review_cost_minor": "custom_inputs.review"}


class ListJournal:
    """A journal in memory."""

    is_away = False

    def __init__(self) -> None:
        self.held: list[Record] = []

    def append(self, record: Record) -> bool:
        return self.append_many([record])[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        self.held.extend(records)
        return [True] * len(records)

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        return next(
            (r for r in reversed(self.decisions) if r.transaction_id == transaction_id), None
        )

    def outcome(self, _outcome_id: str) -> OutcomeRecord | None:
        return None

    def records(self) -> Iterator[Record]:
        return iter(self.held)

    def close(self) -> None: ...

    @property
    def decisions(self) -> list[DecisionRecord]:
        return [record for record in self.held if isinstance(record, DecisionRecord)]


class FailingStore(MemoryStore):
    """Cannot be reached for every third order."""

    asked = 0

    def exchange(self, event: Any, out: Any) -> Appended:
        self.asked += 1
        if self.asked % 3 == 0:
            raise StoreError("the store cannot be reached")
        return super().exchange(event, out)


@cache
def small_bundle() -> Bundle:
    with TemporaryDirectory() as folder:
        write_bundle(Path(folder) / "b", content())
        return load_bundle(Path(folder) / "b")


def decided(
    bundle: Bundle,
    transactions: Iterable[Transaction],
    *,
    is_failing: bool = False,
    late_every: int = 0,
) -> list[DecisionRecord]:
    journal, kind = ListJournal(), FailingStore if is_failing else MemoryStore
    with Engine(
        bundle,
        catalog=PaymentCatalog.default(),
        journal=journal,
        store=lambda plan: kind(plan, capacity_events=100),
        hash_key=b"k" * 16,
    ) as engine:
        for number, transaction in enumerate(transactions):
            is_late = late_every > 0 and number % late_every == 0
            with suppress(TransactionConflict):  # the decision that stands stays
                engine.score(transaction, is_late=lambda is_late=is_late: is_late)
    return journal.decisions


def with_policy(bundle: Bundle, policy: Policy) -> Bundle:
    return replace(bundle, policy_text=policy_toml(policy))


@st.composite
def drawn_transactions(draw: st.DrawFn) -> list[Transaction]:
    """Orders of three days, some without a rate, some with costs of their own, some sent again."""
    transactions = []
    for number, order in enumerate(draw(drawn_orders())):
        made = transaction_of(order)
        currency = draw(st.sampled_from(["EUR", "USD", "XAF"]))
        own = draw(st.dictionaries(st.sampled_from(["margin", "review"]), st.floats(0.0, 2.0)))
        transactions.append(
            replace(
                made,
                event_time=made.event_time + timedelta(minutes=7 * number),
                order=replace(made.order, currency=currency),
                custom_inputs=dict(own),
            )
        )
    if draw(st.booleans()):
        changed = replace(transactions[0].order, amount_minor=77_700)
        transactions.append(replace(transactions[0], order=changed))
    return transactions


@settings(max_examples=150)
@given(
    policy=drawn_policies(),
    transactions=drawn_transactions(),
    has_own_costs=st.booleans(),
    is_failing=st.booleans(),
    late_every=st.integers(0, 3),
)
def test_every_decision_comes_out_again_byte_for_byte(
    policy: Policy,
    transactions: list[Transaction],
    *,
    has_own_costs: bool,
    is_failing: bool,
    late_every: int,
) -> None:
    own = OWN_COSTS if has_own_costs else {}
    bundle = with_policy(small_bundle(), replace(policy, costs_from_orders=own))
    records = decided(bundle, transactions, is_failing=is_failing, late_every=late_every)
    replayer = Replayer(bundle)
    assert [replayer.of(record) for record in records] == [record.decision for record in records]


FLAGS = Policy(
    costs=POLICY.costs,
    costs_from_orders={"margin_share": "custom_inputs.margin"},
    segments=(
        Segment(name="gone", when={"billing.country": ("DE",)}, never_decline=True),
        Segment(name="asked", when={"billing.country": ("FR",)}, always_review=True),
    ),
    constraints=Constraints(reviews_per_day=2),
    breaker=Breaker(decline_share_max=0.1, orders=20),
    exploration=Exploration(
        approve_share=0.2, order_loss_minor_max=10**6, day_loss_minor_max=20_000
    ),
)


def test_whatever_shaped_a_decision_it_comes_out_again(shop: TrainedShop) -> None:
    bundle = with_policy(load_bundle(shop.bundle), FLAGS)
    transactions = [
        replace(held, custom_inputs={"margin": 0.02}) if number % 7 == 0 else held
        for number, held in enumerate(shop.transactions[:1_500])
    ]
    records = decided(bundle, transactions, is_failing=True, late_every=40)
    decisions = [msgspec.json.decode(record.decision, type=Decision) for record in records]
    assert {name for held in decisions for name in held.shaped_by} == set(SHAPED_BY.values())
    assert {held.action for held in decisions} == set(ACTIONS)
    assert {held.segment for held in decisions} == {"gone", "asked", None}
    reached = {held.degraded for held in decisions if "deadline" not in held.degraded}
    assert reached == {(), ("store",), ("rates",), ("store", "rates")}
    assert ("rates", "deadline") in {held.degraded for held in decisions}
    assert any(held.own_costs for held in decisions)
    told: list[int] = []
    found = replay_journal(bundle, [*records], progress=told.append)
    assert (found.n_same, found.n_differing, found.n_other_bundles) == (len(records), 0, 0)
    assert told == [0, 1_000]


def test_an_order_of_unknown_amount_can_be_challenged_and_comes_out_again() -> None:
    policy = Policy(
        constraints=Constraints(reviews_per_day=0),
        segments=(Segment(name="s", when={"billing.country": ("DE",)}, never_decline=True),),
    )
    bundle = with_policy(small_bundle(), policy)
    order = {"id": "t", "amount": 5, "country": "DE", "method": "card", "day": 0}
    made = transaction_of(order)
    (record,) = decided(bundle, [replace(made, order=replace(made.order, currency="XAF"))])
    assert msgspec.json.decode(record.decision)["action"] == "challenge"
    assert replay_record(bundle, record) == record.decision
    assert explain_record(bundle, record).action == "challenge"


@pytest.fixture(scope="module")
def record() -> DecisionRecord:
    """Return a decision in which every part that is computed has something in it."""
    order = {"id": "t", "amount": 90_000, "country": "DE", "method": "card", "day": 0}
    (made,) = decided(own_bundle(), [replace(transaction_of(order), custom_inputs={"margin": 0.4})])
    return made


@cache
def own_bundle() -> Bundle:
    segment = Segment(name="s", when={"billing.country": ("DE",)}, costs={"loss_share": 0.5})
    return with_policy(
        small_bundle(),
        Policy(costs_from_orders={"margin_share": "custom_inputs.margin"}, segments=(segment,)),
    )


def altered(record: DecisionRecord, name: str, value: Any) -> DecisionRecord:
    plain = msgspec.json.decode(record.decision)
    *path, last = name.split("/")[1:]
    inner = plain
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    assert inner[last] != value
    inner[last] = value
    return replace(record, decision=msgspec.json.encode(plain))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("/transaction_id", "other"),
        ("/action", "approve"),
        ("/fraud_probability", 0.001),
        ("/raw_score", 0.25),
        ("/reasons/0/code", "OTHER"),
        ("/reasons/0/weight", 9.0),
        ("/expected_cost_minor/approve", -1.0),
        ("/currency", "USD"),
        ("/versions/policy", "0" * 16),
        ("/versions/features", "0" * 16),
        ("/ranges/1/from_probability", 0.5),
        ("/approve_propensity", 0.1),
    ],
)
def test_an_altered_part_of_a_decision_is_named(
    record: DecisionRecord, name: str, value: Any
) -> None:
    with pytest.raises(ReplayDiffers, match=f"{name} is .* computed anew, {value} in the") as found:
        replay_record(own_bundle(), altered(record, name, value))
    assert found.value.at == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("/segment", None),
        ("/segment", "unheard"),
        ("/own_costs", {"margin_share": 0.5}),
        ("/own_costs", {"margin_share": 0.4, "loss_share": 0.5}),
        ("/shaped_by", ["explored"]),
        ("/shaped_by", ["review_capacity_used"]),
        ("/degraded", ["rates"]),
        ("/degraded", ["unheard"]),
        ("/expected_cost_minor/challenge", None),
    ],
)
def test_what_is_taken_from_the_decision_must_fit_the_rest(
    record: DecisionRecord, name: str, value: Any
) -> None:
    with pytest.raises(ReplayDiffers):
        replay_record(own_bundle(), altered(record, name, value))


@settings(max_examples=200)
@given(st.data())
def test_an_altered_byte_is_found_unless_it_is_copied(data: st.DataObject) -> None:
    order = {"id": "t", "amount": 90_000, "country": "DE", "method": "card", "day": 0}
    (held,) = decided(own_bundle(), [transaction_of(order)])
    place = data.draw(st.integers(0, len(held.decision) - 1))
    byte = data.draw(st.integers(32, 126).filter(lambda b: b != held.decision[place]))
    decision = held.decision[:place] + bytes([byte]) + held.decision[place + 1 :]
    with pytest.raises(ReplayError):
        replay_record(own_bundle(), replace(held, decision=decision))


@settings(max_examples=100)
@given(values=st.lists(st.floats(allow_infinity=False), min_size=6, max_size=6))
def test_an_altered_row_is_found_where_it_scores_otherwise(values: list[float]) -> None:
    order = {"id": "t", "amount": 90_000, "country": "DE", "method": "card", "day": 0}
    (held,) = decided(own_bundle(), [transaction_of(order)])
    row = np.array(values)
    bundle, before = own_bundle(), np.frombuffer(held.features, "<f8").astype(np.float64)
    changed = replace(held, features=row.astype("<f8").tobytes())
    assume(bundle.scorer.score(row) != bundle.scorer.score(before))
    with pytest.raises(ReplayDiffers, match=r"/fraud_probability|/raw_score|/action"):
        replay_record(bundle, changed)


def test_an_altered_amount_or_row_of_a_record_is_found(record: DecisionRecord) -> None:
    for changed in (
        replace(record, amount_minor=1),
        replace(record, amount_minor=None),
        replace(record, features=record.features[:-8]),
        replace(record, features=record.features[:-3]),
        replace(record, features_version="0" * 16),
        replace(record, decision=b"{}"),
        replace(record, decision=record.decision.replace(b'":', b'": ', 1)),
    ):
        with pytest.raises(ReplayDiffers, match="was the journal altered"):
            replay_record(own_bundle(), changed)


def test_decisions_of_other_bundles_are_counted_apart(record: DecisionRecord) -> None:
    other = altered(record, "/versions/bundle", "0" * 16)
    wrong = [altered(record, "/raw_score", float(number)) for number in range(1, 31)]
    outcome = OutcomeRecord(outcome_id="o", transaction_id="t", received_at_ms=0, outcome=b"{}")
    found = replay_journal(own_bundle(), [outcome, record, other, *wrong, record])
    assert (found.n_same, found.n_differing, found.n_other_bundles) == (2, 30, 1)
    assert len(found.differing) == 20
    assert {differing.at for differing in found.differing} == {"/raw_score"}
    with pytest.raises(ReplayError, match=r"with bundle 0000000000000000, which decided it"):
        replay_record(own_bundle(), other)
    with pytest.raises(ReplayError, match=r"must hold a decision of bundle .*, it holds 1 of"):
        replay_journal(own_bundle(), [outcome, other])
