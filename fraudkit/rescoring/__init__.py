"""Batch re-scoring: a file of orders to a frame of decisions, and parts of it kept on the way."""

from __future__ import annotations

from fraudkit.rescoring.blocks import Progress, ScoreStage
from fraudkit.rescoring.parts import PartsBegun, PartsFolder
from fraudkit.rescoring.scores import Scores, score_data
from fraudkit.rescoring.writing import write_scores

__all__ = [
    "PartsBegun",
    "PartsFolder",
    "Progress",
    "ScoreStage",
    "Scores",
    "score_data",
    "write_scores",
]
