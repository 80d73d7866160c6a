"""Runs that are interrupted, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fraudkit.mapping import MappedData
from fraudkit.rescoring import PartsBegun, PartsFolder, score_data, write_scores
from fraudkit.scoring.bundle import Bundle

__all__ = ["BLOCK_ROWS", "N_ORDERS", "Interrupted", "interrupt", "score", "snapshot"]

N_ORDERS = 550
BLOCK_ROWS = 100


class Interrupted(Exception):
    """A run was stopped by its test."""


def score(
    bundle: Bundle,
    data: MappedData,
    out: Path,
    *,
    asked: dict[str, Any] | None = None,
    **given: Any,
) -> PartsBegun:
    """Score into a file, with parts asked for like this, and return what was found there."""
    with PartsFolder(out, **{"block_rows": BLOCK_ROWS} | (asked or {})) as parts:
        scores = score_data(bundle, data, parts=parts, **given)
        write_scores(out, scores, made_by=bundle.version, parts=parts)
        return parts.begun


def interrupt(bundle: Bundle, data: MappedData, out: Path, n_parts: int, **given: Any) -> Path:
    """Score until so many parts are kept, and return their folder."""

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "scores" and done > n_parts * BLOCK_ROWS:
            raise Interrupted

    try:
        score(bundle, data, out, on_progress=stop, **given)
    except Interrupted:
        return out.with_name(f"{out.name}.parts")
    raise AssertionError("the run came to its end")


def snapshot(folder: Path, without: Iterable[str] = ("lock",)) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in without}
