"""The reference terminal keeps calling until it is heard, and says what it hears."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.terminal import SPOKEN, FallBack, Publish, Say, Terminal, ToDo, spoken

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def terminal() -> Terminal:
    made = Terminal("c1", "t1", "s1")
    made.connected(START)
    return made


def receipt(device: Terminal, n: int, stage: str, alarm_id: str = "a1", **facts: Any) -> list[ToDo]:
    message = {"alarm_id": alarm_id, "n": n, "stage": stage, "incident_id": "i", "at": "2026-03-01T12:00:00Z", **facts}
    return device.heard(device.topic("receipt"), msgspec.json.encode(message), START)


def centre(device: Terminal, state: str, seconds: float, epoch: int = 1) -> None:
    device.heard(device.centre_topic, msgspec.json.encode({"state": state, "epoch": epoch}), at(seconds))


def run(device: Terminal, until_s: float) -> list[tuple[float, ToDo]]:
    """Everything the terminal does by itself until then."""
    done: list[tuple[float, ToDo]] = []
    while (due := device.due_at()) is not None and due <= at(until_s):
        done += [((due - START).total_seconds(), each) for each in device.due(due)]
    return done


def test_a_press_is_published_at_once_and_said() -> None:
    to_do = terminal().press("sos", "a1", START, battery=80)
    assert to_do[0] == Publish(
        "onekey/1/c1/t1/alarm",
        b'{"id":"a1","at":"2026-03-01T12:00:00.000+00:00","key":"sos","battery":80}',
    )
    assert to_do[1] == Say("calling", {"key": "sos"})


def test_it_is_repeated_unchanged_after_1_2_4_8_at_most_60_s() -> None:
    device = terminal()
    first = device.press("sos", "a1", START)[0]
    repeats = [(seconds, each) for seconds, each in run(device, 300) if isinstance(each, Publish)]
    assert [seconds for seconds, _ in repeats] == [1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert {each for _, each in repeats} == {first}


def test_stored_ends_the_repeating() -> None:
    device = terminal()
    device.press("sos", "a1", START)
    assert receipt(device, 1, "stored") == [Say("stored", {})]
    assert device.due_at() is None


def test_any_later_receipt_proves_as_well_that_the_centre_has_the_call() -> None:
    device = terminal()
    device.press("sos", "a1", START)
    said = receipt(device, 2, "assigned", worker_name="林秋月", eta_s=300)
    assert said == [Say("assigned", {"worker_name": "林秋月", "eta_s": 300})]
    assert device.unstored() == []
    assert receipt(device, 1, "stored") == [], "a lower number came late"
    assert receipt(device, 2, "assigned") == [], "the same number came twice"
    assert receipt(device, 3, "departed") == [Say("departed", {})]


def test_it_falls_back_once_after_20_s_without_stored_and_goes_on_calling() -> None:
    device = terminal()
    device.press("sos", "a1", START)
    done = run(device, 100)
    assert [(seconds, each) for seconds, each in done if isinstance(each, FallBack)] == [
        (20.0, FallBack("a1", "not_stored"))
    ]
    assert sum(1 for seconds, each in done if isinstance(each, Publish) and seconds > 20) == 2


@pytest.mark.parametrize(("lost_s", "expected_s"), [(-30.0, 5.0), (3.0, 8.0), (18.0, 20.0)])
def test_it_falls_back_5_s_after_lost_but_never_later_than_without(lost_s: float, expected_s: float) -> None:
    device = terminal()
    if lost_s < 0:
        centre(device, "lost", lost_s)
    device.press("sos", "a1", START)
    done = run(device, max(lost_s, 0))
    centre(device, "lost", max(lost_s, 0))
    done += run(device, 60)
    assert [seconds for seconds, each in done if isinstance(each, FallBack)] == [expected_s]


def test_a_centre_that_listens_again_is_waited_for() -> None:
    device = terminal()
    device.press("sos", "a1", START)
    centre(device, "lost", 1)
    centre(device, "listening", 4)
    assert [seconds for seconds, each in run(device, 60) if isinstance(each, FallBack)] == [20]


def test_an_old_leaders_late_will_is_not_believed() -> None:
    device = terminal()
    centre(device, "listening", 0, epoch=2)
    device.press("sos", "a1", START)
    centre(device, "lost", 1, epoch=1)
    assert [seconds for seconds, each in run(device, 60) if isinstance(each, FallBack)] == [20]
    device.press("sos", "a2", at(60))
    centre(device, "lost", 61, epoch=2)
    fallen = [(seconds, each.alarm_id) for seconds, each in run(device, 120) if isinstance(each, FallBack)]
    assert fallen == [(66, "a2")]


def test_only_a_press_falls_back_not_a_test_and_not_a_cancel() -> None:
    device = terminal()
    device.test("sos", "t", START)
    device.cancel("sos", "a0", "c", START)
    assert not [each for _, each in run(device, 300) if isinstance(each, FallBack)]
    assert len(device.unstored()) == 2


def test_offline_nothing_is_sent_and_all_is_said_again_when_back() -> None:
    device = terminal()
    device.disconnected()
    device.press("sos", "a1", START)
    assert [each for _, each in run(device, 30) if isinstance(each, Publish)] == []
    back = device.connected(at(30))
    assert [msgspec.json.decode(each.payload).get("id") for each in back if isinstance(each, Publish)] == [None, "a1"]
    assert msgspec.json.decode(back[0].payload)["state"] == "ready"  # type: ignore[union-attr]


def test_the_will_names_the_session_of_the_last_ready() -> None:
    device = Terminal("c1", "t1", "s9")
    ready = device.connected(START)[0]
    assert isinstance(ready, Publish)
    will = device.will(START)
    assert will.topic == ready.topic == "onekey/1/c1/t1/state"
    assert msgspec.json.decode(will.payload)["session"] == msgspec.json.decode(ready.payload)["session"] == "s9"


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"1", b'{"alarm_id":"a1"}', b'{"alarm_id":"a1","n":"x"}']))
def test_nonsense_from_above_changes_nothing(payload: bytes) -> None:
    device = terminal()
    device.press("sos", "a1", START)
    for topic in (device.topic("receipt"), device.centre_topic, device.topic("command"), "other"):
        assert device.heard(topic, payload, START) == []
    assert len(device.unstored()) == 1


def test_both_languages_have_a_sentence_for_everything() -> None:
    assert SPOKEN["zh"].keys() == SPOKEN["en"].keys()
    assert spoken(Say("assigned", {"worker_name": "林秋月", "eta_s": 290}), "en") == "林秋月 will come, in about 5 min."
    assert spoken(Say("assigned", {}), "zh").startswith("工作人员")
    assert spoken(Say("never_heard_of", {})) == ""
