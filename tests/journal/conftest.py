"""The journals that every test of the port is asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fraudkit.journal.sqlite import SqliteJournal

if TYPE_CHECKING:
    from tests.journal.postgres_server import PostgresServer

_SCHEMAS = count(1)


class Place:
    """Where a journal is, and how it is opened there, or in an empty place of the same kind.

    ``held`` is what opens it there: a path, or a schema of ``database``.
    """

    def __init__(self, database: str, kind: Callable[..., Any], new: Callable[[], Any]) -> None:
        self.database = database
        self.kind = kind
        self.new = new
        self.held = new()

    def open(self, **options: Any) -> Any:
        return self.kind(self.held, **options)

    def open_new(self) -> Any:
        return self.kind(self.new())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with _running_postgres("-c", "fsync=off") as server:
        yield server


@pytest.fixture(scope="session")
def shared_url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """Run a server that a test may stop."""
    with _running_postgres() as server:
        yield server


def _running_postgres(*options: str) -> Any:
    pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    from tests.journal.postgres_server import postgres_server, why_none

    reason = why_none()
    if reason is not None:
        pytest.skip(reason)
    return postgres_server(*options)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        names = count(1)
        return Place("sqlite", SqliteJournal, lambda: tmp_path / f"journal-{next(names)}")
    url = request.getfixturevalue("shared_url")
    from fraudkit.journal.postgres import PostgresJournal

    return Place(
        url,
        lambda schema, **options: PostgresJournal(url, schema=schema, **options),
        lambda: f'a "quoted" name {next(_SCHEMAS)}',
    )


@pytest.fixture
def journal(place: Place) -> Iterator[Any]:
    with closing(place.open()) as opened:
        yield opened


@pytest.fixture
def reopened(place: Place, journal: Any) -> Callable[[], Any]:
    """Return how the journal is closed and opened again."""

    def reopen() -> Any:
        journal.close()
        return place.open()

    return reopen
