"""The commands about the registry of bundles."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Column, Table
from rich.text import Text

from fraudkit import console
from fraudkit.cli.options import AsJson, TrustedKeysPath
from fraudkit.console import print_json

__all__ = [
    "add",
    "diff",
    "history",
    "keygen",
    "list_bundles",
    "promote",
    "rollback",
    "show",
    "sign",
    "verify",
]

_VALUE_CHARACTERS_MAX = 60
_TIME_MS_MAX = 60_000_000_000_000

_Models = Annotated[Path, typer.Option("--models", help="The folder of the registry.")]
_BundleName = Annotated[
    str, typer.Argument(help="A name in the registry, `current`, or a path with a slash in it.")
]
_Name = Annotated[str, typer.Argument(help="A name in the registry.")]
_By = Annotated[str, typer.Option("--by", envvar="USER", help="Who wants it, for the history.")]
_Why = Annotated[str, typer.Option("--why", help="The reason, for the history.")]

_DEFAULT = Path("models")


def list_bundles(
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """List the bundles, also those that must not be used; the one in force is marked."""
    entries = _registry(models, keys).entries()
    if as_json:
        print_json([_plain_entry(entry) for entry in entries])
        return
    table = _table("", "bundle", "version", "trained until", "trees", "signature")
    for entry in entries:
        _add_row(
            table,
            "*" if entry.is_current else "",
            entry.name,
            entry.version or "refused",
            _day(entry.training.get("horizon_ms")),
            _words(entry.training.get("n_trees")),
            _signature(entry),
        )
    console.out.print(table)
    for entry in entries:
        if entry.problem:
            console.err.print(
                _printable(f"refused: {entry.problem}"), highlight=False, markup=False
            )


def show(
    bundle: _BundleName = "current",
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show a bundle: its model card and its key figures."""
    from fraudkit.registry.difference import flat

    registry = _registry(models, keys)
    loaded = registry.load(_named(bundle))
    facts = {
        "version": loaded.version,
        "signed_by": loaded.signed_by,
        "features": len(loaded.features.names),
        "features_digest": loaded.features.digest,
        "trees": loaded.scorer.n_trees,
        "calibration": msgspec.to_builtins(loaded.calibration),
        "search_rows": len(loaded.search),
        "libraries": loaded.libraries,
        "training": loaded.training,
    }
    if as_json:
        print_json({**facts, "card": loaded.card})
        return
    console.out.print(_printable(loaded.card), highlight=False, markup=False)
    table = _table("what", "value", title=f"Bundle {loaded.version}")
    for name, value in flat(facts):
        _add_row(table, name, _words(value))
    console.out.print(table)


def verify(
    bundle: _BundleName = "current",
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle: digests, signature, contents, and that it decides an order."""
    loaded = _registry(models, keys).verify(_named(bundle))
    if as_json:
        print_json({"version": loaded.version, "signed_by": loaded.signed_by})
        return
    signed = "no signature asked for" if loaded.signed_by is None else f"by {loaded.signed_by}"
    console.out.print(f"[bold]{loaded.version}[/bold] holds; {signed}", highlight=False)


def add(
    source: Annotated[Path, typer.Argument(help="The folder of a bundle, as train writes it.")],
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle and take it into the registry under its version."""
    name = _registry(models, keys).add(source)
    if as_json:
        print_json({"bundle": name, "folder": str(models / name)})
        return
    console.out.print(f"[bold]{name}[/bold] in {models}", highlight=False)


def promote(
    bundle: _Name,
    by: _By,
    why: _Why = "",
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle of the registry and put it in force; services take it when they start."""
    change = _registry(models, keys).promote(bundle, now_ms=_now_ms(), by=by, why=why)
    _print_change(change, bundle, as_json=as_json)


def rollback(
    by: _By,
    why: _Why = "",
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Put back what was in force before the newest promotion; again goes further back."""
    change = _registry(models, keys).rollback(now_ms=_now_ms(), by=by, why=why)
    _print_change(change, change.to_bundle, as_json=as_json)


def history(models: _Models = _DEFAULT, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show what was in force, since when, by whom and why."""
    changes = _registry(models, None).history()
    if as_json:
        print_json(changes)
        return
    table = _table("when (UTC)", "action", "from", "to", "version", "by", "why")
    for change in changes:
        _add_row(
            table,
            _day(change.at_ms, "%Y-%m-%d %H:%M:%S"),
            change.action,
            change.from_bundle or "",
            change.to_bundle,
            change.to_version or "",
            change.by,
            change.why,
        )
    console.out.print(table)


def diff(
    first: _BundleName,
    second: _BundleName,
    models: _Models = _DEFAULT,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show what differs: features, settings, policy, calibration, metrics, training window."""
    found = _registry(models, keys).diff(_named(first), _named(second))
    if as_json:
        print_json(found)
        return
    for what in ("added", "removed", "changed"):
        names = getattr(found, f"features_{what}")
        if names:
            console.out.print(
                f"features {what}: {', '.join(names)}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    for section, rows in found.sections.items():
        if not rows:
            continue
        table = _table(section, *found.versions)
        for name, (one, other) in rows.items():
            _add_row(table, name, _words(one), _words(other))
        console.out.print(table)
    if found.is_empty:
        console.out.print("nothing differs")


def sign(
    bundle: _BundleName,
    key: Annotated[Path, typer.Option(help="The private key, as keygen writes it.")],
    models: _Models = _DEFAULT,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Sign a bundle; a service that has trusted keys takes no other."""
    from fraudkit.scoring.bundle import sign_bundle

    signed_by = sign_bundle(_registry(models, None).place(_named(bundle)), key)
    if as_json:
        print_json({"signed_by": signed_by})
        return
    console.out.print(f"signed by [bold]{signed_by}[/bold]", highlight=False)


def keygen(
    private: Annotated[Path, typer.Option(help="File for the private key; keep it secret.")],
    public: Annotated[Path, typer.Option(help="File for the public key; give it to services.")],
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Make a pair of keys to sign bundles with."""
    from fraudkit.scoring.signature import make_key_pair

    made = make_key_pair(private, public)
    if as_json:
        print_json({"key": made, "private": str(private), "public": str(public)})
        return
    console.out.print(
        f"key [bold]{made}[/bold]: {private} is secret, {public} is for FRAUDKIT_TRUSTED_KEYS",
        highlight=False,
    )


def _registry(models: Path, keys: Path | None) -> Any:
    from fraudkit.registry import Registry
    from fraudkit.scoring.signature import trusted_keys

    return Registry(models, trusted_keys=None if keys is None else trusted_keys(keys))


def _named(bundle: str) -> str | Path:
    return Path(bundle) if "/" in bundle else bundle


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _plain_entry(entry: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(entry)
    training = plain.pop("training")
    return {**plain, "horizon_ms": training.get("horizon_ms"), "n_trees": training.get("n_trees")}


def _print_change(change: Any, name: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"bundle": name, "change": change})
    elif change is None:
        console.out.print(f"[bold]{name}[/bold] is in force already", highlight=False)
    else:
        console.out.print(
            f"[bold]{change.to_bundle}[/bold] is in force, {change.from_bundle or 'nothing'} was; "
            "restart what serves it",
            highlight=False,
        )


def _table(*names: str, title: str | None = None) -> Table:
    """Return a table that shows every cell whole."""
    return Table(*(Column(name, overflow="fold") for name in names), title=title)


def _add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: what a file says is no markup."""
    table.add_row(*(Text(_printable(cell)) for cell in cells))


def _printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def _signature(entry: Any) -> str:
    if entry.signed_by is not None:
        return f"by {entry.signed_by}"
    return "not checked" if entry.has_signature else "none"


def _day(time_ms: Any, form: str = "%Y-%m-%d") -> str:
    if not isinstance(time_ms, int) or abs(time_ms) > _TIME_MS_MAX:
        return ""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


def _words(value: Any) -> str:
    """Return a value for a table: numbers short, an estimate with its interval."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and set(value) >= {"value", "low", "high"}:
        return f"{_words(value['value'])} [{_words(value['low'])}, {_words(value['high'])}]"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= _VALUE_CHARACTERS_MAX:
        return text
    return f"{text[: _VALUE_CHARACTERS_MAX - 1]}…"
