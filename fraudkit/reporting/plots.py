"""Plots as SVG that stands within a page and takes the page's colours.

No state of matplotlib is kept or changed: figures are made without pyplot, and settings hold for
one drawing. The same numbers and version of matplotlib give the same SVG.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from io import StringIO
from typing import Any, Final, Generic, NamedTuple, TypeVar

from fraudkit.errors import InputError

__all__ = ["COLOURS", "Plot", "check_can_draw", "date_axis", "plain_ticks", "svg_of"]

Subject = TypeVar("Subject")

COLOURS: Final[Mapping[str, str]] = {
    "ink": "#010203",
    "grid": "#040506",
    "fraud": "#070809",
    "honest": "#0a0b0c",
    "accent": "#0d0e0f",
}
"""Colours to draw with: each stands for the page's own, which differs by day and by night."""

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlesize": 11,
    "axes.titlecolor": COLOURS["ink"],
    "axes.grid": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.5,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


class Plot(NamedTuple, Generic[Subject]):
    """A plot of a report.

    Attributes
    ----------
    description : str
        What is drawn, for those who do not see it.
    panels : tuple of int
        Rows and columns of axes.
    draw : callable
        Fills as many axes, row by row, from what is reported.
    size_inches : tuple of float
        Width and height; a page shows the width as that of its column.
    """

    description: str
    panels: tuple[int, int]
    draw: Callable[[Subject, list[Any]], None]
    size_inches: tuple[float, float] = (8.4, 3.5)


def check_can_draw() -> None:
    """Do nothing where plots can be drawn.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
        from matplotlib.backends import backend_svg  # noqa: F401
    except ImportError as error:
        raise InputError(
            "the package matplotlib must be installed to make a report's page; "
            "run `pip install 'fraudkit[report]'`"
        ) from error


def svg_of(
    plot: Plot[Subject],
    subject: Subject,
    name: str,
    *,
    colours: Mapping[str, str] = COLOURS,
) -> str:
    """Return a plot as an ``<svg>`` element.

    Parameters
    ----------
    name : str
        Of letters, digits and hyphens; begins every id of the element, so it must stand once on
        a page.
    colours : mapping of str to str
        Name of a page's colour → the hexadecimal that stands for it in the drawing.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    check_can_draw()
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    written = StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        mpl.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=plot.size_inches, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        axes = figure.subplots(*plot.panels, squeeze=False).ravel().tolist()
        for panel in axes:
            panel.set_facecolor("none")
        plot.draw(subject, axes)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return _for_a_page(written.getvalue(), name, plot.description, colours)


def plain_ticks(*axes: Any) -> None:
    """Write the ticks of logarithmic axes as numbers, at the powers of ten alone."""
    for axis in axes:
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def date_axis(panel: Any, ticks_max: int = 8) -> None:
    """Write the horizontal axis as few, short dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    places = AutoDateLocator(maxticks=ticks_max)
    panel.xaxis.set_major_locator(places)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(places))


def _for_a_page(svg: str, name: str, description: str, colours: Mapping[str, str]) -> str:
    """Return the element alone, with ids of its own, the page's colours and a description."""
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\1{name}-", svg)
    for colour, hexadecimal in colours.items():
        svg = svg.replace(hexadecimal, f"var(--{colour})")
    svg = re.sub(r"font: [^;\"]*'[^\"]*?;", "font-size: 10px;", svg)
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    label = escape(description, quote=False).replace('"', "&quot;")
    return f'{opening} role="img" aria-label="{label}">{rest}'
