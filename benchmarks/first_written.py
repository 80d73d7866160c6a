"""What a team writes first: pydantic, a pandas frame of one row, LightGBM's scikit-learn class.

It is given the feature row, so the queries behind it cost nothing here, and it is limited to one
thread, which is faster for one row than LightGBM's default of all cores. It decides nothing and
remembers nothing; reasons are LightGBM's ``pred_contrib``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmarks.incoming_order import IncomingOrder

__all__ = ["FirstWritten", "classifier_of"]

_REASONS_MOST: Final = 4


class _ReasonOut(BaseModel):
    feature: str
    weight: float


class _ScoreOut(BaseModel):
    transaction_id: str
    fraud_probability: float
    reasons: list[_ReasonOut]


class _LoadedClassifier(lightgbm.LGBMClassifier):
    """A classifier that holds a model read from text instead of one it was fitted to."""

    def hold(self, booster: lightgbm.Booster) -> None:
        self._Booster = booster
        self._n_features = self._n_features_in = booster.num_feature()
        self._n_classes = 2
        self._classes = np.array([0, 1])
        self._objective = "binary"
        self.fitted_ = True


def classifier_of(model_text: str) -> Any:
    """Return LightGBM's scikit-learn class around the trees of a text model."""
    classifier = _LoadedClassifier(n_jobs=1)
    classifier.hold(lightgbm.Booster(model_str=model_text))
    return classifier


class FirstWritten:
    """From the bytes of an order to the bytes of its probability and reasons.

    Parameters
    ----------
    model_text : str
        LightGBM's text model.
    names : sequence of str
        Of the columns.
    bodies : sequence of bytes
        The orders.
    rows : ndarray of float64, shape (n_orders, n_features)
        Their feature rows.
    """

    def __init__(
        self,
        model_text: str,
        names: Sequence[str],
        bodies: tuple[bytes, ...],
        rows: NDArray[np.float64],
    ) -> None:
        self._classifier = classifier_of(model_text)
        self._names = list(names)
        self._bodies = bodies
        self._rows = rows
        self._features = [dict(zip(names, row, strict=True)) for row in rows.tolist()]

    def answer(self, place: int) -> bytes:
        """Return the answer to the order at a place."""
        order = IncomingOrder.model_validate_json(self._bodies[place])
        frame = pd.DataFrame([self._features[place]])
        probability = self._classifier.predict_proba(frame)[0, 1]
        contributions = self._classifier.predict_proba(frame, pred_contrib=True)[0, :-1]
        strongest = np.argsort(-contributions)[:_REASONS_MOST]
        answer = _ScoreOut(
            transaction_id=order.transaction_id,
            fraud_probability=probability,
            reasons=[
                _ReasonOut(feature=self._names[place], weight=contributions[place])
                for place in strongest
                if contributions[place] > 0
            ],
        )
        return answer.model_dump_json().encode()

    def raw_scores(self) -> list[float]:
        """Return the raw score of every order, in one call."""
        frame = pd.DataFrame(self._rows, columns=self._names)
        scores: list[float] = self._classifier.predict_proba(frame, raw_score=True).tolist()
        return scores
