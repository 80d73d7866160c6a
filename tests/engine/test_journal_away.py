"""An engine whose journal cannot be written: it says so, decides on, and forgets nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fraudkit.domain.decision import Decision
from fraudkit.engine import Engine
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.spooled import SpooledJournal
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.scoring.bundle import Bundle, load_bundle
from tests.journal.test_spooled import NEVER_S, SMALL, Unsteady
from tests.training.trained_shop import TrainedShop

SECRET = b"a secret of the shop's own"


def engine_on(bundle: Bundle, journal: Unsteady, folder: Path) -> tuple[Engine, SpooledJournal]:
    spooled = SpooledJournal(
        journal, folder / "journal.spool", retry_s=NEVER_S, reserved_bytes=SMALL
    )
    catalog = PaymentCatalog.default()
    return Engine(bundle, catalog=catalog, journal=spooled, hash_key=SECRET), spooled


def test_decisions_say_that_the_journal_is_away_and_are_otherwise_the_same(
    shop: TrainedShop, tmp_path: Path
) -> None:
    journal = Unsteady()
    engine, spooled = engine_on(load_bundle(shop.bundle), journal, tmp_path)
    orders = shop.transactions[:30]
    with Engine.open(shop.bundle) as twin, engine:
        expected = [twin.score(order) for order in orders]
        decisions = [engine.score(order) for order in orders[:10]]
        journal.fails = "before"
        decisions += [engine.score(order) for order in orders[10:20]]
        assert [engine.score(order) for order in orders[10:20]] == decisions[10:20]
        journal.fails = "no"
        spooled._return()
        decisions += [engine.score(order) for order in orders[20:]]
        assert [engine.score(order) for order in orders] == decisions
    is_away = ["journal" in made.degraded for made in decisions]
    assert is_away == [False] * 11 + [True] * 9 + [False] * 10
    assert [without_journal(made) for made in decisions] == expected
    held = [record for record in journal.records() if isinstance(record, DecisionRecord)]
    assert [record.decision for record in held] == [msgspec.json.encode(made) for made in decisions]


def without_journal(made: Decision) -> Decision:
    left = tuple(name for name in made.degraded if name != "journal")
    return msgspec.structs.replace(made, degraded=left)


@pytest.mark.parametrize("wanted", ["review", "decline"])
def test_the_policy_says_what_an_order_gets_while_the_journal_is_away(
    shop: TrainedShop, tmp_path: Path, wanted: str
) -> None:
    bundle = load_bundle(shop.bundle)
    written = bundle.policy_text.replace('journal = "decide"', f'journal = "{wanted}"')
    assert written != bundle.policy_text
    journal = Unsteady()
    engine, _ = engine_on(msgspec.structs.replace(bundle, policy_text=written), journal, tmp_path)
    with engine:
        journal.fails = "before"
        first, *others = [engine.score(order) for order in shop.transactions[:20]]
    assert ["journal" in made.degraded for made in (first, *others)] == [False] + [True] * 19
    least = ("review", "decline") if wanted == "review" else ("decline",)
    assert {made.action for made in others} <= set(least)
