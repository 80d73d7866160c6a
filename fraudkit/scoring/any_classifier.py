"""Any classifier of scikit-learn's kind, held in memory: what it says of feature rows, checked.

No file is opened here: a classifier is an object that the caller fitted, and none is unpickled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.errors import ClassifierError, InputError, ParameterError
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.measures.reliability import clipped_log_odds

__all__ = ["ClassifierScores", "FrameKind", "classifier_scores", "raw_scores"]

FrameKind = Literal["polars", "pandas"]
"""The library whose frame a classifier is given."""

_FRAMES: Final = ("polars", "pandas")
_BLOCK_ROWS: Final = 50_000
_ROUNDING_MAX: Final = 1e-6
"""How far beyond 0 and 1, or off a sum of 1, is taken for single precision's rounding."""


class ClassifierScores(NamedTuple):
    """What a classifier says of orders; both have shape (n_orders,).

    Attributes
    ----------
    raw_score : ndarray of float64
        The log-odds of its probability, kept 1e-15 away from 0 and 1; of a classifier without
        probabilities the values of its decision function, higher for fraud.
    fraud_probability : ndarray of float64
        In [0, 1].
    """

    raw_score: NDArray[np.float64]
    fraud_probability: NDArray[np.float64]


class _Output(NamedTuple):
    """What is called, and which of how many classes is fraud."""

    method: Literal["predict_proba", "decision_function"]
    place: int
    n_classes: int


def classifier_scores(
    classifier: Any,
    rows: NDArray[np.float64],
    names: Sequence[str],
    *,
    as_frame: FrameKind | None = None,
    pos_label: Any = None,
    calibration: Calibration | None = None,
) -> ClassifierScores:
    """Return what a classifier says of feature rows.

    Parameters
    ----------
    classifier : object
        Fitted, with ``classes_`` and ``predict_proba``, or else ``decision_function``.
    rows : ndarray of float64, shape (n_orders, n_features)
        NaN where a value is absent.
    names : sequence of str
        Of the features.
    as_frame : {"polars", "pandas"}, optional
        What the classifier is given; an array if not said.
    pos_label : object, optional
        The class of ``classes_`` that is fraud. If not said, 1 of classes 0 and 1, or -1 and 1,
        and ``True`` of ``False`` and ``True``.
    calibration : Calibration, optional
        From raw score to log-odds; without it the classifier's probability is taken as it is.

    Raises
    ------
    ClassifierError
        If it is not fitted, was fitted to other features, has no class that is known to be
        fraud, gives decision values and no calibration came, or if what it returns is not a
        probability for each row and class.
    ParameterError
        If ``as_frame`` is none of these, or ``pos_label`` is not among the classes.
    InputError
        If pandas is asked for and not installed.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rows = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> classifier = LogisticRegression().fit(rows, [0, 0, 1, 1])
    >>> classifier_scores(classifier, rows, ["amount"]).fraud_probability.round(2).tolist()
    [0.19, 0.38, 0.62, 0.81]
    """
    if as_frame not in {None, *_FRAMES}:
        raise ParameterError(
            f"as_frame must be one of {', '.join(_FRAMES)} or None, got {as_frame!r}"
        )
    output = _output(classifier, pos_label)
    _check_names(classifier, names, as_frame)
    if output.method == "decision_function" and calibration is None:
        raise ClassifierError(
            f"{_kind(classifier)} has a decision_function and no predict_proba, and its values "
            "are no probabilities: pass calibration=compare_calibrations(raw_scores(classifier, "
            "rows), is_fraud, event_time_ms).chosen, of orders that it was not fitted to"
        )
    blocks = list(_said(classifier, output, rows, names, as_frame))
    said = np.concatenate(blocks) if blocks else np.zeros(0)
    raw_score = _log_odds(said, output)
    if calibration is None:
        return ClassifierScores(raw_score, said)
    log_odds = calibration.log_odds_of_many(raw_score)
    return ClassifierScores(raw_score, np.array([probability(v) for v in log_odds.tolist()]))


def raw_scores(classifier: Any, table: Any, *, pos_label: Any = None) -> NDArray[np.float64]:
    """Return a classifier's raw scores of a table, to fit a calibration to.

    Parameters
    ----------
    classifier : object
        See `classifier_scores`.
    table : polars or pandas DataFrame, or array, shape (n_orders, n_features)
        As the classifier was fitted to it; at least one row.

    Returns
    -------
    ndarray of float64, shape (n_orders,)
        See `ClassifierScores.raw_score`.

    Raises
    ------
    ClassifierError, ParameterError
        See `classifier_scores`.
    """
    output = _output(classifier, pos_label)
    return _log_odds(_read(_called(classifier, output, table), output, len(table), 0), output)


def _log_odds(said: NDArray[np.float64], output: _Output) -> NDArray[np.float64]:
    return clipped_log_odds(said) if output.method == "predict_proba" else said


def _output(classifier: Any, pos_label: Any) -> _Output:
    if isinstance(classifier, type) or not _methods(classifier):
        raise ClassifierError(
            "a model must be a classifier in memory, fitted, with predict_proba or "
            f"decision_function, got {_kind(classifier)}; no model is read from a pickle"
        )
    classes = _classes(classifier)
    method = _methods(classifier)[0]
    if method == "decision_function" and len(classes) > 2:
        raise ClassifierError(
            f"{_kind(classifier)} must have predict_proba, as it has {len(classes)} classes and "
            "decision values of more than two cannot be read"
        )
    return _Output(method, _place(classes, pos_label), len(classes))


def _classes(classifier: Any) -> list[Any]:
    held: Any = getattr(classifier, "classes_", None)
    listed: Any = held.tolist() if isinstance(held, np.ndarray) else held
    is_list = isinstance(listed, list | tuple) and all(isinstance(c, Hashable) for c in listed)
    if not is_list or not 2 <= len(listed) == len(set(listed)):
        raise ClassifierError(
            f"{_kind(classifier)} must have classes_, a list of the classes it was fitted to, at "
            f"least two, got {held!r}; fit it to frauds and honest orders first"
        )
    return list(listed)


def _methods(classifier: Any) -> list[Literal["predict_proba", "decision_function"]]:
    names: tuple[Literal["predict_proba", "decision_function"], ...]
    names = ("predict_proba", "decision_function")
    return [name for name in names if callable(getattr(classifier, name, None))]


def _place(classes: list[Any], pos_label: Any) -> int:
    if pos_label is None:
        if classes not in ([0, 1], [-1, 1]):
            raise ClassifierError(
                f"the class that is fraud must be known, the classes are {classes}: "
                "say pos_label=..."
            )
        return 1
    if pos_label not in classes:
        raise ParameterError(f"pos_label must be one of the classes {classes}, got {pos_label!r}")
    return classes.index(pos_label)


def _check_names(classifier: Any, names: Sequence[str], as_frame: FrameKind | None) -> None:
    fitted = getattr(classifier, "feature_names_in_", None)
    if fitted is not None:
        if list(fitted) != list(names):
            raise ClassifierError(
                f"{_kind(classifier)} must be fitted to the bundle's {len(names)} features in "
                f"their order, and was fitted to {len(fitted)}; {_first_difference(fitted, names)}"
            )
        if as_frame is None:
            raise ClassifierError(
                f"{_kind(classifier)} was fitted to a frame with names and must be given one: "
                "say as_frame='polars' or 'pandas'"
            )
    n_features = getattr(classifier, "n_features_in_", len(names))
    if n_features != len(names):
        raise ClassifierError(
            f"{_kind(classifier)} must be fitted to the bundle's {len(names)} features, and was "
            f"fitted to {n_features}; take the rows from features_frame with bundle.features"
        )


def _first_difference(fitted: Sequence[str], names: Sequence[str]) -> str:
    missing, odd = [n for n in names if n not in fitted], [n for n in fitted if n not in names]
    if missing or odd:
        return f"missing: {missing[:3]}, not of the bundle: {odd[:3]}"
    place = next(i for i, name in enumerate(names) if fitted[i] != name)
    return f"column {place} is {fitted[place]!r}, not {names[place]!r}"


def _said(
    classifier: Any,
    output: _Output,
    rows: NDArray[np.float64],
    names: Sequence[str],
    as_frame: FrameKind | None,
) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        found = _called(classifier, output, _table(block, names, as_frame))
        yield _read(found, output, len(block), start)


def _table(rows: NDArray[np.float64], names: Sequence[str], as_frame: FrameKind | None) -> Any:
    if as_frame is None:
        return rows
    if as_frame == "polars":
        return pl.DataFrame({name: rows[:, place] for place, name in enumerate(names)})
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            "the package pandas must be installed for as_frame='pandas'; "
            "run `pip install pandas`, or say as_frame='polars'"
        ) from error
    return pd.DataFrame(rows, columns=list(names))


def _called(classifier: Any, output: _Output, table: Any) -> Any:
    try:
        return getattr(classifier, output.method)(table)
    except Exception as error:
        error.add_note(
            f"This came from {_kind(classifier)}.{output.method}, given {len(table)} feature rows "
            f"as {_kind(table)}. What is absent is NaN in them: many classifiers need an imputer."
        )
        raise


def _read(found: Any, output: _Output, n_rows: int, first_row: int) -> NDArray[np.float64]:
    """Return the probability, or the decision value, of fraud, after it was checked."""
    if output.method == "decision_function":
        values = _numbers(found, (n_rows,), "decision_function", first_row)
        return values if output.place == 1 else -values
    values = _numbers(found, (n_rows, output.n_classes), "predict_proba", first_row)
    is_in_range = np.all((values >= -_ROUNDING_MAX) & (values <= 1 + _ROUNDING_MAX), axis=1)
    _require(is_in_range, values, first_row, "predict_proba must return values in [0, 1]")
    adds_up = np.abs(np.sum(values, axis=1) - 1.0) <= output.n_classes * _ROUNDING_MAX
    _require(adds_up, values, first_row, "predict_proba must return rows that add up to 1")
    return np.clip(values[:, output.place], 0.0, 1.0)


def _numbers(
    found: Any, shape: tuple[int, ...], method: str, first_row: int
) -> NDArray[np.float64]:
    try:
        held = np.asarray(found)
    except (TypeError, ValueError):
        held = np.array(None)
    if held.dtype.kind not in "iuf" or held.shape != shape:
        raise ClassifierError(
            f"{method} must return numbers of shape {shape}, one row an order, "
            f"got {_kind(found)} of {held.dtype} and shape {held.shape}"
        )
    values = held.astype(np.float64)
    is_finite = np.all(np.isfinite(values), axis=tuple(range(1, values.ndim)))
    _require(is_finite, values, first_row, f"{method} must return finite numbers")
    return values


def _require(
    holds: NDArray[np.bool_], values: NDArray[np.float64], first_row: int, rule: str
) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        raise ClassifierError(f"{rule}, got {values[row].tolist()} at row {first_row + row}")


def _kind(value: object) -> str:
    held = value if isinstance(value, type) else type(value)
    return f"{held.__module__}.{held.__qualname__}"
