"""The command line: thin; every command reads, calls the library, and shows.

An error of ours is one message and exit status 2, never a traceback. ``--json`` prints one JSON
object for machines on standard output; people's tables and progress are not mixed into it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from typer.core import TyperCommand

from fraudkit import console
from fraudkit.console import counting, print_calibration, print_json, print_metrics, stages
from fraudkit.domain.transaction import epoch_ms
from fraudkit.errors import FraudkitError, InputError
from fraudkit.openmp import restart_with_openmp

__all__ = [
    "AsJson",
    "DataFiles",
    "MappingFile",
    "app",
    "evaluate",
    "main",
    "score",
    "simulate",
    "train",
]


class _ManyFiles(TyperCommand):
    """A command whose file options take several values: ``--data A B`` is ``--data A --data B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _repeated(args))


def _repeated(args: list[str]) -> list[str]:
    """Name the option again before each further value of ``--data`` and ``--history``."""
    repeated: list[str] = []
    option, n_values = "", 0
    for argument in args:
        if argument.startswith("-"):
            option, value, _ = argument.partition("=")
            n_values = len(value)
        else:
            if option in {"--data", "--history"} and n_values:
                repeated.append(option)
            n_values += 1
        repeated.append(argument)
    return repeated


app = typer.Typer(
    help="Fraud scoring, payment-method choice and routing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataFiles = Annotated[
    list[Path],
    typer.Option("--data", metavar="FILE...", help="Orders: Parquet, CSV or NDJSON files."),
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="How the file's columns become the vocabulary.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def main() -> None:
    """Run the command line; an error of ours is shown as one message."""
    restart_with_openmp()
    try:
        app()
    except FraudkitError as error:
        console.err.print(f"[red]error[/red] [bold]{type(error).__name__}[/bold]", highlight=False)
        console.err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)


@app.command(cls=_ManyFiles)
def train(
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    mapping: MappingFile = None,
    until: Annotated[
        str | None, typer.Option(help="RFC 3339 time; later orders and outcomes are not used.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same data: same bundle.")] = 0,
    policy: Annotated[
        Path | None, typer.Option(help="A policy.toml with your costs; defaults if not given.")
    ] = None,
    trained_on: Annotated[str, typer.Option(help="A sentence for the model card.")] = "",
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Train, calibrate and measure a model, and write it as a bundle."""
    from fraudkit.scoring.bundle import check_writable, write_bundle
    from fraudkit.scoring.fit import ModelSettings
    from fraudkit.training import train as train_bundle

    check_writable(out)
    check_writable(out)
    columns, read = _read(data, mapping)
    _report_errors(read)
    with stages(is_quiet=as_json) as show:
        made = train_bundle(
            read,
            columns.rates,
            label_delay_days=columns.delay_days,
            horizon_ms=(
                _last_known_ms(read, columns) + 1 if until is None else _time_ms(until, "--until")
            ),
            policy=None if policy is None else _policy(policy),
            settings=ModelSettings(seed=seed),
            trained_on=trained_on,
            progress=show,
        )
    version = write_bundle(out, made.content)
    if as_json:
        print_json({"bundle": version, "folder": str(out), **made.summary})
        return
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
    )


@app.command(cls=_ManyFiles)
def score(
    bundle: Annotated[Path, typer.Option(help="A bundle's folder, or a file that names one.")],
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE...", help="Earlier orders: fill the windows, are not scored."),
    ] = None,
    mapping: MappingFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Score orders as they would have been scored when they happened."""
    from fraudkit.decisions.policy import policy_toml
    from fraudkit.rescoring import score_data
    from fraudkit.scoring.bundle import load_bundle

    if out.suffix != ".parquet":
        raise InputError(f"--out must end in .parquet, got {out.name!r}")
    loaded = load_bundle(bundle)
    _columns, read = _read(data, mapping)
    _report_errors(read)
    earlier = None if not history else _read(history, mapping)[1]
    _report_absent(loaded.features, read)
    if earlier is not None:
        _report_errors(earlier)
    with stages(is_quiet=as_json) as show:
        show("scoring")
        scores = score_data(loaded, read, earlier)
    metadata = {"fraudkit.bundle": loaded.version, "fraudkit.policy": policy_toml(scores.policy)}
    try:
        scores.frame.write_parquet(out, metadata=metadata)
    except OSError as error:
        raise InputError(f"{out} must be in a folder that can be written to: {error}") from error
    actions = {
        str(name): count
        for name, count in scores.frame["action"].drop_nulls().value_counts().rows()
    }
    summary = {
        "bundle": loaded.version,
        "orders": len(scores.frame),
        "errors": len(read.errors),
        "history_errors": 0 if earlier is None else len(earlier.errors),
        "actions": actions,
        "out": str(out),
    }
    if as_json:
        print_json(summary)
        return
    table = Table("action", "orders", "share of scored", title=f"{len(scores.frame):,} orders")
    for name, count in actions.items():
        table.add_row(name, f"{count:,}", f"{count / sum(actions.values()):.1%}")
    console.out.print(table)
    console.out.print(f"written to {out}", highlight=False)


@app.command(cls=_ManyFiles)
def evaluate(
    scores: Annotated[Path, typer.Option(help="What `fraudkit score` wrote.")],
    data: DataFiles,
    mapping: MappingFile = None,
    policy: Annotated[
        Path | None, typer.Option(help="A policy.toml with your costs; the scores' own if not.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="RFC 3339 time; labels known later are not used.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Hold scores against what became known, in rates and in money."""
    from fraudkit.evaluation import evaluate as evaluate_scores
    from fraudkit.evaluation import read_scores

    columns, read = _read(data, mapping)
    _report_errors(read)
    frame, own_policy = read_scores(scores)
    chosen = own_policy if policy is None else _policy(policy)
    found = evaluate_scores(
        frame,
        read,
        columns.rates,
        chosen.costs,
        label_delay_days=columns.delay_days,
        as_of_ms=_last_known_ms(read, columns) if as_of is None else _time_ms(as_of, "--as-of"),
    )
    if as_json:
        plain = msgspec.to_builtins(found)
        print_json(plain.pop("metrics") | plain)
        return
    print_metrics(
        found.metrics,
        f"{found.n_label_known:,} of {found.n_scored:,} scored orders with a label known by "
        f"{datetime.fromtimestamp(found.as_of_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC "
        f"({found.label_known_share:.1%})",
    )
    print_calibration(found.metrics)
    cost = found.cost
    title = f"Realised cost over {cost.n_orders:,} orders; negative is a gain"
    table = Table("decided by", f"minor units of {cost.currency}", "per order", title=title)
    for name, total in (
        ("the policy", cost.policy_minor),
        ("approving all", cost.approve_all_minor),
        ("declining all", cost.decline_all_minor),
    ):
        table.add_row(name, f"{total:,.0f}", f"{total / max(cost.n_orders, 1):,.1f}")
    console.out.print(table)


@app.command()
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


def _read(paths: list[Path], mapping: Path | None) -> tuple[Any, Any]:
    from fraudkit.mapping import Mapping, read_data

    columns = Mapping.identity() if mapping is None else Mapping.load(mapping)
    with counting(None, "reading", is_quiet=False) as show:
        return columns, read_data(paths, columns, progress=lambda done, _total: show(done))


def _last_known_ms(read: Any, columns: Any) -> int:
    from fraudkit.scoring.maturity import last_known_ms

    return last_known_ms(
        read.frame,
        read.labels,
        read.outcomes,
        has_label_column=columns.label_column is not None,
    )


def _policy(path: Path) -> Any:
    from fraudkit.decisions.policy import parse_policy

    try:
        return parse_policy(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a readable policy file: {error}") from error


def _time_ms(text: str, option: str) -> int:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{option} must be an RFC 3339 time such as 2026-03-01T00:00:00Z, got {text[:40]!r}"
        ) from error
    if moment.tzinfo is None:
        raise InputError(f"{option} must have an offset, got {text!r}; write {text}Z for UTC")
    return epoch_ms(moment)


def _report_absent(features: Any, read: Any) -> None:
    """Say which fields the model reads that came in no row of the file."""
    entities = {name for a in features.aggregations for name in (a.entity, a.of)}
    wanted = [path for feature in features.order_features for path in feature.inputs]
    wanted += [held.inputs[0] for held in features.entities if held.name in entities]
    fields = [path for path in dict.fromkeys(wanted) if "." in path]
    absent = [path for path in fields if path not in read.frame.columns]
    if absent:
        console.err.print(
            f"fields that the bundle reads and the file has none of: {', '.join(absent)}; "
            "they are unknown to the model",
            highlight=False,
            soft_wrap=True,
        )


def _report_errors(read: Any) -> None:
    if read.ignored_columns:
        console.err.print(f"columns not used: {', '.join(read.ignored_columns)}", highlight=False)
    if len(read.errors):
        first = read.errors.row(0, named=True)
        console.err.print(
            f"[yellow]{len(read.errors):,} of {read.row_count:,} rows are in error[/yellow]; "
            f"the first, row {first['row']}:",
            highlight=False,
        )
        console.err.print(first["error"], highlight=False, markup=False, soft_wrap=True)
    if len(read.outcome_errors):
        first = read.outcome_errors.row(0, named=True)
        console.err.print(
            f"[yellow]{len(read.outcome_errors):,} lines of the outcomes file are in error"
            f"[/yellow]; the first, line {first['line']}:",
            highlight=False,
        )
        console.err.print(first["error"], highlight=False, markup=False, soft_wrap=True)
