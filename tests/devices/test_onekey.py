"""The terminals' contract: what is understood, what is forgiven, what is refused by name. Never an error or a loss."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices import kinds
from dispatch.devices.kinds import Heard, Lane, onekey
from dispatch.model import Alarm, Beat, CommandReply, Fault, Key, TerminalId, TerminalState, Unreadable, Vitals

T1 = TerminalId("t1")
NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
AT = "2026-03-01T16:29:58+08:00"
AT_UTC = datetime(2026, 3, 1, 8, 29, 58, tzinfo=UTC)


def heard(what: str, payload: bytes | object, received_at: datetime = NOW) -> list[Heard]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return list(kinds.decode(f"onekey/1/xm/t1/{what}", raw, received_at))


def alarm(payload: bytes | object | None = None, received_at: datetime = NOW, **changed: Any) -> Alarm:
    said = {"id": "a1", "at": AT, "key": "sos"} | changed if payload is None else payload
    (only,) = heard("alarm", said, received_at)
    assert isinstance(only, Alarm), only
    return only


def refused(what: str, payload: bytes | object) -> str:
    *_, last = heard(what, payload)
    assert isinstance(last, Unreadable)
    return last.reason


# --- a press


def test_a_press_is_understood() -> None:
    press = alarm(
        battery=88, test=False, place={"lat": 24.5, "lon": 118.1, "datum": "wgs84", "accuracy_m": 9}, new_field=[1]
    )
    assert (press.terminal_id, press.alarm_id, press.key) == ("t1", "a1", Key.SOS)
    assert (press.happened_at, press.received_at) == (AT_UTC, NOW)
    assert press.battery_percent == 88
    assert press.place is not None
    assert (press.place.lat, press.place.lon, press.place.accuracy_m) == (24.5, 118.1, 9)
    assert (press.is_test, press.cancel_of, press.flaws) == (False, None, ())


def test_tests_and_cancels_are_told_apart() -> None:
    assert alarm(test=True).is_test
    assert alarm(cancel_of="a0").cancel_of == "a0"


@pytest.mark.parametrize("key", ["sos", "fall", "fire", "family", "service", "consult", "SOS", " Fire\n"])
def test_every_key_is_known(key: str) -> None:
    assert alarm(key=key).key == key.strip().lower()


@pytest.mark.parametrize(
    ("at", "flaw"),
    [
        (None, "at_missing"),
        ("", "at_unreadable"),
        ("yesterday", "at_unreadable"),
        (1_772_000_000, "at_unreadable"),
        ([[[]]], "at_unreadable"),
        ("\ud800", "at_unreadable"),
        ("2026-03-01T16:30:00", "at_without_offset"),
        ("300000-01-01T00:00:00Z", "at_unreadable"),
        ("1970-01-01T00:00:07Z", "at_absurd"),
        ("0001-01-01T00:00:00+14:00", "at_absurd"),
        ("9999-12-31T23:59:59-14:00", "at_absurd"),
    ],
)
def test_a_press_with_no_usable_time_is_a_press(at: object, flaw: str) -> None:
    press = alarm(at=at)
    assert press.happened_at is None
    assert flaw in press.flaws


@pytest.mark.parametrize(
    ("off", "flaw"), [(timedelta(hours=1), "at_in_future"), (timedelta(days=-400), "at_long_ago"), (timedelta(), None)]
)
def test_a_skewed_clock_is_remarked_upon_and_kept(off: timedelta, flaw: str | None) -> None:
    press = alarm(at=(NOW + off).isoformat())
    assert press.happened_at == NOW + off
    assert press.flaws == (() if flaw is None else (flaw,))


@pytest.mark.parametrize(
    ("changed", "flaw"),
    [
        ({"battery": "full"}, "battery_unusable"),
        ({"battery": -1}, "battery_unusable"),
        ({"battery": True}, "battery_unusable"),
        ({"battery": 10**40}, "battery_unusable"),
        ({"battery": float("nan")}, "battery_unusable"),
        ({"battery": float("inf")}, "battery_unusable"),
        ({"test": "yes"}, "test_unusable"),
        ({"test": 1}, "test_unusable"),
        ({"place": "at home"}, "place_unusable"),
        ({"place": {"lat": 24.5, "lon": 118.1}}, "place_unusable"),
        ({"place": {"lat": 24.5, "lon": 118.1, "datum": "moon"}}, "place_unusable"),
        ({"place": {"lat": 124.5, "lon": 118.1, "datum": "wgs84"}}, "place_unusable"),
        ({"place": {"lat": "24.5", "lon": 118.1, "datum": "wgs84"}}, "place_unusable"),
    ],
)
def test_what_is_wrong_beside_the_press_is_left_out_and_named(changed: dict[str, Any], flaw: str) -> None:
    press = alarm(**changed)
    assert flaw in press.flaws
    assert (press.battery_percent, press.place, press.is_test) == (None, None, False)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"a1","at":"2026-03-01T16:29:58+08:00","key":"sos"}\x00',
        b'\xef\xbb\xbf{"id":"a1","at":"2026-03-01T16:29:58+08:00","key":"sos"}',
        b'{"id":"a1","at":"2026-03-01T16:29:58+08:00","key":"sos","battery":NaN}',
        b'{"id":"a1","at":"2026-03-01T16:29:58+08:00","key":"sos","note":"\\ud800"}',
        b'{"id":"a1","at":"2026-03-01T16:29:58+08:00","key":"sos","note":"a\nb"}',
        '{"id":"a1","at":"2026-03-01T16:29:58+08:00","note":"客厅","key":"sos\u0000"}'.encode("gbk").replace(
            b"\0", b""
        ),
    ],
    ids=["NUL at the end", "byte-order mark", "NaN", "lone surrogate", "raw line feed", "GBK"],
)
def test_what_careless_firmware_writes_is_still_a_press(payload: bytes) -> None:
    press = alarm(payload)
    assert (press.alarm_id, press.key, press.happened_at) == ("a1", Key.SOS, AT_UTC)


def test_a_number_as_id_counts_as_its_digits() -> None:
    assert alarm(id=17).alarm_id == "17"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"help", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 500_000, "not_json"),
        (b'{"id":"a1","key":"sos","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
        (b"9" * 100_000, "not_json"),
        (b"[]", "wrong_shape"),
        (b"null", "wrong_shape"),
        (b'{"key":"sos"}', "wrong_shape"),
        (b'{"id":"a1"}', "wrong_shape"),
        (b'{"id":null,"key":"sos"}', "wrong_shape"),
        (b'{"id":1.5,"key":"sos"}', "wrong_shape"),
        (b'{"id":"a1","key":["sos"]}', "wrong_shape"),
        (b'{"id":"","key":"sos"}', "bad_id"),
        (b'{"id":"a\\u0000","key":"sos"}', "bad_id"),
        (b'{"id":"a\\ud800","key":"sos"}', "bad_id"),
        (b'{"id":"a\\n","key":"sos"}', "bad_id"),
        (b'{"id":"\xff","key":"sos"}', "bad_id"),
        (b'{"id":"' + b"x" * 1_000_000 + b'","key":"sos"}', "bad_id"),
        (b'{"id":99999999999999999999,"key":"sos"}', "bad_id"),
        (b'{"id":"a1","key":"help"}', "unknown_key"),
        (b'{"id":"a1","key":"vitals"}', "unknown_key"),
        (b'{"id":"a1","key":"sos\\u0000"}', "unknown_key"),
        (b'{"id":"a1","key":"sos","cancel_of":""}', "bad_cancel_of"),
        (b'{"id":"a1","key":"sos","cancel_of":{}}', "bad_cancel_of"),
    ],
)
def test_what_cannot_be_a_press_is_refused_by_name_and_kept_whole(payload: bytes, reason: str) -> None:
    (only,) = heard("alarm", payload)
    assert isinstance(only, Unreadable)
    assert only.reason == reason
    assert only.payload == payload
    assert only.terminal_id == "t1"


# --- a repeat


def test_a_repeat_has_the_same_digest_whatever_is_measured_anew() -> None:
    first = alarm(battery=88)
    later = NOW + timedelta(days=1)
    assert alarm(received_at=later, battery=87).digest == first.digest
    assert alarm(b'{"key":"sos", "at":"2026-03-01T08:29:58Z", "id":"a1"}').digest == first.digest


@pytest.mark.parametrize(
    "changed", [{"id": "a2"}, {"at": "2026-03-01T16:29:59+08:00"}, {"key": "fall"}, {"test": True}, {"cancel_of": "a0"}]
)
def test_another_id_time_or_content_has_another_digest(changed: dict[str, Any]) -> None:
    assert alarm(**changed).digest != alarm().digest


def test_without_a_clock_the_same_id_is_a_repeat_for_a_while_and_then_a_new_press() -> None:
    soon, later = NOW + timedelta(seconds=60), NOW + timedelta(hours=2)
    assert alarm(at=None, received_at=soon).digest == alarm(at=None).digest
    assert alarm(at=None, received_at=later).digest != alarm(at=None).digest


# --- readings


def test_readings_come_one_or_many() -> None:
    one = {"at": AT, "heart_rate_bpm": 72, "spo2_percent": 97.5, "temperature_c": 36.6, "temperature_site": "ear"}
    assert heard("vitals", one) == [
        Vitals(T1, NOW, AT_UTC, heart_rate_bpm=72, spo2_percent=97.5, temperature_c=36.6, temperature_site="ear")
    ]
    assert len(heard("vitals", [one] * 500)) == 500


def test_what_is_usable_of_a_reading_is_used_and_the_rest_is_told() -> None:
    reading, told = heard("vitals", {"at": "?", "heart_rate_bpm": "fast", "spo2_percent": 81, "temperature_c": 98.6})
    assert reading == Vitals(T1, NOW, None, spo2_percent=81)
    assert isinstance(told, Unreadable)
    assert (told.reason, told.detail) == ("unusable_reading", "0.heart_rate_bpm, 0.temperature_c")


def test_one_bad_reading_among_good_ones_stops_no_other() -> None:
    good = {"heart_rate_bpm": 70}
    *readings, told = heard("vitals", [good, {"heart_rate_bpm": float("nan")}, good, {}])
    assert readings == [Vitals(T1, NOW, heart_rate_bpm=70)] * 2
    assert isinstance(told, Unreadable)
    assert told.detail == "1.heart_rate_bpm"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [({}, "unusable_reading"), ([], "unusable_reading"), ([3], "wrong_shape"), ([{}] * 501, "too_many_readings")],
)
def test_readings_that_measure_nothing_are_refused(payload: object, reason: str) -> None:
    assert refused("vitals", payload) == reason


ODD_NUMBERS = st.one_of(
    *(st.just(odd) for odd in (None, True, "72", 0, -0.0, 400, 400.5, 1 << 70, 1e308, float("nan"), float("inf"))),
    st.integers(-10, 500),
    st.floats(allow_nan=False),
)
SAID = st.fixed_dictionaries(
    {},
    optional={
        "at": st.one_of(
            st.just(AT),
            st.sampled_from([None, 7, "?", "2026-03-01T16:29:58", "2026-03-01T16:29:58Z", "1999-12-31T23:59:59+00:00"]),
            st.sampled_from(["2100-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00", "2026-03-01T16:29:58.1234567+08:00"]),
            st.datetimes().map(lambda at: at.isoformat() + "+05:30"),
        ),
        **dict.fromkeys(onekey.MEASURED, ODD_NUMBERS),
        "temperature_site": st.one_of(st.sampled_from(["ear", "x" * 40, "\x00", "\ud800", 7, None, ""]), st.text()),
        "unknown": st.just([1]),
    },
)


@given(st.one_of(SAID, st.lists(SAID, max_size=2)))
def test_the_short_way_of_a_proper_reading_gives_what_the_long_one_gives(said: object) -> None:
    payload = json.dumps(said).encode()
    assert heard("vitals", payload) == onekey._doubtful_vitals(T1, "onekey/1/xm/t1/vitals", payload, NOW)


# --- the rest


def test_state_fault_beat_and_reply_are_understood() -> None:
    assert heard("state", {"state": "ready", "session": "s1", "at": AT, "firmware": "1.0\x00"}) == [
        TerminalState(T1, "ready", "s1", NOW, AT_UTC, "1.0\ufffd")
    ]
    assert heard("fault", {"id": "f1", "at": AT, "fault": "mains_lost", "on": True}) == [
        Fault(T1, "f1", "mains_lost", True, NOW, AT_UTC)
    ]
    assert heard("beat", {"at": AT, "n": 3, "battery": 50, "mains": False, "rssi": -71}) == [
        Beat(T1, NOW, 3, 50, False, -71)
    ]
    assert heard("beat", {"n": -1, "battery": "x", "mains": 1, "rssi": {}}) == [Beat(T1, NOW)]
    assert heard("command/reply", {"id": "c1", "state": "done", "result": "ok"}) == [
        CommandReply(T1, "c1", "done", NOW, "ok")
    ]


@pytest.mark.parametrize(
    ("what", "payload", "reason"),
    [
        ("state", {"state": "on fire", "session": "s"}, "unknown_state"),
        ("state", {"state": "ready", "session": "\x00"}, "bad_session"),
        ("state", {"state": "ready"}, "wrong_shape"),
        ("fault", {"id": "f", "fault": "bored", "on": True}, "unknown_fault"),
        ("fault", {"id": "f", "fault": "tamper", "on": "yes"}, "wrong_shape"),
        ("fault", {"id": "\n", "fault": "tamper", "on": True}, "bad_id"),
        ("beat", [], "wrong_shape"),
        ("command/reply", {"id": "", "state": "done"}, "bad_id"),
        ("selfie", {}, "unknown_topic"),
        ("", {}, "unknown_topic"),
        ("alarm/", {}, "unknown_topic"),
    ],
)
def test_the_rest_is_refused_by_name(what: str, payload: object, reason: str) -> None:
    assert refused(what, payload) == reason


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("onekey/1/xm//alarm", "bad_terminal_id"),
        ("onekey/1/xm/a\nb/alarm", "bad_terminal_id"),
        ("onekey/1/xm/" + "t" * 129 + "/alarm", "bad_terminal_id"),
        ("onekey/1/xm", "bad_terminal_id"),
        ("onekey", "bad_terminal_id"),
        ("onekey/2/xm/t1/alarm", "unknown_topic"),
        ("elsewhere/1/xm/t1/alarm", "unknown_topic"),
        ("", "unknown_topic"),
    ],
)
def test_a_topic_that_does_not_parse_is_refused(topic: str, reason: str) -> None:
    (only,) = kinds.decode(topic, b'{"id":"a","key":"sos"}', NOW)
    assert isinstance(only, Unreadable)
    assert (only.reason, only.topic) == (reason, topic)
    assert kinds.terminal_of(topic) == (None if reason == "bad_terminal_id" else only.terminal_id)


def test_a_topic_names_its_terminal() -> None:
    assert kinds.terminal_of("onekey/1/xm/t1/alarm") == "t1"
    assert kinds.terminal_of("elsewhere/t1") is None


# --- whatever the bytes


def can_be_stored(value: object) -> bool:
    """Whether PostgreSQL takes it, in all its parts."""
    match value:
        case str():
            return "\x00" not in value and value.encode(errors="replace").decode() == value
        case datetime():
            return value.utcoffset() == timedelta()
        case float():
            return abs(value) < 1e30
        case tuple():
            return all(map(can_be_stored, value))
        case None | bool() | int() | bytes():
            return True
    return all(can_be_stored(getattr(value, name)) for name in value.__struct_fields__)  # type: ignore[attr-defined]


NASTY: st.SearchStrategy[Any] = st.sampled_from(
    [
        "\ud800",
        "\x00",
        "",
        "sos",
        "a1",
        AT,
        "300000-01-01T00:00:00Z",
        10**30,
        -1,
        0,
        1e308,
        float("nan"),
        None,
        True,
        {},
    ]
)
JSON = st.recursive(
    NASTY | st.text(st.characters(exclude_categories=())) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["id", "key", "at", "test", "cancel_of", "battery", "place", "state", "session", "firmware", "fault", "on", "n"]
OBJECTS = st.dictionaries(st.sampled_from([*NAMES, *onekey.MEASURED, "temperature_site", "result", "rssi"]), JSON)
NEARLY = OBJECTS.map(
    lambda changed: {"id": "a1", "key": "sos", "state": "ready", "session": "s", "fault": "tamper"} | changed
)
PAYLOADS = (
    st.binary(max_size=200)
    | (OBJECTS | NEARLY | st.lists(NEARLY, max_size=3) | JSON).map(lambda said: json.dumps(said).encode())
    | NEARLY.map(lambda said: json.dumps(said, ensure_ascii=False).encode(errors="surrogatepass"))
)


@settings(max_examples=400)
@given(st.sampled_from([*onekey.READERS, "other"]), PAYLOADS)
def test_whatever_the_bytes_something_storable_comes_out(what: str, payload: bytes) -> None:
    everything = heard(what, payload)
    assert everything
    assert all(map(can_be_stored, everything))


@given(st.text(max_size=40), st.binary(max_size=20))
def test_whatever_the_topic_something_comes_out(topic: str, payload: bytes) -> None:
    assert kinds.decode(topic, payload, NOW)


# --- where they speak


def test_the_lanes_are_told_their_topics() -> None:
    assert [(topic.topic_filter, topic.qos) for topic in kinds.topics("xm", Lane.ALARMS)] == [
        ("onekey/1/xm/+/alarm", 1)
    ]
    filters = {topic.topic_filter for lane in Lane for topic in kinds.topics("xm", lane)}
    assert filters == {f"onekey/1/xm/+/{what}" for what in onekey.READERS}
    assert onekey.receipt_topic("xm", "t1") == "onekey/1/xm/t1/receipt"
    assert onekey.command_topic("xm", "t1") == "onekey/1/xm/t1/command"
