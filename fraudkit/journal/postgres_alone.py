"""Who may write a PostgreSQL journal beside whom: services that share their windows, or one alone.

A service that keeps its windows in memory sees no order that another one decides. So it has to be
alone at its journal; several have to share their windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fraudkit.errors import JournalLocked
from fraudkit.journal.postgres_link import BoundedConnection, PostgresLink, PostgresTimeouts

__all__ = ["held_journal"]

_LOCK: Final = 1_718_841_967
_TIMEOUTS: Final = PostgresTimeouts(connect_ms=5_000, statement_ms=5_000)
_KEEPALIVES: Final = {"idle": "5", "interval": "1", "count": "3"}
"""Seconds, seconds and times after which the server lets go of a machine that is gone."""


@contextmanager
def held_journal(url: str, *, is_alone: bool, schema: str = "fraudkit") -> Iterator[None]:
    """Hold a journal while the block runs: alone, or together with others that share it.

    It is held by a connection, so it is let go when the process ends, however it ends. Where the
    server is restarted meanwhile it is let go too: this refuses what would start wrongly, and is
    no promise for later.

    Parameters
    ----------
    url, schema : str
        As of `fraudkit.journal.postgres.PostgresJournal`.
    is_alone : bool
        Whether nobody else may hold it.

    Raises
    ------
    fraudkit.errors.JournalLocked
        If another service holds it.
    fraudkit.errors.JournalError
        If the database cannot be reached.
    """
    link = PostgresLink(url, _TIMEOUTS, _prepare)
    take = "pg_try_advisory_lock" if is_alone else "pg_try_advisory_lock_shared"
    try:
        [(is_held,)] = link.ask(
            lambda connection, _: connection.execute(
                f"SELECT {take}(%s, hashtext(%s))",
                (_LOCK, schema),
            ).fetchall(),
            "opened",
        )
        if not is_held:
            raise JournalLocked(
                f"The journal {link.name} must be written by one service alone, or by services "
                "that all share their windows in Redis. Another service is at it, and one of the "
                "two keeps its windows in memory; set FRAUDKIT_STORE_URL for both, or stop one"
            )
        yield
    finally:
        link.close()


def _prepare(connection: BoundedConnection) -> None:
    for name, value in _KEEPALIVES.items():
        connection.execute("SELECT set_config(%s, %s, false)", (f"tcp_keepalives_{name}", value))
