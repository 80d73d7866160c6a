"""Tuning a policy on orders whose outcome is known."""

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.tuner import PolicyTuner

__all__ = ["PolicyTuner", "TuningReport"]
