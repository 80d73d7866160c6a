"""`rules_text`: what the simulator does, in words, from the numbers that drive it.

Invariant: every number in `Rules` is in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_type_hints

from msgspec import Struct

from fraudkit.simulate.baskets import CATEGORIES, ITEMS_PER_CATEGORY
from fraudkit.simulate.countries import COUNTRIES, RATES
from fraudkit.simulate.rules import Rules

__all__ = ["rules_text"]

_HEAD = """# The rules of the simulated shop

The orders, people, addresses and cards here are made up by the rules below; nothing is anybody's
data. The same number of orders and the same seed make the same files.

- `orders.ndjson`: one attempt to pay a line, by time.
- `outcomes.ndjson`: what was learnt later, by when it could be known.
- `truth.csv`: what each order really is. A real shop never has this file; do not train on it.
- `mapping.toml`: how to read the files.

What the shop's own look-up says of the country of an IP address is the custom input `ip_country`.
A number in brackets is how often something is drawn. "Careless" criminals are those who are not
"careful".
"""


def rules_text(rules: Rules) -> str:
    """Return the rules as Markdown."""
    sections = [_HEAD, *_sections(rules), *_countries(), *_categories()]
    return "\n".join(sections)


def _sections(rules: Struct) -> Iterator[str]:
    """Yield a section for each group of rules, a sentence for each rule."""
    hints = get_type_hints(type(rules), include_extras=True)
    groups: list[Struct] = []
    sentences: list[str] = []
    for name in rules.__struct_fields__:
        value = getattr(rules, name)
        if hasattr(hints[name], "__metadata__"):
            sentences.append("- " + hints[name].__metadata__[0].format(_said(value)))
        else:
            groups.append(value)
    if sentences:
        yield f"{_title(rules)}\n"
        yield "\n".join(sentences) + "\n"
    for group in groups:
        yield from _sections(group)


def _title(rules: Struct) -> str:
    """Return the first line of the docstring as a heading, and the rest as it stands."""
    first, *rest = (type(rules).__doc__ or "").strip().split("\n")
    return "\n".join([f"## {first.rstrip('.')}", *(line.strip() for line in rest)]).rstrip()


def _said(value: object) -> object:
    """Return numbers as they are, tables as text, to be put into a sentence."""
    if not isinstance(value, tuple):
        return value
    if all(isinstance(entry, tuple) for entry in value):
        return ", ".join(f"{name} ({number:g})" for name, number in value)
    return ", ".join(f"{number:g}" for number in value)


def _countries() -> Iterator[str]:
    yield "## Countries\n"
    yield (
        "Shares and rates are made up. Homes have addresses from the first three /16 of the "
        "country's\nIP block, mobile networks from the fourth; data centres are in 198.18.0.0/20. "
        "Summer time is kept\nby the European or the American dates of 2025.\n"
    )
    heads = ("Country", "Share", "Currency", "UTC offset, min", "Summer time", "IP block")
    yield f"| {' | '.join(heads)} | Usual methods |"
    yield "|---" * (len(heads) + 1) + "|"
    for country in COUNTRIES:
        methods = ", ".join(f"{method.name} ({share:g})" for method, share in country.methods)
        yield (
            f"| {country.code} | {country.share:g} | {country.currency} "
            f"| {country.offset_minutes} | {country.summer} "
            f"| 100.{country.ip_block}.0.0/14 | {methods} |"
        )
    yield "\nOne unit in euro, from a day on; prices follow the first rate:\n"
    for currency, dated in RATES.items():
        said = ", ".join(f"{rate} from {day}" for day, rate in dated.items())
        yield f"- {currency}: {said}"
    yield ""


def _categories() -> Iterator[str]:
    yield "## The price list\n"
    yield (
        f"Each category has {ITEMS_PER_CATEGORY} items, from the cheapest to the dearest in equal "
        "ratios.\n"
    )
    yield "| Category | Share of sales | From, EUR | To, EUR | Digital | Returned |"
    yield "|---|---|---|---|---|---|"
    for name, share, lowest, highest, is_digital, returned in CATEGORIES:
        digital = "yes" if is_digital else "no"
        yield f"| {name} | {share:g} | {lowest:g} | {highest:g} | {digital} | {returned:g} |"
    yield ""
