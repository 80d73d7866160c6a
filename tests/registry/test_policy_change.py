"""Another policy in force: checked, recorded, and taken back like a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace

from fraudkit.decisions.policy import Policy, parse_policy
from fraudkit.errors import BundleError, GuardrailError, PolicyError
from fraudkit.registry import Registry
from fraudkit.registry.policy_change import PolicyChange, policy_differences, promote_policy
from fraudkit.registry.policy_checks import PolicyChecks, RecentOrders
from fraudkit.scoring.bundle import load_bundle, sign_bundle, write_bundle
from fraudkit.scoring.signature import make_key_pair, trusted_keys
from tests.decisions.drawn import drawn_policies
from tests.scoring.mutations import content

CONTENT = content()
DAYS = 6
ORDERS = RecentOrders(
    transaction_id=[f"t{number}" for number in range(60)],
    time_ms=np.arange(60) * DAYS * 86_400_000 // 60,
    probability=np.full(60, 0.3),
    amount_minor=np.full(60, 5_000.0),
    is_fraud=np.full(60, np.nan),
    columns={},
)
HELD = "[guardrails]\nrate_move_max = 0.05\n"
DECLINE_ALL = "[cut_offs]\ndecline_from = 0.0\n"
FEWER_REVIEWS = "[constraints]\nreviews_per_day = 3\n"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return in_force(tmp_path, CONTENT.policy_text)


def in_force(folder: Path, policy_text: str) -> Registry:
    registry = Registry(folder / "models")
    write_bundle(folder / "made", replace(CONTENT, policy_text=policy_text))
    registry.promote(registry.add(folder / "made"), now_ms=0, by="ann")
    return registry


def change(
    registry: Registry, text: str, orders: RecentOrders | None = ORDERS, **options: Any
) -> PolicyChange:
    return promote_policy(
        registry, text, origin="new.toml", orders=orders, now_ms=7, by="bob", **options
    )


def test_the_new_bundle_differs_in_its_policy_alone(registry: Registry) -> None:
    before = registry.verify("current")
    found = change(registry, FEWER_REVIEWS, why="a smaller team")
    after = registry.verify("current")
    assert after.policy_text == FEWER_REVIEWS
    assert found.bundle == after.version == registry.current() != before.version
    assert {
        name for name, digest in after.manifest.files.items()
        if before.manifest.files[name] != digest
    } == {"policy.toml"}  # fmt: skip
    assert found.differences == {
        "costs.margin_share": (0.3, 0.25),
        "constraints.reviews_per_day": (None, 3),
    }
    assert found.change == registry.history()[-1]
    assert (found.change.by, found.change.why, found.change.override) == (
        "bob", "a smaller team", "",
    )  # fmt: skip
    assert msgspec.convert(found.change.checks, PolicyChecks) == found.checks


def test_a_rollback_brings_back_the_earlier_policy(registry: Registry) -> None:
    first = registry.current()
    second = change(registry, FEWER_REVIEWS).bundle
    change(registry, DECLINE_ALL)
    registry.rollback(now_ms=8, by="ann")
    assert (registry.current(), registry.verify("current").policy_text) == (second, FEWER_REVIEWS)
    registry.rollback(now_ms=9, by="ann")
    assert registry.current() == first
    assert registry.verify("current").policy_text == CONTENT.policy_text


def test_guardrails_refuse_and_nothing_is_changed(registry: Registry) -> None:
    before = registry.names(), registry.history(), registry.current()
    with pytest.raises(GuardrailError, match=r"(?s)new\.toml: the share .*--override REASON"):
        change(registry, HELD + DECLINE_ALL)
    with pytest.raises(GuardrailError, match="must not cost more"):
        change(registry, HELD + DECLINE_ALL, override="  ")
    assert (registry.names(), registry.history(), registry.current()) == before


def test_an_override_is_recorded_with_who_and_the_figures(registry: Registry) -> None:
    found = change(registry, HELD + DECLINE_ALL, override="we are under attack")
    (_, held) = registry.history()
    assert (held.by, held.override, held.to_bundle) == ("bob", "we are under attack", found.bundle)
    assert len(held.checks["failed"]) == 2
    assert held.checks["share_after"]["decline"] == 1.0
    assert held.checks["cost"]["low_minor"] > 0.0


def test_an_override_that_was_not_needed_is_not_recorded(registry: Registry) -> None:
    found = change(registry, CONTENT.policy_text + HELD, override="just in case")
    assert found.change is not None
    assert found.checks is not None
    assert (found.checks.failed, found.change.override) == ((), "")


def test_a_change_cannot_drop_the_guardrails_that_it_is_held_against(tmp_path: Path) -> None:
    registry = in_force(tmp_path, HELD)
    with pytest.raises(GuardrailError, match="rate_move_max"):
        change(registry, DECLINE_ALL)
    loose = DECLINE_ALL + "[guardrails]\nrate_move_max = 1.0\nmay_cost_more = true\n"
    with pytest.raises(GuardrailError, match=r"at most 0\.05"):
        change(registry, loose)
    assert change(registry, "").change is not None  # dropped, and no order moves


def test_guardrails_need_orders_to_be_held_against(registry: Registry) -> None:
    with pytest.raises(GuardrailError, match="none were given; give --scores and --data"):
        change(registry, HELD, orders=None)
    found = change(registry, HELD, orders=None, override="no time")
    assert found.checks is None
    assert (registry.history()[-1].override, registry.history()[-1].checks) == ("no time", {})


def test_without_guardrails_nothing_is_asked_for(registry: Registry) -> None:
    assert change(registry, DECLINE_ALL, orders=None).change is not None
    found = change(registry, FEWER_REVIEWS)
    assert found.checks is not None
    assert found.checks.rate_move == 1.0


def test_the_policy_in_force_is_not_put_in_force_again(registry: Registry) -> None:
    found = change(registry, CONTENT.policy_text)
    assert (found.change, found.bundle, found.differences) == (None, registry.current(), {})
    assert (len(registry.names()), len(registry.history())) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[costs]\nmargin_share = 2.0\n", r"new\.toml: /costs/margin_share"),
        ('[costs]\ncurrency = "USD"\n', "must be the reference currency EUR"),
        ("costs =", r"new\.toml: must be TOML"),
    ],
)
def test_a_policy_that_does_not_hold_is_refused(
    registry: Registry, text: str, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        change(registry, text, override="all the same")
    assert len(registry.history()) == 1


def test_what_another_put_in_force_meanwhile_stays(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = registry.add

    def overtaken(source: Path) -> str:
        version = add(source)
        monkeypatch.undo()
        change(registry, DECLINE_ALL, orders=None)
        return version

    monkeypatch.setattr(registry, "add", overtaken)
    with pytest.raises(BundleError, match=r"must still be version .* by now; check the change"):
        change(registry, FEWER_REVIEWS)
    assert registry.verify("current").policy_text == DECLINE_ALL


def test_where_nothing_is_in_force_there_is_no_policy_to_change(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(BundleError, match="must have a bundle in force"):
        change(Registry(tmp_path / "models"), "")


def test_a_registry_of_trusted_keys_takes_a_signed_policy_alone(
    registry: Registry, tmp_path: Path
) -> None:
    secret, public = tmp_path / "a.secret", tmp_path / "a.pem"
    signer = make_key_pair(secret, public)
    sign_bundle(registry.place("current"), secret)
    strict = Registry(registry.folder, trusted_keys=trusted_keys(public))
    with pytest.raises(BundleError, match="only signed bundles are taken"):
        change(strict, DECLINE_ALL, orders=None)
    change(strict, DECLINE_ALL, orders=None, private_key_path=secret)
    assert strict.verify("current").signed_by == signer
    assert load_bundle(strict.place("current")).policy_text == DECLINE_ALL


@given(first=drawn_policies(), second=drawn_policies())
def test_only_equal_policies_have_no_differences(first: Policy, second: Policy) -> None:
    assert policy_differences(first, first) == {}
    assert (policy_differences(first, second) == {}) is (first == second)


def test_figures_of_segments_are_named_and_their_order_is_one() -> None:
    one = '[[segments]]\nname = "a"\nwhen = {"billing.country" = ["DE"]}\n'
    two = '[[segments]]\nname = "b"\nwhen = {"billing.country" = ["DE"]}\nalways_review = true\n'
    first, second = parse_policy(one + two), parse_policy(two + one)
    assert policy_differences(first, second) == {"segments": (["a", "b"], ["b", "a"])}
    changed = parse_policy(one + two.replace("true", "false"))
    assert policy_differences(first, changed) == {"segments.b.always_review": (True, False)}
