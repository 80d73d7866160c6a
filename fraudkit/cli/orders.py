"""The commands about orders: score, evaluate, simulate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from fraudkit import console
from fraudkit.cli.compare import found_against, two_names
from fraudkit.cli.figures import (
    print_backtest,
    print_calibration,
    print_comparison,
    print_cost,
    print_metrics,
)
from fraudkit.cli.options import (
    AsJson,
    BundleFolder,
    CardRanges,
    DataFiles,
    IpFiles,
    MappingFile,
    TrustedKeysPath,
)
from fraudkit.cli.reading import (
    last_known_ms,
    open_bundle,
    open_enrichment,
    read_orders,
    read_policy,
    report_absent,
    report_errors,
    time_ms,
)
from fraudkit.console import counting, counting_stages, print_json
from fraudkit.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from fraudkit.comparison import Comparison
    from fraudkit.evaluation import Evaluation
    from fraudkit.rescoring import PartsBegun, PartsFolder, Scores

__all__ = ["evaluate", "score", "simulate"]


def score(  # noqa: PLR0913, PLR0917 - options of a command
    bundle: BundleFolder,
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE...", help="Earlier orders: fill the windows, are not scored."),
    ] = None,
    mapping: MappingFile = None,
    ip_files: IpFiles = None,
    card_ranges: CardRanges = None,
    keys: TrustedKeysPath = None,
    against: Annotated[
        Path | None, typer.Option(help="Earlier scores of the same orders: say what moved.")
    ] = None,
    restart: Annotated[  # noqa: FBT002 - a command-line flag
        bool, typer.Option("--restart", help="Do not go on where an interrupted run was.")
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Score orders as they would have been scored when they happened."""
    from fraudkit.evaluation import read_scores
    from fraudkit.rescoring import PartsFolder

    if out.suffix != ".parquet":
        raise InputError(f"--out must end in .parquet, got {out.name!r}")
    before = None if against is None else read_scores(against)[0]
    loaded = open_bundle(bundle, keys)
    with PartsFolder(
        out, sources=ip_files or (), is_restart=restart, on_begin=_show_begun
    ) as parts:
        columns, read = read_orders(data, mapping)
        report_errors(read)
        earlier = read_orders(history, mapping)[1] if history else None
        report_absent(loaded.features, read)
        if earlier is not None:
            report_errors(earlier)
        sources = open_enrichment(ip_files, card_ranges)
        scores = _scored(loaded, read, earlier, sources, out, parts, is_quiet=as_json)
    moved = None
    if against is not None:
        names = two_names(against, out)
        moved = found_against(
            before, scores.frame, read, columns, scores.policy, as_of_ms=None, names=names
        )
    summary: dict[str, Any] = {
        "bundle": loaded.version,
        "orders": len(scores.frame),
        "errors": len(read.errors),
        "history_errors": 0 if earlier is None else len(earlier.errors),
        "actions": dict(scores.frame["action"].drop_nulls().value_counts().rows()),
        "resumed_parts": parts.begun.n_resumed,
        "out": str(out),
    }
    if as_json:
        print_json(summary if moved is None else summary | {"against": moved.plain()})
        return
    _show_actions(summary["actions"], len(scores.frame))
    console.out.print(f"written to {out}", highlight=False)
    if moved is not None:
        print_backtest(moved)


def _scored(
    bundle: Any,
    read: Any,
    earlier: Any,
    sources: Any,
    out: Path,
    parts: PartsFolder,
    *,
    is_quiet: bool,
) -> Scores:
    """Score and write the file; who interrupts it is told what is kept."""
    from fraudkit.rescoring import score_data, write_scores

    try:
        with counting_stages(is_quiet=is_quiet) as show:
            scores = score_data(
                bundle, read, earlier, enrichment=sources, on_progress=show, parts=parts
            )
        write_scores(out, scores, made_by=bundle.version, parts=parts)
    except KeyboardInterrupt:
        if parts.n_kept:
            _say(
                f"interrupted: {parts.n_kept} of {parts.begun.n_parts} parts are kept in "
                f"{parts.folder}; the same command goes on from there"
            )
        raise
    return scores


def _show_begun(begun: PartsBegun) -> None:
    """Say what became of the parts of an interrupted run."""
    damaged = f"; {begun.n_damaged} damaged, computed again" if begun.n_damaged else ""
    if begun.n_resumed or begun.n_damaged:
        _say(f"continuing: {begun.n_resumed} of {begun.n_parts} parts were there{damaged}")
    elif begun.differing:
        _say(f"starting anew: the parts that were there differ in {', '.join(begun.differing)}")


def _say(line: str) -> None:
    console.err.print(line, highlight=False, markup=False, soft_wrap=True)


def _show_actions(actions: dict[str, int], n_orders: int) -> None:
    table = Table("action", "orders", "share of scored", title=f"{n_orders:,} orders")
    for name, count in actions.items():
        table.add_row(name, f"{count:,}", f"{count / sum(actions.values()):.1%}")
    console.out.print(table)


def evaluate(  # noqa: PLR0913, PLR0917 - options of a command
    scores: Annotated[Path, typer.Option(help="What `fraudkit score` wrote.")],
    data: DataFiles,
    mapping: MappingFile = None,
    policy: Annotated[
        Path | None, typer.Option(help="A policy.toml with your costs; the scores' own if not.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="RFC 3339 time; labels known later are not used.")
    ] = None,
    entity: Annotated[
        str, typer.Option(help="The field that Card Precision counts by.")
    ] = "payment.card.fingerprint",
    report: Annotated[
        Path | None, typer.Option(help="HTML file to write: figures and plots on one page.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Other scores of the same orders: compare the two.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the days of the intervals.")] = 0,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Hold scores against what became known, in rates and in money."""
    from fraudkit.comparison import compare
    from fraudkit.evaluation import evaluate as evaluate_scores
    from fraudkit.evaluation import read_scores
    from fraudkit.scoring.report import write_report

    if beside is not None and report is not None:
        raise InputError("--report is of one file of scores: leave out --report, or --beside")
    columns, read = read_orders(data, mapping)
    report_errors(read)
    frame, own_policy = read_scores(scores)
    pricing = own_policy if policy is None else read_policy(policy)
    options: dict[str, Any] = {
        "label_delay_days": columns.delay_days,
        "as_of_ms": last_known_ms(read, columns) if as_of is None else time_ms(as_of, "--as-of"),
        "entity": entity,
        "seed": seed,
    }
    if beside is not None:
        named = _two_scores(scores, frame, beside)
        _show_comparison(compare(named, read, columns.rates, pricing, **options), as_json=as_json)
        return
    found = evaluate_scores(frame, read, columns.rates, pricing, **options)
    as_of_words = f"{datetime.fromtimestamp(found.as_of_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    if report is not None:
        write_report(report, found.report(f"{scores.name} as of {as_of_words}"))
    _show_evaluation(found, as_of_words, as_json=as_json)
    if report is not None and not as_json:
        console.out.print(
            f"report written to {report}", highlight=False, markup=False, soft_wrap=True
        )


def _show_evaluation(found: Evaluation, as_of_words: str, *, as_json: bool) -> None:
    if as_json:
        plain = msgspec.to_builtins(found)
        del plain["curves"], plain["metrics"]
        print_json(found.metrics.plain() | plain)
        return
    print_metrics(
        found.metrics,
        f"{found.n_label_known:,} of {found.n_scored:,} scored orders with a label known by "
        f"{as_of_words} ({found.label_known_share:.1%})",
        found.cost.currency,
    )
    for note in found.notes:
        console.out.print(note, highlight=False, markup=False, soft_wrap=True)
    print_calibration(found.metrics)
    print_cost(found.cost)


def _two_scores(scores: Path, frame: pl.DataFrame, beside: Path) -> dict[str, pl.DataFrame]:
    """Return both files' scores, by a name that tells the two apart."""
    from fraudkit.evaluation import read_scores

    first, second = scores.stem, beside.stem
    if first == second:
        first, second = str(scores), f"{beside} (beside)"
    return {first: frame, second: read_scores(beside)[0]}


def _show_comparison(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        print_json(comparison.plain())
    else:
        print_comparison(comparison)


def simulate(
    orders: Annotated[int, typer.Option(min=1, help="How many orders.")],
    seed: Annotated[int, typer.Option(help="Same seed, same shop.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Make up a shop by stated rules: orders, outcomes, and a mapping to use them with."""
    from fraudkit.simulate import simulate as simulate_shop
    from fraudkit.simulate import write_shop

    with counting(orders, "orders", is_quiet=as_json) as show:
        shop = simulate_shop(orders, seed, progress=show)
    write_shop(shop, out)
    frauds = sum(kind != "honest" for kind in shop.truth)
    if as_json:
        print_json({"orders": len(shop.transactions), "frauds": frauds, "out": str(out)})
        return
    console.out.print(
        f"{len(shop.transactions):,} orders, {frauds:,} of them fraud, "
        f"{len(shop.outcomes):,} outcomes in {out}; RULES.md states how they were made",
        highlight=False,
    )
