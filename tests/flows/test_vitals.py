"""From readings to a call, by every real part: by staying critical, not by one bad sample, and once."""

from __future__ import annotations

from .conftest import Centre, press

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
    [causes] = await town.fetch("SELECT causes::text FROM alarm")
    assert '"spo2_percent": 90.0' in causes
    assert "90" not in str(await town.fetch("SELECT facts::text FROM incident_log WHERE code = 'opened'"))


async def test_readings_that_score_together_are_a_call_of_band_1_and_a_press_is_not_lowered_by_them(
    town: Centre,
) -> None:
    values = {"heart_rate_bpm": 112, "spo2_percent": 93, "systolic_mmhg": 105}
    async with town.terminal("T1") as calm, town.terminal("T2") as pressed:
        await pressed.say(press("a1"))
        await pressed.hear("stored")
        for terminal in (calm, pressed):
            for minute in range(3):
                await terminal.say({"at": AT.format(minute), **values}, "vitals")
        await town.until("SELECT count(*) FROM vitals", [6])
    found = await town.fetch("SELECT subject_id, kind, band, alarms FROM incident ORDER BY 1")
    assert found == [("H1", "vitals_urgent", 1, 1), ("H2", "sos", 0, 2)]
