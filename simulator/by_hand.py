"""`simulator press`: one press of a key, by a terminal that says aloud what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dispatch.clock import limit
from dispatch.errors import BadSettings, Unreachable
from simulator.live_terminal import LiveTerminal
from simulator.reach import Reach
from simulator.terminal import Key, Say, Terminal, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from dispatch.clock import Clock

CONNECT_WITHIN_S = 2.0
LAST_STAGES = {"closed", "tested"}


def reach_from(file: Path, *, centre_id: str | None, host: str | None, port: int | None) -> Reach:
    """Where the service is: what was given, and for the rest what a running demo wrote down.

    Raises BadSettings (`no_broker`) if neither says it.
    """
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = Reach(**json.loads(file.read_text()))
        return replace(
            known,
            mqtt_host=host or known.mqtt_host,
            mqtt_port=port or known.mqtt_port,
            centre_id=centre_id or known.centre_id,
        )
    if port is None or centre_id is None:
        raise BadSettings("no_broker", reason="no demo is running here: give --mqtt-port and --centre")
    return Reach(mqtt_port=port, http_url="", centre_id=centre_id, mqtt_host=host or "127.0.0.1")


async def _expect_broker(reach: Reach) -> None:
    """Raises Unreachable where no broker listens: a person who presses by hand wants to know that at once."""
    try:
        async with limit(CONNECT_WITHIN_S):
            _, writer = await asyncio.open_connection(reach.mqtt_host, reach.mqtt_port)
    except (OSError, TimeoutError):
        at = f"{reach.mqtt_host}:{reach.mqtt_port}"
        raise Unreachable("no_broker", at=at, reason="nothing listens there; is `./run demo` running?") from None
    writer.close()


async def press(
    reach: Reach, terminal_id: str, key: Key, clock: Clock, *, wait_s: float, is_test: bool, language: str
) -> bool:
    """Press, print what the terminal says, and return whether the centre said `stored`.

    Ends when the call is closed, or after `wait_s` seconds. It takes the terminal's place at the broker: a terminal of
    that name that is connected elsewhere is thrown off. Raises Unreachable (`no_broker`) if nothing listens there.
    """
    await _expect_broker(reach)
    ended = asyncio.Event()

    def say(_device: Terminal, said: Say) -> None:
        at = clock.now().astimezone()
        print(f"{at:%H:%M:%S}  {terminal_id}  {said.code:<12}  {spoken(said, language)}", flush=True)
        if said.code in LAST_STAGES:
            ended.set()

    device = Terminal(reach.centre_id, terminal_id, clock.new_id().hex)
    terminal = LiveTerminal(device, reach, clock, say)
    alarm_id = f"hand-{clock.new_id().hex[-12:]}"
    terminal.do((device.test if is_test else device.press)(key, alarm_id, clock.now()))
    print(f"{terminal_id} presses {key} at {reach.mqtt_host}:{reach.mqtt_port}.")
    print(f"Listening until the call is closed, {wait_s:.0f} s at most; Ctrl-C takes nothing back.", flush=True)
    link = asyncio.ensure_future(terminal.run())
    await clock.wait(ended, wait_s)
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    return device.calls[alarm_id].stage is not None
