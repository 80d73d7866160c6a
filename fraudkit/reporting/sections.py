"""What a report says: sections of sentences and tables, which text and HTML both show."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["NOT_KNOWN", "Section", "TableContent"]

NOT_KNOWN: Final = "-"
"""Stands in a cell of which nothing is known."""


class TableContent(NamedTuple):
    """A table of text.

    Attributes
    ----------
    caption : str
        What the table holds.
    columns : tuple of str
        Their headings.
    rows : tuple of tuple of str
        Each as long as ``columns``.
    marked : frozenset of int
        Rows that stand out.
    bars : tuple of float
        A share in [0, 1] to draw beside each row; empty for none.
    whole : frozenset of int
        Columns whose cells are not broken into lines.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    bars: tuple[float, ...] = ()
    whole: frozenset[int] = frozenset()


class Section(NamedTuple):
    """A part of a report.

    Attributes
    ----------
    title : str
    sentences : tuple of str
        Paragraphs before the tables.
    tables : tuple of TableContent
    plots : tuple of str
        Names of the plots that pages draw after the sentences.
    is_warning : bool
        Whether the reader must know it first; such a section comes before the others.
    """

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[TableContent, ...] = ()
    plots: tuple[str, ...] = ()
    is_warning: bool = False
