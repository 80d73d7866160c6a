"""The history of a registry: what was in force, who changed it, when and why.

A file of one JSON object a line, only ever appended to. A last line without its line end is what
a process left that ended while it wrote; it never counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from fraudkit.errors import BundleError
from fraudkit.scoring.durable_files import append_line, read_plain

__all__ = [
    "Change",
    "Held",
    "append_change",
    "before_that",
    "change_of",
    "read_history",
    "stack_of",
]

_BYTES_MAX: Final = 256 * 1024 * 1024


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One change of what is in force.

    Attributes
    ----------
    at_ms : int
        When, UTC epoch milliseconds.
    action : {"promote", "rollback", "found"}
        "found" was in force without a record: ``current`` was written by hand, or the process
        that promoted it ended before it could note so.
    from_bundle, from_version : str or None
        What was in force before: its folder's name and its version, where there was any.
    to_bundle, to_version : str
        What is in force since.
    by, why : str
        Who changed it, and the reason they gave.
    override : str
        The reason for which guardrails that were not kept were overridden, or ``""``.
    checks : dict
        What the change of policy did to recent orders, see
        `fraudkit.registry.policy_checks.PolicyChecks`; empty where nothing was checked.
    """

    at_ms: int
    action: Literal["promote", "rollback", "found"]
    from_bundle: str | None
    from_version: str | None
    to_bundle: str
    to_version: str | None
    by: str
    why: str
    override: str = ""
    checks: dict[str, Any] = {}


class Held(NamedTuple):
    """A bundle that is or was in force: its folder's name, and its version then."""

    name: str
    version: str | None


def read_history(path: Path) -> tuple[Change, ...]:
    """Return the changes, oldest first; none where there is no file.

    Raises
    ------
    BundleError
        Naming the line that cannot be read.
    """
    if not path.exists() and not path.is_symlink():
        return ()
    lines = read_plain(path, _BYTES_MAX).split(b"\n")[:-1]
    return tuple(_change(path, number, line) for number, line in enumerate(lines, 1))


def change_of(
    action: Any, before: Held | None, after: Held, *, now_ms: int, by: str, why: str
) -> Change:
    """Return the change from one bundle to another."""
    return Change(
        at_ms=now_ms,
        action=action,
        from_bundle=None if before is None else before.name,
        from_version=None if before is None else before.version,
        to_bundle=after.name,
        to_version=after.version,
        by=by,
        why=why,
    )


def append_change(path: Path, change: Change) -> None:
    """Append a change, after it took place."""
    append_line(path, msgspec.json.encode(change))


def stack_of(history: Iterable[Change]) -> list[Held]:
    """Return what was in force, as a rollback walks it: the last is in force now.

    A promotion puts a bundle on top; a rollback takes the top away, and so does what was found
    if it is the one below.

    Examples
    --------
    >>> def change(action, before, after):
    ...     return Change(
    ...         at_ms=0, action=action, from_bundle=before, from_version=None, to_bundle=after,
    ...         to_version=None, by="ann", why="")
    >>> changes = [change("promote", "a", "b"), change("promote", "b", "c")]
    >>> [held.name for held in stack_of(changes)]
    ['a', 'b', 'c']
    >>> [held.name for held in stack_of([*changes, change("rollback", "c", "b")])]
    ['a', 'b']
    """
    stack: list[Held] = []
    for change in history:
        if change.from_bundle is not None:
            before = Held(change.from_bundle, change.from_version)
            if stack and stack[-1].name == before.name:
                stack.pop()
            stack.append(before)
        goes_back = len(stack) >= 2 and stack[-2].name == change.to_bundle
        if change.action != "promote" and goes_back:
            del stack[-2:]
        stack.append(Held(change.to_bundle, change.to_version))
    return stack


def before_that(history: Sequence[Change], current: str) -> Held | None:
    """Return what a rollback from a bundle leads to, or ``None`` where nothing was before it.

    Parameters
    ----------
    current : str
        The name of what is in force; the history need not know of it yet.
    """
    stack = stack_of(history)
    if stack and stack[-1].name != current:
        found = change_of("found", stack[-1], Held(current, None), now_ms=0, by="", why="")
        stack = stack_of((*history, found))
    return stack[-2] if len(stack) >= 2 else None


def _change(path: Path, number: int, line: bytes) -> Change:
    try:
        return msgspec.json.decode(line, type=Change)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}, line {number}, must be a change of what is in force: {error}; put the "
            "file back from a backup, or move it away to begin anew"
        ) from error
