import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import (
    CHALLENGE_FIELDS,
    Policy,
    can_be_challenged,
    challenges,
    parse_policy,
    policy_toml,
)
from fraudkit.domain.codes import CURRENCIES
from fraudkit.errors import PolicyError
from tests.decisions.drawn import drawn_policies
from tests.decisions.test_costs import drawn_costs

policies = st.builds(
    Policy,
    costs=st.builds(
        lambda costs, currency: replace(costs, currency=currency),
        drawn_costs,
        st.sampled_from(sorted(CURRENCIES)),
    ),
    on_unknown_amount=st.sampled_from(["review", "decline", "approve"]),
)


@given(policy=policies | drawn_policies())
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
        ("costs = 1", "/costs: expected an object, got a number"),
        ("[cost]", "/cost: .* did you mean 'costs'"),
        ("[costs]\nmargin = 0.2", "/costs/margin: expected a known field"),
        ("[costs]\nmargin_share = 1.5", "/costs/margin_share: .* got 1.5"),
        ("[costs]\nmargin_share = -0.1", "/costs/margin_share: .* got -0.1"),
        ("[costs]\nmargin_share = nan", "/costs/margin_share: .* got nan"),
        ("[costs]\nmargin_share = '0.2'", "/costs/margin_share: expected a number, got '0.2'"),
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


SEGMENT = """
[[segments]]
name = "a"
[segments.when]
"billing.country" = ["DE"]
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SEGMENT + SEGMENT, "/segments/1/name: expected a name of its own, got 'a' again"),
        (SEGMENT.replace("country", "county"), r"/segments/0/when/billing.county: .* did you mean"),
        (SEGMENT.replace("billing.country", "order.amount_minor"), "a text or a truth value"),
        (SEGMENT.replace("billing.country", "email.domain_name"), "a text or a truth value"),
        (SEGMENT.replace("billing.country", "demographic.age"), "a text or a truth value"),
        (SEGMENT.replace('["DE"]', "[true]"), "expected texts, got True"),
        (SEGMENT.replace('["DE"]', "[]"), "/segments/0/when"),
        (SEGMENT.replace("billing.country", "account.is_guest"), "true or false, got 'DE'"),
        (SEGMENT + "[segments.costs]\nmargin_shar = 0.2", "/segments/0/costs/margin_shar: .*known"),
        (SEGMENT + "[segments.costs]\nmargin_share = 2.0", "/segments/0/costs/margin_share: .*2.0"),
        (SEGMENT + "[segments.costs]\ncurrency = 2.0", "/segments/0/costs/currency"),
        (SEGMENT + "[segments.cut_offs]", "/segments/0/cut_offs: expected at least one of"),
        ("[cut_offs]\nreview_from = 0.5\ndecline_from = 0.4",
         "/cut_offs/decline_from: expected at least review_from = 0.5, got 0.4"),
        ("odds_factor = 2.0\n[cut_offs]\nreview_from = 0.5", "/odds_factor: expected 1"),
        ("odds_factor = 0.0", "/odds_factor: .* got 0.0"),
        ("[costs_from_orders]\nmargin = 'custom_inputs.m'", "/costs_from_orders/margin: expected"),
        ("[costs_from_orders]\nmargin_share = 'billing.country'", "the path of a number"),
        ("[breaker]\norders = 100", "/breaker"),
        ("[exploration]\napprove_share = 0.5\norder_loss_minor_max = 1\nday_loss_minor_max = 1",
         "/exploration/approve_share"),
        ("[constraints]\nreviews_per_day = -1", "/constraints/reviews_per_day"),
    ],
)  # fmt: skip
def test_rules_that_do_not_hold_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=f"^x: .*{message}") as caught:
        parse_policy(text, "x")
    assert "Traceback" not in str(caught.value)
