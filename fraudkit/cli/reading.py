"""Reading what commands are given, and saying on standard error what is wrong with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fraudkit import console
from fraudkit.console import counting
from fraudkit.domain.transaction import epoch_ms
from fraudkit.errors import InputError

__all__ = [
    "last_known_ms",
    "named_bundle",
    "now_ms",
    "open_bundle",
    "open_enrichment",
    "open_registry",
    "policy_text",
    "read_orders",
    "read_policy",
    "report_absent",
    "report_errors",
    "time_ms",
]


def read_orders(paths: list[Path], mapping: Path | None) -> tuple[Any, Any]:
    """Return the mapping and what it makes of the files, with progress."""
    from fraudkit.mapping import Mapping, read_data

    columns = Mapping.identity() if mapping is None else Mapping.load(mapping)
    with counting(None, "reading", is_quiet=False) as show:
        return columns, read_data(paths, columns, progress=lambda done, _total: show(done))


def open_bundle(path: Path, keys: Path | None) -> Any:
    """Return the bundle, which one of the keys must have signed where there are keys."""
    from fraudkit.scoring.bundle import load_bundle
    from fraudkit.scoring.signature import trusted_keys

    return load_bundle(path, trusted_keys=None if keys is None else trusted_keys(keys))


def last_known_ms(read: Any, columns: Any) -> int:
    """Return when the newest label or outcome became known."""
    from fraudkit.scoring import maturity

    return maturity.last_known_ms(
        read.frame,
        read.labels,
        read.outcomes,
        has_label_column=columns.label_column is not None,
    )


def read_policy(path: Path) -> Any:
    """Return the policy of a file."""
    from fraudkit.decisions.policy import parse_policy

    return parse_policy(policy_text(path), str(path))


def policy_text(path: Path) -> str:
    """Return a policy file as it stands."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a readable policy file: {error}") from error


def time_ms(text: str, option: str) -> int:
    """Return the milliseconds of an RFC 3339 time with an offset."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{option} must be an RFC 3339 time such as 2026-03-01T00:00:00Z, got {text[:40]!r}"
        ) from error
    if moment.tzinfo is None:
        raise InputError(f"{option} must have an offset, got {text!r}; write {text}Z for UTC")
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise InputError(f"{option} must be in the years 1 to 9999 of UTC, got {text!r}") from error
    return epoch_ms(moment)


def report_absent(features: Any, read: Any) -> None:
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


def report_errors(read: Any) -> None:
    """Say which columns are not used and which rows are in error."""
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


def open_enrichment(ip_files: list[Path] | None, card_ranges: Path | None) -> Any:
    """Return the default sources of derived fields and those of the files."""
    from fraudkit.enrichment.card_ranges import CardRangeFile
    from fraudkit.features.enrichment import Enrichment

    sources = Enrichment.default()
    if ip_files:
        from fraudkit.enrichment.maxmind import MaxMindFile

        sources = msgspec.structs.replace(sources, ip=MaxMindFile(*ip_files))
    if card_ranges is not None:
        sources = msgspec.structs.replace(sources, card_ranges=CardRangeFile(card_ranges))
    return sources


def open_registry(models: Path, keys: Path | None) -> Any:
    """Return the registry, which takes what one of the keys signed where there are keys."""
    from fraudkit.registry import Registry
    from fraudkit.scoring.signature import trusted_keys

    return Registry(models, trusted_keys=None if keys is None else trusted_keys(keys))


def named_bundle(bundle: str) -> str | Path:
    """Return a bundle as a registry takes it: a name, or a path where there is a slash in it."""
    return Path(bundle) if "/" in bundle else bundle


def now_ms() -> int:
    """Return the time, for the history."""
    return time.time_ns() // 1_000_000
