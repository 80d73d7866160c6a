"""Writing a scores file: it is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from fraudkit.decisions.policy import policy_toml
from fraudkit.errors import InputError
from fraudkit.rescoring.new_files import permissions, placed_file
from fraudkit.rescoring.parts import PartsFolder
from fraudkit.rescoring.scores import Scores

__all__ = ["write_scores"]


def write_scores(
    path: Path, scores: Scores, *, made_by: str, parts: PartsFolder | None = None
) -> None:
    """Write scores as a Parquet file that `fraudkit.evaluation.read_scores` reads.

    The file is written under another name and moved to its place when it is on the disk: a
    process that ends before leaves what was there.

    Parameters
    ----------
    path : Path
        Ends in ``.parquet``. A file that is there is replaced and keeps its permissions; of a
        link, the file that it leads to.
    made_by : str
        The bundle's version, or a name for a model of one's own.
    parts : PartsFolder, optional
        Removed when the file is in its place.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if path.suffix != ".parquet":
        raise InputError(f"a scores file's name must end in .parquet, got {path.name!r}")
    metadata = {"fraudkit.bundle": made_by, "fraudkit.policy": policy_toml(scores.policy)}
    try:
        target = path.resolve()
        if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
            raise InputError(f"{path} must be a file that may be replaced: choose another name")
        draft = (parts or PartsFolder(path)).draft(target)
        _write(draft, target, scores.frame, metadata)
        if parts is not None:
            parts.remove()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path} must be in a folder that can be written to, with room on its disk: {error}"
        ) from error


def _write(draft: Path, target: Path, frame: pl.DataFrame, metadata: dict[str, str]) -> None:
    mode, is_replaced = permissions(target), target.exists()
    with placed_file(target, draft, mode) as file:
        frame.write_parquet(file, metadata=metadata)
        if is_replaced:
            draft.chmod(mode)
