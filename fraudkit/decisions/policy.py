"""The policy: costs and rules in one readable, content-hashed TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import tomli_w
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from fraudkit.decisions.costs import COST_NAMES, Costs, Minor, Share
from fraudkit.decisions.fallback import Fallback, fallback_problems
from fraudkit.decisions.segments import (
    CutOffs,
    OddsFactor,
    Segment,
    cut_off_problems,
    segment_problems,
)
from fraudkit.domain.decision import Action
from fraudkit.domain.decoding import convert
from fraudkit.errors import InvalidField, PolicyError
from fraudkit.features.field_kinds import field_kind, nearest_path

__all__ = [
    "ACTIONS",
    "CARD_METHODS",
    "CHALLENGE_FIELDS",
    "Breaker",
    "Constraints",
    "Exploration",
    "Guardrails",
    "Missing",
    "Policy",
    "Prices",
    "WhenMissing",
    "can_be_challenged",
    "challenges",
    "parse_policy",
    "policy_problems",
    "policy_toml",
    "segment_costs",
]

ACTIONS: tuple[Action, ...] = ("approve", "challenge", "review", "decline")
"""Every action; where two cost the same the earlier one is taken."""

CARD_METHODS: Final = frozenset({None, "card", "network_token"})
"""Methods that a customer can be authenticated for; one that did not come is taken for a card."""
CHALLENGE_FIELDS: Final = ("payment.method", "payment.card.was_3d_secure_successful")
"""The fields that say whether an order can be challenged."""

Missing = Literal["decide", "review", "decline"]
"""What to do where a source is missing: decide without it, or do no less than this."""


_LEAST: Final[dict[Missing, int]] = {"decide": 0, "review": 2, "decline": 3}


class WhenMissing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do about an order while a source that the model reads is missing.

    Attributes
    ----------
    store : {"decide", "review", "decline"}
        The store of past events cannot be reached, so every window is unknown.
    ip, card_ranges, mail_domains : {"decide", "review", "decline"}
        No such source is configured, see `fraudkit.features.enrichment`.
    journal : {"decide", "review", "decline"}
        The journal cannot be written, and decisions wait beside it, as durable: see
        `fraudkit.journal.spooled`. A repeat may not be known as one.
    """

    store: Missing = "review"
    journal: Missing = "decide"
    ip: Missing = "decide"
    card_ranges: Missing = "decide"
    mail_domains: Missing = "decide"

    def least(self, missing: Iterable[str]) -> int:
        """Return the place in `ACTIONS` of the least that an order gets without some sources."""
        return max((_LEAST[getattr(self, name)] for name in missing), default=0) if missing else 0


class Constraints(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold whatever it costs; ``None`` is no constraint.

    Attributes
    ----------
    reviews_per_day : int or None
        Held for every UTC day, order by order: when they are used up nothing more is reviewed.
    decline_share_max : float or None
        Of all orders. Held by the prices or cut-offs that a tuning finds, on what it was tuned on.
    fraud_bps_max : float or None
        Fraud value in basis points of the value let through, such as a card scheme's limit or one
        of the reference rates of transaction risk analysis. Held as ``decline_share_max``.
    """

    reviews_per_day: Annotated[int, Meta(ge=0, le=10**7)] | None = None
    decline_share_max: Share | None = None
    fraud_bps_max: Annotated[float, Meta(gt=0.0, le=10_000.0)] | None = None


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a constraint adds to the costs that actions are compared by: its shadow price.

    Attributes
    ----------
    review_minor, decline_minor : float
        Added to the cost of each review and each decline.
    fraud_share : float
        Added for each minor unit of fraud that is let through beyond ``fraud_bps_max``.
    """

    review_minor: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    decline_minor: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    fraud_share: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0


class Breaker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holds declines at a ceiling; an order beyond it is reviewed instead.

    Attributes
    ----------
    decline_share_max : float
        Of the latest ``orders``, never exceeded.
    orders : int
        How many of the latest orders are watched.
    """

    decline_share_max: Share
    orders: Annotated[int, Meta(ge=10, le=100_000)] = 1_000


class Exploration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Approves a share of the orders that cost would decline, so that loosening can be measured.

    Never an order that is declined by a rule, a missing source or an unknown amount.

    Attributes
    ----------
    approve_share : float
        The probability with which such an order is approved; logged with the decision.
    order_loss_minor_max, day_loss_minor_max : int
        Caps on what approving costs beyond declining, expected: of one order, and of all that
        were explored on a UTC day.
    """

    approve_share: Annotated[float, Meta(gt=0.0, le=0.2)]
    order_loss_minor_max: Minor
    day_loss_minor_max: Minor


class Guardrails(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a change of policy must keep to on recent history, unless it is overridden.

    Attributes
    ----------
    rate_move_max : float or None
        The most by which the share of any action may move, in either direction.
    may_cost_more : bool
        Whether the change may cost more, beyond the 90 % interval of the difference.
    """

    rate_move_max: Share | None = None
    may_cost_more: bool = False


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decides by the least expected cost, within constraints.

    Attributes
    ----------
    costs : Costs
        The merchant's figures.
    costs_from_orders : dict[str, str]
        Figures of ``costs`` that an order brings itself → path of the number, such as
        ``custom_inputs.margin_share``. Where it did not come, the constant holds.
    odds_factor : float
        How many times the odds of fraud are taken: more than 1 is more careful than the
        probability says.
    cut_offs : CutOffs or None
        Instead of the least expected cost.
    segments : tuple of Segment
        The first that an order belongs to holds for it.
    constraints, prices
        What must hold, and what a tuning found to hold it with.
    breaker, exploration, guardrails
        ``None`` where there is none.
    on_unknown_amount : {"review", "decline", "approve"}
        What to do where the amount cannot be brought into the costs' currency.
    when_missing : WhenMissing
        What to do where a source is missing.
    fallback : Fallback or UNSET
        What to do where there is no time for a score; see `written_fallback`.
    """

    costs: Costs = Costs()
    costs_from_orders: Annotated[dict[str, str], Meta(max_length=10)] = {}
    odds_factor: OddsFactor = 1.0
    cut_offs: CutOffs | None = None
    segments: Annotated[tuple[Segment, ...], Meta(max_length=200)] = ()
    constraints: Constraints = Constraints()
    prices: Prices = Prices()
    breaker: Breaker | None = None
    exploration: Exploration | None = None
    guardrails: Guardrails | None = None
    on_unknown_amount: Literal["review", "decline", "approve"] = "review"
    when_missing: WhenMissing = WhenMissing()
    # Not written where it is not set, so that a policy without it keeps its digest.
    fallback: Fallback | UnsetType = UNSET

    @property
    def written_fallback(self) -> Fallback:
        """The fallback in force: review every order, where the policy has no such table."""
        return Fallback() if isinstance(self.fallback, UnsetType) else self.fallback

    @property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the layout of the file was."""
        encoded = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()


def can_be_challenged(method: object, was_authenticated: object) -> bool:
    """Return whether a payment can still be authenticated: a card that was not yet.

    A payment whose method did not come is taken for a card.
    """
    return method in CARD_METHODS and was_authenticated is not True


def challenges(columns: Mapping[str, Sequence[object]], n_orders: int) -> NDArray[np.bool_]:
    """Return which of many orders can be challenged, see `can_be_challenged`.

    Parameters
    ----------
    columns : mapping
        Those of `CHALLENGE_FIELDS` that came, each with a value an order, ``None`` where absent.

    Examples
    --------
    >>> challenges({"payment.method": ["card", "paypal", None]}, 3)
    array([ True, False,  True])
    """
    absent: Sequence[object] = [None] * n_orders
    values = [columns.get(name, absent) for name in CHALLENGE_FIELDS]
    return np.fromiter(map(can_be_challenged, *values), np.bool_, n_orders)


def segment_costs(policy: Policy, segment: Segment | None) -> Costs:
    """Return the costs of a segment's orders, or of those that belong to none.

    Raises
    ------
    InvalidField
        If a figure of the segment's own is none of the costs' or out of its range.
    """
    if segment is None or not segment.costs:
        return policy.costs
    own = {
        name: int(value) if value.is_integer() and name.endswith("_minor") else value
        for name, value in segment.costs.items()
    }
    return convert(msgspec.structs.asdict(policy.costs) | own, Costs)


def policy_problems(policy: Policy) -> Iterator[str]:
    """Yield what does not hold in a policy beyond the ranges of single values."""
    if policy.cut_offs is not None:
        yield from cut_off_problems(policy.cut_offs, "/cut_offs")
        if policy.odds_factor != 1.0:
            yield f"/odds_factor: expected 1 beside cut_offs, got {policy.odds_factor}"
    yield from segment_problems(policy.segments)
    yield from fallback_problems(policy.written_fallback, "/fallback")
    for number, segment in enumerate(policy.segments):
        if "currency" in segment.costs:
            yield f"/segments/{number}/costs/currency: expected in /costs only"
            continue
        try:
            segment_costs(policy, segment)
        except InvalidField as error:
            yield f"/segments/{number}/costs{error}"
    for name, path in policy.costs_from_orders.items():
        if name not in COST_NAMES:
            yield f"/costs_from_orders/{name}: expected one of {', '.join(COST_NAMES)}"
        elif field_kind(path) not in {"number", "any"} or path.startswith("entities."):
            yield (
                f"/costs_from_orders/{name}: expected the path of a number of an order, "
                f"got {path!r}{nearest_path(path)}"
            )


def parse_policy(text: str, origin: str = "policy", *, currency: str | None = None) -> Policy:
    r"""Return the policy that a TOML text holds.

    Parameters
    ----------
    origin : str
        Where the text came from, for messages.
    currency : str, optional
        The reference currency, in which the costs must be.

    Raises
    ------
    PolicyError
        Naming the origin, the field, what must hold and what came.

    Examples
    --------
    >>> parse_policy("[costs]\nmargin_share = 0.3").costs.margin_share
    0.3
    """
    try:
        plain: dict[str, Any] = tomllib.loads(text)
        policy = convert(plain, Policy)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"{origin}: must be TOML; {error}") from error
    except InvalidField as error:
        raise PolicyError(f"{origin}: {error}") from error
    problems = list(policy_problems(policy))
    if currency is not None and policy.costs.currency != currency:
        problems.append(
            f"costs.currency must be the reference currency {currency}, got {policy.costs.currency}"
        )
    if problems:
        raise PolicyError(f"{origin}: " + "\n  ".join(problems))
    return policy


def policy_toml(policy: Policy) -> str:
    """Return a policy as a TOML text that `parse_policy` reads back as the same policy."""
    return (
        "# Amounts are in minor units of costs.currency, shares between 0 and 1.\n"
        "# The formulas stand in fraudkit.decisions.costs.cost_lines.\n"
        + tomli_w.dumps(_stated(msgspec.to_builtins(policy)))
    )


def _stated(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a document without nulls, which TOML does not have, and without empty tables."""
    stated: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            inner = _stated(value)
            if inner:
                stated[name] = inner
        elif isinstance(value, list | tuple):
            if value:
                stated[name] = [_stated(v) if isinstance(v, dict) else v for v in value]
        elif value is not None:
            stated[name] = value
    return stated
