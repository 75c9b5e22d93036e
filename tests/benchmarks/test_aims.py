"""The lines of the table and the charts, from what benches say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import everything
from benchmarks.aims import LINES, figure, lines_of, table
from benchmarks.charts import FOLDER, keep

VITALS: dict[str, Any] = {"name": "vitals", "ours": 40_000.0, "peer": 60_000.0, "met": False, "command": "./run bench"}
ROUTE: dict[str, Any] = {
    "name": "route",
    "ours": 0.2,
    "peer": 0.9,
    "workers": 3_900,
    "large_workers": 100_000,
    "large_rank_p50_ms": 5.5,
}


def test_a_rate_must_reach_its_share_of_the_peers():
    [line] = lines_of(VITALS)

    assert line.ratio == pytest.approx(2 / 3)
    assert line.limit == pytest.approx(48_000)
    assert not line.met
    assert replace(line, ours=48_000.1).met


def test_a_time_must_stay_under_its_limit_and_faster_is_a_ratio_above_one():
    beside, alone = lines_of(ROUTE)

    assert beside.ratio == pytest.approx(4.5)
    assert beside.limit == pytest.approx(0.3)
    assert beside.met
    assert alone.peer is None
    assert not alone.met
    assert replace(alone, ours=5.0).met


def test_what_was_not_measured_is_not_met():
    [_, loaded] = lines_of({"name": "press", "stored_p50_ms": 3.0, "stored_p99_ms": 9.0, "floor_p50_ms": 1.4})

    assert not loaded.met
    assert "not measured" in table([loaded])


@pytest.mark.parametrize(("value", "said"), [(1234.5, "1,234 s"), (12.34, "12.3 s"), (1.234, "1.23 s")])
def test_a_figure_has_the_digits_that_count(value: float, said: str):
    assert figure(value, "s") == said


def test_every_bench_of_all_has_lines_but_growth():
    by_hand_alone = {"history"}

    assert {entry.name for entry in everything.ENTRIES} == {*LINES, "growth"} - by_hand_alone


def test_all_cuts_the_last_benches_short_rather_than_take_longer_than_it_may():
    entry = everything.ENTRIES[0]

    assert everything._within_s(entry, 0.0) == entry.within_s
    assert everything._within_s(entry, everything.ALL_WITHIN_S - 10) == 10
    assert everything._within_s(entry, everything.ALL_WITHIN_S + 10) == 0


def test_what_a_failed_bench_printed_is_told_as_failed():
    outcome = everything._heard("press", b"half a line", 1.0)

    assert outcome.told() == {"name": "press", "took_s": 1.0, "failed": True, "why": "printed no object last"}


def test_growth_takes_over_what_route_has_told():
    sizes = [
        {"workers": 10, "ours_p50_ms": 1.0, "peer_p50_ms": 2.0},
        {"workers": 40, "ours_p50_ms": 3.0, "peer_p50_ms": 2},
    ]
    routed = everything.Outcome("route", ROUTE | {"growth": sizes, "command": "./run bench route"}, 1.0)
    grown = everything.Outcome(
        "growth", {"name": "growth", "rounds": 5, "parts": [], "command": "./run bench growth"}, 1.0
    )

    said = everything._with_route(grown, [routed]).said

    assert said is not None
    assert (said["ours"], said["sizes_grow"]) == ({"route": 3.0}, {"route": 4.0})
    assert said["command"] == "./run bench growth, ./run bench route"


def test_readings_come_beside_presses_at_half_of_what_vitals_found():
    assert everything._further("press", [everything.Outcome("vitals", VITALS, 1.0)]) == ("--readings=20000",)
    assert everything._further("press", []) == ()


def test_a_kept_object_has_its_chart_beside_it(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="installed for the benches alone")

    picture = keep(VITALS, tmp_path)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "vitals.json").read_text()) == VITALS


def test_every_kept_object_has_a_chart_and_says_where_it_comes_from():
    for kept in FOLDER.glob("*.json"):
        said = json.loads(kept.read_text(encoding="utf-8"))
        assert kept.with_suffix(".png").exists(), kept.stem
        assert all(said[name] for name in ("machine", "date", "command")), kept.stem
