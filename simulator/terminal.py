"""The reference terminal: everything that a device must do to be heard, and nothing else. Pure.

Written to be read by whoever writes firmware. It knows no network and no clock: each happening is one call with the
present instant, each answer a list of things to do. After every call ask `due_at`, and call `due` when it has come.

    press     publish the alarm at once; say it again after 1, 2, 4, 8 … at most 60 s, with the same id and the same
              `at`, until the centre says `stored`. A PUBACK is not enough: it only says that the broker has it.
    receipts  say aloud how far the call is; ignore a number that is not higher than the last one of that call
    centre    believe what it says of itself (`listening`, `lost`) only under the highest epoch heard so far
    silence   fall back to SMS or dialling 20 s after a press of one's own without `stored`, or 5 s after the centre
              was declared lost; once for each press, and go on repeating
    session   a new one at each power-up; the will names the same one, so that an old will cannot deny a new life
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_REPEAT_S = 1.0
LONGEST_REPEAT_S = 60.0
FALL_BACK_AFTER_S = 20.0
FALL_BACK_AFTER_LOST_S = 5.0

Key = Literal["sos", "fall", "fire", "family", "service", "consult"]


@dataclass(frozen=True)
class Publish:
    """Send this to the broker, QoS 1, not retained."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Say:
    """Tell the elder: `code` is `calling`, a receipt's stage, or `falling_back`; `facts` are its parameters."""

    code: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class FallBack:
    """The centre does not hear us: send the SMS, dial the number."""

    alarm_id: str
    why: Literal["not_stored", "centre_lost"]


ToDo = Publish | Say | FallBack


@dataclass
class Call:
    """One message that must be stored: a press, a test, or a cancel.

    `stage` is the last one heard. The numbers of receipts rise within the incident, so what has been heard of one
    (`heard_n`) is kept for each call.
    """

    alarm_id: str
    message: dict[str, Any]
    pressed_at: datetime
    falls_back: bool
    repeat_at: datetime | None
    wait_s: float = FIRST_REPEAT_S
    stage: str | None = None
    heard_n: int = 0
    has_fallen_back: bool = False
    sent: int = 1


@dataclass
class Terminal:
    """One device. `session` is new at each power-up; `firmware` is told once with `ready`."""

    centre_id: str
    terminal_id: str
    session: str
    firmware: str = "reference-1"
    calls: dict[str, Call] = field(default_factory=dict)
    is_online: bool = False
    lost_at: datetime | None = None
    """Since when the centre has been declared lost; None while it listens (or has said nothing)."""

    heard_epoch: int = 0
    """The highest epoch heard of the centre: what an older one says is past."""

    calendar_off: timedelta = timedelta()
    """How far its date and time are ahead of the right ones. What it waits for it counts without them."""

    def topic(self, name: str) -> str:
        """The topic of one kind of message from or to this terminal."""
        return f"onekey/1/{self.centre_id}/{self.terminal_id}/{name}"

    @property
    def centre_topic(self) -> str:
        return f"onekey/1/{self.centre_id}/state"

    def subscriptions(self) -> tuple[str, ...]:
        """What to subscribe to, QoS 1, with a persistent session (clean start off)."""
        return (self.topic("receipt"), self.topic("command"), self.centre_topic)

    def will(self, now: datetime) -> Publish:
        """What the broker is to say should we vanish, QoS 1; give it along when connecting."""
        return self._publish("state", {"state": "lost", "session": self.session, "at": stamp(now)})

    # --- what happens ------------------------------------------------------------------------------------------------

    def connected(self, now: datetime) -> list[ToDo]:
        """The broker has accepted us: say that we are ready, and everything again that is not stored."""
        self.is_online = True
        for call in self.unstored():
            call.wait_s = FIRST_REPEAT_S / 2  # a link that was away has tried nobody's patience: begin anew at 1 s
        ready = {"state": "ready", "session": self.session, "at": stamp(now), "firmware": self.firmware}
        return [self._publish("state", ready), *self._say_again(now, self.unstored())]

    def disconnected(self) -> None:
        """The link to the broker is gone. Calls go on: `connected` says them again, `due` falls back."""
        self.is_online = False

    def press(self, key: Key, alarm_id: str, now: datetime, *, battery: int | None = None) -> list[ToDo]:
        """A key was pressed; `alarm_id` is new for every press."""
        message: dict[str, Any] = {"id": alarm_id, "at": stamp(now + self.calendar_off), "key": key}
        if battery is not None:
            message["battery"] = battery
        return self._call(message, now, falls_back=True)

    def test(self, key: Key, alarm_id: str, now: datetime) -> list[ToDo]:
        """The monthly trial: goes all the way to the centre and brings nobody."""
        return self._call({"id": alarm_id, "at": stamp(now), "key": key, "test": True}, now, falls_back=False)

    def cancel(self, key: Key, cancelled_id: str, alarm_id: str, now: datetime) -> list[ToDo]:
        """The elder takes a press back; a message of its own, repeated like a press."""
        message = {"id": alarm_id, "at": stamp(now), "key": key, "cancel_of": cancelled_id}
        return self._call(message, now, falls_back=False)

    def heard(self, topic: str, payload: bytes, now: datetime) -> list[ToDo]:
        """A message came down. What we do not understand is passed over: newer centres may say more."""
        try:
            message = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if not isinstance(message, dict):
            return []
        if topic == self.centre_topic:
            self._heard_of_centre(message, now)
        elif topic == self.topic("receipt"):
            return self._heard_receipt(message)
        return []

    def due_at(self) -> datetime | None:
        """When `due` is to be called; None if there is nothing to wait for."""
        return min(self._clocks(), default=None)

    def due(self, now: datetime) -> list[ToDo]:
        """A time has come: repeat what is not stored, fall back where that is due."""
        late = [call for call in self.unstored() if call.repeat_at is not None and call.repeat_at <= now]
        to_do: list[ToDo] = self._say_again(now, late)
        for call in self.unstored():
            limit = self._fall_back_at(call)
            if limit is not None and limit <= now:
                call.has_fallen_back = True
                why: Literal["not_stored", "centre_lost"] = "centre_lost" if self.lost_at else "not_stored"
                to_do += [FallBack(call.alarm_id, why), Say("falling_back", {"why": why})]
        return to_do

    def unstored(self) -> list[Call]:
        """Calls of which the centre has not said that it has them."""
        return [call for call in self.calls.values() if call.stage is None]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _call(self, message: dict[str, Any], now: datetime, *, falls_back: bool) -> list[ToDo]:
        call = Call(message["id"], message, now, falls_back, now + timedelta(seconds=FIRST_REPEAT_S))
        assert call.alarm_id not in self.calls, "every press has an id of its own"
        self.calls[call.alarm_id] = call
        return [self._publish("alarm", message), Say("calling", {"key": message["key"]})]

    def _say_again(self, now: datetime, calls: list[Call]) -> list[ToDo]:
        """The very same message, twice as long a wait each time. Offline, the wait runs and nothing is sent."""
        to_do: list[ToDo] = []
        for call in calls:
            call.wait_s = min(call.wait_s * 2, LONGEST_REPEAT_S)
            call.repeat_at = now + timedelta(seconds=call.wait_s)
            if self.is_online:
                call.sent += 1
                to_do.append(self._publish("alarm", call.message))
        return to_do

    def _heard_of_centre(self, message: dict[str, Any], now: datetime) -> None:
        epoch = message.get("epoch", 0)
        if not isinstance(epoch, int) or epoch < self.heard_epoch:
            return  # an old leader's will, come late
        self.heard_epoch = epoch
        if message.get("state") == "lost":
            self.lost_at = self.lost_at or now
        elif message.get("state") == "listening":
            self.lost_at = None

    def _heard_receipt(self, message: dict[str, Any]) -> list[ToDo]:
        call, stage, n = self.calls.get(str(message.get("alarm_id"))), message.get("stage"), message.get("n")
        if call is None or not isinstance(stage, str) or not isinstance(n, int) or n <= call.heard_n:
            return []
        call.heard_n, call.stage, call.repeat_at = n, stage, None  # whatever its stage, the centre has the call
        return [Say(stage, {name: message[name] for name in ("worker_name", "eta_s") if name in message})]

    def _fall_back_at(self, call: Call) -> datetime | None:
        if not call.falls_back or call.has_fallen_back:
            return None
        limit = call.pressed_at + timedelta(seconds=FALL_BACK_AFTER_S)
        if self.lost_at is None:
            return limit
        known_at = max(self.lost_at, call.pressed_at)
        return min(limit, known_at + timedelta(seconds=FALL_BACK_AFTER_LOST_S))

    def _clocks(self) -> Iterator[datetime]:
        for call in self.unstored():
            if call.repeat_at is not None:
                yield call.repeat_at
            limit = self._fall_back_at(call)
            if limit is not None:
                yield limit

    def _publish(self, name: str, message: dict[str, Any]) -> Publish:
        return Publish(self.topic(name), msgspec.json.encode(message))


def stamp(at: datetime) -> str:
    """An instant as RFC 3339 with its offset, to the millisecond."""
    return at.isoformat(timespec="milliseconds")


SPOKEN = {
    "zh": {
        "calling": "正在呼叫服务中心。",
        "stored": "中心已收到您的呼叫。",
        "assigned": "{worker_name}马上过来, 大约{minutes}分钟。",
        "departed": "{worker_name}已经出发, 大约{minutes}分钟到。",
        "arrived": "{worker_name}到门口了。",
        "closed": "这次呼叫已结束。祝您安好。",
        "tested": "测试成功, 设备正常。",
        "cancelled": "已收到您的取消。",
        "falling_back": "正在改用电话联系。",
    },
    "en": {
        "calling": "Calling the centre.",
        "stored": "The centre has your call.",
        "assigned": "{worker_name} will come, in about {minutes} min.",
        "departed": "{worker_name} is on the way, about {minutes} min.",
        "arrived": "{worker_name} is at the door.",
        "closed": "This call is closed. Take care.",
        "tested": "The test went well.",
        "cancelled": "The centre knows that you took it back.",
        "falling_back": "Trying by telephone now.",
    },
}


def spoken(say: Say, language: str = "zh") -> str:
    """The sentence that the terminal's loudspeaker says; empty for a stage it has no words for."""
    minutes = max(1, round(say.facts.get("eta_s", 60) / 60))
    name = say.facts.get("worker_name") or {"zh": "工作人员", "en": "Somebody"}[language]
    return SPOKEN[language].get(say.code, "").format(worker_name=name, minutes=minutes)
