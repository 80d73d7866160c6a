"""A decision explained: everything in it can be checked against the model and the policy."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Order, Transaction
from fraudkit.engine import Engine
from fraudkit.errors import ExplanationError, StoreError
from fraudkit.explanation import (
    Explanation,
    FeatureShare,
    explain_journalled,
    explain_record,
    explain_row,
)
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import Bundle, load_bundle, write_bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.trees.treeshap import TreeShap
from fraudkit.stores.memory import MemoryStore
from tests.training.trained_shop import TrainedShop

SECRET = b"a secret of the shop's own"
ORDERS = 1_500


class Decided:
    """A shop that ran for a while: its engine, still open, and what was decided."""

    def __init__(self, shop: TrainedShop, path: Path) -> None:
        self.path = path
        self.bundle = load_bundle(shop.bundle)
        journal = SqliteJournal(path)
        self.engine = Engine.open(shop.bundle, journal=journal, hash_key=SECRET)
        self.orders = {order.transaction_id: order for order in shop.transactions[:ORDERS]}
        self.decisions = {name: self.engine.score(order) for name, order in self.orders.items()}

    def of(self, action: str) -> list[Decision]:
        return [held for held in self.decisions.values() if held.action == action]

    def row(self, decision: Decision) -> np.ndarray:
        with SqliteJournal.open_readonly(self.path) as journal:
            record = journal.last_decision(decision.transaction_id)
        assert record is not None
        return np.frombuffer(record.features, "<f8")


@pytest.fixture(scope="module")
def decided(shop: TrainedShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decided]:
    made = Decided(shop, tmp_path_factory.mktemp("explained") / "journal.sqlite3")
    yield made
    made.engine.close()


@pytest.fixture(scope="module")
def explained(decided: Decided) -> list[tuple[Decision, Explanation]]:
    chosen = [held for action in ACTIONS for held in decided.of(action)[:12]]
    return [(decision, decided.engine.explain(decision)) for decision in chosen]


Explained = list[tuple[Decision, Explanation]]


def raw_score_of(bundle: Bundle, row: np.ndarray, codes: tuple[str, ...]) -> float:
    """Return the score of an order whose features of some codes are a typical order's."""
    changed = row.copy()
    for column, feature in enumerate(bundle.features.features):
        if feature.reason_code in codes:
            changed[column] = bundle.reference[column]
    return bundle.scorer.score(changed)


def test_the_decision_comes_out_again(explained: Explained) -> None:
    assert {decision.action for decision, _ in explained} == set(ACTIONS)
    for decision, held in explained:
        assert held.transaction_id == decision.transaction_id
        assert (held.action, held.raw_score) == (decision.action, decision.raw_score)
        assert held.fraud_probability == decision.fraud_probability


def test_the_shapley_values_sum_to_the_distance_from_the_typical_order(
    explained: Explained, decided: Decided
) -> None:
    for decision, held in explained:
        assert [share.name for share in held.features] != list(decided.bundle.features.names)
        assert {share.name for share in held.features} == set(decided.bundle.features.names)
        added = sum(share.shapley for share in held.features)
        assert held.reference_raw_score + added == pytest.approx(held.raw_score, abs=1e-9)
        assert abs(held.shapley_residual) < 1e-9
        assert sum(group.weight for group in held.groups) == pytest.approx(added, abs=1e-9)
        weights = {group.code: group.weight for group in held.groups}
        for reason in decision.reasons:
            assert weights[reason.code] == pytest.approx(reason.weight, abs=1e-4)


def test_the_first_groups_are_the_reasons_with_their_words(explained: Explained) -> None:
    for decision, held in explained:
        given = [(r.code, r.text, r.customer_text) for r in decision.reasons]
        groups = [(g.code, g.text, g.customer_text) for g in held.groups]
        assert groups[: len(given)] == given


def test_the_probability_lies_in_the_range_of_the_action(explained: Explained) -> None:
    for decision, held in explained:
        [range_] = [
            of
            for of in held.ranges
            if of.from_probability <= decision.fraud_probability < of.to_probability
        ]
        assert range_.action == decision.action


def test_a_flip_is_what_the_model_says_of_the_changed_order(
    explained: Explained, decided: Decided
) -> None:
    flipped = 0
    for decision, held in explained:
        row, score = decided.row(decision), decided.bundle.calibration.log_odds_of
        strictness = ACTIONS.index(decision.action)
        for flip in held.flips:
            raw_score = raw_score_of(decided.bundle, row, flip.codes)
            assert flip.fraud_probability == probability(score(raw_score))
            assert ACTIONS.index(flip.action) < strictness
            flipped += 1
        if held.flips and len(held.flips[0].codes) > 1 and held.flips[0].is_least:
            for group in held.groups:
                alone = probability(score(raw_score_of(decided.bundle, row, (group.code,))))
                [of] = [r for r in held.ranges if r.from_probability <= alone < r.to_probability]
                assert ACTIONS.index(of.action) >= strictness
        assert decision.action != "approve" or held.flips == ()
    assert flipped > 20


def test_windows_clear_no_later_than_the_reason_says(explained: Explained) -> None:
    exact = 0
    for decision, held in explained:
        by_text = {share.text: share for share in held.features}
        for reason in decision.reasons:
            assert by_text[reason.text].clears_by == reason.clears_by
        for share in held.features:
            assert share.clears_by is None or share.shapley > 0
            if share.clears_at is not None:
                assert share.clears_by is not None
                assert share.clears_at <= share.clears_by
                exact += share.clears_at < share.clears_by
    assert exact > 0


def test_the_journal_alone_explains_as_the_engine_does(
    explained: Explained, decided: Decided
) -> None:
    with SqliteJournal.open_readonly(decided.path) as journal:
        for decision, held in (explained[0], explained[-1]):
            assert explain_journalled(decided.bundle, journal, decision.transaction_id) == held
    assert decided.engine.explain(explained[-1][0].transaction_id) == explained[-1][1]


def test_an_order_is_explained_as_it_was_seen_whatever_came_since(
    shop: TrainedShop, tmp_path: Path
) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    with Engine.open(shop.bundle, journal=journal, hash_key=SECRET) as engine:
        for order in shop.transactions[:600]:
            decision = engine.score(order)
        before = engine.explain(decision)
        for order in shop.transactions[600:900]:
            engine.score(order)
        assert engine.explain(decision) == before


def test_without_a_store_only_the_bounds_are_told(decided: Decided, explained: Explained) -> None:
    def unreachable(_query: object, _out: object) -> None:
        raise StoreError("the store cannot be reached")

    operations = {held.name: held.operation for held in decided.bundle.features.aggregations}
    with SqliteJournal.open_readonly(decided.path) as journal:
        for decision, held in explained[-5:]:
            record = journal.last_decision(decision.transaction_id)
            assert record is not None
            for found in (
                explain_record(decided.bundle, record),
                explain_record(decided.bundle, record, read=unreachable),
            ):
                # How long ago something was grows by itself; all else is asked of the store.
                told = [share for share in found.features if share.clears_at]
                assert {operations[share.name] for share in told} <= {
                    "seconds_since_last",
                    "seconds_since_same",
                }
                assert all(share.clears_at == share.clears_by for share in told)
                bounds = [share.clears_by for share in found.features]
                assert bounds == [share.clears_by for share in held.features]


def test_lightgbms_values_stand_beside_ours(shop: TrainedShop, decided: Decided) -> None:
    decision = decided.of("decline")[0]
    beside = TreeShap(decided.bundle, shop.bundle)
    held = decided.engine.explain(decision, treeshap=beside)
    values = dict(zip(decided.bundle.features.names, beside(decided.row(decision)), strict=False))
    assert {share.name: share.treeshap for share in held.features} == values
    assert held.treeshap_mean is not None
    total = held.treeshap_mean + sum(values.values())
    assert total == pytest.approx(decision.raw_score, abs=1e-9)


def test_what_is_degraded_is_explained_as_it_was_restrained(
    shop: TrainedShop, tmp_path: Path
) -> None:
    class DownStore(MemoryStore):
        def exchange(self, _event: object, _out: object) -> Appended:
            raise StoreError("the store cannot be reached")

    def down(plan: WindowPlan) -> DownStore:
        return DownStore(plan)

    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    with Engine.open(shop.bundle, journal=journal, hash_key=SECRET, store=down) as engine:
        decisions = [engine.score(order) for order in shop.transactions[1:40]]
        held = [engine.explain(decision) for decision in decisions]
    assert {decision.degraded for decision in decisions} == {("store",)}
    assert all(found.degraded == ("store",) for found in held)
    assert {of.action for found in held for of in found.ranges} <= {"review", "decline"}
    assert all(not found.flips for found in held if found.action == "review")


def test_an_unknown_amount_has_one_range_and_no_flip(decided: Decided) -> None:
    unknown = [held for held in decided.decisions.values() if held.expected_cost_minor is None]
    held = decided.engine.explain(unknown[0])
    assert held.amount_minor is None
    assert [of.action for of in held.ranges] == ["review"]
    assert held.flips == ()


def test_a_row_of_a_notebook_is_explained_under_any_policy(decided: Decided) -> None:
    row = decided.row(decided.of("decline")[0])
    held = explain_row(decided.bundle, row, amount_minor=5_000)
    assert held.transaction_id == ""
    assert [share for share in held.features if share.clears_by] == []
    lax = Policy(on_unknown_amount="approve")
    assert explain_row(decided.bundle, row, amount_minor=None, policy=lax).action == "approve"
    with pytest.raises(ExplanationError, match=r"must have \d+ values, got shape \(3,\)"):
        explain_row(decided.bundle, row[:3], amount_minor=1)


def test_it_is_written_as_json_and_read_back(explained: Explained) -> None:
    for _, held in explained[::7]:
        encoded = msgspec.json.encode(held)
        assert msgspec.json.decode(encoded, type=Explanation) == held
        assert b"NaN" not in encoded


def test_it_is_shown_in_a_terminal_and_a_notebook(explained: Explained) -> None:
    for decision, held in explained[-3:]:
        console = Console(width=300, file=StringIO())
        with console.capture() as printed:
            console.print(held)
        text, html = printed.get(), unescape(held._repr_html_())
        for shown in (text, html):
            assert decision.transaction_id in shown
            assert held.groups[0].text in shown
            assert held.features[0].name in shown
            assert all(" and ".join(flip.codes) in shown for flip in held.flips)
        assert html.count("<table>") == html.count("</table>") == 3 + bool(held.flips)


def test_what_a_shop_wrote_is_escaped_in_a_notebook(explained: Explained) -> None:
    held = explained[0][1]
    nasty = FeatureShare(
        name="<script>", code="A", text="[red]&", value=1.0, reference=None, shapley=9.0
    )
    html = msgspec.structs.replace(
        held, transaction_id="<b>", features=(nasty, *held.features)
    )._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


def test_without_a_journal_it_says_how_to_have_one(shop: TrainedShop) -> None:
    with Engine.open(shop.bundle) as engine:
        decision = engine.score(shop.transactions[1])
        with pytest.raises(ExplanationError, match=r"open it with Engine\.open\(\.\.\., journal="):
            engine.explain(decision)


def test_a_decision_that_is_not_in_the_journal_is_refused(decided: Decided) -> None:
    with pytest.raises(ExplanationError, match="'nobody' must be in the journal"):
        decided.engine.explain("nobody")
    other = msgspec.structs.replace(decided.of("review")[0], raw_score=0.125)
    with pytest.raises(ExplanationError, match="was decided anew, with other content"):
        decided.engine.explain(other)


def test_another_bundle_than_the_one_that_decided_is_refused(
    shop: TrainedShop, decided: Decided, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "b", msgspec.structs.replace(shop.training.content, card="another"))
    other = load_bundle(tmp_path / "b")
    decision = decided.of("review")[0]
    with SqliteJournal.open_readonly(decided.path) as journal:
        expected = f"bundle {decision.versions.bundle}, which decided it, got {other.version}"
        with pytest.raises(ExplanationError, match=expected):
            explain_journalled(other, journal, decision.transaction_id)


def test_a_record_that_does_not_come_out_again_is_refused(decided: Decided) -> None:
    decision = decided.of("review")[0]
    with SqliteJournal.open_readonly(decided.path) as journal:
        record = journal.last_decision(decision.transaction_id)
    assert isinstance(record, DecisionRecord)
    row = decided.bundle.reference.astype("<f8").tobytes()
    altered = msgspec.structs.replace(record, features=row)
    with pytest.raises(ExplanationError, match="must come out as it was decided"):
        explain_record(decided.bundle, altered)


def test_a_decision_of_an_earlier_version_is_explained(decided: Decided) -> None:
    decision = decided.of("review")[0]
    with SqliteJournal.open_readonly(decided.path) as journal:
        record = journal.last_decision(decision.transaction_id)
    assert record is not None
    plain = msgspec.json.decode(record.decision)
    for reason in plain["reasons"]:
        del reason["customer_text"], reason["clears_by"]
    earlier = msgspec.structs.replace(record, decision=msgspec.json.encode(plain))
    assert explain_record(decided.bundle, earlier).action == "review"


def test_orders_are_decided_while_one_is_explained(shop: TrainedShop, tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    with Engine.open(shop.bundle, journal=journal, hash_key=SECRET) as engine:
        decision = engine.score(shop.transactions[1])
        scored: list[Decision] = []

        def beside(values: np.ndarray) -> np.ndarray:
            other = Order(amount_minor=5_000, currency="EUR")
            at = shop.transactions[1].event_time
            scored.append(
                engine.score(Transaction(transaction_id="meanwhile", event_time=at, order=other))
            )
            return np.zeros(len(values) + 1)

        engine.explain(decision, treeshap=beside)
    assert [held.transaction_id for held in scored] == ["meanwhile"]
