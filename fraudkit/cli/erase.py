"""The command that erases a customer: in a data folder, or through a running service."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.keys import who
from fraudkit.cli.options import AsJson, TrustedKeysPath
from fraudkit.cli.reading import now_ms, open_bundle
from fraudkit.cli.tables import add_row, plain_table, printable
from fraudkit.console import print_json
from fraudkit.errors import InputError, JournalLocked, StoreError

if TYPE_CHECKING:
    from fraudkit.erasure import Erasure
    from fraudkit.journal.record import Journal

__all__ = ["erase"]

_DATA: Final = Path("data")
_BUNDLE: Final = Path("models/current")
_ANSWER_S: Final = 3600.0


class _Ask(Protocol):
    """Erases, or only says how much there is."""

    def __call__(self, *, dry_run: bool) -> dict[str, Any]: ...


def erase(  # noqa: PLR0913, PLR0917 - the options of the command
    entity: Annotated[str, typer.Argument(help="Which identifier it is: account, email, card, …")],
    identifier: Annotated[
        list[str],
        typer.Argument(
            help="As orders say it, a part for each field of the entity; - reads it from standard "
            "input, a part a line."
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(
            help="A running service, which erases; its key is FRAUDKIT_API_KEY. Without it the "
            "service must be stopped."
        ),
    ] = None,
    dry_run: Annotated[  # noqa: FBT002 - a command-line flag
        bool, typer.Option("--dry-run", help="Say how much there is, and remove nothing.")
    ] = False,
    yes: Annotated[  # noqa: FBT002 - a command-line flag
        bool, typer.Option("--yes", help="Do not ask before.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who wants it, for the audit log: you, unless said."),
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(envvar="FRAUDKIT_DATA_DIR", help="The data folder of the service.")
    ] = _DATA,
    bundle: Annotated[
        Path,
        typer.Option(envvar="FRAUDKIT_BUNDLE", help="The bundle of the service: its entities."),
    ] = _BUNDLE,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Remove all orders of one customer, and what became of them, for good.

    The journal and the windows' store are those of the service: FRAUDKIT_JOURNAL_URL and
    FRAUDKIT_STORE_URL, or journal.sqlite3 in the data folder and none. What a killed service left
    in its spool is brought to the journal first.
    """
    parts = _parts(identifier)
    if identifier == ["-"] and not (yes or dry_run):
        raise InputError(
            "--yes or --dry-run must be given where the identifier comes from standard input, "
            "which cannot answer a question too"
        )
    with _asking(entity, parts, url, by, data_dir, bundle, keys) as ask:
        found = ask(dry_run=True)
        if not dry_run:
            if not yes and found["orders"]:
                told = f"{found['orders']:,} orders and {found['outcomes']:,} outcomes"
                typer.confirm(f"Erase {told} for good?", abort=True, err=True)
            found = ask(dry_run=False)
    if as_json:
        print_json(found)
        return
    table = plain_table("entity", "orders", "outcomes", "", "in the audit log as")
    done = "would be removed" if dry_run else "removed"
    noted = "" if dry_run else found["fingerprint"]
    add_row(table, entity, f"{found['orders']:,}", f"{found['outcomes']:,}", done, noted)
    console.out.print(table)


def _parts(identifier: list[str]) -> list[str]:
    return sys.stdin.read().splitlines() if identifier == ["-"] else identifier


@contextmanager
def _asking(
    entity: str,
    parts: list[str],
    url: str | None,
    by: str | None,
    data_dir: Path,
    bundle: Path,
    keys: Path | None,
) -> Iterator[_Ask]:
    if url is not None:
        body = {"entity": entity, "identifier": parts}
        yield lambda *, dry_run: _asked_service(url, {**body, "dry_run": dry_run})
        return
    with _erasure(data_dir, bundle, keys) as erasure:
        from fraudkit.access.erasures import erase_customer

        def ask(*, dry_run: bool) -> dict[str, Any]:
            if dry_run:
                erased = erasure.erase(entity, parts, dry_run=True)
            else:
                audit = data_dir / "audit.ndjson"
                erased = erase_customer(
                    erasure, entity, parts, audit=audit, by=who(by), now_ms=now_ms
                )
            fingerprint = erasure.fingerprint(entity, parts)
            told = {"dry_run": dry_run, "fingerprint": fingerprint}
            return {"orders": erased.orders, "outcomes": erased.outcomes, **told}

        yield ask


@contextmanager
def _erasure(data_dir: Path, bundle: Path, keys: Path | None) -> Iterator[Erasure]:
    """Hold the erasure of a stopped service's data folder open."""
    from fraudkit.erasure import Erasure
    from fraudkit.features.keys import IdentifierHash
    from fraudkit.features.plan import window_plan
    from fraudkit.past import Past

    loaded = open_bundle(bundle, keys)
    hash_key = _hash_key(data_dir / "hash.key")
    past, url = None, os.environ.get("FRAUDKIT_STORE_URL")
    with _journal(data_dir, hash_key) as written, ExitStack() as closing:
        journal = _unspooled(written, data_dir, closing)
        if url:
            from fraudkit.stores.redis import RedisStore

            currency = loaded.rates.reference_currency
            plan = window_plan(loaded.features).in_currency(currency)
            store = RedisStore(plan, url)
            closing.callback(store.close)
            past = Past(loaded.features, plan, store, currency)
        yield Erasure(journal, loaded.features, IdentifierHash(hash_key), lambda: past)


@contextmanager
def _journal(data_dir: Path, hash_key: bytes) -> Iterator[Journal]:
    url = os.environ.get("FRAUDKIT_JOURNAL_URL")
    if url:
        from fraudkit.journal.postgres import PostgresJournal

        with PostgresJournal(url, migrate=False) as shared:
            shared.check_key(hash_key)
            yield shared
        return
    from fraudkit.journal.sqlite import SqliteJournal

    path = data_dir / "journal.sqlite3"
    if not path.exists():
        raise InputError(
            f"{path} must be the journal of the service. There is none; name its "
            "folder with --data-dir"
        )
    try:
        journal = SqliteJournal(path)
    except JournalLocked as error:
        raise JournalLocked(f"{error}; or let the service erase, with --url") from error
    with journal:
        yield journal


def _unspooled(journal: Journal, data_dir: Path, closing: ExitStack) -> Journal:
    """Return the journal with what a killed service left in its spool."""
    from fraudkit.journal.spooled import SpooledJournal

    path = Path(os.environ.get("FRAUDKIT_SPOOL_DIR") or data_dir) / "journal.spool"
    if not path.exists():
        return journal
    spooled = SpooledJournal(journal, path)
    closing.callback(spooled.close)
    return spooled


def _hash_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} must be the hash key of the service, which no identifier is found without: "
            f"{error.strerror}; name its data folder with --data-dir"
        ) from error


def _asked_service(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask a service to erase; its refusal is an error of ours."""
    headers = {"content-type": "application/json"}
    key = os.environ.get("FRAUDKIT_API_KEY")
    if key:
        headers["authorization"] = f"Bearer {key}"
    if not url.startswith(("http://", "https://")):
        raise InputError("--url must be http://host:port or https://host. Got another text")
    request = urllib.request.Request(  # noqa: S310 - looked at above
        f"{url.rstrip('/')}/v1/erasures", msgspec.json.encode(body), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310 - as above
            return msgspec.json.decode(answer.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        raise InputError(f"The service refused: {_told(error.read(), error.code)}") from error
    except (OSError, msgspec.DecodeError) as error:
        reason = printable(str(getattr(error, "reason", error)))
        raise StoreError(
            f"The service {url} must answer, and it did not: {reason}. What was begun may go on; "
            "ask again"
        ) from error


def _told(answer: bytes, status: int) -> str:
    try:
        return printable(msgspec.json.decode(answer)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"status {status}"
