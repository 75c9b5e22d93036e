"""What `deploy/` hands out works as it is."""

from __future__ import annotations

from pathlib import Path

from dispatch.settings import read_settings

DEPLOY = Path(__file__).parents[1] / "deploy"


def test_the_sample_settings_are_read_as_they_stand() -> None:
    settings = read_settings(DEPLOY / "dispatch.toml", {}).settings
    assert settings.centre_id == "xm"
    assert settings.mqtt.username == "dispatch"
    assert settings.public_url == "https://dispatch.example.org"
