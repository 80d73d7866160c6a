"""Tables of what files and people wrote: plain text, every cell whole."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from rich.table import Column, Table
from rich.text import Text

__all__ = ["add_row", "plain_table", "printable", "words"]

_VALUE_CHARACTERS_MAX: Final = 60


def plain_table(*names: str, title: str | None = None) -> Table:
    """Return a table that shows every cell whole."""
    return Table(*(Column(name, overflow="fold") for name in names), title=title)


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: what a file says is no markup."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def words(value: Any) -> str:
    """Return a value for a table: numbers short, an estimate with its interval."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and set(value) >= {"value", "low", "high"}:
        return f"{words(value['value'])} [{words(value['low'])}, {words(value['high'])}]"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= _VALUE_CHARACTERS_MAX:
        return text
    return f"{text[: _VALUE_CHARACTERS_MAX - 1]}…"
