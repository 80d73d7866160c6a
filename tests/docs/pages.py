"""The pages and their blocks, for the tests of this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.architecture.files import ROOT

__all__ = ["PAGES", "Block", "blocks_of", "folder_like_the_project", "page_text"]

PAGES = (
    "README.md",
    "docs/checkout.md",
    "docs/data-science.md",
    "docs/costs.md",
    "docs/retuning.md",
    "docs/batch.md",
    "docs/rescoring.md",
    "docs/operations.md",
    "docs/own-features.md",
    "docs/offline.md",
)
"""The pages whose every command and snippet is run."""

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes
    ----------
    reason : str
        Why it is not run; ``""`` where it is.
    """

    language: str
    text: str
    reason: str


def page_text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks_of(name: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(found["language"], found["text"], found["reason"] or "")
        for found in _FENCE.finditer(page_text(name))
    ]


def folder_like_the_project(folder: Path) -> Path:
    """Make a folder in which the pages' relative paths lead to the project's files."""
    folder.mkdir()
    (folder / "build").mkdir()
    for name in ("docs", "models"):
        (folder / name).symlink_to(ROOT / name)
    return folder
