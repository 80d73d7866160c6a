"""`PolicyTuner`: the policy that would have cost least, and how sure that is.

The expected costs decide already; what a tuning adds is one factor on the odds of fraud, for the
whole and for segments, or plain cut-offs instead; and the prices that keep the constraints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Constraints, Policy
from fraudkit.decisions.tuning.cost_curve import baselines_table, cost_curve_table
from fraudkit.decisions.tuning.day_counts import days_table
from fraudkit.decisions.tuning.decision_regions import decision_regions_table
from fraudkit.decisions.tuning.fitting import Form, TunedSegment, actions_of, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders, times_ms, tuning_orders
from fraudkit.decisions.tuning.precision_recall import precision_recall_table
from fraudkit.decisions.tuning.redrawing import OnProgress, Redrawn, redrawn
from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.tables import (
    rates_table,
    segments_table,
    stability_table,
    thresholds_table,
)
from fraudkit.errors import InputError, ParameterError

__all__ = ["PolicyTuner"]


class PolicyTuner:
    """Tunes a policy on orders whose outcome is known.

    Parameters
    ----------
    costs : Costs, optional
        The merchant's figures; those of ``policy`` if not given.
    constraints : Constraints, optional
        What must hold; those of ``policy`` if not given.
    segments : sequence of str
        Paths of fields such as ``billing.country``: each combination of their values with enough
        frauds gets a factor of its own, shrunk toward the whole's.
    policy : Policy, optional
        What everything else is taken from. Where it has segments, these are tuned.
    form : {"costs", "cut_offs"}
        ``"costs"`` decides by the least expected cost at so many times the odds of fraud, so that
        thresholds are curves over the amount. ``"cut_offs"`` are plain cut-offs on the
        probability.
    support_frauds : int
        A segment with fewer frauds is merged into the whole.
    n_resamples : int
        How often the days are drawn again; 0 gives no intervals.
    confidence : float
        Of the intervals, in (0, 1).
    seed : int
        Of the redrawing.
    n_jobs : int
        How many redrawings at once; it changes no result.

    Attributes
    ----------
    policy_ : Policy
        The tuned policy.
    thresholds_ : polars.DataFrame
        By segment and at three amounts, from which probability on each action is taken, with its
        interval.
    rates_ : polars.DataFrame
        Shares of the actions, reviews a day, fraud basis points and mean cost on the orders, with
        intervals; and the mean cost on days that a redrawn tuning did not see.
    segments_ : polars.DataFrame
        The factor of each segment by itself, its standard error, and what it was shrunk to.
    stability_ : polars.DataFrame
        For each week, what the policy of the week before cost beyond the best of that week.
    cost_curve_ : polars.DataFrame
        Mean cost of stricter and milder policies, see
        `fraudkit.decisions.tuning.cost_curve.cost_curve_table`.
    baselines_ : polars.DataFrame
        Mean cost of other ways to decide, see
        `fraudkit.decisions.tuning.cost_curve.baselines_table`.
    precision_recall_ : polars.DataFrame
        Of cuts on the probability and of the tuned policy, see
        `fraudkit.decisions.tuning.precision_recall.precision_recall_table`.
    decision_regions_ : polars.DataFrame
        The action over probability and amount, see
        `fraudkit.decisions.tuning.decision_regions.decision_regions_table`.
    days_ : polars.DataFrame
        What the checkout would have done day by day, limits held, see
        `fraudkit.decisions.tuning.day_counts.days_table`.
    n_orders_, n_unknown_ : int
        Orders that were tuned on, and those left out for want of an outcome or an amount.
    n_frauds_ : int
        Frauds among the orders that were tuned on.
    n_drawn_ : int
        Redrawn tunings that intervals rest on: those with a fraud and a way within constraints.
    label_known_share_ : float
        Of all orders, those with a known outcome.
    label_coverage_ : LabelCoverage
        Why the others have none, the period that was tuned on, and how unequal the weights are:
        ``notes`` says it in sentences, with a warning where most outcomes are not known.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(0.3, 3.0, 2_000)
    >>> tuner = PolicyTuner(n_resamples=0).fit(
    ...     rng.random(2_000) < p / 2, p, amount_minor=np.full(2_000, 9_000),
    ...     event_time=np.arange(2_000) * 3_600_000)
    >>> 0.2 < tuner.policy_.odds_factor < 0.8
    True
    """

    def __init__(  # noqa: PLR0913 - what a tuning is made of
        self,
        costs: Costs | None = None,
        constraints: Constraints | None = None,
        segments: Sequence[str] = (),
        *,
        policy: Policy | None = None,
        form: Form = "costs",
        support_frauds: int = 30,
        n_resamples: int = 100,
        confidence: float = 0.9,
        seed: int = 0,
        n_jobs: int = 1,
    ) -> None:
        if form not in {"costs", "cut_offs"}:
            raise ParameterError(f"form must be 'costs' or 'cut_offs', got {form!r}")
        if not 0.0 < confidence < 1.0:
            raise ParameterError(f"confidence must be between 0 and 1, got {confidence}")
        self.costs = costs
        self.constraints = constraints
        self.segments = tuple(segments)
        self.policy = policy
        self.form = form
        self.support_frauds = support_frauds
        self.n_resamples = n_resamples
        self.confidence = confidence
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(
        self,
        y: NDArray[Any],
        p: NDArray[np.float64],
        *,
        amount_minor: NDArray[Any],
        event_time: NDArray[Any],
        weights: NDArray[np.float64] | None = None,
        columns: Mapping[str, Sequence[object]] | None = None,
        on_progress: OnProgress | None = None,
    ) -> PolicyTuner:
        """Tune on orders; they need not be sorted.

        Parameters
        ----------
        y : ndarray, shape (n_orders,)
            1 or True is fraud; NaN where the outcome is not known or not mature.
        p : ndarray of float64, shape (n_orders,)
            The probability of fraud, calibrated, of a model that has not learnt from them.
        amount_minor : ndarray, shape (n_orders,)
            In the costs' currency; NaN where it is not known.
        event_time : ndarray of datetime64 or of int64, shape (n_orders,)
            Whole numbers are UTC epoch milliseconds.
        weights : ndarray of float64, shape (n_orders,), optional
            How many orders each stands for, such as one over the propensity of an explored order.
        columns : mapping, optional
            Path of a field → its value for each order: those of ``segments``, and those that the
            policy reads.
        on_progress : callable, optional
            Is called with how many redrawn tunings are done, and of how many, after each.

        Raises
        ------
        InputError
            If arrays do not fit together, or hold no known fraud or no honest order.
        PolicyError
            If a constraint cannot be met.
        """
        base = self._base()
        orders = tuning_orders(
            base, y, p, amount_minor, event_time, weights, columns or {}, self.segments,
            support_frauds=self.support_frauds,
        )  # fmt: skip
        self.policy_, segments = fitted_policy(orders, self.form)
        self.n_orders_ = len(orders.probability)
        self.n_unknown_ = orders.n_unknown
        self.n_frauds_ = int(orders.is_fraud.sum())
        self.label_coverage_ = orders.coverage
        self.label_known_share_ = orders.coverage.label_known_share
        drawn = redrawn(
            orders, self.form, segments, n_resamples=self.n_resamples, seed=self.seed,
            n_jobs=self.n_jobs, on_progress=on_progress,
        )  # fmt: skip
        self.n_drawn_ = len(drawn)
        self._set_tables(orders, segments, drawn)
        self._set_curves(orders, base, drawn)
        came = np.ones(len(p), np.bool_) if weights is None else np.asarray(weights) > 0.0
        self.days_ = days_table(
            self.policy_, np.asarray(y, np.float64), np.asarray(p, np.float64),
            np.asarray(amount_minor, np.float64), times_ms(event_time), columns or {}, came,
        )  # fmt: skip
        return self

    def report(self) -> TuningReport:
        """Return what was found, to be read as text, in a notebook or as one page.

        Raises
        ------
        InputError
            Before `fit`.
        """
        if not hasattr(self, "policy_"):
            raise InputError("a tuning must be fitted before it is reported; call fit first")
        return TuningReport(
            policy=self.policy_,
            n_orders=self.n_orders_, n_frauds=self.n_frauds_, label_coverage=self.label_coverage_,
            n_resamples=self.n_resamples, n_drawn=self.n_drawn_, confidence=self.confidence,
            thresholds=self.thresholds_, rates=self.rates_, segments=self.segments_,
            stability=self.stability_, cost_curve=self.cost_curve_, baselines=self.baselines_,
            precision_recall=self.precision_recall_, decision_regions=self.decision_regions_,
            days=self.days_,
        )  # fmt: skip

    def _base(self) -> Policy:
        base = self.policy or Policy()
        if self.costs is not None:
            base = msgspec.structs.replace(base, costs=self.costs)
        if self.constraints is not None:
            base = msgspec.structs.replace(base, constraints=self.constraints)
        if base.segments and self.segments:
            raise ParameterError("segments must not be given where the policy has segments itself")
        return base

    def _set_tables(
        self, orders: TuningOrders, segments: Sequence[TunedSegment], drawn: Sequence[Redrawn]
    ) -> None:
        self.segments_ = segments_table(segments)
        self.thresholds_ = thresholds_table(orders, self.policy_, drawn, self.confidence)
        self.rates_ = rates_table(orders, self.policy_, drawn, self.confidence)
        self.stability_ = stability_table(orders, self.form)

    def _set_curves(self, orders: TuningOrders, base: Policy, drawn: Sequence[Redrawn]) -> None:
        tuned = self.policy_
        self.cost_curve_ = cost_curve_table(orders, tuned, drawn, self.confidence)
        self.baselines_ = baselines_table(orders, tuned, base, drawn, self.confidence)
        self.precision_recall_ = precision_recall_table(orders, actions_of(orders, tuned))
        self.decision_regions_ = decision_regions_table(orders, tuned)

    def __str__(self) -> str:
        """Return the tuning's report as text."""
        if not hasattr(self, "policy_"):
            return f"PolicyTuner(form={self.form!r}), not fitted"
        return self.report().text()

    def _repr_html_(self) -> str:
        if not hasattr(self, "policy_"):
            return f"<pre>{self}</pre>"
        return self.report()._repr_html_()
