"""The inside of a process that makes load: one JSON command a line comes in, an answer to each goes out."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
from typing import Any, Protocol

from benchmarks.processes import LINE_BYTES_MAX


class Load(Protocol):
    """What makes load: a coroutine method for each command, which returns a dict."""

    async def close(self) -> None:
        """Let go of everything."""


async def serve(load: Load) -> None:
    """Carry out commands until the input ends; each answer has `cpu_s`, what this process has used by then."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        while line := await lines.readline():
            command = json.loads(line)
            answer: dict[str, Any] = await getattr(load, command.pop("do"))(**command)
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(json.dumps(answer | {"cpu_s": used.ru_utime + used.ru_stime}), flush=True)
    finally:
        await load.close()


def settle() -> None:
    """What is there now is there to stay: let no collection of it fall into a measurement."""
    gc.collect()
    gc.freeze()
