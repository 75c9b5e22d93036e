"""What terminals say when all is well; everything bad begins from these."""

from __future__ import annotations

from typing import Any

AT = "2026-03-01T11:00:00+08:00"
PLACE = {"lat": 24.48, "lon": 118.09, "datum": "wgs84", "accuracy_m": 30}

ALARM: dict[str, Any] = {"id": "a1", "key": "sos", "at": AT, "battery": 80, "test": False, "place": PLACE}
CANCEL: dict[str, Any] = {"id": "a2", "key": "cancel", "at": AT, "cancel_of": "a1"}
VITALS: dict[str, Any] = {
    "at": AT,
    "heart_rate_bpm": 72,
    "spo2_percent": 97,
    "systolic_mmhg": 130,
    "diastolic_mmhg": 80,
    "temperature_c": 36.6,
    "temperature_site": "wrist",
    "respiration_per_min": 16,
}
STATE: dict[str, Any] = {"state": "ready", "session": "s1", "at": AT, "firmware": "1.2"}
FAULT: dict[str, Any] = {"id": "f1", "fault": "battery_low", "on": True, "at": AT}
BEAT: dict[str, Any] = {"n": 1, "battery": 80, "mains": True, "rssi": -70}
REPLY: dict[str, Any] = {"id": "c1", "state": "done", "result": "ok"}

BY_TOPIC: dict[str, tuple[dict[str, Any], ...]] = {
    "alarm": (ALARM, CANCEL),
    "vitals": (VITALS,),
    "state": (STATE,),
    "fault": (FAULT,),
    "beat": (BEAT,),
    "command/reply": (REPLY,),
}
