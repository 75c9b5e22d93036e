"""`dispatch serve` as a process that may be killed, frozen, and started again under the same name."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from dispatch.clock import WALL_MOVED_BY
from dispatch.crash import CRASH_AT
from dispatch.errors import Unreachable
from simulator.servers.child import Child
from simulator.servers.ports import choose_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatch.clock import Clock

CHECKOUT = Path(__file__).resolve().parents[2]
POLICY = CHECKOUT / "simulator" / "policies" / "brisk.toml"
"""Clocks of a few seconds, so that some run out under every fault."""

SERVE = ("dispatch", "serve")
ANSWERS_WITHIN_S = 8.0
"""Longer than the database takes to be given up."""

ENDS_WITHIN_S = 60.0


class Readiness(msgspec.Struct):
    """What `/readyz` says, as far as we look."""

    role: str
    missing: tuple[str, ...] = ()


class Service:
    """One instance of the service. `environment` is how it reaches its servers, `words` which program it is."""

    def __init__(
        self, name: str, folder: Path, environment: dict[str, str], clock: Clock, words: Sequence[str] = SERVE
    ) -> None:
        self.name = name
        self._words = words
        self._clock = clock
        self._port = choose_port(None, "dispatch serve")
        self._wall = folder / f"{name}.wall"
        self.wall_s = 0.0
        """How far the wall clock that it sees is ahead."""
        self.move_wall(0)
        self._child = Child("dispatch serve", folder / f"{name}.log", user=None, stop_signal=signal.SIGTERM)
        ours = {key: value for key, value in os.environ.items() if not key.startswith("DISPATCH_")}
        self._environment = ours | environment | {
            "PYTHONPATH": str(CHECKOUT),
            "DISPATCH_INSTANCE": name,
            "DISPATCH_HTTP_PORT": str(self._port),
            "DISPATCH_POLICY_FILE": str(POLICY),
            WALL_MOVED_BY: str(self._wall),
        }  # fmt: skip

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    @property
    def log(self) -> str:
        """Everything it has logged since it was first started."""
        return self._child.log.read_text(errors="replace")

    def launch(self, crash_at: str = "") -> None:
        """Start the process, to end by itself at a point of `dispatch.crash` if one is named."""
        more = {CRASH_AT: crash_at} if crash_at else {}
        self._child.start([sys.executable, "-m", *self._words], self._environment | more)

    async def until_ready(self) -> None:
        """Return when it leads and hears, or stands by. Raises Unreachable with its last words."""
        await self._child.until_ready(self._is_ready, self._clock)

    async def until_said(self, word: str) -> None:
        """Return when it has logged something. Raises Unreachable with its last words."""

        async def is_said() -> bool:
            return word in self.log

        await self._child.until_ready(is_said, self._clock)

    async def _is_ready(self) -> bool:
        try:
            return not (await self.readiness()).missing
        except Unreachable:
            return False

    async def readiness(self) -> Readiness:
        """What `/readyz` says now. Raises Unreachable if it says nothing."""
        timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{self.url}/readyz") as answer:
                return msgspec.json.decode(await answer.read(), type=Readiness)
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise Unreachable("service_away", reason=repr(error)) from error

    async def until_ended(self) -> None:
        """Return when the process has ended by itself. Raises Unreachable if it does not."""
        give_up_at_s = self._clock.elapsed() + ENDS_WITHIN_S
        while self._child.is_running:
            if self._clock.elapsed() > give_up_at_s:
                raise Unreachable("service_did_not_end", service=self.name)
            await self._clock.sleep(0.005)
        self._child.kill9()  # it is gone; this forgets it

    def move_wall(self, seconds: float) -> None:
        """Set the wall clock that this service sees so far ahead; it notices at once, running or not."""
        self.wall_s = seconds
        half = self._wall.with_suffix(".half")
        half.write_text(str(seconds))
        half.replace(self._wall)

    def kill9(self) -> None:
        self._child.kill9()

    def freeze(self) -> None:
        self._child.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._child.send(signal.SIGCONT)

    async def stop(self) -> None:
        await self._child.stop()
