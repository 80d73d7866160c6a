"""One connection to PostgreSQL: bounded in time, opened again when it was lost, errors told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import psycopg
from msgspec import Struct
from psycopg import Connection, conninfo, generators, waiting
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from fraudkit.circuit_breaker import CircuitBreaker
from fraudkit.errors import JournalError, RecordRefused

__all__ = ["BoundedConnection", "PostgresLink", "PostgresTimeouts"]

_Result = TypeVar("_Result")
_GRACE_MS_MAX: Final = 250  # the server ends a statement first, and says so
_POLL_S: Final = 0.05
_TIMEOUT_MS_MAX: Final = 600_000
_SCHEMES: Final = ("postgresql://", "postgres://")
_WITHOUT_SQLSTATE: Final = (
    "see that the server runs, and that host, database, user and password in the URL are right"
)
_FIXES: Final = {
    "08": _WITHOUT_SQLSTATE,
    "28": "correct the user or the password in the URL, or the server's pg_hba.conf",
    "3D000": "create the database, or name another in the URL",
    "42501": "grant it to this user, or run fraudkit journal migrate as the owner of the database",
    "25006": "this server only reads: name the primary in the URL",
    "42P01": "run fraudkit journal migrate",
    "22003": "numbers must fit 64 bits",
    "53100": "make room on the server's disk",
    "53300": "let the server take more connections, or stop other programs",
    "57014": "it took longer than statement_timeout_ms: see what keeps the server busy",
    "57": "wait until the server has started",
}


class PostgresTimeouts(Struct, frozen=True, kw_only=True):
    """How long PostgreSQL is waited for.

    Attributes
    ----------
    connect_ms : int
        For a connection to one of the hosts of the URL, in milliseconds.
    statement_ms : int
        For one statement, in milliseconds. The server ends it then; where the server does not
        answer at all, it is given up a third of this later, at most a quarter of a second.
    retry_after_ms : int
        After a statement or a connection that took too long, how long everything fails at once,
        without asking.

    Raises
    ------
    fraudkit.errors.JournalError
        If one is not 1 to 600,000; the last may be 0.

    Examples
    --------
    >>> PostgresTimeouts(connect_ms=200)
    PostgresTimeouts(connect_ms=200, statement_ms=1000, retry_after_ms=0)
    """

    connect_ms: int = 1000
    statement_ms: int = 1000
    retry_after_ms: int = 0

    def __post_init__(self) -> None:
        for name, value in (("connect", self.connect_ms), ("statement", self.statement_ms)):
            if not 1 <= value <= _TIMEOUT_MS_MAX:
                raise JournalError(
                    f"{name}_timeout_ms must be 1 to {_TIMEOUT_MS_MAX:,}. Got {value:,}"
                )
        if not 0 <= self.retry_after_ms <= _TIMEOUT_MS_MAX:
            raise JournalError(
                f"retry_after_ms must be 0 to {_TIMEOUT_MS_MAX:,}. Got {self.retry_after_ms:,}"
            )

    @classmethod
    def within(cls, deadline_ms: float) -> PostgresTimeouts:
        """Return times that fit a deadline: a third of it for a statement and its giving up.

        Of a deadline below 240 ms it is 80 ms all the same, and a connection has no less than
        250 ms: what they cannot do goes to the spool, and has to come back from there.

        Examples
        --------
        >>> PostgresTimeouts.within(300.0)
        PostgresTimeouts(connect_ms=300, statement_ms=75, retry_after_ms=500)
        """
        answer_ms = min(max(deadline_ms / 3, 80.0), 1250.0)
        return cls(
            connect_ms=round(min(max(deadline_ms, 250.0), 1000.0)),
            statement_ms=round(answer_ms * 3 / 4),
            retry_after_ms=500,
        )

    @property
    def answer_ms(self) -> float:
        """How long a server is waited for that does not answer at all."""
        return self.statement_ms + min(_GRACE_MS_MAX, self.statement_ms / 3)


class BoundedConnection(Connection[TupleRow]):
    """A connection that gives up on a server that does not answer.

    Attributes
    ----------
    answer_s : float or None
        How long an answer is waited for, in seconds; ``None`` is for ever.
    """

    # The class variable lets the first statement of a new connection wait as well.
    answer_s: float | None = None

    def wait(
        self, gen: PQGen[_Result], interval: float = _POLL_S, timeout: float | None = None
    ) -> _Result:
        """Wait for an answer of libpq's; psycopg waits for every answer here."""
        bound = self.answer_s if timeout is None else timeout
        return super().wait(gen, interval=interval, timeout=bound)

    @contextmanager
    def waiting_for(self, answer_s: float) -> Iterator[None]:
        """Wait longer, or shorter, for answers."""
        usual_s, self.answer_s = self.answer_s, answer_s
        try:
            yield
        finally:
            self.answer_s = usual_s


class PostgresLink:
    """The connection of one journal; not thread-safe by itself.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:5432/database``; options after a ``?`` are libpq's.
    timeouts : PostgresTimeouts
    prepare : callable
        Called with every new connection before it is used.
    monotonic_s : callable
        Returns seconds from a clock that never runs back. It measures the pause after a failure.

    Attributes
    ----------
    name : str
        Host, port and database, as errors name them; never the user or the password.

    Raises
    ------
    fraudkit.errors.JournalError
        If the URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        timeouts: PostgresTimeouts,
        prepare: Callable[[BoundedConnection], None],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters = _parameters(url, timeouts)
        self._connection: BoundedConnection | None = None
        self._is_closed = False
        self._monotonic_s = monotonic_s
        self.timeouts = timeouts
        self._prepare = prepare
        self.name = _shown(self._parameters)

    @property
    def timeouts(self) -> PostgresTimeouts:
        """How long it waits; what is set holds from the next connection on, which is made anew."""
        return self._timeouts

    @timeouts.setter
    def timeouts(self, timeouts: PostgresTimeouts) -> None:
        self._timeouts = timeouts
        self._breaker = CircuitBreaker(
            retry_after_ms=timeouts.retry_after_ms,
            slow_ms=float("inf"),
            monotonic_s=self._monotonic_s,
        )
        self._drop()

    def ask(self, work: Callable[[BoundedConnection, bool], _Result], attempt: str) -> _Result:
        """Return what work does with the connection.

        Where the connection is lost, the work is done a second time, on a new connection and with
        ``True`` as its second argument: the first may have been done or not. A server that does
        not answer in time is not asked again.

        Raises
        ------
        fraudkit.errors.JournalError
            If it cannot be done; ``attempt`` says what: ``"read"``.
        """
        if self._breaker.is_open:
            raise JournalError(
                f"The journal {self.name} cannot be {attempt}: it did not answer a moment ago, and "
                f"is asked again {self.timeouts.retry_after_ms:,} ms after that"
            )
        is_again = False
        while True:
            connection = self._opened(attempt)
            try:
                return work(connection, is_again)
            except psycopg.Error as error:
                was_lost = connection.closed
                self._drop_unless_idle(connection)
                if is_again or not was_lost:
                    if _took_too_long(error):
                        self._breaker.failed()
                    raise self.wrapped(error, attempt) from error
            except BaseException:
                self._drop_unless_idle(connection)
                raise
            is_again = True

    def wrapped(self, error: Exception, attempt: str) -> JournalError:
        """Return the error to raise in the place of one of psycopg's."""
        is_of_record = isinstance(error, psycopg.DataError | UnicodeEncodeError)
        kind = RecordRefused if is_of_record and attempt == "written" else JournalError
        return kind(
            f"The journal {self.name} cannot be {attempt}: {self._told(error)}; {_fix(error)}"
        )

    def close(self) -> None:
        """Close the connection for good."""
        self._is_closed = True
        self._drop()

    def _opened(self, attempt: str) -> BoundedConnection:
        if self._is_closed:
            raise JournalError(
                f"The journal {self.name} cannot be {attempt}: it is a closed database "
                "connection; open the journal again"
            )
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self._connected()
                self._prepare(self._connection)
            except psycopg.Error as error:
                self._drop()
                raise self.wrapped(error, attempt) from error
            except BaseException:
                self._drop()
                raise
        return self._connection

    def _connected(self) -> BoundedConnection:
        failure: psycopg.Error | None = None
        for parameters in _one_host_each(self._parameters):
            wanted = generators.connect(conninfo.make_conninfo("", **parameters))
            try:
                made = waiting.wait_conn(
                    wanted, interval=_POLL_S, timeout=self._timeouts.connect_ms / 1000
                )
            except psycopg.Error as error:
                failure = error
                continue
            finally:
                wanted.close()
            connection = BoundedConnection(made)
            connection.answer_s = self._timeouts.answer_ms / 1000
            connection.autocommit = True
            return connection
        assert failure is not None  # noqa: S101 - there is at least one host
        self._breaker.failed()
        raise failure

    def _drop_unless_idle(self, connection: Connection[TupleRow]) -> None:
        # What is half done, or waits for an answer, must not be seen by the next call.
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _told(self, error: Exception) -> str:
        """Return what happened in one line; never the password, never a row's content."""
        primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        told = " ".join((primary or str(error)).split()) or type(error).__name__
        password = self._parameters.get("password")
        return told.replace(str(password), "…") if password else told


def _parameters(url: str, timeouts: PostgresTimeouts) -> dict[str, Any]:
    try:
        given = conninfo.conninfo_to_dict(url) if url.startswith(_SCHEMES) else None
    except psycopg.ProgrammingError:
        given = None
    if given is None or not _is_whole(given):
        raise JournalError(
            "The journal's URL must be postgresql://user:password@host:5432/database, with a "
            "password that is percent-encoded and with options that libpq knows. Got another one "
            "(not shown: it may hold a password); correct it"
        )
    defaults = {
        "application_name": "fraudkit",
        "keepalives_idle": 1,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": timeouts.statement_ms + _GRACE_MS_MAX,
    }
    return {**defaults, **given, "client_encoding": "UTF8"}


def _is_whole(given: dict[str, Any]) -> bool:
    """Return whether no part of a password that is not percent-encoded was taken for another."""
    elsewhere = f"{given.get('host', '')[1:]}{given.get('dbname', '')}"
    ports = str(given.get("port", "0")).split(",")
    return "@" not in elsewhere and all(not port or port.isdecimal() for port in ports)


def _one_host_each(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parameters for each host of the URL, so that each has its time."""
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    if len(hosts) == 1 or "hostaddr" in parameters or len(ports) not in (1, len(hosts)):
        yield parameters
        return
    for place, host in enumerate(hosts):
        yield {**parameters, "host": host, "port": ports[place % len(ports)]}


def _shown(parameters: dict[str, Any]) -> str:
    host = parameters.get("host") or parameters.get("hostaddr") or "(local)"
    port = parameters.get("port") or 5432
    return f"{host}:{port}/{parameters.get('dbname') or parameters.get('user') or ''}"


def _took_too_long(error: psycopg.Error) -> bool:
    """Return whether the server was waited for in vain: it ended the statement, or said nothing."""
    return isinstance(error, psycopg.errors.QueryCanceled) or error.sqlstate is None


def _fix(error: Exception) -> str:
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    if code is None:
        is_lost = isinstance(error, psycopg.OperationalError)
        return _WITHOUT_SQLSTATE if is_lost else "see what psycopg says"
    return _FIXES.get(code) or _FIXES.get(code[:2]) or "see what PostgreSQL says"
