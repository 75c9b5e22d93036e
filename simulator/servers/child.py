"""One server program of ours: started in a session of its own, ended by its own process id, and never left behind.

A terminal's Ctrl-C goes to every program of the foreground group; a database that stops at the first Ctrl-C takes the
last writes of the service with it. So a child has its own session, and we end it when its users have ended. Should *we*
be killed, a three-line shell script that holds the other end of a pipe of ours notices and ends the child.
"""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatch.clock import Clock, SystemClock
from dispatch.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

READY_WITHIN_S = 60.0
"""A slow disk may need most of it for a crash recovery; a program that has ended is noticed at once."""

LOG_BYTES_MAX = 20 * 1024 * 1024

# Reads until we close our end. A word means "ended as wished"; silence means that we are gone.
WATCHER = """
read -r word && exit 0
kill -CONT "$2"; kill -"$1" "$2"
for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 "$2" || exit 0; done
kill -KILL "$2"
"""


def run_as(user: str | None) -> dict[str, Any]:
    """The arguments of `subprocess` that make a program run as this user; none for ourselves."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def command_line(pid: int) -> str:
    """The words a process was started with, an empty string if there is none of that number (or it has just ended)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        if Path("/proc/self").exists():
            return ""
        asked = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]  # macOS
        return subprocess.run(asked, check=False, capture_output=True, text=True).stdout


class Child:
    """A running server program; `log` gets whatever it prints."""

    def __init__(self, name: str, log: Path, *, user: str | None, stop_signal: signal.Signals) -> None:
        self.name = name
        self.log = log
        self._user = user
        self._stop_signal = stop_signal
        self._program: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The program's process id.

        Raises `Unreachable` (code `not_running`) if it was never started or was stopped.
        """
        if self._program is None:
            raise Unreachable("not_running", server=self.name)
        return self._program.pid

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.poll() is None

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str]) -> None:
        """Start the program; it may not be ready for a while yet, see `until_ready`."""
        assert self._program is None, f"{self.name} was started twice"
        worn_out = self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX
        with self.log.open("wb" if worn_out else "ab") as log:
            self._program = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",  # a place that every user may enter
                env=dict(env),
                start_new_session=True,
                **run_as(self._user),
            )
        self._watcher = self._watched(self._program.pid)
        _allow_many_connections(self._program.pid)

    def _watched(self, pid: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "watcher", self._stop_signal.name.removeprefix("SIG"), str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def until_ready(self, attempt: Callable[[], Coroutine[Any, Any, bool]], clock: Clock | None = None) -> None:
        """Return as soon as `attempt` says that the server answers.

        Raises `Unreachable` (code `server_did_not_start`) with the end of its log if the program ends or never answers.
        """
        clock = clock or SystemClock()
        give_up_at_s = clock.elapsed() + READY_WITHIN_S
        while self.is_running and clock.elapsed() < give_up_at_s:
            if await attempt():
                return
            await clock.sleep(0.02)
        raise Unreachable("server_did_not_start", server=self.name, log=str(self.log), last_words=self.last_words())

    def last_words(self, lines: int = 8) -> str:
        """The end of the program's log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal (SIGSTOP freezes it, SIGCONT thaws it, SIGHUP has it read its settings again)."""
        if self._program is not None and self._program.poll() is None:
            self._program.send_signal(number)

    async def stop(self, within_s: float = 20.0) -> None:
        """Ask the program to end and wait for it; kill it if it has not ended in time."""
        if self._program is None:
            return
        self.send(signal.SIGCONT)
        self.send(self._stop_signal)
        try:
            await asyncio.to_thread(self._program.wait, within_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self._program.wait)
        self._forget()

    def kill9(self) -> None:
        """End the program as a power cut would; returns when it is gone."""
        if self._program is not None:
            self.send(signal.SIGKILL)
            self._program.wait()
            self._forget()

    def _forget(self) -> None:
        if self._watcher is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watcher.communicate(b"ended\n")
        self._program = self._watcher = None


def _allow_many_connections(pid: int) -> None:
    """Lift the program's soft limit on open files to its hard one: the customary 1,024 ends a town of terminals."""
    try:
        from resource import RLIMIT_NOFILE, prlimit  # noqa: PLC0415 - Linux only; elsewhere the limit stays
    except ImportError:
        return
    with contextlib.suppress(OSError):
        _, hard = prlimit(pid, RLIMIT_NOFILE)
        prlimit(pid, RLIMIT_NOFILE, (min(hard, 65_536), hard))
