"""The policy: costs and rules in one readable, content-hashed TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
import tomli_w
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.domain.decision import Action, ExpectedCost
from fraudkit.domain.decoding import convert
from fraudkit.errors import InvalidField, PolicyError

__all__ = [
    "ACTIONS",
    "CHALLENGE_FIELDS",
    "Missing",
    "Policy",
    "WhenMissing",
    "can_be_challenged",
    "challenges",
    "parse_policy",
    "policy_toml",
]

ACTIONS: tuple[Action, ...] = ("approve", "challenge", "review", "decline")
"""Every action; where two cost the same the earlier one is taken."""

CHALLENGE_FIELDS: Final = ("payment.method", "payment.card.was_3d_secure_successful")
"""The fields that say whether an order can be challenged."""


Missing = Literal["decide", "review", "decline"]
"""What to do where a source is missing: decide without it, or do no less than this."""


class WhenMissing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do about an order while a source that the model reads is missing.

    Attributes
    ----------
    store : {"decide", "review", "decline"}
        The store of past events cannot be reached, so every window is unknown.
    ip, card_ranges, mail_domains : {"decide", "review", "decline"}
        No such source is configured, see `fraudkit.features.enrichment`.
    """

    store: Missing = "review"
    ip: Missing = "decide"
    card_ranges: Missing = "decide"
    mail_domains: Missing = "decide"


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decides by the least expected cost.

    Attributes
    ----------
    costs : Costs
        The merchant's figures.
    on_unknown_amount : {"review", "decline", "approve"}
        What to do where the amount cannot be brought into the costs' currency.
    when_missing : WhenMissing
        What to do where a source is missing.
    """

    costs: Costs = Costs()
    on_unknown_amount: Literal["review", "decline", "approve"] = "review"
    when_missing: WhenMissing = WhenMissing()

    @property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the layout of the file was."""
        encoded = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()

    def decide(
        self, probability: float, amount_minor: int | None, *, can_challenge: bool = True
    ) -> tuple[Action, ExpectedCost | None]:
        """Return the action for one order, and the expected cost of each.

        Parameters
        ----------
        probability : float
            Calibrated, in [0, 1].
        amount_minor : int or None
            In the costs' currency.
        can_challenge : bool
            Whether this payment can be authenticated at all.
        """
        if amount_minor is None:
            return self.on_unknown_amount, None
        approve, challenge, review, decline = expected_costs(probability, amount_minor, self.costs)
        action: Action = "approve"
        least = approve
        if can_challenge and challenge < least:
            action, least = "challenge", challenge
        if review < least:
            action, least = "review", review
        if decline < least:
            action = "decline"
        cost = ExpectedCost(
            approve=approve,
            challenge=challenge if can_challenge else None,
            review=review,
            decline=decline,
        )
        return action, cost

    def restrained(self, action: Action, missing: Iterable[str]) -> Action:
        """Return the action, or the stricter one that a missing source asks for.

        Examples
        --------
        >>> Policy().restrained("approve", ["store"]), Policy().restrained("decline", ["store"])
        ('review', 'decline')
        """
        for source in missing:
            least = getattr(self.when_missing, source)
            if least == "decline" or (least == "review" and action != "decline"):
                action = least
        return action

    def decide_many(
        self,
        probability: NDArray[np.float64],
        amount_minor: NDArray[np.float64],
        can_challenge: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Return actions as places in `ACTIONS`, and expected costs, shape (4, n_orders).

        An amount that is NaN gets NaN costs and what ``on_unknown_amount`` says; the cost of a
        challenge that is not possible is NaN.
        """
        costs = np.array(expected_costs(probability, amount_minor, self.costs))
        costs[1, ~can_challenge] = np.nan
        chosen = np.argmin(np.where(np.isnan(costs), np.inf, costs), axis=0).astype(np.int8)
        is_unknown = np.isnan(amount_minor)
        costs[:, is_unknown] = np.nan
        chosen[is_unknown] = ACTIONS.index(self.on_unknown_amount)
        return chosen, costs


def can_be_challenged(method: object, was_authenticated: object) -> bool:
    """Return whether a payment can still be authenticated: a card that was not yet.

    A payment whose method did not come is taken for a card.
    """
    return method in {None, "card", "network_token"} and was_authenticated is not True


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
    if currency is not None and policy.costs.currency != currency:
        raise PolicyError(
            f"{origin}: costs.currency must be the reference currency {currency}, "
            f"got {policy.costs.currency}"
        )
    return policy


def policy_toml(policy: Policy) -> str:
    """Return a policy as a TOML text that `parse_policy` reads back as the same policy."""
    return (
        "# Amounts are in minor units of costs.currency, shares between 0 and 1.\n"
        "# The formulas stand in fraudkit.decisions.costs.expected_costs.\n"
        + tomli_w.dumps(msgspec.to_builtins(policy))
    )
