"""What the service tells of itself while we measure."""

from __future__ import annotations

import asyncio
import urllib.request


async def counter(url: str, name: str) -> float:
    """One of its metrics, summed over its labels."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in (await asyncio.to_thread(_metrics, url)).splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    )


def _metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
