"""The soak's arithmetic, and its readings: what is published while it runs comes from real connections that return."""

from __future__ import annotations

from datetime import datetime

import pytest

from dispatch.clock import VirtualClock
from dispatch.devices import kinds
from dispatch.model import Vitals
from simulator.soak.readings import readings
from simulator.soak.slopes import HOUR_S, Point, percentile, slope_per_h

NOW = datetime.fromisoformat("2026-03-01T11:00:00+08:00")


def test_a_slope_is_what_grows_within_each_life_however_high_it_began() -> None:
    first = [Point(at_s, 100 + 2 * at_s, 1) for at_s in range(10)]
    second = [Point(at_s, 50 + 2 * at_s, 2) for at_s in range(20, 30)]
    assert slope_per_h([*second, *first]) == pytest.approx(2 * HOUR_S)


def test_one_point_of_a_life_says_nothing() -> None:
    assert slope_per_h([]) is None
    assert slope_per_h([Point(1, 5, 1), Point(9, 7, 2)]) is None


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


def test_every_reading_is_one_that_is_understood() -> None:
    said = readings("c1", range(1, 4), VirtualClock(NOW, seed=1))
    for _, (topic, payload) in zip(range(100), said, strict=False):
        [heard] = kinds.decode(topic, payload, NOW)
        assert isinstance(heard, Vitals)
