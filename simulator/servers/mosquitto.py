"""Mosquitto for the demo, the tests and the benchmarks: the real broker with the settings of `deploy/mosquitto.conf`.

Only the listener differs from production: the loopback, and clients without a name are let in.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch.errors import Unreachable
from simulator.servers.child import Child
from simulator.servers.server import Server

if TYPE_CHECKING:
    from simulator.servers.place import Place

CHECKOUT = Path(__file__).resolve().parents[2]
OPEN_LISTENER = "listener {port} 127.0.0.1\nallow_anonymous true\n"
CONFIG = CHECKOUT / "deploy" / "mosquitto.conf"
UNPACKED = CHECKOUT / ".data" / "mosquitto"
"""Where `run` unpacks Debian's package if it may not install it."""

SYSTEM_PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"


class MosquittoServer(Server):
    """One Mosquitto; see `Server` for where it keeps its files and which port it takes.

    `listener` are lines of configuration to use instead of the open listener; a `{port}` in them is replaced.
    """

    name = "Mosquitto"

    def __init__(
        self,
        data_dir: Path | None = None,
        port: int | None = None,
        config: Path = CONFIG,
        listener: str = OPEN_LISTENER,
    ) -> None:
        super().__init__(data_dir, port)
        self._config = config
        self._listener = listener

    async def _prepare(self, place: Place, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(place.data, ignore_errors=True)
        place.data.mkdir(mode=0o700, exist_ok=True)
        place.give(place.data)

    def _start_program(self, place: Place, port: int) -> Child:
        program, environment = find_program("mosquitto")
        settings = place.folder / "mosquitto.conf"
        settings.write_text(self._settings(place, port))
        child = Child(self.name, place.folder / "mosquitto.log", user=place.user, stop_signal=signal.SIGTERM)
        child.start([program, "-c", settings], environment)
        return child

    def _settings(self, place: Place, port: int) -> str:
        return (
            f"# Made at each start: {self._config.name}, and what holds for this broker alone.\n"
            f"{self._config.read_text()}\n"
            f"log_dest stderr\n"
            f"persistence_location {place.data}/\n"
            f"{self._listener.format(port=port)}"
        )

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        return True


def find_program(name: str) -> tuple[Path, dict[str, str]]:
    """A program of Mosquitto's packages (`mosquitto`, `mosquitto_pub`, `mosquitto_passwd` …) and its environment.

    Raises `Unreachable` (code `no_mosquitto`) if there is none.
    """
    environment = {"PATH": "/usr/bin:/bin"}
    installed = shutil.which(name) or shutil.which(name, path=SYSTEM_PLACES)
    if installed is not None:
        return Path(installed), environment
    for folder in ("sbin", "bin"):
        unpacked = UNPACKED / "usr" / folder / name
        if unpacked.exists():
            libraries = {str(library.parent) for library in UNPACKED.rglob("*.so*")}
            return unpacked, environment | {"LD_LIBRARY_PATH": ":".join(sorted(libraries))}
    raise Unreachable("no_mosquitto", program=name, looked_in=SYSTEM_PLACES, unpacked_in=str(UNPACKED))
