"""The search for settings: finds what is planted, the same each time, and tells all it tried."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import average_precision_score

from fraudkit.errors import TrainingError
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning import search
from fraudkit.scoring.learning.boosting import Columns, ModelSettings, boost
from fraudkit.scoring.learning.calibration_fit import log_losses
from fraudkit.scoring.learning.logistic import logistic_regression
from fraudkit.scoring.learning.search import SPACE, Candidate, Searched, candidates, search_settings
from fraudkit.scoring.splits import Fold
from fraudkit.scoring.trees.model_text import parse_model_text

COLUMNS = Columns(names=["a", "b", "c", "kind"], categorical=[3], directions=[1, 0, 0, 0])
FOLDS = (
    Fold(np.arange(600), np.arange(600, 900)),
    Fold(np.arange(900), np.arange(900, 1_200)),
)
BASE = ModelSettings(
    boosting="gbdt", learning_rate=0.05, max_bin=63, min_data_in_leaf=40, feature_fraction=0.5,
    uses_directions=False, seed=3,
)  # fmt: skip


def history(seed: int = 0, n_rows: int = 1_200) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=(n_rows, 3)), rng.integers(0, 4, n_rows)])
    return rows, rows[:, 0] + 0.5 * rows[:, 1] + rng.normal(size=n_rows) > 1.8


def searched(
    count: int = 5, n_jobs: int = 1, base: ModelSettings = BASE, seed: int = 0
) -> Searched:
    return search_settings(*history(seed), COLUMNS, FOLDS, base=base, count=count, n_jobs=n_jobs)


@pytest.fixture(scope="module")
def found() -> Searched:
    return searched()


def test_how_many_search_at_once_changes_nothing(found: Searched) -> None:
    assert searched(n_jobs=2) == found
    assert searched(n_jobs=3) == found


def test_the_seed_is_all_that_chance_has(found: Searched) -> None:
    assert searched() == found
    assert searched(base=replace(BASE, seed=4)) != found


def test_the_table_tells_every_trial_and_what_was_chosen(found: Searched) -> None:
    rungs = [[row for row in found.table if row.rung == rung] for rung in range(3)]
    assert [len(rung) for rung in rungs] == [5, 2, 2]
    chosen = [row for row in found.table if row.is_chosen]
    assert len(chosen) == 1
    assert chosen[0].settings == found.settings
    assert chosen[0] in rungs[-1]
    for rung, after in pairwise(rungs):
        losses = [row.log_loss for row in rung]
        assert losses == sorted(losses)
        ranked = [replace(row.settings, n_trees=0) for row in rung]
        given = replace(BASE, n_trees=0)
        kept = [given, *(held for held in ranked if held != given)][: len(after)]
        assert {replace(row.settings, n_trees=0) for row in after} == set(kept)
    assert [rung[0].honest_max for rung in rungs] == sorted({r.honest_max for r in found.table})
    assert {row.settings.seed for row in found.table} == {BASE.seed}


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (2, [2, 2, 2]), (4, [4, 2, 2]), (9, [9, 3, 2]), (16, [16, 6, 2])],
)
def test_a_rung_keeps_a_third_but_two_at_least(count: int, sizes: list[int]) -> None:
    assert search._field_sizes(count) == sizes


def test_a_row_of_the_table_has_a_column_for_each_setting(found: Searched) -> None:
    plain = found.table[0].plain()
    assert {"rung", "num_leaves", "boosting", "n_trees", "log_loss", "is_chosen"} <= set(plain)
    assert "settings" not in plain
    assert plain["num_leaves"] == found.table[0].settings.num_leaves


@settings(max_examples=20)
@given(seed=st.integers(0, 2**20), count=st.integers(1, 60))
def test_candidates_are_all_different_and_from_the_space(seed: int, count: int) -> None:
    base = ModelSettings(seed=seed, cat_smooth=7.0)
    drawn = candidates(base, count)
    assert drawn[0] == base
    assert len(drawn) == count
    assert len(set(drawn)) == count
    assert drawn == candidates(base, count)
    assert drawn[1:2] == [replace(base, uses_categories=False)][: count - 1]
    for candidate in drawn[2:]:
        assert (candidate.seed, candidate.cat_smooth) == (seed, 7.0)
        for name, values in (
            SPACE | (search._DART if candidate.boosting == "dart" else {})
        ).items():
            assert getattr(candidate, name) in values


def test_more_candidates_than_can_be_told_apart_are_refused() -> None:
    assert len(set(candidates(BASE, 500))) == 500
    with pytest.raises(TrainingError, match="at most 500 candidates, got 501"):
        candidates(BASE, 501)


def test_a_planted_setting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows = np.column_stack([rng.normal(size=(3_000, 3)), rng.integers(0, 4, 3_000)])
    # Only two together tell fraud: a tree of two leaves is as good as none.
    is_fraud = (rows[:, 0] * rows[:, 1] > 0.8) ^ (rng.random(3_000) < 0.02)
    folds = [Fold(np.arange(2_000), np.arange(2_000, 3_000))]
    monkeypatch.setattr(
        search, "SPACE", {"num_leaves": (2, 2, 2, 16), "feature_fraction": (1.0,),
                          "learning_rate": (0.001, 0.1), "boosting": ("gbdt",)}
    )  # fmt: skip
    base = replace(BASE, num_leaves=2)
    found = search_settings(rows, is_fraud, COLUMNS, folds, base=base, count=6)
    assert (found.settings.num_leaves, found.settings.learning_rate) == (16, 0.1)


@pytest.mark.parametrize("learning_rate", [0.03, 0.5])
def test_the_number_of_trees_is_where_the_folds_are_best(learning_rate: float) -> None:
    rows, is_fraud = history()
    base = replace(BASE, learning_rate=learning_rate, num_leaves=31, min_data_in_leaf=5, n_trees=37)
    found = search_settings(rows, is_fraud, COLUMNS, FOLDS, base=base, count=1)
    tried = {}
    for n_trees in sorted({37, *search._TREE_COUNTS}):
        losses, precisions = [], []
        for train, test in FOLDS:
            asked = replace(base, n_trees=n_trees)
            model = boost(rows[train], is_fraud[train], COLUMNS, asked)
            scores = scored(model.text, rows[test])
            slopes, intercept = logistic_regression(
                scores[:, None], is_fraud[test], np.ones(len(test))
            )
            losses.append(log_losses(intercept + slopes[0] * scores, is_fraud[test]).mean())
            precisions.append(average_precision_score(is_fraud[test], scores))
        tried[n_trees] = (np.mean(losses), losses, np.mean(precisions))
    best = min(tried, key=lambda n_trees: tried[n_trees][0])
    assert found.settings.n_trees == best
    row = found.table[0]
    loss, losses, precision = tried[best]
    assert (row.log_loss, row.average_precision) == pytest.approx((loss, precision), rel=1e-7)
    assert row.log_losses == pytest.approx(losses, rel=1e-7)


def scored(text: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    trees, _ = parse_model_text(text)
    return TreeScorer(trees, np.zeros(rows.shape[1])).score_many(rows)


def test_a_tree_that_splits_nothing_counts_but_adds_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=400), rng.integers(0, 4, (400, 3))])
    is_fraud = rows[:, 0] + rng.normal(size=400) > 1.5
    columns = Columns(names=["a", "b", "c", "d"], categorical=[1, 2, 3], directions=[0] * 4)
    base = replace(BASE, uses_categories=False, feature_fraction=0.25, n_trees=300)
    part = search._prepared(
        search._Data(rows, is_fraud, columns, np.ones(400)),
        Fold(np.arange(300), np.arange(300, 400)), 20_000, base,
    )  # fmt: skip
    curve = search._curve(part, columns, base)
    model = boost(rows[:300], is_fraud[:300], columns, base)
    assert len(parse_model_text(model.text)[0].roots) < 300
    scores = scored(model.text, rows[300:])
    assert curve[300] == pytest.approx(
        (
            search._refined_log_loss(part, scores),
            average_precision_score(is_fraud[300:], scores),
        ),
        rel=1e-9,
    )


def test_of_dart_the_number_of_trees_is_given() -> None:
    found = searched(count=1, base=replace(BASE, boosting="dart", n_trees=17))
    assert found.settings.n_trees == 17


def test_a_model_that_ranks_the_wrong_way_round_gains_nothing_by_it() -> None:
    rows, is_fraud = history()
    part = search._prepared(
        search._Data(rows, is_fraud, COLUMNS, np.ones(1_200)), FOLDS[0], 20_000, BASE
    )
    share = is_fraud[600:900].mean()
    level = float(log_losses(np.full(300, logit(share)), is_fraud[600:900]).mean())
    risk = rows[600:900, 0]
    assert search._refined_log_loss(part, -risk) == pytest.approx(level, rel=1e-9)
    assert search._refined_log_loss(part, risk) < 0.9 * level


def test_what_calibration_mends_does_not_count() -> None:
    rows, is_fraud = history()
    part = search._prepared(
        search._Data(rows, is_fraud, COLUMNS, np.ones(1_200)), FOLDS[0], 20_000, BASE
    )
    risk = rows[600:900, 0]
    assert search._refined_log_loss(part, 7.0 * risk - 3.0) == pytest.approx(
        search._refined_log_loss(part, risk), rel=1e-8
    )


def test_progress_counts_to_the_total() -> None:
    told: list[tuple[int, int, str]] = []
    rows, is_fraud = history()
    search_settings(
        rows, is_fraud, COLUMNS, FOLDS, base=BASE, count=4, n_jobs=2,
        progress=lambda done, total, said: told.append((done, total, said)),
    )  # fmt: skip
    total = (4 + 2 + 2) * len(FOLDS)
    assert [done for done, _total, _said in told] == list(range(1, total + 1))
    assert {of for _done, of, _said in told} == {total}
    assert told[0][2] == ""
    assert told[-1][2].startswith("best log loss 0.")


def test_weights_count_in_learning_and_in_measuring() -> None:
    rows, is_fraud = history()
    ones = search_settings(
        rows, is_fraud, COLUMNS, FOLDS, base=BASE, count=2, weights=np.ones(1_200)
    )
    assert ones == searched(count=2)
    fold = FOLDS[:1]
    of_fold = search_settings(rows, is_fraud, COLUMNS, fold, base=BASE, count=1).table[0]
    drawn = np.random.default_rng(0).uniform(1.0, 9.0, 1_200)
    for places, is_told in ((fold[0].train, True), (fold[0].test, True), (FOLDS[1].test, False)):
        weights = np.ones(1_200)
        weights[places] = drawn[places]
        row = search_settings(
            rows, is_fraud, COLUMNS, fold, base=BASE, count=1, weights=weights
        ).table[0]
        assert (row.log_loss != of_fold.log_loss) == is_told


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), honest_max=st.integers(1, 500))
def test_of_many_honest_orders_some_are_taken_and_all_frauds(seed: int, honest_max: int) -> None:
    rng = np.random.default_rng(seed)
    is_fraud = rng.random(600) < 0.2
    places = np.flatnonzero(rng.random(600) < 0.7)
    kept, share = search._thinned(is_fraud, places, honest_max, seed)
    honest = places[~is_fraud[places]]
    assert np.all(np.diff(kept) > 0)
    assert set(kept.tolist()) <= set(places.tolist())
    assert set(places[is_fraud[places]].tolist()) <= set(kept.tolist())
    n_kept = int((~is_fraud[kept]).sum())
    assert n_kept == min(honest_max, len(honest))
    assert share == pytest.approx(n_kept / len(honest))


def test_thinned_tests_are_weighted_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_TESTED_HONEST_MAX", 100)
    rows, is_fraud = history()
    weights = np.random.default_rng(1).uniform(1.0, 3.0, 1_200)
    part = search._prepared(search._Data(rows, is_fraud, COLUMNS, weights), FOLDS[0], 20_000, BASE)
    honest = ~is_fraud[600:900]
    assert len(part.rows) == 100 + (~honest).sum()
    assert part.weights[part.is_fraud].sum() == pytest.approx(weights[600:900][~honest].sum())
    assert part.weights[~part.is_fraud].sum() == pytest.approx(
        weights[600:900][honest].sum(), rel=0.1
    )


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("label", [False, True])
def test_a_fold_without_frauds_or_without_honest_orders_is_refused(
    part: int, *, label: bool
) -> None:
    rows, is_fraud = history()
    is_fraud[FOLDS[0][part]] = label
    n = len(FOLDS[0][part])
    with pytest.raises(TrainingError, match=f"got {n * label} frauds among {n}"):
        search_settings(rows, is_fraud, COLUMNS, FOLDS[:1], base=BASE, count=1)


def test_no_fold_is_refused() -> None:
    with pytest.raises(TrainingError, match="at least one validation fold"):
        search_settings(*history(), COLUMNS, [], base=BASE)


def tried(loss: float, *losses: float) -> Candidate:
    return Candidate(
        rung=2, settings=BASE, honest_max=1, log_loss=loss, log_losses=losses, average_precision=0.5
    )


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([], "given"),
        ([tried(0.9, 0.9, 0.9, 0.9)], "other"),
        ([tried(1.0, 1.0, 1.0, 1.0)], "given"),
        ([tried(1.1, 1.1, 1.1, 1.1)], "given"),
        # The gains are .31, 0 and -.01: .1 in the mean, with a standard error of .105.
        ([tried(0.9, 0.69, 1.0, 1.01)], "given"),
        # The gains are .2, .1 and .0: .1 in the mean, with a standard error of .06.
        ([tried(0.9, 0.8, 0.9, 1.0)], "other"),
    ],
)
def test_the_given_settings_stay_unless_others_are_clearly_better(
    others: list[Candidate], chosen: str
) -> None:
    given = tried(1.0, 1.0, 1.0, 1.0)
    found = search._chosen(given, others)
    assert found is (given if chosen == "given" else others[0])


def test_with_one_fold_any_gain_counts() -> None:
    better = tried(0.9, 0.9)
    assert search._chosen(tried(1.0, 1.0), [better]) is better
