"""The command that keeps the tables of a shared journal."""

from __future__ import annotations

import os

from fraudkit import console
from fraudkit.cli.options import AsJson
from fraudkit.console import print_json
from fraudkit.errors import InputError

__all__ = ["migrate"]


def migrate(as_json: AsJson = False) -> None:  # noqa: FBT002 - a command-line flag
    """Make the tables of the journal in PostgreSQL, or bring them up to date.

    The URL comes from FRAUDKIT_JOURNAL_URL, as the service has it: an argument would show its
    password to every user of the machine.
    """
    url = os.environ.get("FRAUDKIT_JOURNAL_URL")
    if not url:
        raise InputError(
            "FRAUDKIT_JOURNAL_URL must name the database, got nothing; set it to "
            "postgresql://user:password@host:5432/database"
        )
    try:
        from fraudkit.journal.postgres import PostgresJournal
    except ModuleNotFoundError as error:
        raise InputError(
            f"a journal in PostgreSQL needs the package {error.name}; install fraudkit[postgres]"
        ) from error
    with PostgresJournal(url, migrate=True) as journal:
        name, version = journal.name, journal.schema_version
    if as_json:
        print_json({"journal": name, "schema_version": version})
    else:
        console.out.print(
            f"The journal {name} has schema version {version}.", highlight=False, markup=False
        )
