"""The commands about the registry of bundles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.options import (
    MODELS,
    AsJson,
    BundleName,
    ChangedBy,
    ChangedWhy,
    ModelsFolder,
    TrustedKeysPath,
)
from fraudkit.cli.reading import named_bundle, now_ms, open_registry
from fraudkit.cli.service_call import ServiceUrl, ask, show_changed, show_in_force
from fraudkit.cli.tables import add_row, plain_table, printable, words
from fraudkit.console import print_json
from fraudkit.errors import InputError

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

_CURRENT = "current"
_TIME_MS_MAX = 60_000_000_000_000

_Name = Annotated[str, typer.Argument(help="A name in the registry, or a path with a slash in it.")]


def list_bundles(
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """List the bundles, also those that must not be used; the one in force is marked."""
    entries = open_registry(models, keys).entries()
    if as_json:
        print_json([_plain_entry(entry) for entry in entries])
        return
    table = plain_table("", "bundle", "version", "trained until", "trees", "signature")
    for entry in entries:
        add_row(
            table,
            "*" if entry.is_current else "",
            entry.name,
            entry.version or "refused",
            _day(entry.training.get("horizon_ms")),
            words(entry.training.get("n_trees")),
            _signature(entry),
        )
    console.out.print(table)
    for entry in entries:
        if entry.problem:
            console.err.print(printable(f"refused: {entry.problem}"), highlight=False, markup=False)


def show(
    bundle: BundleName = "current",
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    url: ServiceUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show a bundle: its model card and its key figures; of a service, what decides."""
    from fraudkit.registry.difference import flat

    if url is not None:
        if bundle != _CURRENT:
            raise InputError(f"--url shows what decides there, leave {bundle!r} out")
        show_in_force(ask(url, "/v1/bundle"), as_json=as_json)
        return
    registry = open_registry(models, keys)
    loaded = registry.load(named_bundle(bundle))
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
    console.out.print(printable(loaded.card), highlight=False, markup=False)
    table = plain_table("what", "value", title=f"Bundle {loaded.version}")
    for name, value in flat(facts):
        add_row(table, name, words(value))
    console.out.print(table)


def verify(
    bundle: BundleName = "current",
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle: digests, signature, contents, and that it decides an order."""
    loaded = open_registry(models, keys).verify(named_bundle(bundle))
    if as_json:
        print_json({"version": loaded.version, "signed_by": loaded.signed_by})
        return
    signed = "no signature asked for" if loaded.signed_by is None else f"by {loaded.signed_by}"
    console.out.print(f"[bold]{loaded.version}[/bold] holds; {signed}", highlight=False)


def add(
    source: Annotated[Path, typer.Argument(help="The folder of a bundle, as train writes it.")],
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle and take it into the registry under its version."""
    name = open_registry(models, keys).add(source)
    if as_json:
        print_json({"bundle": name, "folder": str(models / name)})
        return
    console.out.print(f"[bold]{name}[/bold] in {models}", highlight=False)


def promote(
    bundle: _Name,
    by: ChangedBy,
    why: ChangedWhy = "",
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    url: ServiceUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Verify a bundle and put it in force; a service of this folder takes it while it runs.

    A path with a slash in it is taken into the registry first. With --url the service does so
    with a bundle of its own registry; the history then names the key instead of --by.
    """
    if url is not None:
        asked = {"bundle": bundle, "why": why}
        show_changed(ask(url, "/v1/bundle/promote", asked), as_json=as_json)
        return
    registry = open_registry(models, keys)
    name = registry.add(Path(bundle)) if "/" in bundle else bundle
    change = registry.promote(name, now_ms=now_ms(), by=by, why=why)
    _print_change(change, name, as_json=as_json)


def rollback(
    by: ChangedBy,
    why: ChangedWhy = "",
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    url: ServiceUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Put back what was in force before the newest promotion; again goes further back."""
    if url is not None:
        show_changed(ask(url, "/v1/bundle/rollback", {"why": why}), as_json=as_json)
        return
    change = open_registry(models, keys).rollback(now_ms=now_ms(), by=by, why=why)
    _print_change(change, change.to_bundle, as_json=as_json)


def history(models: ModelsFolder = MODELS, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show what was in force, since when, by whom and why."""
    changes = open_registry(models, None).history()
    if as_json:
        print_json(changes)
        return
    table = plain_table("when (UTC)", "action", "from", "to", "version", "by", "why", "overridden")
    for change in changes:
        add_row(
            table,
            _day(change.at_ms, "%Y-%m-%d %H:%M:%S"),
            change.action,
            change.from_bundle or "",
            change.to_bundle,
            change.to_version or "",
            change.by,
            change.why,
            change.override,
        )
    console.out.print(table)


def diff(
    first: BundleName,
    second: BundleName,
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show what differs: features, settings, policy, calibration, metrics, training window."""
    found = open_registry(models, keys).diff(named_bundle(first), named_bundle(second))
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
        table = plain_table(section, *found.versions)
        for name, (one, other) in rows.items():
            add_row(table, name, words(one), words(other))
        console.out.print(table)
    if found.is_empty:
        console.out.print("nothing differs")


def sign(
    bundle: BundleName,
    key: Annotated[Path, typer.Option(help="The private key, as keygen writes it.")],
    models: ModelsFolder = MODELS,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Sign a bundle; a service that has trusted keys takes no other."""
    from fraudkit.scoring.bundle import sign_bundle

    signed_by = sign_bundle(open_registry(models, None).place(named_bundle(bundle)), key)
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
            "a service of this folder takes it within two seconds",
            highlight=False,
        )


def _signature(entry: Any) -> str:
    if entry.signed_by is not None:
        return f"by {entry.signed_by}"
    return "not checked" if entry.has_signature else "none"


def _day(time_ms: Any, form: str = "%Y-%m-%d") -> str:
    if not isinstance(time_ms, int) or abs(time_ms) > _TIME_MS_MAX:
        return ""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)
