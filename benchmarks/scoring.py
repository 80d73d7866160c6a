"""``python -m benchmarks.scoring``: the tree kernel against LightGBM, on one model in one run.

One row by ours, by ``Booster.predict`` and by LightGBM's C single-row fast path; one row with
reasons by ours and by ``pred_contrib``; many rows by ours and by ``Booster.predict``; and the
start of a process. Two models that disagree are never timed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.cold_start import cold_starts
from benchmarks.floor import FastPath
from benchmarks.harness import (
    PERCENTILES,
    Lane,
    Report,
    context,
    do_nothing,
    options,
    percentiles,
    print_report,
    take_turns,
)
from benchmarks.hotpath import check_same_scores
from benchmarks.made_up_orders import N_FEATURES, N_LEAVES, N_TREES, MadeUp, make_up
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["main", "measure"]

CAVEATS: Final = (
    "The rows are made up: shaped like orders, but of no shop. The model fits them.",
    "Before anything was timed, all ways gave the same raw score for every row.",
    "One row: one thread, p50 against p50; ways take turns in blocks of rows.",
    "Booster.predict is told num_threads=1 for one row: its default is slower there.",
    "Reasons cost the more, the more splits part an order from the reference order.",
    "pred_contrib answers another question: against the average of training, not one order.",
    "Many rows: the same number of threads for both; the median of the rounds.",
    "Cold start: from a process's first import to its first score, reading the model included.",
    "Cold start, read-only: no folder can be written, so the process compiles for itself.",
)

_BLOCK: Final = 20
_WARM_UP_ROWS: Final = 40
_N_THREADS: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("The tree kernel against LightGBM.")
    parser.add_argument("--rows", type=int, default=2_000, help="rows timed one by one")
    parser.add_argument("--many", type=int, default=1_000_000, help="rows timed together")
    parser.add_argument("--rounds", type=int, default=3, help="times that many rows are scored")
    parser.add_argument("--starts", type=int, default=3, help="processes started of each kind")
    parser.add_argument("--trees", type=int, default=N_TREES, help="fewer: for tests, not figures")
    chosen = parser.parse_args(arguments)
    report = measure(
        chosen.seed,
        n_rows=chosen.rows,
        n_many=chosen.many,
        n_rounds=chosen.rounds,
        n_starts=chosen.starts,
        n_trees=chosen.trees,
    )
    print_report(report, [_rows_table(report), _rest_table(report)], CAVEATS, as_json=chosen.json)
    return 0


def measure(
    seed: int, *, n_rows: int, n_many: int, n_rounds: int, n_starts: int, n_trees: int
) -> Report:
    """Return what the kernel and LightGBM take.

    Parameters
    ----------
    seed : int
        Of the rows and the model.
    n_rows, n_many : int
        Rows timed one by one, and together.
    n_rounds, n_starts : int
        How often many rows are scored, and how many processes of each kind are started.
    n_trees : int
        Of the model.
    """
    made_up = make_up(_WARM_UP_ROWS + n_rows, seed, n_trees=n_trees)
    trees, _ = parse_model_text(made_up.model_text)
    scorer = TreeScorer(trees, made_up.reference)
    booster = lightgbm.Booster(model_str=made_up.model_text)
    figures = _one_by_one(scorer, booster, made_up, seed)
    figures |= _together(scorer, booster, np.resize(made_up.rows, (n_many, N_FEATURES)), n_rounds)
    figures |= cold_starts(made_up, n_starts)
    parting = scorer.explain_many(made_up.rows) != 0.0
    return Report(
        benchmark="scoring",
        figures=figures,
        context=context(
            n=n_rows,
            seed=seed,
            packages=("fraudkit", "lightgbm", "numba", "numpy"),
            trees=scorer.n_trees,
            leaves=N_LEAVES,
            features=scorer.n_features,
            many_rows=n_many,
            many_rounds=n_rounds,
            threads=_N_THREADS,
            starts=n_starts,
            features_with_reasons_mean=round(float(parting.sum(axis=1).mean()), 1),
        ),
    )


def _one_by_one(
    scorer: TreeScorer, booster: lightgbm.Booster, made_up: MadeUp, seed: int
) -> dict[str, float]:
    rows, tables = list(made_up.rows), [row[None] for row in made_up.rows]
    path = FastPath(made_up.model_text, scorer.n_features)
    addresses = [ctypes.c_void_p(row.ctypes.data) for row in rows]
    expected = np.asarray(booster.predict(made_up.rows, raw_score=True, num_threads=1)).tolist()
    check_same_scores("the kernel, one row", [scorer.score(row) for row in rows], expected)
    check_same_scores("reasons", [scorer.explain(row)[0] for row in rows], expected)
    check_same_scores("the fast path", [path.raw_score(held) for held in addresses], expected)
    lanes = {
        "score": Lane(lambda place: scorer.score(rows[place]), do_nothing),
        "reasons": Lane(lambda place: scorer.explain(rows[place]), do_nothing),
        "c_fast": Lane(lambda place: path.raw_score(addresses[place]), do_nothing),
        "booster": Lane(
            lambda place: booster.predict(tables[place], raw_score=True, num_threads=1),
            do_nothing,
        ),
        "pred_contrib": Lane(
            lambda place: booster.predict(tables[place], pred_contrib=True, num_threads=1),
            do_nothing,
        ),
    }
    generator = np.random.default_rng(seed)
    take_turns(lanes, range(_WARM_UP_ROWS), block=_BLOCK, generator=generator)
    timed = range(_WARM_UP_ROWS, len(rows))
    taken = take_turns(lanes, timed, block=_BLOCK, generator=generator)
    path.close()
    figures: dict[str, float] = {}
    for name, samples in taken.items():
        figures |= percentiles(name, samples)
    score, reasons = figures["score_us_p50"], figures["reasons_us_p50"]
    return figures | {
        "single_speedup_over_booster": figures["booster_us_p50"] / score,
        "single_over_c_fast": score / figures["c_fast_us_p50"],
        "reasons_over_score": reasons / score,
        "reasons_speedup_over_pred_contrib": figures["pred_contrib_us_p50"] / reasons,
    }


def _together(
    scorer: TreeScorer, booster: lightgbm.Booster, rows: NDArray[np.float64], n_rounds: int
) -> dict[str, float]:
    ours, theirs = [], []
    for _ in range(n_rounds):
        started = perf_counter()
        scores = scorer.score_many(rows, n_threads=_N_THREADS)
        between = perf_counter()
        expected = np.asarray(booster.predict(rows, raw_score=True, num_threads=_N_THREADS))
        theirs.append(perf_counter() - between)
        ours.append(between - started)
        check_same_scores("the kernel, many rows", scores.tolist(), expected.tolist())
    return {
        "many_s": median(ours),
        "many_booster_s": median(theirs),
        "many_speedup_over_booster": median(theirs) / median(ours),
    }


def _rows_table(report: Report) -> Table:
    figures = report.figures
    ways = {
        "ours": "score",
        "ours with reasons": "reasons",
        "LightGBM, C single-row fast path": "c_fast",
        "LightGBM, Booster.predict": "booster",
        "LightGBM, pred_contrib": "pred_contrib",
    }
    table = Table(
        "us a row",
        *(suffix.replace("_", ".") for suffix in PERCENTILES),
        title=f"{report.context['n']:,} rows, {report.context['trees']} trees x {N_LEAVES} "
        f"leaves, {N_FEATURES} features",
        caption=f"p50: ours is {figures['single_speedup_over_booster']:.1f} x as fast as "
        f"Booster.predict and takes {figures['single_over_c_fast']:.2f} of the fast path; reasons "
        f"take {figures['reasons_over_score']:.1f} x the score and are "
        f"{figures['reasons_speedup_over_pred_contrib']:.0f} x as fast as pred_contrib",
    )
    for title, name in ways.items():
        table.add_row(title, *(f"{figures[f'{name}_us_{suffix}']:,.1f}" for suffix in PERCENTILES))
    return table


def _rest_table(report: Report) -> Table:
    figures = report.figures
    table = Table("seconds", "ours", "LightGBM", "speed-up")
    table.add_row(
        f"{report.context['many_rows']:,} rows, {_N_THREADS} threads",
        f"{figures['many_s']:.2f}",
        f"{figures['many_booster_s']:.2f}",
        f"{figures['many_speedup_over_booster']:.1f} x",
    )
    for title, name in {
        "first score, compiled before": "cold_start_s",
        "and reasons": "cold_start_with_reasons_s",
        "first score, compiled now": "cold_start_uncached_s",
        "and reasons, compiled now": "cold_start_uncached_with_reasons_s",
        "first score, nothing can be written": "cold_start_read_only_s",
        "and reasons, nothing can be written": "cold_start_read_only_with_reasons_s",
    }.items():
        table.add_row(title, f"{figures[name]:.2f}", "", "")
    return table


if __name__ == "__main__":
    sys.exit(main())
