"""A report as text, by rich; nothing in it is read as markup."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fraudkit.scoring.report import TrainingReport
from fraudkit.scoring.report_sections import TableContent, report_sections

__all__ = ["report_text", "rich_table"]


def report_text(report: TrainingReport, width: int) -> str:
    """Return the sections of a report as text, at most ``width`` characters wide."""
    written = StringIO()
    console = Console(file=written, width=width, color_system=None, force_terminal=False)
    console.print(Text(report.title))
    for section in report_sections(report):
        console.print(Text(f"\n{section.title}\n{'-' * len(section.title)}"))
        for sentence in filter(None, section.sentences):
            console.print(Text(sentence))
        for table in section.tables:
            console.print(rich_table(table))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def rich_table(content: TableContent) -> Table:
    """Return a table for rich to print; rows that stand out are bold and end in a mark."""
    has_heads = any(content.columns)
    table = Table(
        title=Text(content.caption) if content.caption else None,
        title_justify="left",
        show_header=has_heads,
    )
    for place, name in enumerate(content.columns):
        table.add_column(Text(name), overflow="fold", no_wrap=place in content.whole)
    for place, row in enumerate(content.rows):
        is_marked = place in content.marked
        cells = [*row[:-1], f"{row[-1]} *" if is_marked else row[-1]]
        table.add_row(*map(Text, cells), style="bold" if is_marked else None)
    return table
