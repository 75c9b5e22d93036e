"""TLS contexts from the files that the settings name; a file that does not serve is refused with its key."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from dispatch.errors import BadSettings

if TYPE_CHECKING:
    from dispatch.settings import Http, Mqtt


def to_broker(mqtt: Mqtt) -> ssl.SSLContext | None:
    """For our connections to the broker; None is plain TCP. Raises BadSettings."""
    if not (mqtt.tls or mqtt.ca_file or mqtt.cert_file):
        return None
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise _bad("mqtt.ca_file", mqtt.ca_file, error) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if mqtt.cert_file:
        _load_own(context, "mqtt", mqtt.cert_file, mqtt.key_file)
    return context


def for_pages(http: Http) -> ssl.SSLContext | None:
    """For pages and API; None is plain HTTP, for behind a proxy. Raises BadSettings."""
    if not http.cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own(context, "http", http.cert_file, http.key_file)
    return context


def _load_own(context: ssl.SSLContext, table: str, cert_file: str, key_file: str | None) -> None:
    def no_password() -> str:
        raise BadSettings(
            "bad_settings", key=f"{table}.key_file", reason="the key asks for a password; use one without"
        )

    try:
        context.load_cert_chain(cert_file, key_file, no_password)
    except OSError as error:
        raise _bad(f"{table}.cert_file", f"{cert_file}{f' with {key_file}' if key_file else ''}", error) from None


def _bad(key: str, file: str | None, error: OSError) -> BadSettings:
    reason = error.strerror or (error.args[0] if error.args else "unreadable")
    return BadSettings("bad_settings", key=key, file=file, reason=str(reason))
