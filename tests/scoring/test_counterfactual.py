"""The smallest sets of groups that suffice, against all sets tried one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.scoring.counterfactual import SEARCHED_MAX, Replacement, least_replacements
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.model_text import parse_model_text
from tests.scoring.models import Model, models, rows_of, written_text

Groups = dict[str, list[int]]


def replaced(
    row: NDArray[np.float64], reference: NDArray[np.float64], groups: Groups, names: tuple[str, ...]
) -> NDArray[np.float64]:
    made = row.copy()
    for name in names:
        made[groups[name]] = reference[groups[name]]
    return made


@given(data=st.data(), model=models(), threshold=st.floats(-2, 2), most=st.integers(1, 4))
def test_the_smallest_sets_are_found_and_the_lowest_score_comes_first(
    data: st.DataObject, model: Model, threshold: float, most: int
) -> None:
    row, reference = data.draw(rows_of(model, 2, 2))
    names = [data.draw(st.sampled_from("abcd")) for _ in range(model.n_features)]
    groups: Groups = {}
    for column, name in enumerate(names):
        groups.setdefault(name, []).append(column)
    scorer = TreeScorer(model.trees, reference)
    found = least_replacements(
        scorer, row, reference, groups, lambda scores: scores <= threshold, most=most
    )
    differing = [
        name
        for name, columns in sorted(groups.items())
        if not np.array_equal(row[columns], reference[columns], equal_nan=True)
    ]
    enough: list[tuple[float, tuple[str, ...]]] = []
    for size in range(1, len(differing) + 1):
        for names_tried in combinations(differing, size):
            score = scorer.score(replaced(row, reference, groups, names_tried))
            enough += [(score, names_tried)] if score <= threshold else []
        if enough:
            break
    if not enough or len(enough[0][1]) <= SEARCHED_MAX:
        best = sorted(enough, key=lambda held: held[0])[:most]
        assert [(held.raw_score, held.groups) for held in found] == best
        assert all(held.is_least for held in found)
    else:
        assert [held.groups for held in found] == [enough[0][1]]


ORDER = np.ones(5)
TYPICAL = np.zeros(5)
GROUPS = {name: [column] for column, name in enumerate("abcde")}


def four_needed() -> TreeScorer:
    """Return a model of log-odds 3 where a is the order's, 1 for each of b to e, and 10 for any.

    So a alone lowers the score most, and all of b to e lower it by 14.
    """

    def split(feature: int, value: int) -> dict[str, str]:
        return {
            "num_leaves": "2", "split_feature": str(feature), "threshold": "0.5",
            "decision_type": "2", "left_child": "-1", "right_child": "-2",
            "leaf_value": f"0 {value}",
        }  # fmt: skip

    any_of_four = {
        "num_leaves": "5", "split_feature": "1 2 3 4", "threshold": "0.5 0.5 0.5 0.5",
        "decision_type": "2 2 2 2", "left_child": "1 2 3 -5", "right_child": "-1 -2 -3 -4",
        "leaf_value": "10 10 10 10 0",
    }  # fmt: skip
    singles = [split(0, 3), *(split(feature, 1) for feature in range(1, 5))]
    trees, _names = parse_model_text(written_text(5, *singles, any_of_four))
    return TreeScorer(trees, TYPICAL)


def test_a_larger_set_is_found_step_by_step_and_what_is_needless_left_out() -> None:
    scorer = four_needed()
    assert scorer.score(ORDER) == 17.0
    found = least_replacements(scorer, ORDER, TYPICAL, GROUPS, lambda scores: scores <= 3.0)
    assert found == (Replacement(("b", "c", "d", "e"), 3.0, is_least=False),)


def test_where_not_even_all_suffice_there_is_none() -> None:
    scorer = four_needed()
    assert least_replacements(scorer, ORDER, TYPICAL, GROUPS, lambda scores: scores < 0.0) == ()
    assert least_replacements(scorer, TYPICAL, TYPICAL, GROUPS, lambda scores: scores < 1.0) == ()
