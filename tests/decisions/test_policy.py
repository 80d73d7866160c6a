import itertools
import tomllib

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import (
    ACTIONS,
    CHALLENGE_FIELDS,
    Policy,
    can_be_challenged,
    challenges,
    parse_policy,
    policy_toml,
)
from fraudkit.domain.codes import CURRENCIES
from fraudkit.domain.decision import ExpectedCost
from fraudkit.errors import PolicyError
from tests.decisions.test_costs import amounts, drawn_costs, probabilities

policies = st.builds(
    Policy,
    costs=st.builds(
        lambda costs, currency: replace(costs, currency=currency),
        drawn_costs,
        st.sampled_from(sorted(CURRENCIES)),
    ),
    on_unknown_amount=st.sampled_from(["review", "decline", "approve"]),
)
orders = st.tuples(probabilities, st.one_of(st.none(), amounts), st.booleans())


def costs_of(cost: ExpectedCost | None) -> dict[str, float | None]:
    return dict.fromkeys(ACTIONS) if cost is None else asdict(cost)


@given(policy=policies, batch=st.lists(orders, min_size=1))
def test_one_and_many_are_decided_alike(
    policy: Policy, batch: list[tuple[float, int | None, bool]]
) -> None:
    probability, amount, can_challenge = zip(*batch, strict=True)
    chosen, costs = policy.decide_many(
        np.array(probability), np.array(amount, np.float64), np.array(can_challenge)
    )
    for place, (one_probability, one_amount, one_can) in enumerate(batch):
        action, cost = policy.decide(one_probability, one_amount, can_challenge=one_can)
        assert ACTIONS[chosen[place]] == action
        expected = costs_of(cost)
        many = [None if np.isnan(value) else value for value in costs[:, place].tolist()]
        assert many == [expected[name] for name in ACTIONS]


@given(policy=policies, order=orders)
def test_the_action_costs_least_and_the_earliest_wins_a_tie(
    policy: Policy, order: tuple[float, int | None, bool]
) -> None:
    probability, amount, can_challenge = order
    action, cost = policy.decide(probability, amount, can_challenge=can_challenge)
    possible = {name: value for name, value in costs_of(cost).items() if value is not None}
    if amount is None:
        assert (action, possible) == (policy.on_unknown_amount, {})
    else:
        assert ("challenge" in possible) == can_challenge
        assert action == next(
            name for name in ACTIONS if possible.get(name) == min(possible.values())
        )


@given(policy=policies, amount=amounts, can_challenge=st.booleans())
def test_an_order_that_is_surely_honest_is_approved(
    policy: Policy, amount: int, *, can_challenge: bool
) -> None:
    assert policy.decide(0.0, amount, can_challenge=can_challenge)[0] == "approve"


@given(amount=st.integers(1, 10**9))
def test_an_order_that_is_surely_fraud_is_declined(amount: int) -> None:
    assert Policy().decide(1.0, amount)[0] == "decline"


def test_actions_grow_stricter_as_fraud_grows_likelier() -> None:
    actions = [Policy().decide(step / 1000, 10_000, can_challenge=False)[0] for step in range(1001)]
    assert [name for name, _ in itertools.groupby(actions)] == ["approve", "review", "decline"]


@given(policy=policies)
def test_a_policy_written_is_read_back(policy: Policy) -> None:
    again = parse_policy(policy_toml(policy))
    assert again == policy
    assert again.digest == policy.digest


@given(policy=policies)
def test_the_digest_does_not_depend_on_the_layout(policy: Policy) -> None:
    plain = tomllib.loads(policy_toml(policy))
    costs = dict(reversed(plain["costs"].items()))
    text = "# another layout\n\n" + tomli_w.dumps({**plain, "costs": costs})
    inline = ", ".join(f"{name} = {value!r}" for name, value in costs.items())
    one_line = f"costs = {{ {inline} }}\non_unknown_amount = {plain['on_unknown_amount']!r}\n"
    assert parse_policy(text).digest == policy.digest
    assert parse_policy(one_line).digest == policy.digest


@given(policy=policies, other=policies)
def test_the_digest_names_the_content(policy: Policy, other: Policy) -> None:
    assert (policy.digest == other.digest) == (policy == other)


@pytest.mark.parametrize("name", Costs.__struct_fields__)
def test_every_figure_is_in_the_digest(name: str) -> None:
    held = getattr(Costs(), name)
    other = "USD" if name == "currency" else held / 2 if isinstance(held, float) else held + 1
    assert Policy(costs=replace(Costs(), **{name: other})).digest != Policy().digest


def test_costs_in_another_currency_than_was_asked_for_are_refused() -> None:
    text = '[costs]\ncurrency = "USD"\n'
    assert parse_policy(text, currency="USD") == parse_policy(text)
    with pytest.raises(
        PolicyError, match=r"x: costs\.currency must be the reference currency EUR, got USD"
    ):
        parse_policy(text, "x", currency="EUR")


def test_what_is_left_out_has_its_default() -> None:
    assert parse_policy("") == Policy()
    text = "[costs]\nmargin_share = 1\n"
    assert parse_policy(text) == Policy(costs=replace(Costs(), margin_share=1.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("costs = [", "must be TOML"),
        ("a = " + "[" * 5000, "must be TOML"),
        ("costs = 1", "/costs: expected an object, got 1"),
        ("[cost]", "/cost: .* did you mean 'costs'"),
        ("[costs]\nmargin = 0.2", "/costs/margin: expected a known field"),
        ("[costs]\nmargin_share = 1.5", "/costs/margin_share: .* got 1.5"),
        ("[costs]\nmargin_share = -0.1", "/costs/margin_share: .* got -0.1"),
        ("[costs]\nmargin_share = nan", "/costs/margin_share: .* got nan"),
        ("[costs]\nmargin_share = '0.2'", "/costs/margin_share: expected float"),
        ("[costs]\nmargin_share = true", "/costs/margin_share"),
        ("[costs]\nmargin_share = 2026-01-01", "/costs/margin_share"),
        ("[costs]\nreview_cost_minor = 4.5", "/costs/review_cost_minor: expected an integer"),
        ("[costs]\nreview_cost_minor = -1", "/costs/review_cost_minor: .* got -1"),
        ("[costs]\nreview_cost_minor = 1_000_000_001", "/costs/review_cost_minor"),
        ("[costs]\ncurrency = 'eur'", "/costs/currency: .* did you mean 'EUR'"),
        ("on_unknown_amount = 'challenge'", "/on_unknown_amount: expected one of"),
    ],
)
def test_what_does_not_hold_is_named_with_its_origin_and_field(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=f"^shop/policy.toml: .*{message}"):
        parse_policy(text, "shop/policy.toml")


@pytest.mark.parametrize(
    ("method", "was_authenticated", "expected"),
    [
        ("card", None, True),
        ("card", False, True),
        ("card", True, False),
        ("network_token", None, True),
        ("network_token", True, False),
        (None, None, True),
        (None, True, False),
        ("paypal", None, False),
        ("bank_transfer", False, False),
        ("", None, False),
    ],
)
def test_only_a_card_that_was_not_authenticated_can_be_challenged(
    method: str | None,
    was_authenticated: bool | None,  # noqa: FBT001 - a column of the table above
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    assert can_be_challenged(method, was_authenticated) is expected


@given(
    orders=st.lists(
        st.tuples(
            st.sampled_from([None, "card", "network_token", "paypal"]),
            st.sampled_from([None, True, False]),
        ),
        max_size=8,
    ),
    fields=st.sets(st.sampled_from(CHALLENGE_FIELDS)),
)
def test_many_orders_can_be_challenged_as_each_alone(
    orders: list[tuple[str | None, bool | None]], fields: set[str]
) -> None:
    columns = {
        name: [order[place] for order in orders]
        for place, name in enumerate(CHALLENGE_FIELDS)
        if name in fields
    }
    alone = [
        can_be_challenged(
            *(
                value if name in fields else None
                for name, value in zip(CHALLENGE_FIELDS, order, strict=True)
            )
        )
        for order in orders
    ]
    assert challenges(columns, len(orders)).tolist() == alone
