"""Datums: published points, and there and back again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import BadInput
from dispatch.model import Place
from dispatch.places import all_to_wgs84, from_wgs84, haversine_m, to_wgs84

# Pairs from the test suites of "eviltransform": WGS-84, then the same point in GCJ-02.
GCJ02_POINTS = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]


@pytest.mark.parametrize(("wgs84", "gcj02"), GCJ02_POINTS)
def test_published_points_of_gcj02_both_ways(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert from_wgs84(Place(*wgs84), "gcj02") == pytest.approx(gcj02, abs=1e-9)
    place = to_wgs84(*gcj02, "gcj02")
    assert (place.lat, place.lon) == pytest.approx(wgs84, abs=1e-9)


def test_published_points_of_bd09_both_ways() -> None:
    # From the documentation of "coordtransform": one pair of numbers read as BD-09, and as GCJ-02.
    as_gcj02 = (39.90865673957631, 116.39762729119315)
    assert haversine_m(to_wgs84(39.915, 116.404, "bd09"), to_wgs84(*as_gcj02, "gcj02")) < 0.001
    place = to_wgs84(39.915, 116.404, "gcj02")
    assert from_wgs84(place, "bd09") == pytest.approx((39.92133699351021, 116.41036949371029), abs=1e-9)


@given(st.floats(18, 53), st.floats(74, 134))
def test_there_and_back_again_within_a_metre(lat: float, lon: float) -> None:
    place = Place(lat, lon)
    assert haversine_m(place, to_wgs84(*from_wgs84(place, "gcj02"), "gcj02")) < 0.001
    assert haversine_m(place, to_wgs84(*from_wgs84(place, "bd09"), "bd09")) < 1.0


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=60),
    st.sampled_from(["wgs84", "gcj02", "bd09"]),
)
def test_many_places_at_once_are_the_same_places(places: list[tuple[float, float]], datum: str) -> None:
    many = all_to_wgs84([lat for lat, _ in places], [lon for _, lon in places], datum)
    for (lat, lon), one in zip(many, places, strict=True):
        place = to_wgs84(*one, datum)
        assert (lat, lon) == pytest.approx((place.lat, place.lon), abs=1e-9)


@pytest.mark.parametrize("count", [2, 200])
def test_one_that_is_no_place_among_many(count: int) -> None:
    with pytest.raises(BadInput, match="bad_place"):
        all_to_wgs84([24.48] * (count - 1) + [math.nan], [118.09] * count, "gcj02")


def test_a_wrong_datum_would_be_another_building() -> None:
    off_m = haversine_m(to_wgs84(24.48, 118.09, "wgs84"), to_wgs84(24.48, 118.09, "gcj02"))
    assert 300 < off_m < 800


def test_outside_china_nothing_is_bent() -> None:
    assert to_wgs84(48.8584, 2.2945, "gcj02", 12.0) == Place(48.8584, 2.2945, 12.0)


def test_great_circle_distance() -> None:
    assert haversine_m(Place(0, 0), Place(0, 1)) == pytest.approx(111_195, abs=1)
    assert haversine_m(Place(0, 0), Place(0, 180)) == pytest.approx(math.pi * 6_371_008.8)


@pytest.mark.parametrize(("lat", "lon"), [(91, 0), (0, 181), (math.nan, 0), (0, math.inf)])
def test_no_such_place(lat: float, lon: float) -> None:
    with pytest.raises(BadInput) as refused:
        to_wgs84(lat, lon, "wgs84")
    assert refused.value.code == "bad_place"


def test_a_datum_must_be_named_rightly() -> None:
    with pytest.raises(BadInput) as refused:
        to_wgs84(24, 118, "mercator")
    assert refused.value.code == "unknown_datum"
