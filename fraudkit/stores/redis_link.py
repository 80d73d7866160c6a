"""The line to Redis: batches, what is sent without waiting, and the pause after a failure.

A batch is one round trip: every node gets its commands before any reply is read. What need not be
waited for is *posted*: it is sent at once, its replies are read with the next batch, and until
then it is kept, to be sent again should the connection be lost.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Never, TypeVar

from redis import exceptions as redis_errors

from fraudkit.circuit_breaker import CircuitBreaker
from fraudkit.errors import StoreError
from fraudkit.stores.redis_nodes import Command, RedisNodes, RedisTimeouts, Reply

__all__ = ["RedisLink"]

Answer = TypeVar("Answer")


class RedisLink:
    """Runs batches of commands; opened on first use, and again after a failure.

    Parameters
    ----------
    nodes : RedisNodes
        Where commands go.
    timeouts : RedisTimeouts
        The pause after a failure, and what errors say.
    monotonic_s : callable
        Returns seconds from a clock that never runs back. It measures the pause after a failure
        and reaches no value.

    Attributes
    ----------
    has_resent : bool
        Whether the last `run` may have sent its commands twice.
    """

    def __init__(
        self, nodes: RedisNodes, timeouts: RedisTimeouts, monotonic_s: Callable[[], float]
    ) -> None:
        self._nodes = nodes
        self._timeouts = timeouts
        self._monotonic_s = monotonic_s
        self._pid = os.getpid()
        self._breaker = CircuitBreaker(
            retry_after_ms=timeouts.retry_after_ms,
            slow_ms=timeouts.slow_ms,
            monotonic_s=monotonic_s,
        )
        self._began_s = 0.0
        self._posted: deque[Command] = deque()
        self._n_sent = 0
        self.has_resent = False

    @property
    def is_plain(self) -> bool:
        """Whether it is known that a command may touch several keys, as one server has all."""
        return self._nodes.is_plain

    def run(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands and return their replies, one each packed command, in order.

        One round trip, but where a script or a key has to be looked for, or the connection was
        closed while it was idle; commands may then have been carried out twice.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot be reached, does not answer in time, or refuses a command. Some of
            the commands may have been carried out.
        """
        self.has_resent = False
        return self._guarded(lambda: self._exchange(commands))

    def post(self, commands: Iterable[Command], *, at_once: bool = True) -> None:
        """Send commands without waiting for the replies; never fails.

        What cannot be sent now goes with the next batch that can.

        Parameters
        ----------
        at_once : bool
            Whether to send now; else it goes with the next batch.
        """
        self._posted.extend(commands)
        if at_once and self._nodes.is_open and self._pid == os.getpid():
            try:
                self._send(())
            except (redis_errors.RedisError, OSError):
                self._lose_connection()

    @property
    def n_unread(self) -> int:
        """How many posted commands have not been answered yet; -1 without a connection."""
        return len(self._posted) if self._nodes.is_open else -1

    def sample_keys(self, most: int) -> tuple[list[bytes], float]:
        """Return some keys of the database, and how many each of them stands for.

        A node with at most ``most`` keys tells them all.

        Raises
        ------
        fraudkit.errors.StoreError
            As `run`.
        """
        self.run(())
        return self._guarded(lambda: self._nodes.sample_keys(most), is_long=True)

    def close(self) -> None:
        """Send what waits, if that can be done, and close the connections."""
        if self._nodes.is_open and self._posted:
            with suppress(StoreError):
                self.run(())
        self._lose_connection()

    def _guarded(self, step: Callable[[], Answer], *, is_long: bool = False) -> Answer:
        """Take a step that talks to Redis; whatever goes wrong closes the connections.

        Parameters
        ----------
        is_long : bool
            Whether it takes many round trips, so that its length says nothing.
        """
        if self._pid != os.getpid():  # a fork: the connections are the parent's
            self._lose_connection()
            self._pid = os.getpid()
        if self._breaker.is_open:
            raise StoreError(
                f"Redis at {self._nodes.where} did not answer a moment ago and is asked again "
                f"{self._timeouts.retry_after_ms:g} ms after that; see the error before this one"
            )
        self._began_s = self._monotonic_s()
        try:
            answer = step()
        except (redis_errors.RedisError, OSError) as error:
            self._lose_connection()
            self._breaker.failed()
            self._fail(error)
        except BaseException:
            self._lose_connection()
            raise
        if not is_long:
            self._breaker.answered(self._monotonic_s() - self._began_s)
        return answer

    def _is_over(self) -> bool:
        return self._monotonic_s() - self._began_s > self._timeouts.total_ms / 1000

    def _exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send and read; once more where a connection that was there turns out to be lost."""
        if self._nodes.is_open:
            try:
                return self._round_trip(commands)
            except redis_errors.ConnectionError:
                self._lose_connection()
                self.has_resent = True
                if self._is_over():
                    raise
        self._nodes.open(self._is_over)
        if self._is_over():
            raise redis_errors.TimeoutError("it was connected too late")
        return self._round_trip(commands)

    def _round_trip(self, commands: Sequence[Command]) -> list[Reply]:
        self._send(commands)
        batch = [*self._posted, *commands] if self._posted else commands
        replies = self._nodes.read(batch)
        for reply in replies:
            if isinstance(reply, redis_errors.ResponseError):
                replies = self._mended(batch, replies)
                break
        n_posted = sum(map(len, self._posted)) - len(self._posted)
        self._posted.clear()
        self._n_sent = 0
        return replies[n_posted:]

    def _mended(self, batch: Sequence[Command], replies: list[Reply]) -> list[Reply]:
        self.has_resent = True
        replies = self._nodes.mend(batch, replies)
        for reply in replies:
            if isinstance(reply, redis_errors.ResponseError):
                raise reply
        return replies

    def _send(self, commands: Sequence[Command]) -> None:
        """Send what was posted and not yet sent, then the commands."""
        if self._n_sent < len(self._posted):
            commands = [*list(self._posted)[self._n_sent :], *commands]
            self._n_sent = len(self._posted)
        if commands:
            self._nodes.send(commands)

    def _lose_connection(self) -> None:
        self._nodes.drop()
        self._n_sent = 0

    def _fail(self, error: Exception) -> Never:
        told = self._nodes.without_secrets(str(error))
        must, fix = self._words(error)
        raise StoreError(
            f"Redis at {self._nodes.where} must {must}. Got: {told}; {fix}. It is asked again "
            f"after {self._timeouts.retry_after_ms:g} ms"
        ) from (error if told == str(error) else None)

    def _words(self, error: Exception) -> tuple[str, str]:
        """Return what must hold, and the likely fix."""
        match error:
            case redis_errors.AuthenticationError() | redis_errors.NoPermissionError():
                return "let this user in", "check user and password in the URL and the user's ACL"
            case redis_errors.TimeoutError():
                connect_ms, read_ms = self._timeouts.connect_ms, self._timeouts.read_ms
                must = f"be connected within {connect_ms:g} ms and answer within {read_ms:g} ms"
                return must, "look at its load and at the network"
            case redis_errors.OutOfMemoryError():
                return "have room", "raise its maxmemory or shorten the features' retention"
            case redis_errors.ConnectionError() | OSError():
                return "be reachable", "start it, or correct the URL"
            case _:
                return "carry out every command", "it must be Redis 7.0 or Valkey, a primary"
