"""Files are there whole or not at all, and no link, pipe or device is read for a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fraudkit.errors import BundleError
from fraudkit.scoring import durable_files
from fraudkit.scoring.durable_files import append_line, read_plain, replace_file, replace_folder


def test_a_pipe_a_device_a_folder_and_a_link_are_refused_and_not_waited_for(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BundleError, match=f"{path} must be a plain file"):
            read_plain(path, 10)
    for path in (tmp_path / "link", tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=f"{path} must be a plain file, it is a link"):
            read_plain(path, 10)
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(BundleError, match=f"{path} must be readable"):
            read_plain(path, 10)


def test_a_file_is_read_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12")
    assert read_plain(tmp_path / "file", 2) == b"12"
    with pytest.raises(BundleError, match="at most 1 bytes"):
        read_plain(tmp_path / "file", 1)


def test_an_unfinished_line_is_cut_off_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_line(path, b"one")
    append_line(path, b"two")
    path.write_bytes(path.read_bytes() + b"thr")
    append_line(path, b"four")
    assert path.read_bytes() == b"one\ntwo\nfour\n"
    path.write_bytes(b"torn")
    append_line(path, b"five")
    assert path.read_bytes() == b"five\n"


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    replace_folder(place, {"a": b"1"})
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"):
        replace_folder(place, {"a": b"2"})
    assert (place / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_folder_is_replaced_whole_and_has_the_usual_permissions(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    replace_folder(place, {"a": b"1", "b": b"2"})
    replace_folder(place, {"a": b"3"})
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"a": b"3"}
    (tmp_path / "usual").mkdir()
    assert place.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert [path.name for path in place.parent.iterdir()] == ["place"]


@pytest.mark.parametrize("ends_at", ["file", "folder", "moved"])
def test_a_process_that_ends_while_it_writes_leaves_no_half_folder(
    tmp_path: Path, ends_at: str
) -> None:
    place = tmp_path / "place"
    replace_folder(place, {"a": b"1", "b": b"1"})
    program = f"""
import os, sys
from pathlib import Path
from fraudkit.scoring import durable_files as module
if {ends_at!r} == "file":
    write = module._write
    module._write = lambda path, held: os._exit(9) if path.name == "b" else write(path, held)
elif {ends_at!r} == "folder":
    module.sync_folder = lambda folder: os._exit(9)
else:
    rename = Path.rename
    Path.rename = lambda self, to: os._exit(9) if self.name[-4:] == ".new" else rename(self, to)
module.replace_folder(Path({str(place)!r}), {{"a": b"2", "b": b"2"}})
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == 9
    whole = [{p.name: p.read_bytes() for p in f.iterdir()} for f in tmp_path.iterdir()]
    assert {"a": b"1", "b": b"1"} in whole
    assert place.exists() is (ends_at != "moved")
    replace_folder(place, {"a": b"3"})
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"a": b"3"}


def test_a_reader_sees_the_old_content_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "current"
    replace_file(path, b"one")
    seen = []
    write = durable_files._write

    def looking(draft: Path, content: bytes) -> None:
        write(draft, content)
        seen.append(path.read_bytes())

    monkeypatch.setattr(durable_files, "_write", looking)
    replace_file(path, b"two")
    assert seen == [b"one"]
    assert path.read_bytes() == b"two"
