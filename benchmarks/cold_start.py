"""How long a new process takes from its first import to its first raw score, and its first reasons.

Three processes: one finds the compiled code where an earlier one left it, one finds none and may
write, and one finds none and may write nowhere, as on a read-only file system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

import fraudkit
from benchmarks.made_up_orders import MadeUp
from fraudkit.errors import ArtifactError

__all__ = ["cold_starts"]

_PROGRAM: Final = """
from time import perf_counter
started = perf_counter()
import sys
from pathlib import Path
import numpy as np
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.model_text import parse_model_text
folder = Path(sys.argv[1])
trees, _ = parse_model_text((folder / "model.txt").read_text("utf-8"))
reference, row = np.load(folder / "rows.npy")
scorer = TreeScorer(trees, reference)
score = scorer.score(row)
scored = perf_counter()
explained, _ = scorer.explain(row)
assert explained == score
print(scored - started, perf_counter() - started)
"""


def cold_starts(made_up: MadeUp, n_starts: int) -> dict[str, float]:
    """Return the figures ``cold_start_s`` and so on, the median of so many starts of each kind."""
    with TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "model.txt").write_text(made_up.model_text, "utf-8")
        np.save(folder / "rows.npy", np.stack([made_up.reference, made_up.rows[0]]))
        shutil.copytree(
            Path(fraudkit.__file__).parent,
            folder / "package" / "fraudkit",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        # A file where a folder would be made stands for a file system that cannot be written.
        (folder / "package" / "fraudkit" / "__pycache__").write_text("")
        nowhere = {"XDG_CACHE_HOME": str(folder / "model.txt")}
        warm = {"NUMBA_CACHE_DIR": str(folder / "warm")}
        _start(folder, warm)
        ways = {
            "cold_start": [_start(folder, warm) for _ in range(n_starts)],
            "cold_start_uncached": [
                _start(folder, {"NUMBA_CACHE_DIR": str(folder / f"empty-{number}")})
                for number in range(n_starts)
            ],
            "cold_start_read_only": [_start(folder, nowhere) for _ in range(n_starts)],
        }
    figures = {}
    for name, taken in ways.items():
        figures[f"{name}_s"], figures[f"{name}_with_reasons_s"] = np.median(taken, axis=0).tolist()
    return figures


def _start(folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    inherited = {name: held for name, held in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", _PROGRAM, str(folder)],
        env={**inherited, "PYTHONPATH": str(folder / "package"), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ArtifactError(f"a process that only scores one row must end well: {done.stderr}")
    scored, explained = map(float, done.stdout.split())
    return scored, explained
