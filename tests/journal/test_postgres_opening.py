"""Opening a PostgreSQL journal: its tables, its rights, its promises and its refusals."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable

import psycopg
import pytest

from fraudkit.errors import JournalError
from fraudkit.journal import postgres_schema
from fraudkit.journal.postgres import PostgresJournal
from fraudkit.journal.postgres_link import PostgresTimeouts
from fraudkit.journal.record import Durability
from tests.journal.postgres_server import PostgresServer
from tests.journal.records import decision, outcome

SECRET = "correct/horse"  # noqa: S105 - never shown
ENCODED = "correct%2Fhorse"
ANOTHER = "ALTER TABLE {schema}.record ADD COLUMN note text"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


def scalar(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def versions(url: str) -> object:
    return scalar(url, "SELECT array_agg(version ORDER BY version) FROM fraudkit.schema_version")


NOW = len(postgres_schema.MIGRATIONS)
ALL_NOW = list(range(1, NOW + 1))


def with_another(monkeypatch: pytest.MonkeyPatch, statements: str = ANOTHER) -> None:
    more = (*postgres_schema.MIGRATIONS, statements)
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", more)


def test_an_empty_database_is_refused_where_no_tables_may_be_made(url: str) -> None:
    for options in ({"migrate": False}, {"read_only": True}):
        with pytest.raises(
            JournalError, match=rf"version {NOW}\. Got 0; run fraudkit journal migrate"
        ):
            PostgresJournal(url, **options)  # type: ignore[arg-type]
    assert scalar(url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'fraudkit'") == 0


def test_another_migration_keeps_the_records(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with PostgresJournal(url) as journal:
        journal.append_many([decision(), outcome()])
    assert versions(url) == ALL_NOW
    with_another(monkeypatch)
    with pytest.raises(
        JournalError, match=rf"version {NOW + 1}\. Got {NOW}; run fraudkit journal migrate"
    ):
        PostgresJournal(url, migrate=False)
    for _ in range(2):
        with PostgresJournal(url) as journal:
            assert list(journal.records()) == [decision(), outcome()]
    assert versions(url) == [*ALL_NOW, NOW + 1]
    assert scalar(url, "SELECT count(note) FROM fraudkit.record") == 0
    monkeypatch.undo()
    with pytest.raises(
        JournalError, match=rf"version {NOW}\. Got {NOW + 1}: a newer fraudkit made it"
    ):
        PostgresJournal(url)


@pytest.mark.parametrize("before", [("t-1", "t-2"), ("t-1", "t-2", "t-1")])
def test_decisions_of_version_1_stay_and_the_next_count_once(
    url: str, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", postgres_schema.MIGRATIONS[:1])
    with PostgresJournal(url) as journal:
        assert [journal.append(decision(name)) for name in before] == [True] * len(before)
    monkeypatch.undo()
    for is_first in (True, False):
        with PostgresJournal(url) as journal:
            assert journal.append(decision("new")) is is_first
            assert [record.transaction_id for record in journal.records()] == [*before, "new"]
    with PostgresJournal(url) as journal:
        # What was decided twice already may be decided once more; the newest is returned.
        assert journal.append(decision("t-2", received_at_ms=9)) is (len(before) == 3)
        assert journal.last_decision("new") == decision("new")


def test_a_migration_that_fails_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PostgresJournal(url).close()
    with_another(monkeypatch, f"{ANOTHER}; SELECT 1 / 0")
    with pytest.raises(JournalError, match=r"cannot be opened: division by zero"):
        PostgresJournal(url)
    monkeypatch.undo()
    assert versions(url) == ALL_NOW
    PostgresJournal(url).close()


def test_journals_that_are_opened_at_once_make_the_tables_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_another(monkeypatch, "SELECT pg_sleep(1)")
    hasty = PostgresTimeouts(statement_ms=100)
    failures: list[BaseException] = []

    def open_one() -> None:
        try:
            PostgresJournal(url, timeouts=hasty).close()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # They wait for each other for longer than another statement may take.
    assert failures == []
    assert versions(url) == [*ALL_NOW, NOW + 1]


def test_nothing_is_changed_or_removed(url: str) -> None:
    with PostgresJournal(url) as journal:
        journal.append(decision())
        for statement in (
            "DELETE FROM fraudkit.record",
            "UPDATE fraudkit.record SET received_at_ms = 0",
            "TRUNCATE fraudkit.record",
        ):
            with (
                psycopg.connect(url) as connection,
                pytest.raises(psycopg.errors.IntegrityError, match=r"append-only"),
            ):
                connection.execute(statement.encode())
        assert list(journal.records()) == [decision()]


def test_neither_a_superuser_nor_the_owner_is_needed(postgres: PostgresServer, url: str) -> None:
    database = url.split("/")[3].split("?", maxsplit=1)[0]
    for user in ("maker", "writer", "nobody"):
        postgres.execute(f"DROP ROLE IF EXISTS {user}")
        postgres.execute(f"CREATE ROLE {user} LOGIN")
    postgres.execute(f"GRANT CREATE ON DATABASE {database} TO maker")
    as_writer = postgres.url(database, user="writer")
    try:
        PostgresJournal(postgres.url(database, user="maker")).close()
        for grant, missing in (
            ("USAGE ON SCHEMA fraudkit", "permission denied for schema"),
            ("SELECT ON ALL TABLES IN SCHEMA fraudkit", "permission denied for table"),
            ("USAGE ON ALL SEQUENCES IN SCHEMA fraudkit", "permission denied for sequence"),
        ):
            with pytest.raises(JournalError, match=rf"{missing}.*; grant it to this user"):
                PostgresJournal(as_writer)
            postgres.execute(f"GRANT {grant} TO writer", database)
        with PostgresJournal(as_writer) as journal:
            with pytest.raises(JournalError, match=r"grant it INSERT on the table record"):
                journal.check_writable()
            postgres.execute("GRANT INSERT ON fraudkit.record TO writer", database)
            journal.check_writable()
            assert journal.append(decision()) is True
    finally:
        for user in ("maker", "writer", "nobody"):
            postgres.execute(f"DROP OWNED BY {user} CASCADE", database)
            postgres.execute(f"DROP OWNED BY {user} CASCADE")
            postgres.execute(f"DROP ROLE {user}")


@pytest.mark.parametrize(("durability", "level"), [("process_kill", "off"), ("power_loss", "on")])
def test_durability_is_the_servers_synchronous_commit(
    own_postgres: PostgresServer, durability: Durability, level: str
) -> None:
    url = own_postgres.new_database()
    own_postgres.execute("ALTER ROLE owner SET synchronous_commit = 'local'")
    with PostgresJournal(url, durability=durability) as journal:
        assert journal._rows(b"SHOW synchronous_commit", ()) == [(level,)]  # type: ignore[arg-type]
        journal.append(decision())
    own_postgres.execute("ALTER ROLE owner SET synchronous_commit = 'remote_apply'")
    with PostgresJournal(url, durability="power_loss") as journal:
        assert journal._rows(b"SHOW synchronous_commit", ()) == [("remote_apply",)]  # type: ignore[arg-type]


def test_a_server_that_does_not_sync_cannot_promise_to_survive_a_power_loss(url: str) -> None:
    with pytest.raises(JournalError, match=r"fsync = on to survive a power loss\. Got off"):
        PostgresJournal(url, durability="power_loss")


def test_defaults_of_the_database_do_not_reach_the_journal(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in (
            "default_transaction_isolation = 'serializable'",
            "default_transaction_read_only = 'on'",
            "statement_timeout = '1h'",
        ):
            connection.execute(
                f"ALTER ROLE owner IN DATABASE {connection.info.dbname} SET {setting}".encode()
            )
    with PostgresJournal(url) as journal:
        shown = [
            journal._rows(f"SHOW {name}".encode(), ())  # type: ignore[arg-type]
            for name in (
                "transaction_isolation",
                "transaction_read_only",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
            )
        ]
        assert shown == [[("read committed",)], [("off",)], [("1s",)], [("1s",)]]


def test_the_first_hash_key_is_the_journals_and_no_other_is_taken(url: str) -> None:
    key, other = b"k" * 32, b"l" * 32
    with PostgresJournal(url) as journal, PostgresJournal(url) as second:
        journal.check_key(key)
        for asked in (journal, second, PostgresJournal.open_readonly(url)):
            asked.check_key(key)
            with pytest.raises(JournalError, match=r"hash key .* Got another one; copy the key"):
                asked.check_key(other)
        asked.close()


def whole_text(call: Callable[[], object]) -> str:
    """Return the error that is raised, with all that it came from."""
    try:
        call()
    except JournalError as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{ENCODED}@127.0.0.1:1/d",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:{ENCODED}@127.0.0.1:port/d",
        f"postgresql://u:12/{SECRET}@127.0.0.1/d",
        f"postgresql://u:{ENCODED}@{SECRET}@127.0.0.1/d",
        f"postgresql://u:{ENCODED}@127.0.0.1/d?unknown=1",
        f"postgresql://u:{ENCODED}@[::1/d",
        f"mysql://u:{ENCODED}@127.0.0.1/d",
        f"host=127.0.0.1 port=1 password={SECRET}",
        SECRET,
    ],
)
def test_no_error_shows_the_password(url: str) -> None:
    text = whole_text(lambda: PostgresJournal(url))
    assert SECRET not in text.replace(__file__, "")
    assert ENCODED not in text


def test_a_password_that_the_server_names_is_not_shown(postgres: PostgresServer) -> None:
    url = postgres.url("postgres", user=ENCODED, password=ENCODED)
    with pytest.raises(JournalError, match=r'role "…" does not exist; see that .* are right'):
        PostgresJournal(url)


def test_an_unreachable_server_is_told_by_host_and_database() -> None:
    with pytest.raises(JournalError, match=r"journal 127\.0\.0\.1:1/orders cannot be opened"):
        PostgresJournal("postgresql://127.0.0.1:1/orders")


def test_a_host_that_is_gone_is_passed_over(postgres: PostgresServer, url: str) -> None:
    folder = url.split("host=")[1]
    with PostgresJournal(url.replace(folder, f"/nowhere,{folder}")) as journal:
        assert journal.append(decision()) is True
    del postgres


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/d"
        started_s = time.monotonic()
        with pytest.raises(JournalError, match=r"see that the server runs"):
            PostgresJournal(url, timeouts=PostgresTimeouts(connect_ms=100))
        assert time.monotonic() - started_s < 5


@pytest.mark.parametrize("value", [0, -1, 600_001])
def test_a_timeout_is_a_positive_number_of_milliseconds(value: int) -> None:
    for name in ("connect", "statement"):
        with pytest.raises(JournalError, match=rf"{name}_timeout_ms must be 1 to 600,000"):
            PostgresTimeouts(**{f"{name}_ms": value})
