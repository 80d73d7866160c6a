"""Walking forward: what was known later touches nothing that was said before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.special import expit, logit

from fraudkit.errors import TrainingError
from fraudkit.features.catalog import default_features
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.calibration_fit import compare_calibrations
from fraudkit.scoring.learning.fit import fit_model
from fraudkit.scoring.learning.training_rows import TrainingRows
from fraudkit.scoring.learning.walk_forward import N_MODELS, Walked, walk_forward
from fraudkit.scoring.trees.model_text import parse_model_text

DAY_MS = 86_400_000
FEATURES = default_features(levels={"card_brand": ["amex", "jcb", "visa"]}).keep(
    ["amount", "item_count", "card_brand", "card_attempts_1h"]
)
QUICK = ModelSettings(n_trees=12, num_leaves=5, min_data_in_leaf=10, max_bin=31)


def history(
    seed: int = 0, *, n_rows: int = 1_500, days: float = 100.0, delay_days: float = 4.0,
    fraud_share: float = 0.15,
) -> TrainingRows:  # fmt: skip
    rng = np.random.default_rng(seed)
    rows = rng.gamma(2.0, 2.0, (n_rows, 4))
    rows[:, FEATURES.names.index("card_brand")] = rng.integers(0, 3, n_rows)
    risk = rows[:, 0] + rng.normal(size=n_rows)
    event_time_ms = np.sort(rng.integers(0, int(days * DAY_MS), n_rows))
    delay_ms = rng.integers(int(delay_days * DAY_MS), int(delay_days * 1.5 * DAY_MS) + 1, n_rows)
    return TrainingRows(
        features=FEATURES,
        rows=rows,
        is_fraud=risk > np.quantile(risk, 1.0 - fraud_share),
        event_time_ms=event_time_ms,
        matured_at_ms=event_time_ms + delay_ms,
        weights=np.ones(n_rows),
        frame=pl.DataFrame({"event_time_ms": event_time_ms}),
        is_labelled=np.ones(n_rows, np.bool_),
        amount_minor=rows[:, 0],
    )


def disturbed(known: TrainingRows, from_ms: int, seed: int) -> tuple[TrainingRows, np.ndarray]:
    """Change all that was not known at a moment but some orders' features; return those orders."""
    rng = np.random.default_rng(seed)
    rows, is_fraud = known.rows.copy(), known.is_fraud.copy()
    weights = known.weights.copy()
    is_later = known.matured_at_ms >= from_ms
    is_fraud[is_later] ^= rng.random(int(is_later.sum())) < 0.7
    is_changed = is_later & (rng.random(len(rows)) < 0.5)
    rows[is_changed] = rng.gamma(2.0, 9.0, (int(is_changed.sum()), 4)).round()
    weights[is_later] = rng.uniform(1.0, 5.0, int(is_later.sum()))
    return known._replace(rows=rows, is_fraud=is_fraud, weights=weights), ~is_changed


def told(walked: Walked, is_kept: np.ndarray) -> tuple[object, ...]:
    places, probability, from_ms = walked.held_back
    kept = is_kept[places]
    assert kept.any()
    return (
        walked.settings, walked.search, walked.notes, from_ms, places.tolist(),
        probability[kept].tolist(),
    )  # fmt: skip


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), delay_days=st.sampled_from([0.0, 1.0, 4.0, 12.0]))
def test_labels_known_later_and_later_orders_change_no_prediction_made_before(
    seed: int, delay_days: float
) -> None:
    known = history(seed, delay_days=delay_days)
    walked = walk_forward(known, QUICK)
    assert walked.notes == ()
    other, is_kept = disturbed(known, walked.held_back.from_ms, seed)
    again = walk_forward(other, QUICK)
    assert told(again, is_kept) == told(walked, is_kept)
    assert again.model.text != walked.model.text
    assert again.calibration != walked.calibration


@settings(max_examples=3)
@given(seed=st.integers(0, 2**16))
def test_labels_known_later_and_later_orders_choose_no_settings(seed: int) -> None:
    known = history(seed)
    walked = walk_forward(known, None, seed=seed, n_candidates=3)
    other, is_kept = disturbed(known, walked.held_back.from_ms, seed)
    assert told(walk_forward(other, None, seed=seed, n_candidates=3), is_kept) == told(
        walked, is_kept
    )
    assert walked.settings.n_models == N_MODELS
    chosen = next(row for row in walked.search if row.is_chosen)
    assert walked.settings == replace(chosen.settings, n_models=N_MODELS)


def test_what_was_known_changes_the_predictions() -> None:
    known = history()
    walked = walk_forward(known, QUICK)
    is_fraud = known.is_fraud.copy()
    earlier = np.flatnonzero(known.matured_at_ms < walked.held_back.from_ms)
    is_fraud[earlier] ^= np.random.default_rng(0).random(len(earlier)) < 0.05
    other = walk_forward(known._replace(is_fraud=is_fraud), QUICK).held_back.probability
    assert not np.array_equal(other, walked.held_back.probability)


def test_the_last_part_is_predicted_as_one_would_have_then() -> None:
    known = history(7)
    walked = walk_forward(known, QUICK)
    times, matured, from_ms = known.event_time_ms, known.matured_at_ms, walked.held_back.from_ms

    def scores(before_ms: int, places: np.ndarray) -> np.ndarray:
        train = (times < before_ms) & (matured < before_ms)
        text = fit_model(known.rows[train], known.is_fraud[train], FEATURES, QUICK).text
        trees, _ = parse_model_text(text)
        return TreeScorer(trees, np.zeros(4)).score_many(known.rows[places])

    np.testing.assert_array_equal(walked.held_back.places, np.flatnonzero(times >= from_ms))
    then = np.sort(times[matured < from_ms])
    bounds = [int(then[int(share * len(then))]) for share in (2 / 3, 5 / 6)] + [from_ms]
    steps = [
        np.flatnonzero((times >= start) & (times < end) & (matured < from_ms))
        for start, end in pairwise(bounds)
    ]
    tested = np.concatenate(steps)
    raw = np.concatenate([scores(b, step) for b, step in zip(bounds, steps, strict=False)])
    curve = compare_calibrations(raw, known.is_fraud[tested], times[tested]).chosen
    later = scores(from_ms, walked.held_back.places)
    np.testing.assert_allclose(
        walked.held_back.probability, expit(curve.log_odds_of_many(later)), rtol=1e-12
    )
    places = np.concatenate([tested, walked.held_back.places])
    final = compare_calibrations(
        np.concatenate([raw, later]), known.is_fraud[places], times[places]
    )
    assert walked.calibration == final
    assert walked.model.text == fit_model(known.rows, known.is_fraud, FEATURES, QUICK).text


def test_given_settings_are_not_searched() -> None:
    walked = walk_forward(history(), QUICK)
    assert (walked.settings, walked.search, walked.notes) == (QUICK, (), ())


def test_a_search_of_one_takes_the_defaults() -> None:
    walked = walk_forward(history(n_rows=600, fraud_share=0.3), None, seed=5, n_candidates=1)
    assert walked.settings == ModelSettings(seed=5, n_models=N_MODELS)
    assert (walked.search, walked.notes) == ((), ())


def test_with_too_few_frauds_the_defaults_are_taken_and_it_is_said() -> None:
    walked = walk_forward(history(fraud_share=0.03), None, n_candidates=4)
    assert walked.settings == ModelSettings(n_models=N_MODELS)
    assert walked.search == ()
    (note,) = walked.notes
    assert note.startswith("The settings are the defaults: too few frauds")


def test_where_no_label_was_known_in_time_to_calibrate_it_is_said() -> None:
    known = history(days=40.0, delay_days=16.0, n_rows=3_000)
    walked = walk_forward(known, QUICK)
    (note,) = walked.notes
    assert "fitted to labels that were not known yet" in note
    # Its ranking is not concerned: the curve is all that knew.
    is_late = known.matured_at_ms >= walked.held_back.from_ms
    is_fraud = known.is_fraud ^ (is_late & (np.random.default_rng(1).random(3_000) < 0.05))
    again = walk_forward(known._replace(is_fraud=is_fraud), QUICK)
    orders = [np.argsort(w.held_back.probability, kind="stable") for w in (walked, again)]
    np.testing.assert_array_equal(*orders)
    assert not np.array_equal(again.held_back.probability, walked.held_back.probability)


def test_progress_tells_each_stage_and_trial() -> None:
    stages: list[str] = []
    walk_forward(history(), None, n_candidates=3, progress=stages.append)
    trials = [stage for stage in stages if stage.startswith("settings: ")]
    n_trials = len(trials)
    assert n_trials == (3 + 2 + 2) * 3
    assert trials[0] == f"settings: 1 of {n_trials} trials"
    assert trials[-1].startswith(f"settings: {n_trials} of {n_trials} trials, best log loss 0.")
    assert stages == [*trials, "forward steps", "final model"]


def test_weights_are_heeded_in_every_step() -> None:
    known = history()
    walked = walk_forward(known, QUICK)
    weights = np.where(known.is_fraud, 1.0, 6.0)
    other = walk_forward(known._replace(weights=weights), QUICK)
    moved = logit(other.held_back.probability) - logit(walked.held_back.probability)
    assert np.median(moved) == pytest.approx(-np.log(6.0), abs=0.5)
    assert other.model.text != walked.model.text
    assert other.calibration != walked.calibration


def test_a_history_that_is_too_short_is_refused() -> None:
    with pytest.raises(TrainingError, match="label delay is too long for this history"):
        walk_forward(history(days=10.0, delay_days=30.0), QUICK)
    with pytest.raises(TrainingError, match="at least 5 frauds"):
        walk_forward(history(n_rows=200, fraud_share=0.005), QUICK)
