"""``python -m benchmarks.quality``: how well orders are scored, on two public data sets.

The Fraud Detection Handbook's own protocol, four folds, and real orders of the UCSD/FICO contest
by the ordinary commands. The data are not part of the project: ``FRAUDKIT_DATA`` names the folder
that holds them, as `docs/data-science.md` describes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks.harness import Report, context, options, print_report
from benchmarks.quality_handbook import FOLDS, handbook
from benchmarks.quality_ucsd import ucsd

__all__ = ["main", "measure"]

CAVEATS: Final = (
    "Settings were chosen on folds that precede the test rows; features know nothing of them.",
    "The Handbook's payments are simulated: its four weeks are alike, a shop's are not.",
    "UCSD: 537 frauds are tested on; another seed moves average precision by up to .01.",
    "UCSD: contest data of 2009, masked; times known to the hour, rows in order of time.",
    "Handbook, published, best of five methods each: AUC .879, AP .687, CP@100 .305.",
)
PACKAGES: Final = ("fraudkit", "lightgbm", "scikit-learn", "numpy", "polars")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("How well orders are scored, on public data.")
    parser.set_defaults(seed=0)
    parser.add_argument("--part", choices=("handbook", "ucsd"), help="one data set alone")
    given = parser.parse_args(arguments)
    folder = os.environ.get("FRAUDKIT_DATA")
    if folder is None:
        sys.stderr.write(
            "benchmarks.quality needs public data: set FRAUDKIT_DATA to the folder that holds it\n"
        )
        return 2
    report = measure(Path(folder), given.seed, given.part)
    print_report(report, [_table(report)], CAVEATS, as_json=given.json)
    return 0


def measure(folder: Path, seed: int, part: str | None = None) -> Report:
    """Return the figures of both data sets, or of one."""
    figures: dict[str, float] = {}
    settings: dict[str, object] = {}
    if part != "ucsd":
        found, settings["handbook_settings"] = handbook(folder, seed)
        figures |= found
    if part != "handbook":
        found, settings["ucsd_settings"] = ucsd(folder, seed)
        figures |= found
    held = context(n=FOLDS, seed=seed, packages=PACKAGES, **settings)
    return Report(benchmark="quality", figures=figures, context=held)


def _table(report: Report) -> Table:
    table = Table("figure", "value", "deviation or 95 % interval", title="Quality")
    for name, value in report.figures.items():
        if name.endswith(("_deviation", "_low", "_high")):
            continue
        told = ""
        if f"{name}_deviation" in report.figures:
            told = f"± {report.figures[f'{name}_deviation']:.4f} over the folds"
        elif f"{name}_low" in report.figures:
            low, high = report.figures[f"{name}_low"], report.figures[f"{name}_high"]
            told = f"{low:.4f} to {high:.4f}"
        table.add_row(name, f"{value:.4f}", told)
    return table


if __name__ == "__main__":
    sys.exit(main())
