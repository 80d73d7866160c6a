"""The command that tunes a policy."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from fraudkit import console
from fraudkit.cli.options import AsJson, DataFiles, MappingFile
from fraudkit.cli.reading import last_known_ms, read_orders, read_policy, report_errors, time_ms
from fraudkit.console import counting_stages, print_json
from fraudkit.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from fraudkit.decisions.policy import Policy

__all__ = ["Form", "tune"]


class Form(StrEnum):
    """What a tuned policy decides by."""

    costs = "costs"
    cut_offs = "cut_offs"


def tune(  # noqa: PLR0913, PLR0917 - options of a command
    scores: Annotated[Path, typer.Option(help="Parquet file that `fraudkit score` wrote.")],
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="Policy file to write, .toml.")],
    mapping: MappingFile = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="Costs and constraints as a policy file; the scores' own if not given."),
    ] = None,
    segments: Annotated[
        list[str] | None,
        typer.Option(
            "--segments",
            metavar="FIELD...",
            help="Fields whose values get thresholds of their own.",
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option(help="Thresholds as curves over the amount, or plain cut-offs.")
    ] = Form.costs,
    resamples: Annotated[
        int, typer.Option(min=0, max=10_000, help="How often the days are drawn again.")
    ] = 100,
    as_of: Annotated[
        str | None, typer.Option(help="When we look, RFC 3339; the last known label if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the days.")] = 0,
    report: Annotated[
        Path | None, typer.Option(help="HTML file to write: what was found, with plots.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Find the policy that would have cost least, and write it as a file."""
    from fraudkit.decisions.tuning import PolicyTuner
    from fraudkit.evaluation import read_scores
    from fraudkit.reporting.page import write_page
    from fraudkit.retuning import tune_on_scores

    _check_outputs(out, report)
    columns, read = read_orders(data, mapping)
    report_errors(read)
    frame, own_policy = read_scores(scores)
    tuner = PolicyTuner(
        policy=own_policy if policy is None else read_policy(policy),
        segments=segments or (),
        form=form.value,
        n_resamples=resamples, seed=seed, n_jobs=-1,
    )  # fmt: skip
    as_of_ms = last_known_ms(read, columns) if as_of is None else time_ms(as_of, "--as-of")
    with counting_stages(is_quiet=as_json) as show:
        tune_on_scores(
            tuner, frame, read, columns.rates, as_of_ms=as_of_ms,
            label_delay_days=columns.delay_days, on_progress=partial(show, "redrawn days"),
        )  # fmt: skip
    if report is not None:
        write_page(report, tuner.report().page())
    _write(out, tuner.policy_)
    if as_json:
        print_json(_plain(tuner, out))
    else:
        _show(tuner, out, report)


def _check_outputs(out: Path, report: Path | None) -> None:
    from fraudkit.reporting.plots import check_can_draw

    if out.suffix != ".toml":
        raise InputError(f"--out must end in .toml, got {out.name!r}")
    if report is not None:
        check_can_draw()


def _write(out: Path, policy: Policy) -> None:
    from fraudkit.decisions.policy import policy_toml

    try:
        out.write_text(policy_toml(policy), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} must be a file that can be written: {error.strerror}") from error


def _plain(tuner: Any, out: Path) -> dict[str, Any]:
    return {
        "policy": tuner.policy_.digest[:16],
        "orders": tuner.n_orders_,
        "unknown": tuner.n_unknown_,
        "label_known_share": tuner.label_known_share_,
        "label_coverage": msgspec.to_builtins(tuner.label_coverage_),
        "notes": list(tuner.label_coverage_.notes),
        "odds_factor": tuner.policy_.odds_factor,
        "thresholds": tuner.thresholds_.to_dicts(),
        "rates": tuner.rates_.to_dicts(),
        "segments": tuner.segments_.to_dicts(),
        "stability": tuner.stability_.to_dicts(),
        "out": str(out),
    }


def _show(tuner: Any, out: Path, report: Path | None) -> None:
    for note in tuner.label_coverage_.notes:
        console.out.print(note, highlight=False, markup=False, soft_wrap=True)
    for title, frame in (
        ("From which probability of fraud on", tuner.thresholds_),
        ("What the tuned policy does on these orders", tuner.rates_),
        ("Segments", tuner.segments_),
        ("Last week's policy on this week's orders", tuner.stability_),
    ):
        if len(frame):
            console.out.print(_table(title, frame))
    console.out.print(f"policy {tuner.policy_.digest[:16]} in {out}", markup=False, soft_wrap=True)
    if report is not None:
        console.out.print(
            f"report written to {report}", highlight=False, markup=False, soft_wrap=True
        )


def _table(title: str, frame: pl.DataFrame) -> Table:
    import polars as pl

    days = pl.selectors.ends_with("_start_ms")
    shown = frame.with_columns(days.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d"))
    table = Table(title=title, title_justify="left")
    for name in shown.columns:
        table.add_column(name.replace("_start_ms", " from").replace("_", " "))
    for row in shown.rows():
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
