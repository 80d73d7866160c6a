"""What-if and backtest: two ways of deciding the same past orders, and what the change is worth."""

from __future__ import annotations

from fraudkit.backtest.history import decide_again, known_orders
from fraudkit.backtest.result import AffectedGroup, Backtest, MatrixCell, MovedOrder
from fraudkit.backtest.running import backtest, backtest_scores

__all__ = [
    "AffectedGroup",
    "Backtest",
    "MatrixCell",
    "MovedOrder",
    "backtest",
    "backtest_scores",
    "decide_again",
    "known_orders",
]
