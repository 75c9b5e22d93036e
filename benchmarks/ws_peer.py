"""The peer of the board's streams: npm's `ws` on Node, laid out by npm into the folder for data."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stand import LOGS
from dispatch.clock import limit
from dispatch.errors import Unreachable
from hatch_build import install, node_and_npm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCES = Path(__file__).resolve().parent / "ws"
ANSWERS_WITHIN_S = 120.0


class WsPeer:
    """A running server; `broadcast` has it send."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port, self.pid = port, process.pid

    async def broadcast(self, size: int, seconds: float) -> dict[str, Any]:
        """Send messages of so many bytes to every client as fast as they take them. Raises Unreachable."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"bytes": size, "seconds": seconds, "per_s": None}).encode() + b"\n")
        return await _answer(self._process)


async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with limit(ANSWERS_WITHIN_S):
        line = await process.stdout.readline()
    if not line:
        raise Unreachable("peer_ended", peer="ws")
    answer: dict[str, Any] = json.loads(line)
    return answer


@asynccontextmanager
async def ws_peer() -> AsyncIterator[WsPeer]:
    """A server that ends with the block, or with us."""
    folder = LOGS / "ws"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "broadcast.mjs"):
        shutil.copy(SOURCES / name, folder / name)
    await asyncio.to_thread(install, folder)
    node, _ = node_and_npm()
    process = await asyncio.create_subprocess_exec(
        node, "broadcast.mjs", cwd=folder, stdin=-1, stdout=-1, start_new_session=True
    )
    try:
        yield WsPeer(process, (await _answer(process))["port"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with limit(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
