"""The folder of parts: one writer, nothing but ours in it, and what a disk that fails does."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fraudkit.errors import InputError
from fraudkit.mapping import MappedData
from fraudkit.rescoring import PartsFolder, score_data
from fraudkit.scoring.bundle import Bundle
from tests.rescoring.interrupting import BLOCK_ROWS, interrupt, score, snapshot


def test_one_at_a_time_writes_a_file(bundle: Bundle, data: MappedData, out: Path) -> None:
    folder = interrupt(bundle, data, out, 3)
    with PartsFolder(out), pytest.raises(InputError, match="another is at it: wait"):
        score(bundle, data, out)
    assert len(snapshot(folder)) == 4
    assert score(bundle, data, out).n_resumed == 3

    with PartsFolder(out, block_rows=BLOCK_ROWS) as parts:
        score_data(bundle, data, parts=parts)
        with pytest.raises(InputError, match="another is at it: wait"):
            score(bundle, data, out)


def precious(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")


def link(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir()
    folder.symlink_to(folder.with_name("elsewhere"))


PLACES = [(precious, "it holds 'thesis.txt'"), (link, "it is a link"), (Path.touch, "or a file")]


@pytest.mark.parametrize(("put", "message"), PLACES)
def test_what_is_not_ours_is_left_alone(
    bundle: Bundle, data: MappedData, out: Path, put: Callable[[Path], None], message: str
) -> None:
    put(out.with_name("scores.parquet.parts"))
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(InputError, match=message):
        score(bundle, data, out)
    assert sorted(out.parent.rglob("*")) == before


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond: what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_says_the_fix_and_keeps_what_there_is(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path
) -> None:
    out.write_bytes(b"earlier scores")
    folder = interrupt(bundle, data, out, 2)
    size = max(len(content) for content in snapshot(folder).values())
    before = snapshot(folder)
    with (
        files_of_at_most(1024),
        pytest.raises(InputError, match=r"room on its disk.*2 of 6 parts are kept"),
    ):
        score(bundle, data, out)
    assert snapshot(folder) == before
    assert size * 2 < len(whole)
    with files_of_at_most(size * 2), pytest.raises(InputError, match="room on its disk"):
        score(bundle, data, out)
    assert out.read_bytes() == b"earlier scores"
    assert score(bundle, data, out).n_resumed == 6
    assert out.read_bytes() == whole


def test_a_folder_that_cannot_be_made_says_the_fix(
    bundle: Bundle, data: MappedData, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *_mode: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(InputError, match="Read-only file system; mend that and run the same again"):
        score(bundle, data, out)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_parts_and_file_have_the_permissions_of_the_file_before(
    bundle: Bundle, data: MappedData, out: Path, mode: int
) -> None:
    out.touch()
    out.chmod(mode)
    folder = interrupt(bundle, data, out, 2)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & ~mode == 0
    assert stat.S_IMODE(folder.stat().st_mode) & ~(mode | 0o111) == 0
    score(bundle, data, out)
    assert stat.S_IMODE(out.stat().st_mode) == mode


def test_a_link_stays_one(bundle: Bundle, data: MappedData, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    out = tmp_path / "scores.parquet"
    out.symlink_to(tmp_path / "disk" / "held.parquet")
    score(bundle, data, out)
    assert out.is_symlink()
    assert (tmp_path / "disk" / "held.parquet").read_bytes() == whole
