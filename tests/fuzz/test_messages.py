"""MQTT: whatever stands in a topic and a payload, it is understood or set apart by name, and can be stored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dispatch.devices import kinds
from dispatch.devices.kinds import Heard, Lane
from dispatch.model import Unreadable
from tests.flows.conftest import Centre, clock, press, town

from .amount import count, drawn, fuzzed
from .said import AT, BY_TOPIC, FAULT, VITALS
from .spoiling import NASTY_TEXT, spoilt

__all__ = ["clock", "town"]

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
AT_ONCE = 200
"""So many messages are published before their end is waited for."""

PARKED = """
    SELECT reason, count(*) FROM parked WHERE topic NOT LIKE '%/beat' GROUP BY reason ORDER BY reason COLLATE "C" """
"""Beats are QoS 0: the broker may drop them when there is much to do, so nobody can say how many were parked."""

IDS = st.sampled_from(["T1", "T2", "nobody", "终端", "a b"]) | st.text(max_size=130) | NASTY_TEXT


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL takes it: no NUL and no half of a surrogate pair in a text, every number finite."""
    match value:
        case str():
            return "\x00" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(is_storable(each) for each in value.values())
        case list() | tuple():
            return all(is_storable(each) for each in value)
    return True


def stored_of(heard: Heard) -> dict[str, Any]:
    """What of it is stored as text or number. Topics come from the codec, which lets no bad one pass."""
    left_out = ("topic", "payload") if isinstance(heard, Unreadable) else ("digest",)
    return {name: value for name, value in msgspec.structs.asdict(heard).items() if name not in left_out}


@fuzzed(150)
@given(st.sampled_from(sorted(BY_TOPIC)).flatmap(lambda topic: st.tuples(st.just(topic), spoilt(*BY_TOPIC[topic]))))
def test_a_payload_is_understood_or_set_apart_by_name(said: tuple[str, bytes]) -> None:
    topic, payload = said
    count("payloads")
    heard = kinds.decode(f"onekey/1/c1/T1/{topic}", payload, NOW)
    assert heard
    for each in heard:
        assert is_storable(msgspec.to_builtins(stored_of(each))), each
        assert each.terminal_id == "T1"


@fuzzed(100)
@given(st.lists(IDS | st.sampled_from(["onekey", "1", "c1", *BY_TOPIC]), max_size=7).map("/".join))
def test_a_topic_names_a_terminal_that_could_be_one_or_none(topic: str) -> None:
    count("topics")
    [heard] = kinds.decode(topic, b"{", NOW)
    assert isinstance(heard, Unreadable)
    assert heard.terminal_id == kinds.terminal_of(topic)
    assert heard.terminal_id is None or is_storable(heard.terminal_id)


# --- the same to a running service, through a real broker -----------------------------------------------------------

Message = tuple[str, bytes]


def may_be_published(name: str) -> bool:
    """Whether the broker lets it stand in a topic: a client that sends another is thrown out by it."""
    return not any(sign in "+#/" or ord(sign) < 32 or 127 <= ord(sign) < 160 or _is_no_character(sign) for sign in name)


def _is_no_character(sign: str) -> bool:
    return "\ud800" <= sign <= "\udfff" or "\ufdd0" <= sign <= "\ufdef" or ord(sign) & 0xFFFE == 0xFFFE


def messages() -> st.SearchStrategy[Message]:
    """What a town of broken terminals says: the topic below the centre's, and the bytes."""
    ids = IDS.map(lambda name: "".join(filter(may_be_published, name))[:200])
    ends = st.sampled_from(sorted(BY_TOPIC))
    return ends.flatmap(
        lambda end: st.tuples(
            ids.map(lambda name: f"{name}/{end}"), spoilt(*BY_TOPIC[end]).filter(lambda said: len(said) < 9_000)
        )
    )


async def publish(town: Centre, said: list[Message]) -> None:
    async with aiomqtt.Client("127.0.0.1", town.reach.mqtt_port) as client:
        for topic, payload in said:
            await client.publish(f"onekey/1/{town.reach.centre_id}/{topic}", payload, qos=1)


async def heard_to_the_end(town: Centre, mark: str) -> None:
    """Return when every lane has dealt with what was said before: a good message of each has arrived behind it."""
    at = {"at": AT, "id": mark}
    good = [("T9/vitals", VITALS | at), ("T9/fault", FAULT | at), ("T9/alarm", press(mark))]
    await publish(town, [(topic, msgspec.json.encode(said)) for topic, said in good])
    await town.until("SELECT count(*) FROM alarm WHERE terminal_id = 'T9' AND alarm_id = $1", [1], mark)
    await town.until("SELECT count(*) FROM fault WHERE terminal_id = 'T9' AND fault_id = $1", [1], mark)


async def test_whatever_is_published_is_kept_or_parked_and_every_lane_goes_on(town: Centre) -> None:
    said, unreadable = drawn("published", messages(), AT_ONCE), Counter[str]()
    root = f"onekey/1/{town.reach.centre_id}"
    for number, some in enumerate(said[start : start + AT_ONCE] for start in range(0, len(said), AT_ONCE)):
        await publish(town, some)
        await heard_to_the_end(town, f"last-{number}")
        for topic, payload in some:
            if not topic.endswith("/beat"):
                understood = kinds.decode(f"{root}/{topic}", payload, town.clock.now())
                unreadable.update(heard.reason for heard in understood if isinstance(heard, Unreadable))
        await town.until(PARKED, sorted(unreadable.items()))
    leading = town.service.leading
    assert leading is not None
    assert {lane: intake.counts.set_aside for lane, intake in leading.lanes.intakes.items()} == dict.fromkeys(Lane, 0)
    assert not (await town.service.readiness()).missing
