"""Records kept in a local file until their journal can be written again.

Invariant: records that `Spool.append` returned for are in the file; what a killed process left
half written at its end is not read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from fraudkit.errors import JournalError, RecordRefused
from fraudkit.journal.record import DecisionRecord, Durability, OutcomeRecord, Record
from fraudkit.journal.writer_lock import open_private, writer_lock

__all__ = ["BYTES_MAX", "RESERVED_BYTES", "Spool", "name_of"]

RESERVED_BYTES: Final = 16 * 1024 * 1024
"""Held on the disk from the start, so that a disk that is full takes thousands of records more."""

BYTES_MAX: Final = 1024 * 1024 * 1024
"""The most that a spool grows to."""

_MAGIC: Final = b"fraudkit spool 1"
_FRAME: Final = struct.Struct("<II")
"""Before every record: the length of its bytes, and their CRC-32. A length of 0 is the end."""

_END: Final = bytes(_FRAME.size)
_ZEROS: Final = bytes(1024 * 1024)
_INT64: Final = range(-(2**63), 2**63)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DecisionRecord | OutcomeRecord).decode


class Spool:
    """A file of records in their order; not thread-safe while it is appended to or cleared.

    Parameters
    ----------
    path : Path
        The file; made if it is missing, with mode 0600. `close` removes it if it is empty.
    durability : {"process_kill", "power_loss"}
        What an append survives.
    reserved_bytes, bytes_max : int
        Held on the disk from the start, where the file system can; the most it may grow to.

    Raises
    ------
    fraudkit.errors.JournalLocked
        If another process has it.
    fraudkit.errors.JournalError
        If the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "process_kill",
        reserved_bytes: int = RESERVED_BYTES,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self.path = path
        self._durability = durability
        self._reserved_bytes = reserved_bytes
        self._bytes_max = bytes_max
        self._places: dict[tuple[str, str], int] = {}
        self._end = len(_MAGIC)
        self._file = -1
        self._lock_file = writer_lock(path)
        try:
            self._file = open_private(path)
            self._start()
        except BaseException as error:
            self._let_go()
            if isinstance(error, OSError):
                raise self._failed("opened", error) from error
            raise

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a record of a name, as `name_of` gives it."""
        return name in self._places

    @property
    def size_bytes(self) -> int:
        """How far the records reach."""
        return self._end

    def append(self, records: Sequence[Record]) -> None:
        """Write records in their order, all or none.

        Raises
        ------
        fraudkit.errors.JournalError
            If they cannot be made durable; none was written.
        """
        written = bytearray()
        places = []
        for record in records:
            content = self._encoded(record)
            places.append((name_of(record), self._end + len(written)))
            written += _FRAME.pack(len(content), crc32(content)) + content
        if self._end + len(written) > self._bytes_max:
            raise JournalError(
                f"The spool {self.path} must not grow beyond {self._bytes_max:,} bytes. Got "
                f"{self._end + len(written):,}; see why the journal cannot be written"
            )
        try:
            self._write(bytes(written) + _END, self._end)
        except OSError as error:
            raise self._failed("written", error) from error
        self._end += len(written)
        self._places.update(places)

    def decision(self, transaction_id: str) -> DecisionRecord | None:
        """Return the decision about a transaction, or ``None``."""
        record = self._record("decision", transaction_id)
        return record if isinstance(record, DecisionRecord) else None

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        record = self._record("outcome", outcome_id)
        return record if isinstance(record, OutcomeRecord) else None

    def pages(self, n_records: int) -> Iterator[list[Record]]:
        """Yield the records in their order, in lists; those that come meanwhile too."""
        position = len(_MAGIC)
        while position < self._end:
            page: list[Record] = []
            while position < self._end and len(page) < n_records:
                record, position = self._read(position)
                page.append(record)
            yield page

    def clear(self) -> None:
        """Remove all records; their bytes are overwritten."""
        try:
            self._write(_END, len(_MAGIC))
            reached, self._end = self._end, len(_MAGIC)
            self._places.clear()
            os.truncate(self._file, max(self._reserved_bytes, len(_MAGIC) + len(_END)))
            for start in range(len(_MAGIC), min(reached, self._reserved_bytes), len(_ZEROS)):
                os.pwrite(self._file, _ZEROS[: self._reserved_bytes - start], start)
        except OSError as error:
            raise self._failed("cleared", error) from error

    def close(self) -> None:
        """Close the file, and remove it if it holds nothing; closing twice does nothing."""
        if self._file >= 0 and not self._places:
            with suppress(OSError):
                self.path.unlink()
        self._let_go()

    def _start(self) -> None:
        """Find the end, or begin a new file."""
        head = os.pread(self._file, len(_MAGIC), 0)
        if head == _MAGIC:
            self._find_end()
        elif head.strip(b"\0"):
            raise JournalError(
                f"The spool {self.path} must begin with {_MAGIC!r}. Got another file; move it away"
            )
        else:
            self._write(_MAGIC + _END, 0)
        with suppress(OSError):  # a file system that cannot reserve, or has no room for it
            os.posix_fallocate(self._file, 0, self._reserved_bytes)

    def _find_end(self) -> None:
        while (content := self._framed(self._end)) is not None:
            self._places[name_of(_decode(content))] = self._end
            self._end += _FRAME.size + len(content)
        length, _ = _FRAME.unpack(self._head(self._end))
        # After what a process left half written there is nothing.
        if length and self._framed(self._end + _FRAME.size + length) is not None:
            raise self._damaged(self._end)

    def _framed(self, position: int) -> bytes | None:
        """Return the bytes of the record at a place, or ``None`` where there is no whole one."""
        length, checksum = _FRAME.unpack(self._head(position))
        content = os.pread(self._file, length, position + _FRAME.size)
        is_whole = 0 < length == len(content) and crc32(content) == checksum
        return content if is_whole else None

    def _head(self, position: int) -> bytes:
        return os.pread(self._file, _FRAME.size, position).ljust(_FRAME.size, b"\0")

    def _damaged(self, position: int) -> JournalError:
        return JournalError(
            f"The spool {self.path} must be whole. Got a damaged record at byte {position:,}; "
            "keep a copy, and see what happened to the disk"
        )

    def _record(self, kind: str, identifier: str) -> Record | None:
        place = self._places.get((kind, identifier))
        return None if place is None else self._read(place)[0]

    def _read(self, position: int) -> tuple[Record, int]:
        try:
            content = self._framed(position)
        except OSError as error:
            raise self._failed("read", error) from error
        if content is None:
            raise self._damaged(position)
        return _decode(content), position + _FRAME.size + len(content)

    def _write(self, content: bytes, position: int) -> None:
        written = 0
        while written < len(content):
            written += os.pwrite(self._file, content[written:], position + written)
        if self._durability == "power_loss":
            os.fdatasync(self._file)

    def _encoded(self, record: Record) -> bytes:
        try:
            content = _encode(record)
        except (OverflowError, UnicodeEncodeError) as error:
            raise RecordRefused(f"The spool {self.path} cannot be written: {error}") from error
        for value in _integers(record):
            if value not in _INT64:
                raise RecordRefused(
                    f"The spool {self.path} cannot be written: {value} has more than 64 bits"
                )
        return content

    def _failed(self, attempt: str, error: Exception) -> JournalError:
        told = error.strerror if isinstance(error, OSError) else str(error)
        return JournalError(
            f"The spool {self.path} cannot be {attempt}: {told}; make room on its disk, or name "
            "another folder"
        )

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def name_of(record: Record) -> tuple[str, str]:
    """Return the kind of a record, and the id that it has there once."""
    if isinstance(record, OutcomeRecord):
        return "outcome", record.outcome_id
    return "decision", record.transaction_id


def _integers(record: Record) -> Iterator[int]:
    yield record.received_at_ms
    if isinstance(record, DecisionRecord):
        yield record.event_time_ms
        if record.amount_minor is not None:
            yield record.amount_minor
