"""The file of the API keys: who may call, and no text of a key.

Invariant: a file that was read holds whole entries with different ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from fraudkit.access.api_key import ApiKey
from fraudkit.access.private_files import read_regular, replace_private
from fraudkit.errors import StoreError

__all__ = ["KEYS_MAX", "KeyFile", "Stamp", "read_keys", "stamp_of", "write_keys"]

KEYS_MAX: Final = 10_000
"""How many entries a key file may hold, those that were revoked among them."""

_BYTES_MAX: Final = 16 * 1024 * 1024


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class KeyFile(NamedTuple):
    """What a key file held, and its state when it was read."""

    keys: tuple[ApiKey, ...]
    stamp: Stamp


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    keys: Annotated[tuple[ApiKey, ...], Meta(max_length=KEYS_MAX)]

    def __post_init__(self) -> None:
        if len({key.key_id for key in self.keys}) != len(self.keys):
            raise ValueError("every key_id must be there once")


def stamp_of(path: Path) -> Stamp | None:
    """Return the state of a file, or ``None`` where there is none to be seen."""
    try:
        state = path.stat()
    except OSError:
        return None
    return Stamp(state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def read_keys(path: Path) -> KeyFile:
    """Return the entries in the order of the file, oldest first.

    Raises
    ------
    fraudkit.errors.StoreError
        If it is missing, others than its owner may write it, or it is no key file.
    """
    content, state = read_regular(path, _BYTES_MAX)
    stamp = Stamp(state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    try:
        return KeyFile(msgspec.json.decode(content, type=_Document).keys, stamp)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{path} must be a key file as `fraudkit keys create` writes it: {error}; put it "
            "back from a backup, or move it away and make new keys"
        ) from error


def write_keys(path: Path, keys: tuple[ApiKey, ...]) -> None:
    """Replace the file in one step; the caller holds the lock of its folder.

    Raises
    ------
    fraudkit.errors.StoreError
        If it cannot be written.
    """
    encoded = msgspec.json.format(msgspec.json.encode(_Document(keys)), indent=2)
    replace_private(path, encoded + b"\n")
