"""A file scored by a model of the user's own: its probabilities, everything else the bundle's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from fraudkit.errors import ClassifierError, InputError, ParameterError
from fraudkit.evaluation import read_scores
from fraudkit.features.offline import features_frame
from fraudkit.rescoring import score_data, write_scores
from fraudkit.scoring.bundle import Bundle, load_bundle
from fraudkit.scoring.calibration import Calibration, probability
from tests.training.trained_shop import TrainedShop, write_lines


class OurTrees:
    """The bundle's own trees and calibration, as a classifier."""

    classes_ = (False, True)

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raw_score = self.bundle.scorer.score_many(rows, n_threads=1)
        log_odds = self.bundle.calibration.log_odds_of_many(raw_score)
        found = np.array([probability(value) for value in log_odds.tolist()])
        return np.column_stack([1 - found, found])


@pytest.fixture(scope="module")
def bundle(shop: TrainedShop) -> Bundle:
    return load_bundle(shop.bundle)


@pytest.fixture(scope="module")
def rows(shop: TrainedShop, bundle: Bundle) -> pl.DataFrame:
    data = shop.read()
    return features_frame(data.frame, bundle.features, bundle.rates, data.outcomes)


@pytest.fixture(scope="module")
def classifier(shop: TrainedShop, rows: pl.DataFrame) -> HistGradientBoostingClassifier:
    """Return a classifier that learnt something or other from half of the orders."""
    label = np.array([order.order.amount_minor % 3 == 0 for order in shop.transactions])
    learnt = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=7)
    return learnt.fit(rows[::2], label[::2])


def test_our_own_probabilities_decide_as_the_bundle_does(shop: TrainedShop, bundle: Bundle) -> None:
    data = shop.read()
    ours = score_data(bundle, data)
    theirs = score_data(bundle, data, model=OurTrees(bundle))
    apart = ["raw_score", "reason_codes"]
    assert theirs.frame.drop(apart).equals(ours.frame.drop(apart))
    assert theirs.policy == ours.policy
    assert theirs.frame.schema == ours.frame.schema
    assert ours.frame["reason_codes"].list.len().max() != 0
    assert theirs.frame["reason_codes"].list.len().unique().to_list() == [0]


@pytest.mark.parametrize("as_frame", ["polars", "pandas"])
def test_the_model_gets_the_rows_of_features_frame(
    shop: TrainedShop, bundle: Bundle, rows: pl.DataFrame,
    classifier: HistGradientBoostingClassifier, as_frame: Any,
) -> None:  # fmt: skip
    scores = score_data(bundle, shop.read(), model=classifier, as_frame=as_frame).frame
    expected = classifier.predict_proba(rows)[:, 1]
    assert scores["fraud_probability"].to_list() == expected.tolist()
    np.testing.assert_allclose(
        scores["raw_score"].to_numpy(), np.log(expected / (1 - expected)), rtol=1e-9, atol=1e-12
    )


def test_a_calibration_is_of_the_model_and_not_of_the_bundle(
    shop: TrainedShop, bundle: Bundle, classifier: HistGradientBoostingClassifier
) -> None:
    data = shop.read()
    curve = Calibration(method="logistic", raw_score=(-1.0, 1.0), log_odds=(-4.0, -3.0))
    plain = score_data(bundle, data, model=classifier, as_frame="polars").frame
    curved = score_data(bundle, data, model=classifier, as_frame="polars", calibration=curve).frame
    assert curved["raw_score"].equals(plain["raw_score"])
    by_hand = [probability(curve.log_odds_of(raw)) for raw in plain["raw_score"]]
    assert curved["fraud_probability"].to_list() == by_hand


def test_the_order_of_rows_does_not_matter_to_a_model(
    shop: TrainedShop, bundle: Bundle, classifier: HistGradientBoostingClassifier, tmp_path: Path
) -> None:
    backwards = shop.read(write_lines(tmp_path / "orders.ndjson", shop.transactions[::-1]))
    options: dict[str, Any] = {"model": classifier, "as_frame": "polars"}
    forwards = score_data(bundle, shop.read(), **options).frame
    assert score_data(bundle, backwards, **options).frame.equals(forwards.reverse())


def test_history_fills_the_windows_of_a_model_too(
    shop: TrainedShop, bundle: Bundle, classifier: HistGradientBoostingClassifier, tmp_path: Path
) -> None:
    earlier = shop.read(write_lines(tmp_path / "earlier.ndjson", shop.transactions[:3_500]))
    later = shop.read(write_lines(tmp_path / "later.ndjson", shop.transactions[3_500:]))
    options: dict[str, Any] = {"model": classifier, "as_frame": "polars"}
    whole = score_data(bundle, shop.read(), **options).frame
    assert score_data(bundle, later, earlier, **options).frame.equals(whole[3_500:])


def test_a_file_of_nothing_but_bad_rows_asks_no_model(
    shop: TrainedShop, bundle: Bundle, classifier: HistGradientBoostingClassifier, tmp_path: Path
) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_text('{"transaction_id": "a"}\n')
    scores = score_data(bundle, shop.read(path), model=classifier, as_frame="polars").frame
    assert scores["error"].null_count() == 0
    assert scores.schema == score_data(bundle, shop.read(path)).frame.schema


def test_a_model_that_returns_garbage_is_refused(shop: TrainedShop, bundle: Bundle) -> None:
    class TwiceSure(OurTrees):
        def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
            return 2 * super().predict_proba(rows)

    with pytest.raises(ClassifierError, match="predict_proba must return values in"):
        score_data(bundle, shop.read(), model=TwiceSure(bundle))
    with pytest.raises(ClassifierError, match="a model must be a classifier in memory"):
        score_data(bundle, shop.read(), model="model.pkl")


@pytest.mark.parametrize(
    "option",
    [
        {"as_frame": "polars"},
        {"pos_label": 1},
        {"calibration": Calibration(method="x", raw_score=(0.0, 1.0), log_odds=(0.0, 1.0))},
    ],
)
def test_what_belongs_to_a_model_needs_one(
    shop: TrainedShop, bundle: Bundle, option: dict[str, Any]
) -> None:
    with pytest.raises(ParameterError, match="must come with model="):
        score_data(bundle, shop.read(), **option)


def test_scores_are_read_as_they_were_written(
    shop: TrainedShop, bundle: Bundle, tmp_path: Path
) -> None:
    scores = score_data(bundle, shop.read(), model=OurTrees(bundle))
    path = tmp_path / "theirs.parquet"
    write_scores(path, scores, made_by="our trees")
    frame, policy = read_scores(path)
    assert frame.equals(scores.frame)
    assert policy == scores.policy
    assert pl.read_parquet_metadata(path)["fraudkit.bundle"] == "our trees"
    with pytest.raises(InputError, match=r"must end in \.parquet, got 'theirs.csv'"):
        write_scores(tmp_path / "theirs.csv", scores, made_by="our trees")
    with pytest.raises(InputError, match="in a folder that can be written to"):
        write_scores(tmp_path / "absent" / "theirs.parquet", scores, made_by="our trees")
