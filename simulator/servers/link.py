"""A network between a client and a server that may be silenced, cut, or cut at the worst moment."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

Ends = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Link:
    """Carries bytes between whoever connects to `port` and a server on this machine. Use it as `async with`."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.lost_answers = 0
        self._server_port = server_port
        self._is_silent = False
        self._fatal = b""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[asyncio.Task[None], Ends] = {}
        self._deaf: set[asyncio.Task[None]] = set()
        self._doomed: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    def silence(self) -> None:
        """Swallow every byte of every connection, present and future, from now on: no error, no answer."""
        self._is_silent = True
        self._deaf |= self._tasks

    def unsilence(self) -> None:
        """Carry new connections; those that lost bytes stay dead, as behind a router that was started again."""
        self._is_silent = False

    def cut(self) -> None:
        """Break every present connection."""
        for ends in self._open.values():
            _abort(ends)

    def cut_before_the_answer_to(self, words: bytes) -> None:
        """The next time the client says `words`, the server hears and does it, and the answer never arrives."""
        self._fatal = words

    async def refuse(self) -> None:
        """Break every present connection and accept no new one."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restore(self) -> None:
        """Accept connections again, on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        if self._is_silent:
            self._deaf.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        ends = self._open[task] = (writer, to_server)
        up = asyncio.ensure_future(self._up(task, reader, to_server))
        down = asyncio.ensure_future(self._down(task, from_server, writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            _abort(ends)
            del self._open[task]
            self._deaf.discard(task)
            self._doomed.discard(task)

    async def _up(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, to_server: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if task in self._deaf:
                continue
            if self._fatal and self._fatal in data:
                self._fatal = b""
                self._doomed.add(task)
            to_server.write(data)

    async def _down(
        self, task: asyncio.Task[None], from_server: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await from_server.read(65536):
            if task in self._doomed:
                self.lost_answers += 1
                return
            if task not in self._deaf:
                writer.write(data)


def _abort(ends: Ends) -> None:
    for end in ends:
        end.transport.abort()


def through(link: Link, dsn: str) -> str:
    """The address of a database, by way of the link."""
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{link.port}"))
