"""The commands about who may call the service, and about who changed what."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.options import AsJson
from fraudkit.cli.reading import now_ms, time_ms
from fraudkit.cli.tables import add_row, plain_table, printable
from fraudkit.console import print_json

if sys.platform != "win32":
    import pwd
if TYPE_CHECKING:
    from fraudkit.access import ApiKey

__all__ = ["audit", "create", "list_keys", "revoke", "who"]

_DATA = Path("data")

_DataFolder = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="FRAUDKIT_DATA_DIR",
        help="The data folder of the service; audit.ndjson is in it.",
    ),
]
_KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        envvar="FRAUDKIT_KEYS_FILE",
        help="The file of the keys.  [default: keys.json in the data folder]",
        show_default=False,
    ),
]
_By = Annotated[
    str | None, typer.Option("--by", help="Who wants it, for the audit log: you, unless said.")
]


def create(  # noqa: PLR0913, PLR0917 - the options of the command
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scopes: Annotated[
        str, typer.Option(help="What it may do, with commas: score, outcomes, admin.")
    ],
    requests_per_second: Annotated[
        float | None, typer.Option(help="How many requests it may send in the long run.")
    ] = None,
    burst: Annotated[
        int | None, typer.Option(help="How many at once after a pause; those of a second.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="RFC 3339: from when it counts no more.")
    ] = None,
    by: _By = None,
    data_dir: _DataFolder = _DATA,
    keys_file: _KeysFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Make a key and print its text, which is shown this once."""
    from fraudkit.access import create_key, new_key

    path = _keys_path(data_dir, keys_file)
    key, text = new_key(
        name,
        [scope.strip() for scope in scopes.split(",")],
        now_ms=now_ms(),
        random_bytes=secrets.token_bytes,
        expires_at_ms=None if expires is None else time_ms(expires, "--expires"),
        requests_per_second=requests_per_second,
        burst=burst,
    )
    create_key(path, key, audit=_audit_path(data_dir), by=who(by))
    if as_json:
        print_json({"key": text, **_facts(key)})
        return
    sys.stdout.write(text + "\n")
    console.err.print(
        printable(
            f"Key {key.key_id} of {key.name} is in {path}. Its text is shown this once. A running "
            "service takes it within a second or two; one that started without keys, when it "
            "starts again."
        ),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def list_keys(
    data_dir: _DataFolder = _DATA,
    keys_file: _KeysFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """List the keys, also those that count no more."""
    from fraudkit.access import read_keys

    path = _keys_path(data_dir, keys_file)
    keys = read_keys(path).keys if path.exists() else ()
    if as_json:
        print_json([_facts(key) for key in keys])
        return
    table = plain_table("id", "name", "scopes", "state", "created (UTC)", "expires", "per second")
    for key in keys:
        rate = "" if key.requests_per_second is None else f"{key.requests_per_second:g}"
        add_row(
            table,
            key.key_id,
            key.name,
            ", ".join(key.scopes),
            key.state(now_ms()),
            _moment(key.created_at_ms),
            _moment(key.expires_at_ms),
            rate,
        )
    console.out.print(table)


def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as list shows it.")],
    by: _By = None,
    data_dir: _DataFolder = _DATA,
    keys_file: _KeysFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Revoke a key; a running service refuses it within a second or two."""
    from fraudkit.access import revoke_key

    path = _keys_path(data_dir, keys_file)
    key = revoke_key(path, key_id, audit=_audit_path(data_dir), by=who(by), now_ms=now_ms())
    if as_json:
        print_json(_facts(key))
        return
    said = f"Key {key.key_id} of {key.name} is revoked since {_moment(key.revoked_at_ms)} UTC"
    console.out.print(printable(said), highlight=False, markup=False, soft_wrap=True)


def audit(
    data_dir: _DataFolder = _DATA,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show the administrative changes, oldest first: when, what, by whom."""
    from fraudkit.access import read_audit

    rows = read_audit(_audit_path(data_dir))
    if as_json:
        print_json(rows)
        return
    table = plain_table("when (UTC)", "action", "what", "by", "details")
    for row in rows:
        details = msgspec.json.encode(row.details).decode() if row.details else ""
        add_row(table, _moment(row.at_ms), row.action, row.subject, row.by, details)
    console.out.print(table)


def _keys_path(data_dir: Path, keys_file: Path | None) -> Path:
    """Return the file itself: of a link, what it leads to."""
    return (data_dir / "keys.json" if keys_file is None else keys_file).resolve()


def _audit_path(data_dir: Path) -> Path:
    return data_dir / "audit.ndjson"


def who(by: str | None) -> str:
    """Return who wants it: what was said, else whom the system knows; no variable can say so."""
    if by:
        return by
    if sys.platform == "win32":
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _facts(key: ApiKey) -> dict[str, Any]:
    """Return an entry for machines: all but the digest."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": key.scopes,
        "state": key.state(now_ms()),
        "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
        "requests_per_second": key.requests_per_second,
        "burst": key.burst,
    }


def _moment(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
