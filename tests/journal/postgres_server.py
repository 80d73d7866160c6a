"""A real PostgreSQL for tests: in a folder of its own, on a socket, gone when the tests are."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import psycopg

__all__ = ["PostgresServer", "postgres_server", "why_none"]

_UNPRIVILEGED: Final = ("postgres", "nobody")


def _binary(name: str) -> str | None:
    """Return the newest of Debian's places, or what the path has."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version_of)
    return str(found[-1]) if found else shutil.which(name)


def _version_of(path: Path) -> float:
    return float(path.parts[-3])


def _user() -> str | None:
    """Return who runs the server, which refuses to run as root; ``None`` where nobody can."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _UNPRIVILEGED if name in names), None)


def why_none() -> str | None:
    """Return why no server can be started here, or ``None`` where one can."""
    if _binary("postgres") is None or _binary("initdb") is None:
        return "no PostgreSQL server here: neither on the path nor in /usr/lib/postgresql"
    if _user() is None:
        return "PostgreSQL does not run as root, and there is no other user here"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to run it as another"
    return None


class PostgresServer:
    """A server process that can be stopped, frozen and started again.

    Parameters
    ----------
    folder : Path
        Where it keeps its files and its socket; short, because a socket's path is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = count(1)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / ".s.PGSQL.5432"

    @property
    def process_id(self) -> int:
        """Of the process that starts the others."""
        assert self._process is not None
        return self._process.pid

    def make(self) -> None:
        """Make the files: a superuser ``owner`` whom the socket trusts."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, _user())
        self._run("initdb", "--username=owner", "--auth=trust", "--no-sync", "--encoding=SQL_ASCII")

    def start(self, *options: str) -> None:
        """Start, and wait until it answers."""
        command = self._command("postgres", "-k", str(self._folder), "-c", "listen_addresses=")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], cwd=self._folder, stdout=subprocess.DEVNULL, stderr=log
            )
        for _ in range(400):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres")).close()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                break
        raise AssertionError((self._folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends sessions and keeps all; SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def url(self, database: str, *, user: str = "owner", password: str = "") -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"d{next(self._databases)}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, name: str, *options: str) -> None:
        subprocess.run(
            self._command(name, *options), cwd=self._folder, check=True, capture_output=True
        )

    def _command(self, name: str, *options: str) -> list[str]:
        binary, user = _binary(name), _user()
        assert binary is not None
        assert user is not None
        command = [binary, "-D", str(self._folder / "data"), *options]
        if os.geteuid() != 0:
            return command
        group = pwd.getpwnam(user).pw_gid
        return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]


@contextlib.contextmanager
def postgres_server(*options: str) -> Iterator[PostgresServer]:
    """Run a server for a while."""
    folder = Path(mkdtemp(prefix="pg-", dir="/tmp"))
    server = PostgresServer(folder)
    try:
        server.make()
        server.start(*options)
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)
