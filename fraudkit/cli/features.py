"""The commands about features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from fraudkit import console
from fraudkit.cli.options import (
    AsJson,
    BundleFolder,
    CardRanges,
    IpFiles,
    MappingFile,
    TrustedKeysPath,
)
from fraudkit.cli.reading import open_bundle, open_enrichment, read_orders, report_errors
from fraudkit.console import print_json, stages

__all__ = ["verify"]


def verify(  # noqa: PLR0913, PLR0917 - options of a command
    journal: Annotated[Path, typer.Option(help="The journal of the service: journal.sqlite3.")],
    bundle: BundleFolder,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", metavar="FILE...", help="The orders, to compare order features too."
        ),
    ] = None,
    mapping: MappingFile = None,
    ip_files: IpFiles = None,
    card_ranges: CardRanges = None,
    sample: Annotated[int, typer.Option(min=1, help="How many served rows are drawn.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same sample.")] = 0,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Compute served rows again, offline, and compare them with ==; exit status 1 if any differ.

    Without --data only the windows are compared: no journal holds what order features read.
    """
    import numpy as np

    from fraudkit.journal.sqlite import SqliteJournal
    from fraudkit.verification import verify_rows

    loaded = open_bundle(bundle, keys)
    frame = None
    if data:
        _columns, read = read_orders(data, mapping)
        report_errors(read)
        frame = read.frame
    with (
        SqliteJournal.open_readonly(journal) as records,
        stages(is_quiet=as_json) as show,
    ):
        show("verifying")
        found = verify_rows(
            records.records(),
            loaded.features,
            loaded.rates,
            generator=np.random.default_rng(seed),
            sample_rows=sample,
            frame=frame,
            enrichment=open_enrichment(ip_files, card_ranges),
        )
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    if found.values_differing:
        raise typer.Exit(1)


def _print(found: Any) -> None:
    console.out.print(
        f"{found.rows_compared:,} of {found.rows_served:,} served rows computed again "
        f"({found.rows_with_order_features:,} with their order features); not comparable: "
        f"{found.rows_other_features:,} of another feature set, {found.rows_degraded:,} served "
        "without the store",
        highlight=False,
    )
    console.out.print(
        f"{found.values_differing:,} of {found.values_compared:,} values differ", highlight=False
    )
    if not found.examples:
        return
    table = Table("transaction", "feature", "served", "computed again", title="The first to differ")
    for example in found.examples:
        table.add_row(
            example.transaction_id,
            example.feature,
            f"{example.served:.17g}",
            f"{example.recomputed:.17g}",
        )
    console.out.print(table)
