"""Sections as HTML: tables for a notebook, and one page with plots that needs nothing else.

Invariant: every text of a report is escaped. The page's own policy forbids scripts and loading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from fraudkit.errors import InputError
from fraudkit.reporting.sections import Section, TableContent

__all__ = ["Card", "Draw", "Figure", "page_of", "sections_fragment", "write_page"]

_STYLE: Final = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2530; --soft: #5a6675;
  --grid: #d5dae1; --fraud: #c2410c; --honest: #2563a8; --accent: #1f6f8b; --mark: #e8f3f6;
  --warn: #fff4e5; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ed; --soft: #9aa6b4;
  --grid: #38414c; --fraud: #ff9d66; --honest: #7fb4ea; --accent: #6fc3dd; --mark: #1d3540;
  --warn: #3a2c17; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--grid); }
p { margin: .4rem 0; max-width: 46rem; }
.warnings { background: var(--warn); border-left: 4px solid var(--fraud);
  padding: .5rem 1rem; margin: 1rem 0; }
.warnings h2 { border: 0; margin: 0; padding: 0; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.cards div { flex: 1 1 9rem; border: 1px solid var(--grid); border-radius: .4rem;
  padding: .6rem .8rem; }
.cards dt { color: var(--soft); font-size: .85rem; }
.cards dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.cards dd small { display: block; font-size: .8rem; color: var(--soft); }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { min-width: min(100%, 26rem); border-collapse: collapse; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--grid);
  vertical-align: top; overflow-wrap: anywhere; }
td.whole { white-space: nowrap; }
thead th { border-bottom: 2px solid var(--grid); }
tbody th { font-weight: normal; }
tr.marked { background: var(--mark); }
tr.marked th, tr.marked td { font-weight: 600; }
.bar { min-width: 8rem; }
.bar span { display: block; height: .7rem; margin-top: .35rem; background: var(--accent); }
figure { margin: 1rem 0; }
svg { width: 100%; height: auto; display: block; }
svg text { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
figcaption { color: var(--soft); font-size: .85rem; }
@media print { :root { --paper: #ffffff; --ink: #000000; --soft: #444444; --grid: #cccccc;
  --fraud: #c2410c; --honest: #2563a8; --accent: #1f6f8b; --mark: #eeeeee; --warn: #f6f0e6; }
  main { max-width: none; padding: 0; } figure, tr, .cards { break-inside: avoid; }
  h2 { break-after: avoid; } .scroll { overflow: visible; } }
"""


class Card(NamedTuple):
    """A figure that is read first.

    Attributes
    ----------
    words : str
        What it is.
    shown : str
    below : str
        In small letters, such as its interval; empty for nothing.
    """

    words: str
    shown: str
    below: str = ""


class Figure(NamedTuple):
    """A drawn plot and the words below it.

    Attributes
    ----------
    svg : str
        Markup, as `fraudkit.reporting.plots.svg_of` gives it.
    caption : str
    """

    svg: str
    caption: str


Draw = Callable[[str], Figure]
"""Draws a section's plot by its name."""


def page_of(
    title: str,
    sections: Iterable[Section],
    *,
    draw: Draw,
    cards: Iterable[Card] = (),
    style: str = "",
) -> str:
    """Return one whole page that loads nothing and runs nothing.

    Parameters
    ----------
    sections : iterable of Section
        Their order is kept; the cards come after warnings, if these are first.
    draw : callable
        Name of a section's plot → the plot.
    style : str
        Rules of style beyond those that every report has.
    """
    sections = tuple(sections)
    parts = [_section(section, draw) for section in sections]
    is_warned = bool(sections) and sections[0].is_warning
    parts.insert(1 if is_warned else 0, _cards(cards))
    title = escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{"".join(parts)}</main>
</body>
</html>
"""


def sections_fragment(
    title: str, sections: Iterable[Section], *, draw: Draw | None = None, style: str = ""
) -> str:
    """Return a title and the sections' sentences, plots and tables, for a notebook.

    Parameters
    ----------
    draw : callable, optional
        Name of a section's plot → the plot; without it none is drawn.
    style : str
        Of the element around all, such as the colours that plots take.
    """
    parts = [f"<h3>{escape(title)}</h3>\n"]
    for section in sections:
        parts.append(f"<h4>{escape(section.title)}</h4>\n{_sentences(section)}")
        if draw is not None:
            parts.append(_figures(section, draw))
        parts.extend(map(_table, section.tables))
    opening = f'<div style="{escape(style)}">' if style else "<div>"
    return f"{opening}\n{''.join(parts)}</div>\n"


def write_page(path: Path, page: str) -> None:
    """Write a page to a file.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise InputError(
            f"{path} must be a file in a folder that can be written to: {error}"
        ) from error


def _cards(cards: Iterable[Card]) -> str:
    shown = "".join(
        f"<div><dt>{escape(card.words)}</dt><dd>{escape(card.shown)}"
        + (f"<small>{escape(card.below)}</small>" if card.below else "")
        + "</dd></div>\n"
        for card in cards
    )
    return f'<dl class="cards">\n{shown}</dl>\n'


def _section(section: Section, draw: Draw) -> str:
    opening = '<section class="warnings">' if section.is_warning else "<section>"
    tables = "".join(map(_table, section.tables))
    return (
        f"{opening}\n<h2>{escape(section.title)}</h2>\n"
        f"{_sentences(section)}{_figures(section, draw)}{tables}</section>\n"
    )


def _figures(section: Section, draw: Draw) -> str:
    drawn = map(draw, section.plots)
    return "".join(
        f"<figure>\n{figure.svg}\n<figcaption>{escape(figure.caption)}</figcaption>\n</figure>\n"
        for figure in drawn
    )


def _sentences(section: Section) -> str:
    return "".join(f"<p>{escape(sentence)}</p>\n" for sentence in section.sentences if sentence)


def _table(content: TableContent) -> str:
    caption = f"<caption>{escape(content.caption)}</caption>\n" if content.caption else ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in content.columns)
    if content.bars:
        heads += '<td class="bar"></td>'
    head = f"<thead><tr>{heads}</tr></thead>\n" if any(content.columns) else ""
    rows = "".join(_row(content, place) for place in range(len(content.rows)))
    return f'<div class="scroll"><table>\n{caption}{head}<tbody>\n{rows}</tbody>\n</table></div>\n'


def _row(content: TableContent, place: int) -> str:
    first, *others = content.rows[place]
    cells = f'<th scope="row">{escape(first)}</th>'
    for column, cell in enumerate(others, 1):
        whole = ' class="whole"' if column in content.whole else ""
        cells += f"<td{whole}>{escape(cell)}</td>"
    if content.bars:
        cells += (
            f'<td class="bar"><span style="width: {100 * content.bars[place]:.1f}%"></span></td>'
        )
    marked = ' class="marked"' if place in content.marked else ""
    return f"<tr{marked}>{cells}</tr>\n"
