"""A real Redis for tests: on loopback, without persistence, gone when the tests are."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from redis import Redis
from redis import exceptions as redis_errors

__all__ = ["BINARY", "RedisServer", "needs_redis", "redis_cluster", "redis_server"]

BINARY: Final = shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(BINARY is None, reason="no redis-server or valkey-server here")

_SLOTS: Final = 16384
_BUS: Final = 10_000
_PATIENCE_S: Final = 20


class RedisServer:
    """A server process that can be stopped and started again on the same port.

    Parameters
    ----------
    folder : Path
        Where it runs.
    options : str
        More command-line options.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = _free_port()
        self.socket = folder / f"{self.port}.sock"
        self.where = f"127.0.0.1:{self.port}"
        self.url = f"redis://{self.where}/0"
        self.socket_url = f"unix://{self.socket}"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Redis:
        return Redis(port=self.port, decode_responses=False)

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers, also where that is a refusal without a password."""
        assert BINARY is not None
        self._process = subprocess.Popen(
            [
                *(BINARY, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"),
                *("--dir", str(self._folder), *self._options),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            with contextlib.closing(self.client) as client:
                try:
                    client.ping()
                except redis_errors.AuthenticationError:
                    return
                except redis_errors.RedisError:
                    time.sleep(0.02)
                else:
                    return
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server for a while."""
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), *options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def redis_cluster(n_nodes: int) -> Iterator[list[RedisServer]]:
    """Run a cluster of primaries for a while, the slots shared out evenly."""
    options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    with contextlib.ExitStack() as running:
        servers = [running.enter_context(redis_server(*options)) for _ in range(n_nodes)]
        for place, server in enumerate(servers):
            first, last = _SLOTS * place // n_nodes, _SLOTS * (place + 1) // n_nodes - 1
            with contextlib.closing(server.client) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        _wait_for_agreement(servers)
        yield servers


def _wait_for_agreement(servers: list[RedisServer]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        if all(_n_ranges(server) == len(servers) for server in servers):
            return
        time.sleep(0.02)
    raise AssertionError("the nodes of the cluster do not find each other")


def _n_ranges(server: RedisServer) -> int:
    with contextlib.closing(server.client) as client:
        is_ok = b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
        return len(client.execute_command("CLUSTER", "SLOTS")) if is_ok else 0


def _free_port() -> int:
    """Return a port that is free, and whose neighbour for a cluster's bus is a port as well."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
        if port + _BUS < 2**16:
            return port
