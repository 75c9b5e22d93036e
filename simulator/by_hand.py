"""`simulator press`: one press of a key, by a terminal that says aloud what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dispatch.errors import BadSettings
from simulator.live_terminal import LiveTerminal
from simulator.reach import Reach
from simulator.terminal import Key, Say, Terminal, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from dispatch.clock import Clock

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


async def press(
    reach: Reach, terminal_id: str, key: Key, clock: Clock, *, wait_s: float, is_test: bool, language: str
) -> bool:
    """Press, print what the terminal says, and return whether the centre said `stored`.

    Ends when the call is closed, or after `wait_s` seconds. It takes the terminal's place at the broker: a terminal of
    that name that is connected elsewhere is thrown off.
    """
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
    link = asyncio.ensure_future(terminal.run())
    await clock.wait(ended, wait_s)
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    return device.calls[alarm_id].stage is not None
