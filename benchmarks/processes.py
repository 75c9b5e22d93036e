"""The load's process and its answers; limits on open files; what a process has used of the processors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatch.clock import limit
from dispatch.errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANSWERS_WITHIN_S = 300.0
ENDS_WITHIN_S = 10.0
FILES_WANTED = 65_536
FILES_SPARE = 500
LINE_BYTES_MAX = 1 << 24


class LoadProcess:
    """The other end of `benchmarks.load`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.cpu_s = 0.0

    async def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Have one command carried out. Raises Unreachable if the process ends or never answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
        try:
            async with limit(ANSWERS_WITHIN_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise Unreachable("load_ended", command=do)
        answer: dict[str, Any] = json.loads(line)
        self.cpu_s = answer.pop("cpu_s")
        return answer


@asynccontextmanager
async def load_process(module: str = "benchmarks.load") -> AsyncIterator[LoadProcess]:
    """A load that ends with the block, or with us; `module` is what it runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=-1, stdout=-1, limit=LINE_BYTES_MAX, start_new_session=True
    )
    try:
        yield LoadProcess(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with limit(ENDS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def allow_open_files(connections: int) -> int:
    """Lift our limit on open files, which the programs we start inherit; returns how many connections that allows.

    Raises Refused (`too_few_files`) if one of them could not hold so many as asked for.
    """
    import resource  # noqa: PLC0415 - not on every system

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_WANTED:
        with contextlib.suppress(ValueError, OSError):  # for the superuser alone
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_WANTED, FILES_WANTED))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < connections + FILES_SPARE:
        raise Refused(
            "too_few_files", allowed=allowed, needed=connections + FILES_SPARE, remedy=f"ulimit -n {FILES_WANTED}"
        )
    return allowed - FILES_SPARE


def cpu_s(pid: int) -> float | None:
    """Processor seconds that a process has used, with its ended children; None where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> dict[str, float | None]:
    """Megabytes (10⁶) of a process in memory, now (`rss_mb`) and at most so far (`rss_max_mb`)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {"rss_mb": None, "rss_max_mb": None}
    kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {"rss_mb": round(kib["VmRSS"] * 1024 / 1e6, 1), "rss_max_mb": round(kib["VmHWM"] * 1024 / 1e6, 1)}


def database_cpu_s(pid: int) -> float | None:
    """Processor seconds of a PostgreSQL server: its own, its ended sessions' and its present ones'."""
    own = cpu_s(pid)
    if own is None:
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # a kernel that does not tell
        return None
    return own + sum(used for child in children if (used := cpu_s(int(child))) is not None)


class Meter:
    """What processes use from when it is made until `read`."""

    def __init__(self, service_pid: int, broker_pid: int, postgres_pid: int, load: LoadProcess) -> None:
        self._pids = service_pid, broker_pid, postgres_pid
        self._load = load
        self._began = self._now()

    def _now(self) -> dict[str, float | None]:
        service, broker, postgres = self._pids
        return {
            "load_generator_cpu_s": self._load.cpu_s,
            "service_cpu_s": cpu_s(service),
            "broker_cpu_s": cpu_s(broker),
            "database_cpu_s": database_cpu_s(postgres),
        }

    def read(self) -> dict[str, float | None]:
        """Processor seconds by process; None where the system does not tell."""
        return {
            name: None if now is None or then is None else round(now - then, 2)
            for (name, now), then in zip(self._now().items(), self._began.values(), strict=True)
        }
