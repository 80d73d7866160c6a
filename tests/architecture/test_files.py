"""What holds of every file of the project."""

import re
from pathlib import Path

import pytest

from tests.architecture.files import ROOT, project_files, source_files, text_of

# Put together from parts, so that this file holds none of them.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("anaconda", "org"),
        ("npmjs", "com"),
        ("npmjs", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
)
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME")))
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)

TEXTS = {path: text for path in project_files() if (text := text_of(path)) is not None}
DOCUMENTS = [
    path
    for path in TEXTS
    if path.suffix == ".md" and path.relative_to(ROOT).parts[0] in {"README.md", "docs", "models"}
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_project_has_files() -> None:
    assert ROOT / "pyproject.toml" in TEXTS
    assert ROOT / "fraudkit" / "errors.py" in source_files()


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(host: str) -> None:
    assert [name_of(path) for path, text in TEXTS.items() if host in text] == []


def test_nothing_is_left_unfinished() -> None:
    left = [
        f"{name_of(path)}:{number}"
        for path, text in TEXTS.items()
        if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml"} or path.name == "Makefile"
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert left == []


def test_no_module_has_a_vague_name() -> None:
    vague = [
        name_of(path)
        for path in project_files()
        if path.suffix == ".py"
        and not VAGUE_NAMES.isdisjoint(
            word
            for part in path.relative_to(ROOT).with_suffix("").parts
            for word in part.split("_")
        )
    ]
    assert vague == []


def test_text_ends_with_one_newline() -> None:
    wrong = [
        name_of(path)
        for path, text in TEXTS.items()
        if path.relative_to(ROOT).parts[0] != "models"
        and text
        and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    assert [link for link in links_of(TEXTS[document]) if not leads(document, link)] == []


def links_of(text: str) -> list[str]:
    found = LINK.findall(FENCE.sub("", text))
    return [link for pair in found for link in pair if link and "://" not in link]


def leads(document: Path, link: str) -> bool:
    if link.startswith("mailto:"):
        return True
    name, _, anchor = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors_of(target)


def anchors_of(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as code hosts derive them."""
    headings = HEADING.findall(FENCE.sub("", document.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    text = "[one](missing.md) ![two](no.png) [three](#nowhere) [four](https://example.com)"
    document = tmp_path / "page.md"
    document.write_text("# Here\n" + text)
    found = links_of(text)
    assert found == ["missing.md", "no.png", "#nowhere"]
    assert not any(leads(document, link) for link in found)
    assert leads(document, "#here") is (tmp_path.is_relative_to(ROOT))
