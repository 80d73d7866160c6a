"""How well a score ranks: AUC, average precision and recall, for many weightings in one sort.

Ties in the score are one step of the curve: no order among equal scores is ever assumed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.scoring.measures.intervals import Days

__all__ = ["FALSE_POSITIVE_RATES", "Ranked", "RankedFigures", "ranked", "ranked_figures"]

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)


class Ranked(NamedTuple):
    """Orders by descending score.

    Attributes
    ----------
    order : ndarray of int64, shape (n_orders,)
        Their places, the highest score first.
    ends_tie : ndarray of bool, shape (n_orders,)
        Whether the next score is another one.
    """

    order: NDArray[np.int64]
    ends_tie: NDArray[np.bool_]


class RankedFigures(NamedTuple):
    """Figures of the curve, for the days as they were and for each redrawing.

    Attributes
    ----------
    auc, average_precision : ndarray of float64, shape (1 + n_resamples,)
    recall : ndarray of float64, shape (n_rates, 1 + n_resamples)
        NaN where a redrawing holds no fraud or no honest order.
    """

    auc: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def ranked(score: NDArray[np.float64]) -> Ranked:
    """Return orders by descending score.

    Examples
    --------
    >>> ranked(np.array([0.1, 0.9, 0.1]))
    Ranked(order=array([1, 0, 2]), ends_tie=array([ True, False,  True]))
    """
    order = np.argsort(-score, kind="stable")
    return Ranked(order, np.append(np.diff(score[order]) != 0, [True] * bool(len(score))))


def ranked_figures(
    ranks: Ranked,
    is_fraud: NDArray[np.bool_],
    weight: NDArray[np.float64],
    days: Days,
    rates: tuple[float, ...] = FALSE_POSITIVE_RATES,
) -> RankedFigures:
    """Return AUC, average precision and recall at fixed false-positive rates.

    With caught and stopped the fraud and honest weight at or above a cut: the area under
    caught / all fraud weight over stopped / all honest weight by trapezoids; the sum of
    precision times the step in recall; the recall at the lowest cut that keeps the rate.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_orders,)
        At least 0. Whole numbers whose sum is below 2**53 give exact areas, whatever the order
        of the rows.
    rates : tuple of float
        Ascending.
    """
    order = ranks.order
    figures = np.full((len(days.multiplicity), 2 + len(rates)), np.nan)
    _fill_figures(
        (days.place[order], is_fraud[order], weight[order], ranks.ends_tie),
        days.multiplicity,
        days.totals(weight * is_fraud, weight * ~is_fraud),
        np.array(rates),
        figures,
    )
    return RankedFigures(figures[:, 0], figures[:, 1], figures[:, 2:].T)


@compiled
def _fill_figures(
    rows: tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]],
    multiplicity: NDArray[np.float64],
    totals: NDArray[np.float64],
    rates: NDArray[np.float64],
    figures: NDArray[np.float64],
) -> None:
    """Fill one row of figures for each row of multiplicities; rows stand by descending score."""
    place, is_fraud, weight, ends_tie = rows
    for sample in range(len(multiplicity)):
        of_day, figure = multiplicity[sample], figures[sample]
        frauds, honest = totals[0, sample], totals[1, sample]
        if frauds <= 0.0 or honest <= 0.0:
            continue
        caught = stopped = caught_before = stopped_before = area = precision_sum = 0.0
        rate = 0
        for row in range(len(place)):
            held = weight[row] * of_day[place[row]]
            if is_fraud[row]:
                caught += held
            else:
                stopped += held
            if not ends_tie[row]:
                continue
            area += (stopped - stopped_before) * (caught + caught_before)
            if caught > caught_before:
                precision_sum += (caught - caught_before) * (caught / (caught + stopped))
            while rate < len(rates) and stopped / honest > rates[rate]:
                figure[2 + rate] = caught_before / frauds
                rate += 1
            caught_before, stopped_before = caught, stopped
        figure[0] = area / (2.0 * frauds * honest)
        figure[1] = precision_sum / frauds
        figure[2 + rate :] = 1.0
