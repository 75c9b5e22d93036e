"""From readings to a call, by every real part: by staying critical, not by one bad sample, and once."""

from __future__ import annotations

from .conftest import Centre

AT = "2026-03-01T11:{:02}:00+08:00"


async def test_readings_that_stay_critical_are_one_call_and_one_bad_sample_is_none(town: Centre) -> None:
    async with town.terminal("T1") as terminal:
        for minute, saturation in enumerate([97, 88, 97, 97]):
            await terminal.say({"at": AT.format(minute), "spo2_percent": saturation}, "vitals")
        await town.until("SELECT count(*) FROM vitals", [4])
        assert await town.fetch("SELECT count(*) FROM incident") == [0]
        for minute, saturation in enumerate([88, 90, 92, 91, 92, 90] * 3, start=4):
            await terminal.say({"at": AT.format(minute), "spo2_percent": saturation}, "vitals")
        await town.until("SELECT count(*) FROM vitals", [22])
    assert await town.fetch("SELECT kind, origin, band FROM incident") == [("vitals", "vitals", 0)]
    assert await town.fetch("SELECT flaws FROM alarm") == [["spo2_percent_low"]]
