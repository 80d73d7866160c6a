"""A line between a service and a server that can be slow, silent or cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["Proxy", "proxy_to"]

_CHUNK = 65536


class Proxy:
    """Passes bytes on to a server; see `proxy_to`.

    Parameters
    ----------
    upstream : int or Path
        A port on loopback, or a socket.
    """

    def __init__(self, upstream: int | Path) -> None:
        self._upstream = upstream
        self._delay_s = 0.0
        self._is_silent = False
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def heal(self) -> None:
        """Pass all bytes on at once, those of new connections as well."""
        self._delay_s, self._is_silent, self._is_cut = 0.0, False, False

    def slow_down(self, delay_s: float) -> None:
        """Pass bytes on so much later."""
        self._delay_s = delay_s

    def fall_silent(self) -> None:
        """Take bytes and lose them; connections stay open."""
        self._is_silent = True

    def cut(self) -> None:
        """Close what is open, and what is opened from now on."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._hang_up)

    def start(self) -> None:
        self._thread.start()
        server = self._run(asyncio.start_server(self._served, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _hang_up(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        with suppress(OSError):
            if isinstance(self._upstream, Path):
                there = await asyncio.open_unix_connection(str(self._upstream))
            else:
                there = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._open |= {writer, there[1]}
            await asyncio.gather(self._passed(reader, there[1]), self._passed(there[0], writer))
            self._open -= {there[1]}
        self._open -= {writer}
        writer.close()

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if not self._is_silent:
                    writer.write(chunk)
                    await writer.drain()
        finally:
            writer.close()


@contextmanager
def proxy_to(upstream: int | Path) -> Iterator[Proxy]:
    """Stand before a server for a while."""
    proxy = Proxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


