"""What the measurements rest on: the figures themselves are taken by hand, never here."""

from __future__ import annotations

import pytest

from benchmarks.figures import p50_p99, percentile
from benchmarks.register import STATIONS, home_of, terminal_id, worker_id


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.01, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float):
    values = [float(value) for value in range(100, 0, -1)]

    assert percentile(values, share) == expected


def test_figures_carry_their_unit_and_say_when_there_are_none():
    assert p50_p99("stored", [3.0, 1.0, 2.0]) == {"stored_p50_ms": 2.0, "stored_p99_ms": 3.0}
    assert p50_p99("stored", []) == {"stored_p50_ms": None, "stored_p99_ms": None}


def test_every_number_has_an_id_of_its_own():
    for name in (terminal_id, home_of, worker_id):
        assert len({name(n) for n in range(20_000)}) == 20_000
    assert STATIONS < 1_000, "a station's id has three digits"
