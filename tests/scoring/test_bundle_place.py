"""Where a bundle is: a folder, or a file that names one beside it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudkit.errors import BundleError
from fraudkit.scoring.bundle import load_bundle, resolve_bundle, write_bundle
from tests.scoring.mutations import content

CONTENT = content()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "first"
    write_bundle(path, CONTENT)
    return path


def test_a_folder_that_is_a_link_is_refused_by_name(folder: Path) -> None:
    link = folder.parent / "second"
    link.symlink_to(folder)
    (folder.parent / "current").write_text("second")
    for path in (link, folder.parent / "current"):
        with pytest.raises(BundleError, match=f"{link} must be a folder, it is a link"):
            load_bundle(path)
    with pytest.raises(BundleError, match="it is a link: choose another --out"):
        write_bundle(link, CONTENT)
    (folder.parent / "current").unlink()
    (folder.parent / "current").symlink_to(folder.parent / "first" / "card.md")
    with pytest.raises(BundleError, match="must be a bundle's folder or a file that names one"):
        load_bundle(folder.parent / "current")


def test_a_file_beside_the_folder_says_which_is_current(folder: Path) -> None:
    current = folder.parent / "current"
    current.write_text("first\n")
    assert resolve_bundle(current) == folder
    assert load_bundle(current).version == load_bundle(folder).version


@pytest.mark.parametrize(
    "name",
    [
        "",
        " \n",
        ".",
        "..",
        "../first",
        "a/b",
        "/etc",
        "first/",
        "./first",
        "first\nsecond/",
        "a\0b",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    current = folder.parent / "current"
    current.write_text(name)
    with pytest.raises(BundleError, match="must hold the name of a folder beside it"):
        load_bundle(current)


def test_a_name_of_nothing_is_refused(folder: Path) -> None:
    current = folder.parent / "current"
    current.write_text("second")
    with pytest.raises(BundleError, match=str(folder.parent / "second" / "manifest.json")):
        load_bundle(current)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_is_neither_a_folder_nor_names_one_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "current"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match="must be a bundle's folder or a file that names one"):
        load_bundle(path)
