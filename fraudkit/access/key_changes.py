"""Adding and revoking keys, each with its row in the audit log.

Invariant: no change of a key file is without its row; changes that come at once wait for each
other, and none is lost.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from fraudkit.access.api_key import ApiKey
from fraudkit.access.audit import AuditRow, append_audit
from fraudkit.access.key_file import KEYS_MAX, read_keys, write_keys
from fraudkit.access.private_files import locked_folder
from fraudkit.errors import InputError

__all__ = ["create_key", "revoke_key"]


def create_key(path: Path, key: ApiKey, *, audit: Path, by: str) -> None:
    """Add an entry to a key file; the file and its folder are made if they are missing.

    Parameters
    ----------
    path : Path
        The key file.
    key : ApiKey
        As `fraudkit.access.new_key` returns it.
    audit : Path
        The audit log.
    by : str
        Who wants it.

    Raises
    ------
    fraudkit.errors.InputError
        If the id is taken, or the file is full.
    fraudkit.errors.StoreError
        If the file or the log cannot be read or written; then nothing was changed.
    """
    with locked_folder(path.parent):
        keys = _keys(path)
        if any(held.key_id == key.key_id for held in keys):
            raise InputError(f"A key's id must be new. Got {key.key_id} again; make another key")
        if len(keys) >= KEYS_MAX:
            raise InputError(
                f"{path} must hold at most {KEYS_MAX:,} keys; take entries out that are revoked"
            )
        details = {
            "name": key.name,
            "scopes": list(key.scopes),
            "expires_at_ms": key.expires_at_ms,
            "requests_per_second": key.requests_per_second,
            "burst": key.burst,
        }
        given = {name: value for name, value in details.items() if value is not None}
        row = AuditRow(
            at_ms=key.created_at_ms,
            action="keys.create",
            by=by,
            subject=key.key_id,
            details=given,
        )
        append_audit(audit, row)
        write_keys(path, (*keys, key))


def revoke_key(path: Path, key_id: str, *, audit: Path, by: str, now_ms: int) -> ApiKey:
    """Revoke a key and return its entry; one that is revoked already stays as it is.

    Parameters
    ----------
    path, audit : Path
        The key file and the audit log.
    key_id : str
    by : str
        Who wants it.
    now_ms : int
        UTC epoch milliseconds.

    Raises
    ------
    fraudkit.errors.InputError
        If no key has this id.
    fraudkit.errors.StoreError
        If the file or the log cannot be read or written; then nothing was changed.
    """
    with locked_folder(path.parent):
        keys = _keys(path)
        found = next((key for key in keys if key.key_id == key_id), None)
        if found is None:
            raise InputError(
                f"{path} must hold the key. Got an id that is not in it; `fraudkit keys list` "
                "shows the ids"
            )
        if found.revoked_at_ms is not None:
            return found
        revoked = msgspec.structs.replace(found, revoked_at_ms=now_ms)
        row = AuditRow(
            at_ms=now_ms,
            action="keys.revoke",
            by=by,
            subject=key_id,
            details={"name": found.name},
        )
        append_audit(audit, row)
        write_keys(path, tuple(revoked if key is found else key for key in keys))
        return revoked


def _keys(path: Path) -> tuple[ApiKey, ...]:
    return read_keys(path).keys if path.exists() else ()
