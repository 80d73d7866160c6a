"""Records for the tests of journals."""

from __future__ import annotations

from hypothesis import strategies as st

from fraudkit.journal.record import DecisionRecord, OutcomeRecord

__all__ = ["DECISIONS", "OUTCOMES", "decision", "outcome"]

INT64 = st.integers(-(2**63), 2**63 - 1)
IDENTIFIERS = st.text(min_size=1, max_size=40)
DECISIONS = st.builds(
    DecisionRecord,
    transaction_id=IDENTIFIERS,
    received_at_ms=INT64,
    event_time_ms=INT64,
    amount_minor=st.none() | INT64,
    entities=st.dictionaries(st.text(max_size=25), st.integers(-(2**63), 2**64 - 1), max_size=6),
    request_digest=st.binary(max_size=32),
    features_version=st.text(max_size=16),
    features=st.binary(max_size=400),
    decision=st.binary(max_size=400),
)
OUTCOMES = st.builds(
    OutcomeRecord,
    outcome_id=st.sampled_from("abcde") | IDENTIFIERS,
    transaction_id=IDENTIFIERS,
    received_at_ms=INT64,
    outcome=st.binary(max_size=200),
)


def decision(transaction_id: str = "t-1", *, received_at_ms: int = 1) -> DecisionRecord:
    return DecisionRecord(
        transaction_id=transaction_id,
        received_at_ms=received_at_ms,
        event_time_ms=0,
        amount_minor=1295,
        entities={"card": 2**64 - 1},
        request_digest=b"digest",
        features_version="0123456789abcdef",
        features=b"\0" * 320,
        decision=b'{"action":"approve"}',
    )


def outcome(outcome_id: str = "o-1", *, transaction_id: str = "t-1") -> OutcomeRecord:
    return OutcomeRecord(
        outcome_id=outcome_id, transaction_id=transaction_id, received_at_ms=2, outcome=b"{}"
    )
