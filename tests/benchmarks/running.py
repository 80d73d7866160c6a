"""Runs a benchmark as its users do, and holds what every benchmark must print."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ran"]

ROOT = Path(__file__).parents[2]
MAY_BE_NAUGHT = {"errors", "memory_growth_mb"}


def ran(name: str, *arguments: str) -> dict[str, Any]:
    """Return the one object that a benchmark prints with ``--json``."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert list(report) == ["benchmark", "figures", "context"]
    assert report["benchmark"] == name
    assert {"machine", "versions", "commit", "n", "seed"} <= set(report["context"])
    wrong = {
        figure: value
        for figure, value in report["figures"].items()
        if not (math.isfinite(value) and (value > 0 or figure in MAY_BE_NAUGHT))
    }
    assert wrong == {}
    return report
