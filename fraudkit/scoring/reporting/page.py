"""A report as HTML: tables for a notebook, and one page with plots that needs nothing else.

Invariant: every text of a report is escaped. The page's own policy forbids scripts and loading.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from fraudkit.scoring.report import TrainingReport
from fraudkit.scoring.reporting.plots import PLOTS, plot_svg
from fraudkit.scoring.reporting.sections import Section, TableContent, report_sections

__all__ = ["report_fragment", "report_page", "sections_fragment"]

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


def report_page(report: TrainingReport) -> str:
    """Return the whole page, see `fraudkit.scoring.report.TrainingReport.page`."""
    sections = report_sections(report)
    title = escape(report.title)
    parts = [_section(section, report) for section in sections]
    is_warned = bool(report.warnings)
    parts.insert(1 if is_warned else 0, _cards(report))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{"".join(parts)}</main>
</body>
</html>
"""


def report_fragment(report: TrainingReport) -> str:
    """Return the sentences and tables of a report, for a notebook."""
    return sections_fragment(report.title, report_sections(report))


def sections_fragment(title: str, sections: Iterable[Section]) -> str:
    """Return a title and the sections' sentences and tables, for a notebook."""
    parts = [f"<h3>{escape(title)}</h3>\n"]
    for section in sections:
        parts.append(f"<h4>{escape(section.title)}</h4>\n{_sentences(section)}")
        parts.extend(map(_table, section.tables))
    return f"<div>\n{''.join(parts)}</div>\n"


def _cards(report: TrainingReport) -> str:
    """Return the figures that are read first."""
    found = report.metrics.by_count
    cards = {
        "AUC": found.auc,
        "average precision": found.average_precision,
        "recall at 1% false positives": found.recall_at_false_positive_rate["0.01"],
        "calibration slope": found.calibration_slope,
    }
    cards |= {f"Card Precision@{k}": held for k, held in report.metrics.card_precision.items()}
    shown = [
        f"<div><dt>{words}</dt><dd>{held.value:.3f}"
        + ("" if held.low is None else f"<small>{held.low:.3f} to {held.high:.3f}</small>")
        + "</dd></div>\n"
        for words, held in cards.items()
        if held is not None
    ]
    return f'<dl class="cards">\n{"".join(shown)}</dl>\n'


def _section(section: Section, report: TrainingReport) -> str:
    figures = "".join(
        f"<figure>\n{plot_svg(report, name)}\n"
        f"<figcaption>{escape(PLOTS[name].description)}</figcaption>\n</figure>\n"
        for name in section.plots
    )
    is_warning = section.sentences == report.warnings and bool(report.warnings)
    opening = '<section class="warnings">' if is_warning else "<section>"
    tables = "".join(map(_table, section.tables))
    return (
        f"{opening}\n<h2>{escape(section.title)}</h2>\n"
        f"{_sentences(section)}{figures}{tables}</section>\n"
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
