"""``python -m benchmarks.hotpath``: what one order costs in one process, and against what.

Three ways from an order's bytes to an answer's bytes, on the same orders, with the same trees:
ours (`Engine.score` with windows and reasons), the floor (`benchmarks.floor`) and what a team
writes first (`benchmarks.first_written`). Two models that disagree are never timed.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.first_written import FirstWritten
from benchmarks.floor import FastPath, Floor
from benchmarks.harness import (
    PERCENTILES,
    Lane,
    Report,
    context,
    do_nothing,
    options,
    percentile,
    percentiles,
    print_report,
    take_turns,
)
from benchmarks.model import bundle_folder
from benchmarks.stages import STAGES, StagedRoad
from benchmarks.workload import HISTORY_ORDERS, Workload, make_workload
from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import decode_transaction
from fraudkit.engine import Engine
from fraudkit.errors import ArtifactError
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import Bundle, load_bundle

__all__ = ["check_same_scores", "main", "measure"]

CAVEATS: Final = (
    "One process and one order at a time: no network, no queue, no concurrency.",
    "All ways go from an order's bytes to an answer's bytes and run the same trees.",
    "Before anything was timed their raw scores were found equal for every order.",
    "The feature row is given to floor and first-written; only ours computes it.",
    "Only ours keeps windows, applies a policy, words its reasons and remembers the order.",
    "First-written is held to one thread: for one row LightGBM's default, all cores, is slower.",
    "Ways take turns in blocks of orders, so each runs with the caches that it left itself.",
    "Garbage collection stays on and is in the times; what was loaded before is frozen out of it.",
    "Stages are timed on a replica made of the library's parts; its clock adds to each of them.",
    "A p99.9 rests on one sample in a thousand: look at n.",
)

_BLOCK: Final = 20
_WARM_UP_ORDERS: Final = 40
_HASH_KEY: Final = b"a key for benchmarks only"
_encode = msgspec.json.Encoder().encode


class Walked(NamedTuple):
    """What an untimed walk over all orders gave.

    Attributes
    ----------
    decisions : list of Decision
        One an order, without warnings.
    rows : ndarray of float64, shape (n_orders, n_features)
        The feature rows.
    """

    decisions: list[Decision]
    rows: NDArray[np.float64]


class Ours:
    """The engine with its windows filled by the history."""

    def __init__(self, engine: Engine, workload: Workload) -> None:
        self._engine = engine
        self._workload = workload
        for transaction in workload.history:
            engine.score(transaction)

    def learn(self, place: int) -> None:
        """Take in the outcomes that became known before the order at a place."""
        for outcome in self._workload.known_before(place):
            self._engine.record(outcome)

    def answer(self, place: int) -> bytes:
        """Return the answer to the order at a place."""
        return _encode(self._engine.score(decode_transaction(self._workload.bodies[place])))


class Staged:
    """The road taken apart, with its windows filled by the history."""

    def __init__(self, bundle: Bundle, workload: Workload) -> None:
        self._road = StagedRoad(bundle)
        self._workload = workload
        for transaction in workload.history:
            self._road.walk(_encode(transaction))
        self._road.taken.clear()

    def learn(self, place: int) -> None:
        """Take in the outcomes that became known before the order at a place."""
        for outcome in self._workload.known_before(place):
            self._road.note(outcome)

    def walk(self, place: int) -> tuple[Decision, NDArray[np.float64]]:
        """Return the decision and the feature row of the order at a place."""
        return self._road.walk(self._workload.bodies[place])

    def stages(self, places: range) -> dict[str, list[int]]:
        """Return each stage's nanoseconds for every order of some places."""
        columns = zip(*self._road.taken[places.start : places.stop], strict=True)
        return {name: sorted(column) for name, column in zip(STAGES, columns, strict=True)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("What one order costs in one process.")
    parser.add_argument("--orders", type=int, default=2_000, help="how many orders are timed")
    given = parser.parse_args(arguments)
    if given.orders < 1:
        parser.error(f"--orders must be at least 1, got {given.orders}")
    report = measure(given.orders, given.seed)
    print_report(report, [_ways_table(report), _stages_table(report)], CAVEATS, as_json=given.json)
    return 0


def measure(n_orders: int, seed: int) -> Report:
    """Return the figures of ``n_orders`` simulated orders.

    Raises
    ------
    fraudkit.errors.ArtifactError
        If two ways do not give the same scores.
    """
    workload = make_workload(_WARM_UP_ORDERS + n_orders, seed)
    places = range(_WARM_UP_ORDERS, _WARM_UP_ORDERS + n_orders)
    with bundle_folder() as folder:
        bundle = load_bundle(folder)
        staged = Staged(bundle, workload)
        with _lanes(folder, bundle, workload, staged) as lanes:
            generator = np.random.default_rng(seed)
            take_turns(lanes, range(_WARM_UP_ORDERS), block=_BLOCK, generator=generator)
            gc.collect()
            gc.freeze()  # pandas and scikit-learn are in this process only to be compared with
            taken = take_turns(lanes, places, block=_BLOCK, generator=generator)
    del taken["staged"]
    packages = "fraudkit lightgbm numpy numba msgspec pydantic pandas scikit-learn".split()
    return Report(
        benchmark="hotpath",
        figures=_figures(taken, staged.stages(places)),
        context=context(
            n=n_orders,
            seed=seed,
            packages=packages,
            bundle=bundle.version,
            features=len(bundle.features.names),
            trees=bundle.scorer.n_trees,
            history_orders=HISTORY_ORDERS,
        ),
    )


@contextmanager
def _lanes(
    folder: Path, bundle: Bundle, workload: Workload, staged: Staged
) -> Iterator[dict[str, Lane]]:
    """Give every way, once all are found to agree on every order."""
    model_text, names = (folder / "model.txt").read_text("utf-8"), bundle.features.names
    walked = _walk(bundle, workload)
    ours = Ours(Engine.open(folder), workload)
    _check_same_decisions(Ours(Engine.open(folder), workload), walked.decisions)
    with ExitStack() as opened:
        path = FastPath(model_text, len(names))
        opened.callback(path.close)
        floor = Floor(path, workload.bodies, walked.rows)
        first_written = FirstWritten(model_text, names, workload.bodies, walked.rows)
        scores = (decision.raw_score for decision in walked.decisions)
        expected = [score for score in scores if score is not None]
        check_same_scores("LightGBM's C fast path", floor.raw_scores(), expected)
        check_same_scores("LightGBM's scikit-learn class", first_written.raw_scores(), expected)
        data = opened.enter_context(TemporaryDirectory())
        journal = opened.enter_context(SqliteJournal(Path(data) / "journal.sqlite3"))
        journalled = Ours(Engine.open(folder, journal=journal, hash_key=_HASH_KEY), workload)
        yield {
            "score": Lane(ours.answer, ours.learn),
            "floor": Lane(floor.answer, do_nothing),
            "first_written": Lane(first_written.answer, do_nothing),
            "score_with_journal": Lane(journalled.answer, journalled.learn),
            "staged": Lane(staged.walk, staged.learn),
        }


def _walk(bundle: Bundle, workload: Workload) -> Walked:
    staged = Staged(bundle, workload)
    decisions, rows = [], []
    for place in range(len(workload.bodies)):
        staged.learn(place)
        decision, row = staged.walk(place)
        decisions.append(decision)
        rows.append(row)
    return Walked(decisions, np.array(rows))


def _check_same_decisions(ours: Ours, staged: Sequence[Decision]) -> None:
    for place, expected in enumerate(staged):
        ours.learn(place)
        answer = msgspec.json.decode(ours.answer(place), type=Decision)
        if msgspec.structs.replace(answer, warnings=()) != expected:
            raise ArtifactError(
                f"benchmarks.stages must decide as the engine does; order {place} differs: "
                "bring it in line with fraudkit/engine.py"
            )


def check_same_scores(way: str, scores: Sequence[float], expected: Sequence[float]) -> None:
    """Refuse to go on unless a way's raw scores equal the library's for every order.

    Raises
    ------
    fraudkit.errors.ArtifactError
        Naming the first order that differs.
    """
    for place, (score, held) in enumerate(zip(scores, expected, strict=True)):
        if score != held:
            raise ArtifactError(
                f"{way} must give the raw score of the library's kernel. Got {score!r} instead of "
                f"{held!r} for order {place}; two models that disagree are not timed"
            )


def _figures(taken: dict[str, list[int]], stages: dict[str, list[int]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, samples in taken.items():
        figures |= percentiles(name, samples)
    score = figures["score_us_p50"]
    figures["score_over_floor"] = score / figures["floor_us_p50"]
    figures["first_written_over_score"] = figures["first_written_us_p50"] / score
    medians = {name: percentile(samples, 0.5) / 1000 for name, samples in stages.items()}
    for name, median in medians.items():
        figures[f"stage_{name}_us_p50"] = median
        figures[f"stage_{name}_share"] = median / sum(medians.values())
    return figures


def _ways_table(report: Report) -> Table:
    figures = report.figures
    ways = {
        "ours": "score",
        "ours with a SQLite journal": "score_with_journal",
        "floor: decode, C fast path, encode": "floor",
        "first written: pydantic, pandas, scikit-learn": "first_written",
    }
    table = Table(
        "us an order",
        *(suffix.replace("_", ".") for suffix in PERCENTILES),
        title=f"{report.context['n']:,} orders, {report.context['trees']} trees, "
        f"{report.context['features']} features",
        caption=f"p50: ours is {figures['score_over_floor']:.1f} x the floor; first written is "
        f"{figures['first_written_over_score']:.0f} x ours",
    )
    for title, name in ways.items():
        table.add_row(title, *(f"{figures[f'{name}_us_{suffix}']:,.1f}" for suffix in PERCENTILES))
    return table


def _stages_table(report: Report) -> Table:
    table = Table("stage of ours", "us p50", "share")
    for name in STAGES:
        table.add_row(
            name.replace("_", " "),
            f"{report.figures[f'stage_{name}_us_p50']:.1f}",
            f"{report.figures[f'stage_{name}_share']:.1%}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
