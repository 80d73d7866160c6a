"""A line between a service and a server that can be slow, silent or cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
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
        assert self._is_ready.wait(timeout=30)

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._served, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._is_ready.set()
            await self._is_over.wait()

    def _hang_up(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        self._open.add(writer)
        try:
            if self._is_cut:
                return
            answers, there = await self._connected()
            self._open.add(there)
            await asyncio.gather(self._passed(reader, there), self._passed(answers, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()
                    self._open.discard(end)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(str(self._upstream))
        return await asyncio.open_connection("127.0.0.1", self._upstream)

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
