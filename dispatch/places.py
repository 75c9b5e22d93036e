"""Coordinates as people and programs in China hand them over, and the one datum in which they are kept. Pure.

Chinese maps speak GCJ-02 (AMap, Tencent) or BD-09 (Baidu), both bent away from WGS-84 by some 100 to 700 m: a wrong
datum is a wrong building. The bend of GCJ-02 was never officially published; the series below is the one in common use
since 2013 ("eviltransform", and `coordtransform` after it), on the Krasovsky 1940 ellipsoid. BD-09 turns GCJ-02 once
more, as published in the same places. Outside a rough box around China the maps do not bend, and neither do we.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from dispatch.errors import BadInput
from dispatch.model import Place

Datum = Literal["wgs84", "gcj02", "bd09"]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the earth (IUGG)."""

_KRASOVSKY_AXIS_M = 6_378_245.0
_KRASOVSKY_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943_23
_BAIDU_TURN = math.pi * 3000 / 180
_CLOSE_ENOUGH_DEG = 1e-10
"""A hundredth of a millimetre."""

_ROUNDS = 30
_WORTH_ARRAYS = 32
"""From so many places on, numpy's arrays are quicker than one after the other."""


def to_wgs84(lat: float, lon: float, datum: str, accuracy_m: float | None = None) -> Place:
    """A place from degrees in one of the three datums.

    Raises `BadInput`: `unknown_datum` (with `datum`), or `bad_place` if a degree is out of range or not a number.
    """
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise BadInput("bad_place", lat=lat, lon=lon)
    if datum == "gcj02":
        lat, lon = _unbent(lat, lon)
    elif datum == "bd09":
        lat, lon = _unbent(*_baidu_to_gcj02(lat, lon, math))
    elif datum != "wgs84":
        raise BadInput("unknown_datum", datum=datum, expected=", ".join(get_args(Datum)))
    return Place(lat, lon, accuracy_m)


def all_to_wgs84(lats: Sequence[float], lons: Sequence[float], datum: str) -> list[tuple[float, float]]:
    """Latitude and longitude in WGS-84 degrees of many places in one datum; raises as `to_wgs84` if one is no place."""
    if datum not in ("gcj02", "bd09") or len(lats) < _WORTH_ARRAYS:
        return [(place.lat, place.lon) for place in (to_wgs84(*each, datum) for each in zip(lats, lons, strict=True))]
    lat, lon = np.array(lats), np.array(lons)
    if not (np.all(abs(lat) <= 90) and np.all(abs(lon) <= 180)):
        raise BadInput("bad_place")
    if datum == "bd09":
        lat, lon = _baidu_to_gcj02(lat, lon, np)
    bends = is_in_china(lat, lon)
    lat[bends], lon[bends] = _all_unbent(lat[bends], lon[bends])
    return list(zip(lat.tolist(), lon.tolist(), strict=True))


def from_wgs84(place: Place, datum: Datum) -> tuple[float, float]:
    """Latitude and longitude of a place in another datum, in degrees: what a Chinese map's link needs."""
    if datum == "wgs84":
        return place.lat, place.lon
    lat, lon = _bent(place.lat, place.lon)
    return (lat, lon) if datum == "gcj02" else _gcj02_to_baidu(lat, lon)


def haversine_m(one: Place, other: Place) -> float:
    """Metres between two places along the earth's surface (great circle on a sphere; at most 0.6 % wrong)."""
    lat_1, lat_2 = math.radians(one.lat), math.radians(other.lat)
    half_lat = (lat_2 - lat_1) / 2
    half_lon = math.radians(other.lon - one.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def is_in_china(lat: Any, lon: Any) -> Any:
    """Whether maps bend here: the box in common use, wider than the country. Of degrees, or of arrays of them."""
    return (lat >= 0.8293) & (lat <= 55.8271) & (lon >= 72.004) & (lon <= 137.8347)


def _bent(lat: float, lon: float) -> tuple[float, float]:
    """WGS-84 to GCJ-02."""
    return _bent_inside(lat, lon, math) if is_in_china(lat, lon) else (lat, lon)


def _bent_inside(lat: Any, lon: Any, of: Any) -> tuple[Any, Any]:
    """The same inside China, of degrees (`of` is `math`) or of arrays of them (`of` is `numpy`)."""
    north_m, east_m = _bend_m(lon - 105.0, lat - 35.0, of)
    squash = 1 - _KRASOVSKY_ECCENTRICITY_SQUARED * of.sin(of.radians(lat)) ** 2
    meridian_m = _KRASOVSKY_AXIS_M * (1 - _KRASOVSKY_ECCENTRICITY_SQUARED) / (squash * of.sqrt(squash))
    parallel_m = _KRASOVSKY_AXIS_M / of.sqrt(squash) * of.cos(of.radians(lat))
    return lat + of.degrees(north_m / meridian_m), lon + of.degrees(east_m / parallel_m)


def _bend_m(x: Any, y: Any, of: Any) -> tuple[Any, Any]:
    """Metres north and east by which GCJ-02 is off, at `x` degrees east of 105° E and `y` north of 35° N."""
    pi = math.pi
    fine = 20 * of.sin(6 * pi * x) + 20 * of.sin(2 * pi * x)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * of.sqrt(abs(x))
    north_waves = (
        fine + 20 * of.sin(pi * y) + 40 * of.sin(pi * y / 3) + 160 * of.sin(pi * y / 12) + 320 * of.sin(pi * y / 30)
    )
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * of.sqrt(abs(x))
    east_waves = (
        fine + 20 * of.sin(pi * x) + 40 * of.sin(pi * x / 3) + 150 * of.sin(pi * x / 12) + 300 * of.sin(pi * x / 30)
    )
    return north + north_waves * 2 / 3, east + east_waves * 2 / 3


def _unbent(lat: float, lon: float) -> tuple[float, float]:
    """GCJ-02 to WGS-84. The bend changes slowly, so correcting the guess by its error converges in a few rounds."""
    guess_lat, guess_lon = lat, lon
    for _ in range(_ROUNDS):
        bent_lat, bent_lon = _bent(guess_lat, guess_lon)
        off_lat, off_lon = bent_lat - lat, bent_lon - lon
        guess_lat, guess_lon = guess_lat - off_lat, guess_lon - off_lon
        if max(abs(off_lat), abs(off_lon)) < _CLOSE_ENOUGH_DEG:
            break
    return guess_lat, guess_lon


def _all_unbent(lat: Any, lon: Any) -> tuple[Any, Any]:
    """The same for arrays of places in China, each until it is close enough; one near the edge may leave the box."""
    guess_lat, guess_lon = lat.copy(), lon.copy()
    at = np.arange(len(lat))
    for _ in range(_ROUNDS):
        bent_lat, bent_lon = _bent_inside(guess_lat[at], guess_lon[at], np)
        stays = ~is_in_china(guess_lat[at], guess_lon[at])
        off_lat = np.where(stays, guess_lat[at], bent_lat) - lat[at]
        off_lon = np.where(stays, guess_lon[at], bent_lon) - lon[at]
        guess_lat[at] -= off_lat
        guess_lon[at] -= off_lon
        at = at[np.maximum(abs(off_lat), abs(off_lon)) >= _CLOSE_ENOUGH_DEG]
        if not len(at):
            break
    return guess_lat, guess_lon


def _gcj02_to_baidu(lat: float, lon: float) -> tuple[float, float]:
    radius = math.hypot(lon, lat) + 0.000_02 * math.sin(lat * _BAIDU_TURN)
    angle = math.atan2(lat, lon) + 0.000_003 * math.cos(lon * _BAIDU_TURN)
    return radius * math.sin(angle) + 0.006, radius * math.cos(angle) + 0.0065


def _baidu_to_gcj02(lat: Any, lon: Any, of: Any) -> tuple[Any, Any]:
    x, y = lon - 0.0065, lat - 0.006
    radius = of.hypot(x, y) - 0.000_02 * of.sin(y * _BAIDU_TURN)
    angle = of.atan2(y, x) - 0.000_003 * of.cos(x * _BAIDU_TURN)
    return radius * of.sin(angle), radius * of.cos(angle)
