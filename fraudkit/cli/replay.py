"""The command that computes journalled decisions anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.options import AsJson, BundleFolder, TrustedKeysPath
from fraudkit.cli.reading import open_bundle
from fraudkit.console import counting, print_json
from fraudkit.errors import InputError, ReplayDiffers, ReplayError

if TYPE_CHECKING:
    from fraudkit.explanation import JournalReplay

__all__ = ["replay"]


def replay(
    journal: Annotated[Path, typer.Option(help="The journal of the service: journal.sqlite3.")],
    bundle: BundleFolder,
    transaction_id: Annotated[
        str | None, typer.Argument(help="The transaction that was decided.")
    ] = None,
    whole: Annotated[  # noqa: FBT002 - a command-line flag
        bool, typer.Option("--all", help="Replay every decision that this bundle made.")
    ] = False,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Compute a decision anew from its feature row; exit status 1 if the bytes differ.

    Of a transaction that was decided more than once, the newest decision.
    """
    from fraudkit.explanation import replay_journal
    from fraudkit.journal.sqlite import SqliteJournal

    if whole is (transaction_id is not None):
        raise InputError("replay must be given the id of a transaction, or --all; give one of both")
    loaded = open_bundle(bundle, keys)
    with SqliteJournal.open_readonly(journal) as records:
        if transaction_id is not None:
            _replay_one(loaded, records, transaction_id, as_json=as_json)
            return
        with counting(None, "replaying", is_quiet=as_json) as show:
            found = replay_journal(loaded, records.records(), progress=show)
    _show_all(found, as_json=as_json)


def _replay_one(bundle: Any, records: Any, transaction_id: str, *, as_json: bool) -> None:
    from fraudkit.explanation import replay_record

    record = records.last_decision(transaction_id)
    if record is None:
        raise ReplayError(
            f"transaction {transaction_id[:80]!r} must be in the journal, which has no decision "
            "about it; is it the journal of the service that decided it?"
        )
    try:
        decision = msgspec.Raw(replay_record(bundle, record))
    except ReplayDiffers as error:
        if as_json:
            print_json({"is_same": False, "at": error.at, "problem": str(error)})
        else:
            _print(str(error))
        raise typer.Exit(1) from error
    if as_json:
        print_json({"is_same": True, "decision": decision})
        return
    _print(f"the same {len(record.decision):,} bytes came out again:")
    _print(bytes(decision).decode())


def _show_all(found: JournalReplay, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _print(
            f"{found.n_same:,} decisions came out again, byte for byte; {found.n_differing:,} "
            f"differ; {found.n_other_bundles:,} are of other bundles and were not replayed"
        )
        for differing in found.differing:
            _print(differing.problem)
    if found.n_differing:
        raise typer.Exit(1)


def _print(text: str) -> None:
    console.out.print(text, highlight=False, markup=False, soft_wrap=True)
