"""Comparison: several scores of the same orders held against what became known, side by side.

A fair comparison is over the same orders, the same labels and the same redrawn days. So only
orders that every model scored and whose label is known are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import polars as pl
from msgspec import Struct

from fraudkit.decisions.policy import Policy
from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError, TrainingError
from fraudkit.evaluation import CARD, Evaluation, evaluate, labelled_scores, scored_orders
from fraudkit.mapping import MappedData
from fraudkit.scoring.measures.intervals import Estimate
from fraudkit.scoring.measures.paired_metrics import PairedDifferences, paired_differences

if TYPE_CHECKING:
    from fraudkit.reporting.sections import Section, TableContent

__all__ = ["Comparison", "compare"]

_NOT_TOLD_APART: Final = "not told apart"


class Comparison(Struct, frozen=True, kw_only=True):
    """What several scores were worth over the same orders.

    Attributes
    ----------
    baseline : str
        The first name: what the others are held against.
    n_scored : dict[str, int]
        Name → orders with a score.
    n_scored_by_all : int
        Orders that each of them scored.
    n_compared : int
        Those of them whose label was known at ``as_of_ms``; every figure is over these.
    as_of_ms : int
        When we look: what became known later is not used.
    evaluations : dict[str, Evaluation]
        Name → figures over the compared orders; its ``n_orders`` and ``n_scored`` are
        ``n_scored_by_all``.
    differences : dict[str, PairedDifferences]
        Name → its figures less the baseline's, for each but the baseline.
    """

    baseline: str
    n_scored: dict[str, int]
    n_scored_by_all: int
    n_compared: int
    as_of_ms: int
    evaluations: dict[str, Evaluation]
    differences: dict[str, PairedDifferences]

    def plain(self) -> dict[str, Any]:
        """Return all that is known as plain data, but for the curves."""
        evaluations = {}
        for name, found in self.evaluations.items():
            held = msgspec.to_builtins(found)
            del held["curves"], held["metrics"]
            evaluations[name] = found.metrics.plain() | held
        plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, evaluations={}))
        return plain | {"evaluations": evaluations}

    def tables(self) -> tuple[TableContent, ...]:
        """Return a table for each that is held against the baseline."""
        return tuple(self._table(name) for name in self.differences)

    @property
    def measured_on(self) -> str:
        """How many orders are compared, as a sentence."""
        metrics = self.evaluations[self.baseline].metrics
        scored = ", ".join(f"{name} {count:,}" for name, count in self.n_scored.items())
        return (
            f"{self.n_compared:,} orders, {metrics.n_frauds:,} of them fraud: of the "
            f"{self.n_scored_by_all:,} that each model scored ({scored}), those with a label "
            "known by then."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How differences and intervals are to be read, as sentences."""
        metrics = self.evaluations[self.baseline].metrics
        own = tuple(f"{name}: {note}" for name, e in self.evaluations.items() for note in e.notes)
        if not metrics.resamples:
            return (*metrics.notes, *own)
        paired = (
            "All are measured on the same redrawn days; where the interval of a difference holds "
            "0, the two are not told apart."
        )
        return (*metrics.notes, paired, *own)

    def text(self, width: int = 100) -> str:
        """Return the comparison as text, at most ``width`` characters wide."""
        from fraudkit.reporting.text import sections_text

        return sections_text("Comparison", self._sections(), width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """Return the comparison's tables for a notebook."""
        from fraudkit.reporting.page import sections_fragment

        return sections_fragment("Comparison", self._sections())

    def _sections(self) -> tuple[Section, ...]:
        from fraudkit.reporting.sections import Section

        sentences = (self.measured_on, *self.notes)
        return (Section("The same orders, side by side", sentences, self.tables()),)

    def _table(self, name: str) -> TableContent:
        from fraudkit.reporting.sections import TableContent

        currency = self.evaluations[name].cost.currency
        return TableContent(
            f"{name} beside {self.baseline}; the difference is {name} less {self.baseline}; "
            f"costs are in minor units of {currency}",
            ("figure", self.baseline, name, "difference", "better"),
            tuple(self._rows(name)),
            whole=frozenset({3}),
        )

    def _rows(self, name: str) -> Iterator[tuple[str, ...]]:
        from fraudkit.reporting.sections import NOT_KNOWN
        from fraudkit.scoring.reporting.sections import estimate_text

        baseline, other = (self.evaluations[held].metrics for held in (self.baseline, name))
        differences = self.differences[name]
        for words, figure, sign, digits in (
            ("AUC", "auc", 1, 4),
            ("average precision", "average_precision", 1, 4),
            ("log loss", "log_loss", -1, 5),
            ("mean cost per order", "mean_cost_minor", -1, 1),
        ):
            is_cost = figure == "mean_cost_minor"
            difference: Estimate | None = getattr(differences, figure)
            if difference is None:
                continue
            values = (
                getattr(held if is_cost else held.by_count, figure).value
                for held in (baseline, other)
            )
            better = self._better(name, difference, sign) or NOT_KNOWN
            shown = (f"{value:.{digits}f}" for value in values)
            yield (words, *shown, estimate_text(difference, digits), better)

    def _better(self, name: str, difference: Estimate, sign: int) -> str | None:
        """Return which is better for sure; ``None`` where there is no interval."""
        if difference.low is None or difference.high is None:
            return None
        if difference.low <= 0.0 <= difference.high:
            return _NOT_TOLD_APART
        return name if sign * difference.low > 0.0 else self.baseline


def compare(
    scores: Mapping[str, pl.DataFrame],
    data: MappedData,
    rates: RateTable,
    policy: Policy,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
    entity: str = CARD,
    seed: int = 0,
) -> Comparison:
    """Return how well several scores did against the same labels, and how they differ.

    Parameters
    ----------
    scores : mapping of str to polars.DataFrame
        Name → scores as `fraudkit.rescoring.score_data` gives them, at least two; the first is
        the baseline.
    data, rates, policy, as_of_ms, label_delay_days, entity, seed
        As for `fraudkit.evaluation.evaluate`. All are priced at this policy's costs, whatever
        policy decided them.

    Raises
    ------
    InputError
        If there are fewer than two.
    DataFileError, PolicyError
        See `fraudkit.evaluation.evaluate`.
    TrainingError
        If no order has a score of each and a known label, or there is not at least one fraud and
        one honest order.
    """
    if len(scores) < 2:
        raise InputError(f"a comparison needs at least two scores, got {list(scores)}")
    scored = {name: scored_orders(frame) for name, frame in scores.items()}
    common = _scored_by_all(scored)
    evaluations, orders = {}, {}
    for name, frame in scores.items():
        has_score = frame.filter(pl.col("fraud_probability").is_not_null())
        same = has_score.join(common, on="transaction_id", how="semi")
        options: dict[str, Any] = {
            "as_of_ms": as_of_ms,
            "label_delay_days": label_delay_days,
            "entity": entity,
        }
        orders[name] = labelled_scores(same, data, rates, policy, **options)
        evaluations[name] = evaluate(same, data, rates, policy, **options, seed=seed)
    baseline, *others = scores
    return Comparison(
        baseline=baseline,
        n_scored={name: len(frame) for name, frame in scored.items()},
        n_scored_by_all=len(common),
        n_compared=len(orders[baseline]),
        as_of_ms=as_of_ms,
        evaluations=evaluations,
        differences={name: _differences(orders[name], orders[baseline], seed) for name in others},
    )


def _scored_by_all(scored: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    first, *others = scored.values()
    common = first.select("transaction_id")
    for frame in others:
        common = common.join(frame, on="transaction_id", how="semi")
    if common.is_empty():
        raise TrainingError(
            f"a comparison needs orders that each of {', '.join(scored)} scored, got none; "
            "are they scores of the same file?"
        )
    return common


def _differences(other: pl.DataFrame, baseline: pl.DataFrame, seed: int) -> PairedDifferences:
    """Return the differences; both frames hold the same orders in the same order."""
    return paired_differences(
        other["is_fraud"].to_numpy(),
        other["fraud_probability"].to_numpy(),
        baseline["fraud_probability"].to_numpy(),
        event_time_ms=other["event_time_ms"].to_numpy(),
        cost_minor=(other["cost_minor"].to_numpy(), baseline["cost_minor"].to_numpy()),
        seed=seed,
    )
