"""The command that explains a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fraudkit import console
from fraudkit.cli.options import AsJson, BundleFolder, TrustedKeysPath
from fraudkit.cli.reading import open_bundle
from fraudkit.console import print_json, stages

__all__ = ["explain"]


def explain(
    transaction_id: Annotated[str, typer.Argument(help="The transaction that was decided.")],
    journal: Annotated[Path, typer.Option(help="The journal of the service: journal.sqlite3.")],
    bundle: BundleFolder,
    treeshap: Annotated[  # noqa: FBT002 - a command-line flag
        bool, typer.Option("--treeshap", help="Show LightGBM's own TreeSHAP values too.")
    ] = False,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show why an order was decided so, what would have flipped it, and when windows clear.

    The journal is read up to the decision, also while a service writes it.
    """
    from fraudkit.explanation import explain_journalled
    from fraudkit.journal.sqlite import SqliteJournal

    loaded = open_bundle(bundle, keys)
    beside = None
    if treeshap:
        from fraudkit.scoring.trees.treeshap import TreeShap

        beside = TreeShap(loaded, bundle)
    with SqliteJournal.open_readonly(journal) as records, stages(is_quiet=as_json) as show:
        show("explaining")
        found = explain_journalled(loaded, records, transaction_id, treeshap=beside)
    if as_json:
        print_json(found)
    else:
        console.out.print(found)
