"""What the two servers have in common: a place, a port that is kept over restarts, a program, and an orderly end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from dispatch.clock import SystemClock
from dispatch.errors import Refused, Unreachable
from simulator.servers.place import Place, place_for
from simulator.servers.ports import choose_port

if TYPE_CHECKING:
    import signal
    from pathlib import Path
    from types import TracebackType

    from simulator.servers.child import Child

LEFT_ENDS_WITHIN_S = 15.0
"""Longer than a watcher waits before it kills."""


class Server(ABC):
    """One server program; `async with` starts and stops it.

    `data_dir` is where its files are to lie (see `place.py` for the superuser), None for a place that is removed at
    stop. `port` None means any free one; it is kept over restarts of this object.
    """

    name: ClassVar[str]
    host = "127.0.0.1"

    def __init__(self, data_dir: Path | None = None, port: int | None = None) -> None:
        self._wanted = data_dir
        self._wanted_port = port
        self._port: int | None = None
        self._place: Place | None = None
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port on the loopback.

        Raises `Unreachable` (code `not_running`) before the first start.
        """
        if self._port is None:
            raise Unreachable("not_running", server=self.name)
        return self._port

    @property
    def pid(self) -> int:
        """The program's process id.

        Raises `Unreachable` (code `not_running`) while it is stopped.
        """
        if self._child is None:
            raise Unreachable("not_running", server=self.name)
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.is_running

    @property
    def folder(self) -> Path:
        """Where its log and settings lie; for the superuser another folder than was asked for.

        Raises `Unreachable` (code `not_running`) before the first start and after `stop`.
        """
        if self._place is None:
            raise Unreachable("not_running", server=self.name)
        return self._place.folder

    async def start(self, *, fresh: bool = False) -> None:
        """Start the server, on the data it had unless `fresh`, and return when it answers.

        Raises `Refused` (codes `already_running`, `port_busy`, `database_of_other_version`) or `Unreachable` (codes
        `server_did_not_start`, `no_postgres_binaries`, `no_mosquitto`).
        """
        assert not self.is_running, f"{self.name} was started twice"
        if self._place is None:
            place = place_for(self._wanted)
            place.hold(self.name)
            self._place = place
        try:
            await self._until_alone(self._place)
            await self._prepare(self._place, fresh=fresh)
            self._port = choose_port(self._port or self._wanted_port, self.name)
            await self._bring_up(self._place)
        except BaseException:
            await self.stop()
            raise

    async def _until_alone(self, place: Place) -> None:
        """Wait for the end of the program that a killed process of ours has left: its watcher is ending it just now.

        Raises `Refused` (code `already_running`) if it does not end.
        """
        clock = SystemClock()
        give_up_at_s = clock.elapsed() + LEFT_ENDS_WITHIN_S
        while (pid := place.left_running()) is not None:
            if clock.elapsed() > give_up_at_s:
                raise Refused("already_running", server=self.name, folder=str(place.folder), pid=pid)
            await clock.sleep(0.05)

    async def _bring_up(self, place: Place) -> None:
        """Start the program and return when it answers."""
        self._child = self._start_program(place, self.port)
        place.note_running(self._child.pid)
        await self._child.until_ready(self._answers)

    @abstractmethod
    async def _prepare(self, place: Place, *, fresh: bool) -> None:
        """Make or mend the files that the program needs."""

    @abstractmethod
    def _start_program(self, place: Place, port: int) -> Child:
        """Start the program on this port."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether the program answers its clients already."""

    async def stop(self) -> None:
        """Stop at once but cleanly, everything written; the place is given back, a temporary one removed."""
        await self.halt()
        if self._place is not None:
            self._place.release()
            self._place = None

    async def restart(self) -> None:
        """Stop cleanly and start again, on the same port and files."""
        await self.halt()
        await self.start()

    async def halt(self) -> None:
        """Stop cleanly; files and port are kept for another `start`."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def kill9(self) -> None:
        """End the server as a power cut would; files and port are kept for another `start`."""
        if self._child is not None:
            self._child.kill9()
            self._child = None

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal: SIGSTOP freezes it, SIGCONT thaws it, SIGHUP has it read its settings again."""
        if self._child is not None:
            self._child.send(number)
