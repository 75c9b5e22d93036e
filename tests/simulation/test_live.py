"""The live town against the real service, broker and database: a few busy seconds, counted; and one press by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatch.app import build as build_service
from dispatch.clock import SystemClock, limit
from dispatch.settings import Http, Mqtt, Settings
from simulator import live_run
from simulator.by_hand import press, reach_from
from simulator.demo import POLICIES
from simulator.happenings import Weather
from simulator.loading import load
from simulator.people import BRISK
from simulator.reach import Reach
from simulator.servers import MosquittoServer
from simulator.stage import is_ready
from simulator.town import Size, build

STORM = Weather(presses_per_min=240, tests_per_min=20, nonsense_per_min=10, cancelled=0.2, repeated=0.2)


async def test_a_busy_town_loses_doubles_and_breaks_nothing(
    dsn: str, broker: MosquittoServer, centre: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, town = SystemClock(), build(5, Size(homes=40, stations=4, workers=20))
    await load(town, dsn)
    settings = Settings(
        centre_id=centre,
        database_url=dsn,
        instance=centre,
        policy_file=str(POLICIES / "brisk.toml"),
        mqtt=Mqtt(port=broker.port),
        http=Http(port=0),
    )
    service = await build_service(settings, clock)
    await service.start()
    try:
        reach = Reach(broker.port, f"http://127.0.0.1:{service.http_port}", centre)
        async with limit(20):
            while not await is_ready(reach.http_url):
                await clock.sleep(0.05)
        run = live_run.Run(town, reach, dsn, 5, 6.0)
        cast = await live_run.cast_of(run, clock, terminals=30, habits=BRISK, weather=STORM)
        result, lines = await live_run.play_and_count(run, cast, clock)
        assert lines == []
        assert result.pressed == result.stored >= 5
        assert result.accepted >= 3
        assert live_run.report(result, lines, must_be_worth=False) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) == result.as_dict(), "the sum is the last line"

        by_hand = press(reach, town.terminals[-1].id, "sos", clock, wait_s=10, is_test=True, language="en")
        assert await by_hand
        assert "The test went well." in capsys.readouterr().out
    finally:
        await service.stop()


def test_a_press_by_hand_finds_the_running_demo_or_says_what_it_needs(tmp_path: Path) -> None:
    known = tmp_path / "reach.json"
    known.write_text('{"mqtt_port": 1, "http_url": "http://x", "centre_id": "demo"}')
    assert reach_from(known, centre_id=None, host=None, port=2) == Reach(2, "http://x", "demo")
    with pytest.raises(Exception, match="no_broker"):
        reach_from(tmp_path / "none.json", centre_id=None, host=None, port=2)
