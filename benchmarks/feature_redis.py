"""What an order costs on Redis, against fetching the same keys and nothing else.

A real server on this machine, over TCP. Both sides connect with the same settings, over the
clients that they would use: ours `fraudkit.stores.redis.RedisStore`, theirs a pipeline of GETs
of redis-py. A third way sends the same GETs packed into one request and reads the replies with
redis-py's parser: the least that a client of Python can do.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from benchmarks.harness import Lane, do_nothing, percentiles, take_turns
from fraudkit.errors import StoreError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import ALLOWED_LATENESS_MS
from fraudkit.features.window_arrays import EVENT_ID

__all__ = ["measure_redis", "redis_server", "why_no_redis"]

_START_TRIES: Final = 3
_BLOCK: Final = 20
_WARM_UP_ORDERS: Final = 100
_NAMESPACE: Final = "benchmark"
_PATIENCE_MS: Final = 5_000.0
_SETTINGS: Final[dict[str, Any]] = {
    "protocol": 2,
    "decode_responses": False,
    "health_check_interval": 0,
    "socket_connect_timeout": _PATIENCE_MS / 1000,
    "socket_timeout": _PATIENCE_MS / 1000,
}
"""Those of `fraudkit.stores.redis_nodes`."""


def why_no_redis() -> str | None:
    """Return why nothing can be measured here; ``None`` where it can."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed"
    missing = [name for name in ("redis", "hiredis") if importlib.util.find_spec(name) is None]
    return f"the package {missing[0]} is not installed" if missing else None


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a server of its own that writes nothing to disk; give its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise StoreError("redis-server must be installed and on the path, it is not")
    with TemporaryDirectory() as folder:
        port = _free_port()
        settings = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": folder,
            "appendonly": "no",
            "save": "",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen(  # noqa: S603 - Redis itself, with fixed arguments
            [binary, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            said = []
            for line in process.stdout or ():
                said.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                raise StoreError(f"redis-server must start. It said: {''.join(said)[-500:]}")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.communicate()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port


class _Fetching:
    """Fetches an order's keys, and does nothing else."""

    def __init__(self, url: str, keys: Sequence[Sequence[bytes]]) -> None:
        redis = importlib.import_module("redis")
        self._keys = keys
        self._client = redis.Redis.from_url(url, **_SETTINGS)
        self._wire = redis.Connection(
            host=self._client.connection_pool.connection_kwargs["host"],
            port=self._client.connection_pool.connection_kwargs["port"],
            **_SETTINGS,
        )
        self._wire.connect()

    def by_pipeline(self, place: int) -> list[bytes | None]:
        """Return what an order's keys hold, by redis-py's pipeline."""
        pipeline = self._client.pipeline(transaction=False)
        for key in self._keys[place]:
            pipeline.get(key)
        held: list[bytes | None] = pipeline.execute()
        return held

    def packed(self, place: int) -> list[bytes | None]:
        """Return the same, asked for in one piece of bytes."""
        keys = self._keys[place]
        asked = [b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key) for key in keys]
        self._wire.send_packed_command([b"".join(asked)])
        read = self._wire.read_response
        return [read() for _ in keys]

    def close(self) -> None:
        """Close both connections."""
        self._wire.disconnect()
        self._client.close()


def measure_redis(
    rows: NDArray[np.int64], plan: WindowPlan, n_timed: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures of the last events of a shop, those before them loaded.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_events, n_columns)
        The shop's events, by time; more than ``n_timed``.
    """
    from fraudkit.stores.redis import RedisStore
    from fraudkit.stores.redis_nodes import RedisTimeouts
    from fraudkit.stores.redis_rows import RowLayout

    first = len(rows) - n_timed - _WARM_UP_ORDERS
    layout = RowLayout(plan, _NAMESPACE, ALLOWED_LATENESS_MS)
    keys = [[layout.event_key(int(row[EVENT_ID])), *layout.entity_rows(row).keys] for row in rows]
    out = np.empty(plan.n_out)
    timeouts = RedisTimeouts(connect_ms=_PATIENCE_MS, read_ms=_PATIENCE_MS)
    with redis_server() as url, ExitStack() as opened:
        store = RedisStore(plan, url, namespace=_NAMESPACE, timeouts=timeouts)
        opened.callback(store.close)
        fetching = _Fetching(url, keys)
        opened.callback(fetching.close)
        store.load(rows[:first])
        lanes = {
            "redis_exchange": Lane(lambda place: store.exchange(rows[place], out), do_nothing),
            "redis_round_trip": Lane(fetching.by_pipeline, do_nothing),
            "redis_packed_round_trip": Lane(fetching.packed, do_nothing),
        }
        generator = np.random.default_rng(seed)
        timed = range(first + _WARM_UP_ORDERS, len(rows))
        take_turns(lanes, range(first, timed.start), block=_BLOCK, generator=generator)
        taken = take_turns(lanes, timed, block=_BLOCK, generator=generator)
        _check_was_kept(fetching, timed)
        counters = store.counters
    figures: dict[str, float] = {}
    for name, samples in taken.items():
        figures |= percentiles(name, samples)
    exchange = figures["redis_exchange_us_p50"]
    for name in ("round_trip", "packed_round_trip"):
        figures[f"redis_over_{name}"] = exchange / figures[f"redis_{name}_us_p50"]
    per_order = sum(len(keys[place]) for place in timed) / n_timed
    return figures, {"redis_counters": to_builtins(counters), "redis_keys_per_order": per_order}


def _check_was_kept(fetching: _Fetching, places: range) -> None:
    """Refuse figures of keys that are not those of the store: they would be empty."""
    empty = sum(value is None for place in places for value in fetching.packed(place))
    if empty:
        raise StoreError(
            f"every key of an order must hold something once it was taken in; {empty} do not. "
            "Bring the keys of this benchmark in line with fraudkit/stores/redis.py"
        )
