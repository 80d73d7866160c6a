"""Decisions computed anew from the journal: the same bytes, or the first part that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.fallback import DEADLINE, RATES
from fraudkit.decisions.policy import WhenMissing, parse_policy
from fraudkit.decisions.rulings import Ruling
from fraudkit.decisions.unscored import unscored_decision
from fraudkit.domain.decision import Decision, Versions
from fraudkit.errors import PolicyError, ReplayDiffers, ReplayError
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons

__all__ = [
    "Differing",
    "JournalReplay",
    "Replayer",
    "replay_journal",
    "replay_record",
    "was_challengeable",
]

_EXAMPLES_MAX: Final = 20
_SHOWN_MAX: Final = 80
_SOURCES: Final = frozenset(WhenMissing.__struct_fields__)
_ABSENT: Final = object()


class Differing(Struct, frozen=True, kw_only=True):
    """A decision that did not come out again.

    Attributes
    ----------
    transaction_id : str
    at : str
        JSON pointer to the first part of the decision that differs.
    problem : str
        In words.
    """

    transaction_id: str
    at: str
    problem: str


class JournalReplay(Struct, frozen=True, kw_only=True):
    """What became of the decisions of a journal.

    Attributes
    ----------
    n_same, n_differing : int
        Decisions of this bundle that came out again, byte for byte, and that did not.
    n_other_bundles : int
        Decisions that say another bundle made them; they were not replayed.
    differing : tuple of Differing
        The first 20, in the journal's order.
    """

    n_same: int
    n_differing: int
    n_other_bundles: int
    differing: tuple[Differing, ...]


class Replayer:
    """Computes decisions of one bundle anew, as the engine computed them.

    The journal holds the feature row, the amount and the time. What it does not hold of the order
    is taken from the decision itself: segment, own costs, missing sources, warnings, whether it
    could be challenged, which limits had been reached, and whether there was time for a score.
    Score, probability, reasons, costs, ranges, action, propensity and versions are computed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import fraudkit as fk
    >>> from fraudkit.journal.sqlite import SqliteJournal
    >>> from fraudkit.scoring.bundle import load_bundle
    >>> folder = TemporaryDirectory()
    >>> journal = SqliteJournal(Path(folder.name) / "journal.sqlite3")
    >>> with fk.Engine.open("models/current", journal=journal, hash_key=b"k" * 16) as engine:
    ...     decision = engine.score(fk.decode_transaction(b'''{
    ...       "transaction_id": "t1", "event_time": "2026-03-01T12:00:00+01:00",
    ...       "order": {"amount_minor": 4999, "currency": "EUR"}}'''))
    >>> with SqliteJournal.open_readonly(journal.path) as journal:
    ...     record = journal.last_decision("t1")
    >>> folder.cleanup()
    >>> Replayer(load_bundle(Path("models/current"))).of(record) == record.decision
    True
    """

    def __init__(self, bundle: Bundle) -> None:
        origin = f"policy.toml of bundle {bundle.version}"
        policy = parse_policy(bundle.policy_text, origin, currency=bundle.rates.reference_currency)
        self._bundle = bundle
        self._decider = Decider(policy)
        self._reasons = Reasons(bundle.features, bundle.reference)
        self._versions = Versions(
            bundle=bundle.version,
            features=bundle.features.digest[:16],
            policy=policy.digest[:16],
        )

    def is_own(self, decision: Decision) -> bool:
        """Return whether a decision says that this bundle made it."""
        return decision.versions.bundle == self._versions.bundle

    def of(self, record: DecisionRecord) -> bytes:
        """Return a decision computed anew, as JSON: the bytes that the journal holds.

        Raises
        ------
        ReplayError
            If another bundle made it.
        ReplayDiffers
            Naming the first part that differs.
        """
        decision = _read(record, Decision)
        if not self.is_own(decision):
            raise ReplayError(
                f"transaction {record.transaction_id!r} must be replayed with bundle "
                f"{decision.versions.bundle}, which decided it, got {self._versions.bundle}; "
                "name the folder of that version"
            )
        return self._same(record, decision)

    def _same(self, record: DecisionRecord, decision: Decision) -> bytes:
        encoded = msgspec.json.encode(self._decision(record, decision))
        if encoded != record.decision:
            held, anew = _read(record, object), msgspec.json.decode(encoded)
            at, was, now = _first_difference(held, anew) or ("", "other bytes", "its own form")
            raise _differs(record, at, now, was)
        return encoded

    def _decision(self, record: DecisionRecord, decision: Decision) -> Decision:
        values = np.frombuffer(self._row(record), "<f8").astype(np.float64)
        if DEADLINE in decision.degraded:
            return self._unscored(record, decision)
        raw_score, shapley = self._bundle.scorer.explain(values)
        fraud_probability = probability(self._bundle.calibration.log_odds_of(raw_score))
        missing = tuple(name for name in decision.degraded if name in _SOURCES)
        ruling = self._ruling(record, decision, fraud_probability, missing)
        return Decision(
            transaction_id=record.transaction_id,
            action=ruling.action,
            fraud_probability=fraud_probability,
            raw_score=raw_score,
            reasons=self._reasons.of(values, shapley, record.event_time_ms),
            expected_cost_minor=ruling.cost,
            currency=self._decider.policy.costs.currency,
            versions=self._versions,
            warnings=decision.warnings,
            degraded=missing if ruling.cost is not None else (*missing, RATES),
            segment=ruling.segment,
            ranges=ruling.ranges,
            shaped_by=ruling.shaped_by,
            approve_propensity=ruling.approve_propensity,
            own_costs=ruling.own_costs,
        )

    def _unscored(self, record: DecisionRecord, decision: Decision) -> Decision:
        missing = tuple(name for name in decision.degraded if name in _SOURCES)
        with _segment_of_the_policy(record, decision):
            ruling = self._decider.fallback_of_values(
                record.amount_minor,
                can_challenge=was_challengeable(decision),
                segment=decision.segment,
                shaped_by=decision.shaped_by,
            )
        return unscored_decision(
            record.transaction_id,
            ruling,
            currency=self._decider.policy.costs.currency,
            versions=self._versions,
            warnings=decision.warnings,
            degraded=missing if record.amount_minor is not None else (*missing, RATES),
        )

    def _row(self, record: DecisionRecord) -> bytes:
        n_features = len(self._bundle.features.names)
        if record.features_version != self._versions.features:
            raise _differs(
                record, "/versions/features", self._versions.features, record.features_version
            )
        if len(record.features) != 8 * n_features:
            raise _differs(
                record, "", f"of {n_features} features", f"{len(record.features)} bytes of them"
            )
        return record.features

    def _ruling(
        self,
        record: DecisionRecord,
        decision: Decision,
        fraud_probability: float,
        missing: tuple[str, ...],
    ) -> Ruling:
        with _segment_of_the_policy(record, decision):
            return self._decider.of_values(
                fraud_probability,
                record.amount_minor,
                can_challenge=was_challengeable(decision),
                segment=decision.segment,
                missing=missing,
                own_costs=self._decider.possible_own_costs(decision.own_costs, decision.segment),
                shaped_by=decision.shaped_by,
                transaction_id=record.transaction_id,
            )


def replay_record(bundle: Bundle, record: DecisionRecord) -> bytes:
    """Return one decision computed anew; errors and what is copied: see `Replayer`."""
    return Replayer(bundle).of(record)


def replay_journal(
    bundle: Bundle,
    records: Iterable[Record],
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> JournalReplay:
    """Replay every decision of a journal that this bundle made.

    Parameters
    ----------
    records : iterable of Record
        Outcomes among them are passed over.
    progress : callable
        Told how many decisions were read, every thousand.

    Raises
    ------
    ReplayError
        If the journal holds no decision of this bundle: then nothing was proved.
    """
    replayer, same, others = Replayer(bundle), 0, 0
    n_differing, differing = 0, list[Differing]()
    decisions = (record for record in records if isinstance(record, DecisionRecord))
    for number, record in enumerate(decisions):
        if number % 1_000 == 0:
            progress(number)
        try:
            decision = _read(record, Decision)
            if not replayer.is_own(decision):
                others += 1
                continue
            replayer.of(record)
            same += 1
        except ReplayDiffers as error:
            n_differing += 1
            if len(differing) < _EXAMPLES_MAX:
                differing.append(
                    Differing(transaction_id=record.transaction_id, at=error.at, problem=str(error))
                )
    if same == n_differing == 0:
        raise ReplayError(
            f"the journal must hold a decision of bundle {bundle.version}, it holds {others:,} "
            "of other bundles; name the folder of the version that decided"
        )
    return JournalReplay(
        n_same=same, n_differing=n_differing, n_other_bundles=others, differing=tuple(differing)
    )


def was_challengeable(decision: Decision) -> bool:
    """Return whether a decided order could be challenged, as far as that bore on the decision.

    Without an amount there are no costs to tell it from; then it bears on a challenge alone.
    """
    cost = decision.expected_cost_minor
    return decision.action == "challenge" if cost is None else cost.challenge is not None


@contextmanager
def _segment_of_the_policy(record: DecisionRecord, decision: Decision) -> Iterator[None]:
    try:
        yield
    except PolicyError as error:
        raise _differs(record, "/segment", "one of the policy's", decision.segment) from error


def _read(record: DecisionRecord, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(record.decision, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ReplayDiffers(
            f"the journal must hold a decision about transaction {record.transaction_id!r}, it "
            f"holds none that can be read: {error}; was the journal altered?",
            "",
        ) from error


def _differs(record: DecisionRecord, at: str, anew: Any, held: Any) -> ReplayDiffers:
    return ReplayDiffers(
        f"transaction {record.transaction_id!r} must come out as it was decided; "
        f"{at or 'the whole'} is {_shown(anew)} computed anew, {_shown(held)} in the journal; "
        "was the journal altered, or written by another version of fraudkit?",
        at,
    )


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


def _first_difference(held: Any, anew: Any, at: str = "") -> tuple[str, Any, Any] | None:
    """Return where two JSON values first differ, in the order of the second, and both there."""
    if isinstance(held, dict) and isinstance(anew, dict):
        pairs = [(name, held.get(name, _ABSENT), anew.get(name, _ABSENT)) for name in anew | held]
    elif isinstance(held, list) and isinstance(anew, list) and len(held) == len(anew):
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(held, anew, strict=True))]
    else:
        same = type(held) is type(anew) and held == anew
        return None if same else (at, held, anew)
    for name, one, other in pairs:
        found = _first_difference(one, other, f"{at}/{name}")
        if found is not None:
            return found
    return None
