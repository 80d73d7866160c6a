"""Chance for the exploration of a policy, drawn from the id of an order."""

from __future__ import annotations

import hashlib

from fraudkit.decisions.policy import Policy

__all__ = ["Draws"]


class Draws:
    """A number for every transaction id; a retry draws the same, another policy draws anew.

    Parameters
    ----------
    policy : Policy
        Where it explores nothing, nothing is drawn.
    """

    def __init__(self, policy: Policy) -> None:
        self._key = bytes.fromhex(policy.digest)
        self._is_certain = policy.exploration is None

    def of(self, transaction_id: str) -> float:
        """Return a number in [0, 1) that the id alone decides; 1 where nothing is drawn."""
        if self._is_certain:
            return 1.0
        digest = hashlib.blake2b(transaction_id.encode(), digest_size=8, key=self._key).digest()
        return (int.from_bytes(digest) >> 11) / 2**53
