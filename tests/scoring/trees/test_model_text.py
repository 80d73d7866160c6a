import re
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.errors import BundleError
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.model_text import Trees, parse_model_text
from tests.scoring.models import train, written_text

MODEL = train(
    ("category", "normal", "counts"), seed=5, max_cat_to_onehot=1, num_leaves=6, missing_share=0.0
)
TEXT = MODEL.text.partition("\nparameters:")[0] + "\n"
Change = Callable[[str], str]


def field(name: str, change: Change, tree: int = 0) -> Change:
    """Return the change of one field of one tree."""

    def changed(text: str) -> str:
        parts = text.split("\nTree=")
        before = parts[tree + 1]
        parts[tree + 1] = re.sub(
            rf"(?m)^{name}=(.*)$", lambda held: f"{name}={change(held[1])}", before
        )
        assert parts[tree + 1] != before
        return "\nTree=".join(parts)

    return changed


def entry(name: str, place: int, value: object, tree: int = 0) -> Change:
    """Return the change of one entry of one array of one tree."""

    def changed(held: str) -> str:
        entries = held.split()
        entries[place] = str(value)
        return " ".join(entries)

    return field(name, changed, tree)


def replaced(old: str, new: str) -> Change:
    def changed(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return changed


def category_node() -> int:
    decisions = MODEL.trees.decision[: int(MODEL.trees.roots[1])]
    return int(np.flatnonzero(decisions & 1)[0])


ALTERED = {
    "child past the last node": (entry("left_child", 0, 99), "reached once"),
    "child past the last leaf": (entry("left_child", 0, -99), "reached once"),
    "child that is the root": (entry("right_child", 1, 0), "reached once"),
    "child of another size": (entry("left_child", 0, 2**40), "cannot be read"),
    "children one short": (entry("left_child", -1, ""), "one entry a node"),
    "thresholds one short": (entry("threshold", 0, ""), "one entry a node"),
    "a node too many": (field("split_feature", lambda held: held + " 0"), "one entry a node"),
    "feature past the last": (entry("split_feature", 0, 3), "known feature"),
    "feature below the first": (entry("split_feature", 0, -1), "known feature"),
    "leaf that is no number": (entry("leaf_value", 0, "nan"), "leaves at most"),
    "leaf without end": (entry("leaf_value", 2, "-inf"), "leaves at most"),
    "leaf beyond all log-odds": (entry("leaf_value", 0, "1e7"), "leaves at most"),
    "leaf that is a word": (entry("leaf_value", 0, "zero"), "cannot be read"),
    "threshold that is no number": (entry("threshold", 0, "nan"), "must be numbers"),
    "decision out of a byte": (entry("decision_type", 0, 300), "cannot be read"),
    "more leaves said": (field("num_leaves", lambda _: "7"), "7 leaves are said"),
    "fewer leaves said": (field("num_leaves", lambda _: "1"), "1 leaves are said"),
    "no leaves": (field("num_leaves", lambda _: "0"), "0 leaves are said"),
    "linear leaves": (field("is_linear", lambda _: "1"), "linear trees"),
    "a field less": (replaced("left_child=", "left_chidl="), "left_child"),
    "more category sets said": (field("num_cat", lambda held: held + "1"), "category sets"),
    "no category sets said": (field("num_cat", lambda _: "0"), "category sets"),
    "category sets of no words": (entry("cat_boundaries", 1, 0), "category sets"),
    "category words missing": (entry("cat_threshold", 0, ""), "category sets"),
    "category word out of 32 bits": (entry("cat_threshold", 0, 2**32), "cannot be read"),
    "category set past the last": (entry("threshold", category_node(), 99), "category sets"),
    "category set below the first": (entry("threshold", category_node(), -1), "category sets"),
    "category set in between": (entry("threshold", category_node(), 0.5), "category sets"),
    "another objective": (replaced("objective=binary sigmoid:1", "objective=regression"),
                          "objective must be 'binary sigmoid:1', got 'regression'"),
    "another sigmoid": (replaced("sigmoid:1", "sigmoid:2"), "objective must be"),
    "no objective": (replaced("objective=binary sigmoid:1\n", ""), "got None"),
    "several classes": (replaced("num_class=1", "num_class=3"), "num_class must be '1'"),
    "averaged trees": (replaced("objective=", "average_output\nobjective="), "add up"),
    "a name less": (replaced("Column_0 ", ""), "as many as max_feature_idx"),
    "no names": (replaced("feature_names=", "names="), "feature_names must be there"),
    "features that are no number": (replaced("max_feature_idx=2", "max_feature_idx=two"),
                                    "as many as max_feature_idx"),
    "a tree less": (lambda text: text[: text.index("\nTree=2")] + "\n\nend of trees\n",
                    "3 trees are said, 2 are there"),
    "no tree": (lambda text: text[: text.index("\nTree=0")], "3 trees are said, 0 are there"),
    "no end": (replaced("\nend of trees\n", "\n"), "must be whole"),
    "nothing": (lambda _: "", "num_class must be '1', got None"),
}  # fmt: skip


def is_same(ours: Trees, theirs: Trees) -> bool:
    return all(np.array_equal(one, two) for one, two in zip(ours, theirs, strict=True))


def outcome_of(text: str) -> Trees | None:
    """Return the trees of a text, used once, or ``None`` where it is refused."""
    try:
        trees, names = parse_model_text(text)
        scorer = TreeScorer(trees, np.zeros(len(names)))
    except BundleError:
        return None
    score, values = scorer.explain(np.full(len(names), 31.0))
    assert np.isfinite(score)
    assert np.isfinite(values).all()
    return trees


def test_the_text_is_read_as_it_stands() -> None:
    trees, names = parse_model_text(TEXT)
    assert names == ("Column_0", "Column_1", "Column_2")
    assert len(trees.roots) == 3
    assert is_same(trees, MODEL.trees)


@pytest.mark.parametrize(("change", "message"), ALTERED.values(), ids=ALTERED)
def test_an_altered_model_is_refused(change: Change, message: str) -> None:
    with pytest.raises(BundleError, match=r"model\.txt") as caught:
        parse_model_text(change(TEXT))
    assert message in str(caught.value)


def test_the_tree_that_is_wrong_is_named() -> None:
    with pytest.raises(BundleError, match=r"tree 1: a split must be on a known feature"):
        parse_model_text(entry("split_feature", 0, 3, tree=1)(TEXT))


def test_a_ring_of_nodes_beside_the_root_is_refused() -> None:
    ring = {
        "num_leaves": "4",
        "split_feature": "0 0 0",
        "threshold": "1 1 1",
        "decision_type": "2 2 2",
        "left_child": "-1 2 1",
        "right_child": "-2 -3 -4",
        "leaf_value": "0 1 2 3",
    }
    with pytest.raises(BundleError, match="a child must come after its parent"):
        parse_model_text(written_text(1, ring))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"objective": "multiclass", "num_class": 3}, "num_class"),
        ({"objective": "regression"}, "objective"),
        ({"objective": "binary", "linear_tree": True}, "linear trees"),
        (
            {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "random forest",
        ),
    ],
)
def test_other_kinds_of_model_are_refused(parameters: dict[str, object], message: str) -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(200, 2)), rng.integers(0, 2, 200).astype(float)
    held = {**parameters, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(held, lightgbm.Dataset(rows, labels, params=held), 2)
    with pytest.raises(BundleError, match=message):
        parse_model_text(booster.model_to_string())


@given(kept=st.integers(0, len(TEXT)))
def test_a_text_cut_off_is_refused_or_still_holds_every_tree(kept: int) -> None:
    trees = outcome_of(TEXT[:kept])
    is_whole = kept >= TEXT.index("end of trees\n") + len("end of trees\n")
    assert (trees is not None) == is_whole
    assert trees is None or is_same(trees, MODEL.trees)


@settings(max_examples=300)
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_makes_another_model_that_holds(data: st.DataObject) -> None:
    content = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(
            st.one_of(st.sampled_from(b"0123456789-. =\n"), st.integers(0, 255))
        )
    outcome_of(content.decode("utf-8", "replace"))


@settings(max_examples=300)
@given(data=st.data())
def test_a_number_put_elsewhere_is_refused_or_makes_another_model_that_holds(
    data: st.DataObject,
) -> None:
    numbers = list(re.finditer(r"-?\d+(\.\d+)?(e-?\d+)?", TEXT))
    old, new = data.draw(st.sampled_from(numbers)), data.draw(st.sampled_from(numbers))
    outcome_of(TEXT[: old.start()] + new[0] + TEXT[old.end() :])
