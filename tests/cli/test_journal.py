"""``fraudkit journal migrate``: the tables are made, and the URL stays out of sight."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from typer.testing import CliRunner

from fraudkit.cli import app
from fraudkit.errors import InputError
from tests.journal.postgres_server import PostgresServer, postgres_server, why_none


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    reason = why_none()
    if reason is not None:
        pytest.skip(reason)
    with postgres_server("-c", "fsync=off") as server:
        yield server


def migrated(url: str | None, *options: str) -> str:
    ended = CliRunner().invoke(
        app, ["journal", "migrate", *options], env={"FRAUDKIT_JOURNAL_URL": url}
    )
    if ended.exception is not None:
        raise ended.exception
    return ended.output


def test_the_tables_are_made_once(postgres: PostgresServer) -> None:
    url = postgres.new_database().replace("owner@", "owner:not-to-be-seen@")
    told = migrated(url)
    assert "has schema version 2." in told
    assert "not-to-be-seen" not in told
    answer = msgspec.json.decode(migrated(url, "--json"))
    assert answer["schema_version"] == 2
    assert answer["journal"].endswith("/d1")


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_it_says_which_variable_to_set(url: str | None) -> None:
    with pytest.raises(InputError, match=r"FRAUDKIT_JOURNAL_URL must name the database"):
        migrated(url)
