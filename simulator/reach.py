"""Where the service is to be found, for everybody in the town."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reach:
    """The broker, and the address of the pages and the API (`http://host:port`, no slash at the end)."""

    mqtt_port: int
    http_url: str
    centre_id: str
    mqtt_host: str = "127.0.0.1"
    mqtt_username: str | None = None
    mqtt_password: str | None = None
