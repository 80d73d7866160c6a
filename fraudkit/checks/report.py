"""What a check says: that something does not hold, or what was tried and held."""

from __future__ import annotations

from io import StringIO

from msgspec import Struct

__all__ = ["CheckReport", "CheckResult"]


class CheckResult(Struct, frozen=True, kw_only=True):
    """A check that held.

    Attributes
    ----------
    check : str
        Its name.
    rule : str
        What holds, as a sentence.
    tried : str
        On what: ``"20 streams, 214 steps"``; where it was not tried, why.
    """

    check: str
    rule: str
    tried: str


class CheckReport(Struct, frozen=True, kw_only=True):
    """Every check that was made of one implementation, and held; prints as a table.

    Attributes
    ----------
    subject : str
        What was checked.
    results : tuple of CheckResult
        In the order in which they were made.
    """

    subject: str
    results: tuple[CheckResult, ...]

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table("check", "what holds", "tried", title=f"{self.subject}: all checks hold")
        for result in self.results:
            table.add_row(result.check, result.rule, result.tried)
        text = StringIO()
        Console(file=text, width=120).print(table)
        return text.getvalue().rstrip("\n")
