"""Averaging models: one LightGBM text whose score is the mean of those of several."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["averaged_text"]

_SCALED = ("leaf_value=", "internal_value=")


def averaged_text(texts: Sequence[str]) -> str:
    """Return a model with the trees of all the models, each weighing as much.

    Parameters
    ----------
    texts : sequence of str
        LightGBM's texts of models of the same features, without parameters.

    Notes
    -----
    The score is a sum over trees, so the mean of ``k`` models is the sum over all their trees
    with every value divided by ``k``. LightGBM finds trees by their sizes in bytes, which stand
    in the header. What each feature was used for is left out: LightGBM counts it itself.
    """
    if len(texts) == 1:
        return texts[0]
    trees = [
        _tree(block, len(texts))
        for text in texts
        for block in text.partition("\nend of trees\n")[0].split("\nTree=")[1:]
    ]
    blocks = [f"Tree={number}\n{tree}\n\n\n" for number, tree in enumerate(trees)]
    head = texts[0].partition("\nTree=")[0].rstrip("\n")
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    lines = [f"tree_sizes={sizes}" if line.startswith("tree_sizes=") else line
             for line in head.split("\n")]  # fmt: skip
    return "\n".join(lines) + "\n\n" + "".join(blocks) + "end of trees\n"


def _tree(block: str, n_models: int) -> str:
    """Return a tree's lines without its number, its values divided."""
    lines = block.partition("\n")[2].rstrip("\n").split("\n")
    return "\n".join(_divided(line, n_models) for line in lines)


def _divided(line: str, n_models: int) -> str:
    if not line.startswith(_SCALED):
        return line
    name, _, values = line.partition("=")
    return f"{name}={' '.join(repr(float(value) / n_models) for value in values.split())}"
