"""Small bundles that decide otherwise, and a journal in memory, to exchange under an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from fraudkit.errors import JournalError
from fraudkit.features.catalog import default_features
from fraudkit.features.spec import FeatureSet
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.journal.spool import name_of
from fraudkit.scoring.bundle import Bundle, BundleContent, load_bundle, write_bundle
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import fit_model, reference_row
from tests.scoring.mutations import content

__all__ = ["BUNDLES", "ListJournal", "bundles", "content_of", "written"]

LIMITED = """
[constraints]
reviews_per_day = 5
[breaker]
decline_share_max = 0.2
orders = 10
[cut_offs]
challenge_from = 0.0
review_from = 0.1
decline_from = 0.13
"""
WATCHFUL = LIMITED.replace("orders = 10", "orders = 15")
OTHER_WINDOWS = [
    *("amount", "local_hour", "card_attempts_1d", "card_accounts_7d"),
    *("account_approved_180d", "email_declined_7d", "account_frauds_180d"),
]
BUNDLES = ("plain", "limited", "watchful", "other_model", "other_windows", "other_limited")


class ListJournal:
    """A journal in memory, which can be made to fail."""

    is_away = False

    def __init__(self, held: Sequence[Record] = ()) -> None:
        self.held = list(held)
        self.is_full = False

    def append(self, record: Record) -> bool:
        return self.append_many([record])[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        if self.is_full:
            raise JournalError("the disk is full")
        written = []
        for record in records:
            is_new = name_of(record) not in map(name_of, self.held)
            written.append(is_new)
            if is_new:
                self.held.append(record)
        return written

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        return next(
            (
                record
                for record in reversed(self.held)
                if isinstance(record, DecisionRecord) and record.transaction_id == transaction_id
            ),
            None,
        )

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        return next(
            (
                record
                for record in self.held
                if isinstance(record, OutcomeRecord) and record.outcome_id == outcome_id
            ),
            None,
        )

    def records(self) -> Iterator[Record]:
        return iter(self.held[:])

    def check_writable(self) -> None: ...

    def close(self) -> None: ...


def content_of(names: Sequence[str], seed: int) -> BundleContent:
    """Return a bundle of some default features, whose trees follow a drawn rule."""
    whole = default_features().keep(names)
    read = {a.entity for a in whole.aggregations} | {a.of for a in whole.aggregations}
    entities = [entity for entity in whole.entities if entity.name in read]
    features = FeatureSet(entities, whole.features, retention_ms=whole.retention_ms)
    rng = np.random.default_rng(seed)
    rows = rng.poisson(2, (300, len(features.names))).astype(np.float64)
    rows[:, 0] = rng.exponential(9_000, 300)
    is_fraud = rng.random(300) < np.where(rows[:, 2] + rows[:, -1] > 3, 0.7, 0.1)
    settings = ModelSettings(min_data_in_leaf=5, num_leaves=6, n_trees=4)
    text = fit_model(rows, is_fraud, features, settings).text
    return replace(
        content(),
        features=features,
        model_text=text,
        reference=reference_row(rows, is_fraud, text),
    )


def written(folder: Path) -> dict[str, Path]:
    """Write `BUNDLES` below a folder, and return where each is."""
    plain, other = content(), content_of(OTHER_WINDOWS, 3)
    own = list(plain.features.names)
    made = {
        "plain": plain,
        "limited": replace(plain, policy_text=LIMITED),
        "watchful": replace(plain, policy_text=WATCHFUL),
        "other_model": replace(
            content_of([name for name in own if name != "per_line"], 4), policy_text=LIMITED
        ),
        "other_windows": other,
        "other_limited": replace(other, policy_text=LIMITED),
    }
    for name in BUNDLES:
        write_bundle(folder / name, made[name])
    return {name: folder / name for name in BUNDLES}


def bundles(folder: Path) -> dict[str, Bundle]:
    """Return `BUNDLES`, written below a folder."""
    return {name: load_bundle(path) for name, path in written(folder).items()}
