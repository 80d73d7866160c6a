"""Finished parts of a re-scoring, on the disk, so that an interrupted one goes on where it was.

Invariant: a part is taken only if it is whole, as it was written, and made from the very same
orders, bundle and sources. Whatever else lies there is computed again or refused, never mixed in.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from fraudkit.errors import BundleError, InputError, ParameterError
from fraudkit.rescoring.new_files import permissions, placed_file
from fraudkit.rescoring.stored_part import ScoredRows, decoded_part, encoded_part
from fraudkit.scoring.durable_files import read_plain

if sys.platform != "win32":
    import fcntl

__all__ = ["BLOCK_ROWS", "PartsBegun", "PartsFolder"]

BLOCK_ROWS: Final = 50_000
"""Orders of a part: some seconds of work."""

_FORMAT: Final = "1"
_LOCK: Final = "lock"
_MANIFEST: Final = "manifest.json"
_OURS: Final = re.compile(r"lock|(?:manifest\.json|scores|part-\d{5,})(?:\.new)?").fullmatch
_MANIFEST_BYTES_MAX: Final = 64 * 1024
_PART_BYTES_MAX: Final = 64 * 1024
_ROW_BYTES_MAX: Final = 4096
_ATTEMPTS: Final = 10
_OPENED: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class PartsBegun(Struct, frozen=True, kw_only=True):
    """What a run found when it came to its parts.

    Attributes
    ----------
    n_parts : int
        Of the whole run; 0 where it is so small that none are kept.
    n_resumed : int
        Were there and are used.
    n_damaged : int
        Were there and are computed again.
    differing : tuple of str
        What other parts were made from, which were thrown away: ``("bundle",)``.
    """

    n_parts: int
    n_resumed: int = 0
    n_damaged: int = 0
    differing: tuple[str, ...] = ()


class PartsFolder:
    """A folder beside a scores file, while that is being made: to be used in a ``with``.

    It holds a manifest of what decides the scores, and each finished block of orders as a part
    of its own, in the order of the input. One process at a time has it: a lock that ends with the
    process keeps others out (not on Windows). What is kept are scores and reason codes, no field
    of an order.

    Parameters
    ----------
    out : Path
        The scores file; the folder has its name with ``.parts`` behind.
    block_rows : int
        Orders of a part. A run of fewer makes no folder.
    sources : sequence of Path
        Files of the enrichment, whose contents must be the same too.
    is_restart : bool
        Throw away the parts that are there, on entering.
    on_begin : callable, optional
        Told once what was found.

    Attributes
    ----------
    folder : Path
    begun : PartsBegun
        What was found; of no parts before `begin`.
    n_kept : int
        Parts that are on the disk now.

    Raises
    ------
    ParameterError
        If ``block_rows`` is not positive.
    InputError
        From ``with``: if another process has the folder, or it holds something else.
    """

    def __init__(
        self,
        out: Path,
        *,
        block_rows: int = BLOCK_ROWS,
        sources: Sequence[Path] = (),
        is_restart: bool = False,
        on_begin: Callable[[PartsBegun], None] = lambda _begun: None,
    ) -> None:
        if block_rows < 1:
            raise ParameterError(f"block_rows must be at least 1, got {block_rows}")
        target = out.resolve()
        self.folder = target.with_name(f"{target.name}.parts")
        self.block_rows = block_rows
        self.sources = tuple(sources)
        self.begun = PartsBegun(n_parts=0)
        self.n_kept = 0
        self._permissions = permissions(target) | 0o600
        self._is_restart = is_restart
        self._on_begin = on_begin
        self._lock: int | None = None
        self._run = ""

    def __enter__(self) -> Self:
        if os.path.lexists(self.folder):
            with self._explained():
                self._take()
            if self._is_restart:
                self.remove()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin(
        self, n_rows: int, contents: Callable[[Sequence[Path]], Mapping[str, str]]
    ) -> dict[int, ScoredRows]:
        """Return the parts that can be used, by number, and throw away all others.

        Parameters
        ----------
        n_rows : int
            Orders of the whole run.
        contents : callable
            Returns what decides the scores: name → version or digest. Given the sources' files;
            not called if the run is too small for parts.

        Raises
        ------
        InputError
            If another process has the folder, or it cannot be written to.
        """
        if n_rows <= self.block_rows:
            if self._lock is not None:
                self.remove()
                self._on_begin(PartsBegun(n_parts=0, differing=("number of orders",)))
            return {}
        n_parts = -(-n_rows // self.block_rows)
        manifest = self._manifest(n_rows, contents(self.sources))
        self._run = hashlib.sha256(manifest).hexdigest()
        with self._explained():
            if self._lock is None:
                self._take()
            names = self._names()
            found = [number for number in range(n_parts) if _part_name(number) in names]
            read = {number: self._read(number, n_rows) for number in found}
            held = {number: rows for number, rows in read.items() if rows is not None}
            differing = self._differing(manifest)
            self._clear({_MANIFEST, *map(_part_name, held)})
            if differing or _MANIFEST not in names:
                self._put(_MANIFEST, manifest)
        self.n_kept = len(held)
        self.begun = PartsBegun(
            n_parts=n_parts,
            n_resumed=len(held),
            n_damaged=0 if differing else len(found) - len(held),
            differing=differing,
        )
        self._on_begin(self.begun)
        return held

    def keep(self, number: int, rows: ScoredRows) -> None:
        """Put a finished part on the disk; nothing where the run is too small for parts.

        Raises
        ------
        InputError
            If it cannot be written: the disk is full, the folder was made read-only.
        """
        if not self.begun.n_parts:
            return
        with self._explained():
            self._put(_part_name(number), encoded_part(self._run, number, rows))
        self.n_kept += 1

    def draft(self, target: Path) -> Path:
        """Return where the scores file is written before it is moved to its place."""
        if self._lock is not None:
            return self.folder / "scores.new"
        return target.with_name(f".{target.name}.{os.getpid()}.new")

    def remove(self) -> None:
        """Remove the folder, if there is one: the scores file is there, or no part is needed."""
        if self._lock is not None:
            # What cannot be removed does no harm: it is checked before it is used again.
            with suppress(OSError):
                self._clear()
                (self.folder / _LOCK).unlink()
                self.folder.rmdir()
            self.__exit__()

    def _manifest(self, n_rows: int, contents: Mapping[str, str]) -> bytes:
        stated = {
            "format of the parts": _FORMAT,
            "size of a part": str(self.block_rows),
            "number of orders": str(n_rows),
            **contents,
        }
        encoded = msgspec.json.encode(stated, order="deterministic")
        return msgspec.json.format(encoded, indent=1) + b"\n"

    def _differing(self, manifest: bytes) -> tuple[str, ...]:
        """Return what the manifest that is there says otherwise; nothing where there is none."""
        path = self.folder / _MANIFEST
        if not os.path.lexists(path):
            return ()
        try:
            there = msgspec.json.decode(read_plain(path, _MANIFEST_BYTES_MAX), type=dict[str, str])
        except (BundleError, msgspec.MsgspecError, ValueError, RecursionError):
            return ("manifest",)
        wanted = msgspec.json.decode(manifest, type=dict[str, str])
        names = [*wanted, *(name for name in there if name not in wanted)]
        return tuple(name for name in names if wanted.get(name) != there.get(name))

    def _read(self, number: int, n_rows: int) -> ScoredRows | None:
        n_part = min(self.block_rows, n_rows - number * self.block_rows)
        bytes_max = _PART_BYTES_MAX + n_part * _ROW_BYTES_MAX
        try:
            content = read_plain(self.folder / _part_name(number), bytes_max)
        except BundleError:
            return None
        return decoded_part(content, self._run, number, n_part)

    def _take(self) -> None:
        """Make the folder if there is none, and lock it."""
        for _ in range(_ATTEMPTS):
            mode = self._permissions | (self._permissions & 0o444) >> 2 | 0o700
            if not os.path.lexists(self.folder):
                self.folder.mkdir(mode, exist_ok=True)
            # A run that ends just now removes its folder under our hands.
            with suppress(FileNotFoundError):
                self._refuse_others()
                self._lock = self._locked()
                if self._lock is not None:
                    return
        raise InputError(f"{self.folder} must stay where it is while scores are made: try again")

    def _locked(self) -> int | None:
        path = self.folder / _LOCK
        descriptor = os.open(path, _OPENED, self._permissions)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held, there = os.fstat(descriptor), path.lstat()
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(
                f"one process at a time must write {self.folder.stem}, and another is at it: wait "
                "until it is done, or choose another --out"
            ) from error
        except OSError:
            os.close(descriptor)
            raise
        if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            return descriptor
        os.close(descriptor)
        return None

    def _refuse_others(self) -> None:
        if not stat.S_ISDIR(self.folder.lstat().st_mode):
            raise InputError(
                f"{self.folder} must be a folder for parts of the scores, it is a link or a file: "
                "remove it, or choose another --out"
            )
        others = [name for name in sorted(self._names()) if not _OURS(name)]
        if others:
            raise InputError(
                f"{self.folder} must be new, or what an interrupted run left; it holds "
                f"{others[0]!r}: move it away, or choose another --out"
            )

    def _names(self) -> set[str]:
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries}

    def _clear(self, kept: set[str] | frozenset[str] = frozenset()) -> None:
        for name in self._names() - kept - {_LOCK}:
            (self.folder / name).unlink()

    def _put(self, name: str, content: bytes) -> None:
        draft = self.folder / f"{name}.new"
        with placed_file(self.folder / name, draft, self._permissions) as file:
            file.write(content)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the system's errors into one that says what to do."""
        try:
            yield
        except OSError as error:
            kept = f"; {self.n_kept} of {self.begun.n_parts} parts are kept" if self.n_kept else ""
            raise InputError(
                f"{self.folder} must be a folder that can be written to, with room on its disk: "
                f"{error.strerror or error}; mend that and run the same again, or choose "
                f"another --out{kept}"
            ) from error


def _part_name(number: int) -> str:
    return f"part-{number:05d}"
