"""The command that trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.figures import print_metrics
from fraudkit.cli.options import AsJson, CardRanges, DataFiles, IpFiles, MappingFile
from fraudkit.cli.reading import (
    last_known_ms,
    open_enrichment,
    read_orders,
    read_policy,
    report_errors,
    time_ms,
)
from fraudkit.console import print_json, stages

if TYPE_CHECKING:
    from fraudkit.training import Training

__all__ = ["train"]


def train(  # noqa: PLR0913, PLR0917 - options of a command
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    mapping: MappingFile = None,
    ip_files: IpFiles = None,
    card_ranges: CardRanges = None,
    until: Annotated[
        str | None, typer.Option(help="RFC 3339 time; later orders and outcomes are not used.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same data: same bundle.")] = 0,
    policy: Annotated[
        Path | None, typer.Option(help="A policy.toml with your costs; defaults if not given.")
    ] = None,
    trained_on: Annotated[str, typer.Option(help="A sentence for the model card.")] = "",
    candidates: Annotated[
        int, typer.Option(min=0, help="Settings to try on earlier parts; 0 takes the defaults.")
    ] = 16,
    report: Annotated[
        Path | None, typer.Option(help="HTML file to write: how it was made and how it did.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Train, calibrate and measure a model, and write it as a bundle."""
    from fraudkit.scoring.bundle import check_writable, write_bundle
    from fraudkit.scoring.report import write_report
    from fraudkit.training import train as train_bundle

    check_writable(out)
    columns, read = read_orders(data, mapping)
    report_errors(read)
    with stages(is_quiet=as_json) as show:
        made = train_bundle(
            read,
            columns.rates,
            label_delay_days=columns.delay_days,
            horizon_ms=(
                last_known_ms(read, columns) + 1 if until is None else time_ms(until, "--until")
            ),
            policy=None if policy is None else read_policy(policy),
            n_candidates=candidates,
            propensities=read.propensities,
            seed=seed,
            enrichment=open_enrichment(ip_files, card_ranges),
            trained_on=trained_on,
            progress=show,
        )
    version = write_bundle(out, made.content)
    if report is not None:
        write_report(report, msgspec.structs.replace(made.report, bundle=version))
    if as_json:
        print_json({"bundle": version, "folder": str(out), **made.summary})
    else:
        _show(made, version, out)


def _show(made: Training, version: str, out: Path) -> None:
    held_back = made.summary["held_back"]
    console.out.print(f"bundle [bold]{version}[/bold] in {out}", highlight=False)
    console.out.print(
        f"{made.summary['orders']:,} orders, {made.summary['orders_with_known_label']:,} with a "
        f"known label, {made.summary['frauds']:,} fraud; {made.summary['features']} features, "
        f"{made.summary['n_trees']} trees",
        highlight=False,
    )
    print_metrics(
        made.metrics,
        f"Held-back last part: {held_back['orders']:,} orders, "
        f"{held_back['label_known_share']:.1%} with a known label",
        made.report.currency,
    )
    for warning in made.report.warnings:
        console.out.print(warning, highlight=False, markup=False, soft_wrap=True)
