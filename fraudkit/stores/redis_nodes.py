"""Connections to Redis, one server or every node of a cluster, and who has which key.

Commands are packed by us and sent over redis-py's connections, which bring TLS, passwords and
the parser: its pipeline costs several times what the server does.

Invariant: replies are read in the order in which commands were sent, and whatever breaks that
closes every connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct
from redis import exceptions as redis_errors
from redis.connection import Connection, parse_url
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from fraudkit.errors import InputError

__all__ = ["Command", "RedisNodes", "RedisTimeouts", "Reply", "bulk", "pack"]

Command = tuple[bytes, ...]
"""A key, then packed commands that touch this key and no other."""

Reply = Any
"""What redis-py makes of a reply: bytes, int, list, None, or an error as a value."""

_Node = tuple[str, int] | None
"""Host and port of a node; ``None`` is the server that the URL names."""

_REPAIRS_MAX: Final = 4
_SCAN_COUNT: Final = 1000
_NO_CLUSTER: Final = "cluster support disabled"


class RedisTimeouts(Struct, frozen=True, kw_only=True):
    """How long Redis is waited for.

    `within` makes those that fit a deadline.

    Attributes
    ----------
    connect_ms : float
        For a connection. Above 0.
    read_ms : float
        For the next bytes of an answer. Above 0.
    total_ms : float
        After so much of a call nothing more of it is begun: no other node is tried, nothing is
        sent a second time. Above 0.
    slow_ms : float
        After two answers in a row that take longer, Redis is left alone as after a failure.
    retry_after_ms : float
        After a failure, how long everything fails at once, without asking. At least 0.
    """

    connect_ms: float = 50.0
    read_ms: float = 100.0
    total_ms: float = float("inf")
    slow_ms: float = float("inf")
    retry_after_ms: float = 1000.0

    @classmethod
    def within(cls, deadline_ms: float) -> RedisTimeouts:
        """Return times that leave a part of a deadline, even where all goes wrong.

        A sixth of it, at most 50 ms, for a connection, a third, at most 100 ms, for an answer.
        Nothing is begun after half of it, and what takes longer than a quarter is slow.

        Examples
        --------
        >>> RedisTimeouts.within(300.0).read_ms
        100.0
        """
        return cls(
            connect_ms=min(50.0, deadline_ms / 6),
            read_ms=min(100.0, deadline_ms / 3),
            total_ms=deadline_ms / 2,
            slow_ms=deadline_ms / 4,
        )


class _Refused(NamedTuple):
    """Which command was refused, the place of its first reply, and why."""

    number: int
    place: int
    error: Any


class _Wire(Protocol):
    """What is used of a connection of redis-py."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_packed_command(self, command: Iterable[bytes]) -> None: ...
    def read_response(self) -> Any: ...


def bulk(parts: Iterable[bytes]) -> bytes:
    """Return the parts of a command, each with its length before it."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def pack(*parts: bytes | str | int) -> bytes:
    r"""Return a command in the protocol of Redis.

    References
    ----------
    Redis, "Redis serialization protocol specification", section "Sending commands to a Redis
    server", https://redis.io/docs/latest/develop/reference/protocol-spec/.

    Examples
    --------
    >>> pack("GET", b"key")
    b'*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'
    """
    encoded = [part if type(part) is bytes else str(part).encode() for part in parts]
    return b"*%d\r\n%b" % (len(encoded), bulk(encoded))


_ASKING: Final = pack("ASKING")


class RedisNodes:
    """The nodes that hold the keys. Whether they are a cluster is found out on opening.

    Parameters
    ----------
    url : str
        ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads it; of a cluster, any
        node.
    scripts : sequence of bytes
        The Lua sources that commands name by their SHA-1.
    timeouts : RedisTimeouts
        How long Redis is waited for.

    Attributes
    ----------
    where : str
        The server of the URL, without user and password.
    is_open : bool
        Whether there are connections, as far as is known.
    is_plain : bool
        Whether a command may touch several keys: the server has said that it is no cluster.

    Raises
    ------
    fraudkit.errors.InputError
        If the URL cannot be read. The error does not show it: it may hold a password.
    """

    def __init__(self, url: str, scripts: Sequence[bytes], timeouts: RedisTimeouts) -> None:
        self._kind, self._options = _connection_options(url, timeouts)
        self._load_scripts = [pack("SCRIPT", "LOAD", script) for script in scripts]
        self._wires: dict[_Node, _Wire] = {}
        self._owners: list[_Node] = []
        self.is_open = self.is_plain = False
        host, port = self._options.get("host", "localhost"), self._options.get("port", 6379)
        self.where = str(self._options.get("path", f"{host}:{port}"))

    def without_secrets(self, text: str) -> str:
        """Return a text with the password of the URL taken out."""
        password = self._options.get("password")
        return text.replace(str(password), "***") if password else text

    def open(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Connect, and learn which node has which keys.

        Parameters
        ----------
        is_over : callable
            Says whether no other node is to be tried.

        Raises
        ------
        redis.exceptions.RedisError, OSError
            If no node that was ever heard of can be reached.
        """
        heard_of = [None, *dict.fromkeys(node for node in self._owners if node is not None)]
        failures: list[Exception] = []
        for node in heard_of:
            try:
                self._learn_owners(node)
            except (redis_errors.RedisError, OSError) as error:
                self.drop()
                failures.append(error)
                if is_over():
                    break
            else:
                self.is_open = True
                return
        raise failures[0]

    def drop(self) -> None:
        """Close every connection; what was sent and not answered may have been carried out."""
        self.is_open = False
        wires, self._wires = self._wires, {}
        for wire in wires.values():
            wire.disconnect()

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, each to the node that has its key."""
        if not self._owners:
            self._wires[None].send_packed_command([_joined(commands)])
            return
        for node, indexes in self._by_node(commands).items():
            packed = _joined([commands[index] for index in indexes])
            self._wire(node).send_packed_command([packed])

    def read(self, commands: Sequence[Command]) -> list[Reply]:
        """Return one reply each packed command that was sent; refusals are values."""
        if not self._owners:
            return _read(self._wires[None], sum(map(len, commands)) - len(commands))
        by_command: list[list[Reply]] = [[] for _ in commands]
        for node, indexes in self._by_node(commands).items():
            for index in indexes:
                by_command[index] = _read(self._wire(node), len(commands[index]) - 1)
        return [reply for replies in by_command for reply in replies]

    def mend(self, commands: Sequence[Command], replies: list[Reply]) -> list[Reply]:
        """Send again what a node refused as it lacks a script or does not have the key.

        What came after the first refusal is sent again as well, so that the order stays.
        """
        for _ in range(_REPAIRS_MAX):
            refused = _refused(commands, replies)
            if not refused:
                break
            errors = [held.error for held in refused]
            if any(isinstance(error, redis_errors.NoScriptError) for error in errors):
                self._load_scripts_everywhere()
            if any(isinstance(error, redis_errors.MovedError) for error in errors):
                self._learn_owners(next(iter(self._wires)))
            first = refused[0]
            moving = {
                held.number - first.number: held.error
                for held in refused
                if type(held.error) is redis_errors.AskError
            }
            replies[first.place :] = self._again(commands[first.number :], moving)
        return replies

    def sample_keys(self, most: int) -> tuple[list[bytes], float]:
        """Return some keys, and how many each of them stands for.

        A node with at most ``most`` keys tells them all.
        """
        keys: set[bytes] = set()
        n_keys = 0
        for node in dict.fromkeys(self._owners or [None]):
            told, is_all = self._some_keys(node, most)
            n_keys += len(told) if is_all else self._ask(node, pack("DBSIZE"))[0]
            keys |= told
        return sorted(keys), n_keys / max(1, len(keys))

    def _some_keys(self, node: _Node, most: int) -> tuple[set[bytes], bool]:
        told: set[bytes] = set()
        cursor = b"0"
        while len(told) <= most:
            [(cursor, some)] = self._ask(node, pack("SCAN", cursor, "COUNT", _SCAN_COUNT))
            told.update(some)
            if cursor == b"0":
                return told, True
        return told, False

    def _again(self, commands: Sequence[Command], moving: Mapping[int, Any]) -> list[Reply]:
        """Send commands again, those whose keys are on their way to where these go."""
        others = [command for index, command in enumerate(commands) if index not in moving]
        self.send(others)
        replies = iter(self.read(others))
        again: list[Reply] = []
        for index, command in enumerate(commands):
            if index not in moving:
                again += islice(replies, len(command) - 1)
                continue
            wire = self._wire((moving[index].host, moving[index].port))
            packed = [part for own in command[1:] for part in (_ASKING, own)]
            wire.send_packed_command(packed)
            again += _read(wire, len(packed))[1::2]
        return again

    def _load_scripts_everywhere(self) -> None:
        for node in list(self._wires):
            self._ask(node, *self._load_scripts)

    def _learn_owners(self, node: _Node) -> None:
        """Ask a node which one has which slot; one that is alone has them all."""
        self._wire(node)
        try:
            (ranges,) = self._ask(node, pack("CLUSTER", "SLOTS"))
        except redis_errors.ResponseError as error:
            self._owners = []
            self.is_plain = _NO_CLUSTER in str(error)
            return
        owners: list[_Node] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, primary, *_ in ranges:
            host = primary[0].decode() if primary[0] else self._options.get("host", "localhost")
            owners[first : last + 1] = [(host, int(primary[1]))] * (last + 1 - first)
        self._owners = owners

    def _by_node(self, commands: Sequence[Command]) -> dict[_Node, list[int]]:
        groups: dict[_Node, list[int]] = {}
        for index, command in enumerate(commands):
            groups.setdefault(self._owners[key_slot(command[0])], []).append(index)
        return groups

    def _ask(self, node: _Node, *packed: bytes) -> list[Reply]:
        wire = self._wire(node)
        wire.send_packed_command(packed)
        replies = _read(wire, len(packed))
        for reply in replies:
            if isinstance(reply, redis_errors.ResponseError):
                raise reply
        return replies

    def _wire(self, node: _Node) -> _Wire:
        wire = self._wires.get(node)
        if wire is None:
            named = {} if node is None else {"host": node[0], "port": node[1]}
            wire = self._kind(**self._options | named)
            try:
                wire.connect()
            except ValueError as error:  # a name that is no host's, an option that TLS refuses
                raise redis_errors.ConnectionError(str(error)) from error
            self._wires[node] = wire
        return wire


def _connection_options(url: str, timeouts: RedisTimeouts) -> tuple[Any, dict[str, Any]]:
    """Return redis-py's class of connection and its arguments."""
    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        kind = options.pop("connection_class", Connection)
        options |= {
            "socket_connect_timeout": timeouts.connect_ms / 1000,
            "socket_timeout": timeouts.read_ms / 1000,
            "decode_responses": False,
            "driver_info": None,
            "health_check_interval": 0,
            "protocol": 2,
        }
        kind(**options)
    except (ValueError, TypeError, redis_errors.RedisError):
        raise InputError(
            "the URL of Redis must be redis://, rediss:// or unix://, with a password that is "
            "percent-encoded and with options that redis-py knows, got another one (not shown: "
            "it may hold a password)"
        ) from None
    return kind, options


def _joined(commands: Sequence[Command]) -> bytes:
    return b"".join([packed for command in commands for packed in command[1:]])


def _read(wire: _Wire, count: int) -> list[Reply]:
    """Read replies; a refusal is a value, so that those after it are read as well."""
    replies: list[Reply] = []
    read_response = wire.read_response
    while len(replies) < count:
        try:
            replies.append(read_response())
        except redis_errors.ResponseError as error:
            replies.append(error)
    return replies


def _refused(commands: Sequence[Command], replies: Sequence[Reply]) -> list[_Refused]:
    """Return the commands that may be sent again."""
    mendable = (redis_errors.NoScriptError, redis_errors.AskError)
    refused = []
    place = 0
    for index, command in enumerate(commands):
        after = place + len(command) - 1
        error = next((held for held in replies[place:after] if isinstance(held, mendable)), None)
        if error is not None:
            refused.append(_Refused(index, place, error))
        place = after
    return refused
