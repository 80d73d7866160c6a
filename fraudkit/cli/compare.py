"""The command that compares two ways of deciding the same orders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fraudkit.cli.figures import print_backtest
from fraudkit.cli.options import (
    AsJson,
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
from fraudkit.console import print_json, stages
from fraudkit.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from fraudkit.backtest import Backtest
    from fraudkit.decisions.policy import Policy

__all__ = ["compare", "found_against", "two_names"]


class _Side(NamedTuple):
    """A side as it was given: a policy, and scores if it brought any."""

    policy: Policy
    scores: pl.DataFrame | None


def compare(  # noqa: PLR0913, PLR0917 - options of a command
    old: Annotated[Path, typer.Argument(help="A policy.toml, a scores file or a bundle.")],
    new: Annotated[Path, typer.Argument(help="The same, for the other side.")],
    data: DataFiles,
    mapping: MappingFile = None,
    scores: Annotated[
        Path | None, typer.Option(help="Scores whose probabilities a policy.toml decides by.")
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE...", help="Earlier orders, for bundles: fill the windows."),
    ] = None,
    ip_files: IpFiles = None,
    card_ranges: CardRanges = None,
    keys: TrustedKeysPath = None,
    as_of: Annotated[
        str | None, typer.Option(help="RFC 3339 time; labels known later are not used.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Say who is affected by this field; may be repeated."),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many moved orders to name.")] = 10,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Say which orders another policy or bundle moves, and what that is worth."""
    kinds = _kind(old), _kind(new)
    _check_scores(kinds, scores)
    columns, read = read_orders(data, mapping)
    report_errors(read)
    earlier = None if not history else read_orders(history, mapping)[1]
    if earlier is not None:
        report_errors(earlier)
    with stages(is_quiet=as_json) as show:
        show("deciding")
        sides = [
            _side(kind, path, read, earlier, open_enrichment(ip_files, card_ranges), keys)
            for kind, path in zip(kinds, (old, new), strict=True)
        ]
        before, after = _decided(sides, scores, read, columns)
        found = found_against(
            before,
            after,
            read,
            columns,
            sides[1].policy,
            names=two_names(old, new),
            as_of_ms=None if as_of is None else time_ms(as_of, "--as-of"),
            dimensions=by,
            n_examples=examples,
        )
    if as_json:
        print_json(found.plain())
    else:
        print_backtest(found)


def found_against(
    old: Any, new: Any, read: Any, columns: Any, policy: Any, *, as_of_ms: int | None, **asked: Any
) -> Backtest:
    """Return the backtest of two scores of the same file, as of when the file was made."""
    from fraudkit.backtest import backtest_scores

    return backtest_scores(
        old,
        new,
        read,
        columns.rates,
        policy,
        as_of_ms=last_known_ms(read, columns) if as_of_ms is None else as_of_ms,
        label_delay_days=columns.delay_days,
        **asked,
    )


def two_names(old: Path, new: Path) -> tuple[str, str]:
    """Return names that tell two paths apart: short ones if they do.

    Examples
    --------
    >>> two_names(Path("a/scores.parquet"), Path("a/later.parquet"))
    ('scores', 'later')
    >>> two_names(Path("a/policy.toml"), Path("b/policy.toml"))
    ('a/policy.toml', 'b/policy.toml')
    >>> two_names(Path("a"), Path("a"))
    ('a (old)', 'a (new)')
    """
    if old.stem != new.stem:
        return old.stem, new.stem
    if old != new:
        return str(old), str(new)
    return f"{old} (old)", f"{new} (new)"


def _kind(path: Path) -> str:
    """Return what a path is of: ``policy``, ``scores`` or ``bundle``."""
    return {".toml": "policy", ".parquet": "scores"}.get(path.suffix, "bundle")


def _check_scores(kinds: tuple[str, str], scores: Path | None) -> None:
    if "policy" not in kinds and scores is not None:
        raise InputError("--scores is what a policy.toml decides by: leave it out without one")
    if kinds == ("policy", "policy") and scores is None:
        raise InputError("two policies need --scores, whose probabilities they decide by")


def _decided(sides: list[_Side], scores: Path | None, read: Any, columns: Any) -> tuple[Any, ...]:
    """Return each side's scores: its own, or those that its policy decides anew."""
    from fraudkit.backtest import decide_again
    from fraudkit.evaluation import read_scores

    given = [side.scores for side in sides if side.scores is not None]
    base = given[0] if scores is None else read_scores(scores)[0]
    return tuple(
        decide_again(base, side.policy, read, columns.rates) if side.scores is None else side.scores
        for side in sides
    )


def _side(
    kind: str,
    path: Path,
    read: Any,
    history: Any = None,
    enrichment: Any = None,
    keys: Path | None = None,
) -> _Side:
    from fraudkit.evaluation import read_scores
    from fraudkit.rescoring import score_data

    if kind == "policy":
        return _Side(read_policy(path), None)
    if kind == "scores":
        frame, policy = read_scores(path)
        return _Side(policy, frame)
    bundle = open_bundle(path, keys)
    report_absent(bundle.features, read)
    scored = score_data(bundle, read, history, enrichment=enrichment)
    return _Side(scored.policy, scored.frame)
