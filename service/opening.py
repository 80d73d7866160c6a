"""Opens what one running service holds: the data folder, the hash key, the journal, the engine.

Invariant: the hash key and the journal stay together; without its key a journal is not used,
because every identity in it would look new.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from fraudkit.engine import Engine
from fraudkit.errors import InputError, StoreError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import StateStore
from fraudkit.journal.record import Journal
from fraudkit.journal.spooled import SpooledJournal
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.signature import TrustedKeys, trusted_keys
from fraudkit.stores.memory import MemoryStore
from service.settings import Settings

__all__ = ["HASH_KEY_BYTES", "Opened", "opened", "trusted_keys_of"]

HASH_KEY_BYTES = 32
"""The length of the key of the identity hashes."""


_BUSY_TIMEOUT_MS = 100


class Opened(Struct, frozen=True):
    """An engine that has its history, and the journal it writes."""

    engine: Engine
    journal: Journal


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """Hold an engine and its journal open.

    Opening reads the whole journal once to rebuild the windows.

    Raises
    ------
    fraudkit.errors.JournalLocked
        If another process serves from this data folder.
    fraudkit.errors.StoreError
        If the data folder, the key or the journal cannot be used.
    fraudkit.errors.BundleError
        If the bundle must not be used.
    """
    folder = Path(settings.data_dir)
    _make_private(folder)
    if settings.spool_dir is not None:
        _make_private(Path(settings.spool_dir))
    with _journal_and_key(settings, folder) as (journal, hash_key, hurry):
        engine = Engine.open(
            settings.bundle,
            journal=journal,
            store=_store(settings),
            hash_key=hash_key,
            enrichment=_enrichment(settings),
            trusted_keys=trusted_keys_of(settings),
        )
        try:
            hurry()
            yield Opened(engine, journal)
        finally:
            engine.close()


@contextmanager
def _journal_and_key(
    settings: Settings, folder: Path
) -> Iterator[tuple[Journal, bytes, Callable[[], None]]]:
    """Hold the journal open; the last is to be called before orders wait for it."""
    key_path = folder / "hash.key"
    if settings.journal_url is None:
        path = folder / "journal.sqlite3"
        durability, busy_ms = settings.durability, _BUSY_TIMEOUT_MS
        with SqliteJournal(path, durability=durability, busy_timeout_ms=busy_ms) as journal:
            hash_key = _hash_key(key_path, journal, str(journal.path))
            with _spooled(journal, settings) as spooled:
                yield spooled, hash_key, lambda: None
        return
    try:
        from fraudkit.journal.postgres import PostgresJournal
        from fraudkit.journal.postgres_alone import held_journal
        from fraudkit.journal.postgres_link import PostgresTimeouts
    except ModuleNotFoundError as error:
        raise InputError(
            f"FRAUDKIT_JOURNAL_URL needs the package {error.name}; install fraudkit[postgres]"
        ) from error
    url, is_alone = settings.journal_url, settings.store_url is None
    with PostgresJournal(url, durability=settings.durability) as shared:
        hash_key = _hash_key(key_path, shared, shared.name)
        shared.check_key(hash_key)
        with held_journal(url, is_alone=is_alone), _spooled(shared, settings) as spooled:
            # Reading the whole journal at the start had to be more patient.
            within = PostgresTimeouts.within(settings.deadline_ms)
            yield spooled, hash_key, partial(shared.set_timeouts, within)


def _spooled(journal: Journal, settings: Settings) -> closing[SpooledJournal]:
    folder = Path(settings.spool_dir or settings.data_dir)
    return closing(
        SpooledJournal(
            journal,
            folder / "journal.spool",
            durability=settings.durability,
            reads_while_away=settings.journal_url is None,
        )
    )


def _store(settings: Settings) -> Callable[[WindowPlan], StateStore]:
    url = settings.store_url
    if url is None:
        return MemoryStore
    try:
        from fraudkit.stores.redis import RedisStore
        from fraudkit.stores.redis_nodes import RedisTimeouts
    except ModuleNotFoundError as error:
        raise InputError(
            f"FRAUDKIT_STORE_URL needs the package {error.name}; install fraudkit[redis]"
        ) from error
    timeouts = RedisTimeouts.within(settings.deadline_ms)
    return lambda plan: RedisStore(plan, url, timeouts=timeouts)


def trusted_keys_of(settings: Settings) -> TrustedKeys | None:
    """Return the keys that bundles must be signed with, where the settings name some."""
    path = settings.trusted_keys
    return None if path is None else trusted_keys(Path(path))


def _enrichment(settings: Settings) -> Enrichment:
    """Return the default sources of derived fields, and those of the files."""
    sources = Enrichment.default()
    if settings.ip_files:
        from fraudkit.enrichment.maxmind import MaxMindFile

        files = [name for name in map(str.strip, settings.ip_files.split(",")) if name]
        if not files:
            raise InputError(
                "FRAUDKIT_IP_FILES must name files, with commas between them, got none; unset it "
                "where there are none"
            )
        sources = msgspec.structs.replace(sources, ip=MaxMindFile(*files))
    if settings.card_ranges:
        from fraudkit.enrichment.card_ranges import CardRangeFile

        sources = msgspec.structs.replace(sources, card_ranges=CardRangeFile(settings.card_ranges))
    return sources


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} cannot be made: {error.strerror}; set FRAUDKIT_DATA_DIR "
            "to a folder that this user may write"
        ) from error


def _hash_key(path: Path, journal: Journal, name: str) -> bytes:
    """Return the key; make it at the first start, when the journal is empty."""
    if not path.exists():
        if next(journal.records(), None) is not None:
            raise StoreError(
                f"The hash key {path} is missing, and {name} was written with it; put the key "
                "back (of a journal in PostgreSQL: copy it from another service), or start with "
                "an empty journal"
            )
        _write_durably(path, secrets.token_bytes(HASH_KEY_BYTES))
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(f"The hash key {path} cannot be read: {error.strerror}") from error
    if len(key) != HASH_KEY_BYTES:
        raise StoreError(
            f"The hash key {path} must hold {HASH_KEY_BYTES} bytes. Got {len(key)}; "
            "put the key back"
        )
    return key


def _write_durably(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 so that it is there whole or not at all."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"The hash key {path} cannot be written: {error.strerror}") from error
