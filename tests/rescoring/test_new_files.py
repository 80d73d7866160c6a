"""A file is on the disk before it has its name, and the name is before it counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraudkit.rescoring.new_files import placed_file


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the system was asked for, in order."""
    made: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        held = Path(f"/proc/self/fd/{descriptor}").readlink()
        size = os.fstat(descriptor).st_size
        made.append(f"sync {held.name} of {size}" if held.is_file() else "sync folder")
        fsync(descriptor)

    def noted_replace(draft: Path, path: Path) -> None:
        made.append(f"{draft.name} to {path.name}")
        replace(draft, path)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    return made


def test_content_then_name_then_folder(tmp_path: Path, calls: list[str]) -> None:
    with placed_file(tmp_path / "a", tmp_path / "a.new", 0o600) as file:
        file.write(b"content")
    assert calls == ["sync a.new of 7", "a.new to a", "sync folder"]
    assert (tmp_path / "a").read_bytes() == b"content"


def test_what_fails_leaves_what_was_there(tmp_path: Path, calls: list[str]) -> None:
    def write_half() -> None:
        with placed_file(tmp_path / "a", tmp_path / "a.new", 0o600) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_a_link_in_the_place_of_a_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.new").symlink_to(tmp_path / "precious")
    with placed_file(tmp_path / "a", tmp_path / "a.new", 0o600) as file:
        file.write(b"content")
    assert (tmp_path / "precious").read_bytes() == b"precious"
