"""A report as text, by rich; nothing in it is read as markup."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fraudkit.reporting.sections import Section, TableContent

__all__ = ["rich_table", "sections_text"]

_WIDE: Final = 110
_WORDS_WIDTH: Final = 18  # of "Card Precision@100"


def sections_text(title: str, sections: Iterable[Section], width: int) -> str:
    """Return a title and sections as text, at most ``width`` characters wide."""
    written = StringIO()
    console = Console(file=written, width=width, color_system=None, force_terminal=False)
    console.print(Text(title))
    for section in sections:
        console.print(Text(f"\n{section.title}\n{'-' * len(section.title)}"))
        for sentence in filter(None, section.sentences):
            console.print(Text(sentence))
        for table in section.tables:
            console.print(rich_table(table, width))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def rich_table(content: TableContent, width: int) -> Table:
    """Return a table for rich to print; rows that stand out are bold and end in a mark.

    Where the table is to be narrow, an interval stands below its figure.
    """
    table = Table(
        title=Text(content.caption) if content.caption else None,
        title_justify="left",
        show_header=any(content.columns),
    )
    between = "\n[" if width < _WIDE else " ["
    for place, name in enumerate(content.columns):
        is_words = bool(content.whole) and place == 0
        table.add_column(
            Text(name),
            overflow="fold",
            no_wrap=place in content.whole,
            min_width=_WORDS_WIDTH if is_words else None,
        )
    for number, row in enumerate(content.rows):
        is_marked = number in content.marked
        cells = [
            cell.replace(" [", between) if place in content.whole else cell
            for place, cell in enumerate(row)
        ]
        cells[-1] += " *" if is_marked else ""
        table.add_row(*map(Text, cells), style="bold" if is_marked else None)
    return table
