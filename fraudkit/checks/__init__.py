"""Checks that any implementation of a port must pass, for users who write their own."""

from fraudkit.checks.feature import FEATURE_CHECKS, FeatureCheck, check_feature
from fraudkit.checks.report import CheckReport, CheckResult
from fraudkit.checks.store import STORE_CHECKS, StoreCheck, check_store
from fraudkit.errors import CheckFailed

__all__ = [
    "FEATURE_CHECKS",
    "STORE_CHECKS",
    "CheckFailed",
    "CheckReport",
    "CheckResult",
    "FeatureCheck",
    "StoreCheck",
    "check_feature",
    "check_store",
]
