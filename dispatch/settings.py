"""The settings: a TOML file, overridden by the environment, read once into frozen structs.

Every key can stand in the file (`[mqtt]`, `port = 1883`) or in the environment (`DISPATCH_MQTT_PORT=1883`); the
environment wins, and a variable that is empty counts as not set. A relative path in the file starts from the file's
folder, one in the environment from the working folder. What is wrong is refused with file or variable, key, line where
it is known, and the reason (`BadSettings`, code `bad_settings`).
"""

from __future__ import annotations

import difflib
import os
import platform
import re
import zoneinfo
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from dispatch.errors import BadSettings
from dispatch.incident.policy import Policies, read_policies
from dispatch.toml_lines import line_of, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "DISPATCH_"
CONFIG_VARIABLE = "DISPATCH_CONFIG"
PATHS = frozenset({"policy_file", "mqtt.ca_file", "mqtt.cert_file", "mqtt.key_file", "http.cert_file", "http.key_file"})

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""What may stand in topics, client ids and file names: small letters, digits, - and _, at most 32."""


def host_name() -> str:
    """This machine's name as an instance's name may be written."""
    return re.sub(r"[^a-z0-9_-]", "-", platform.node().lower())[:32] or "main"


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. `tls` is on as well as soon as one of the three files is named."""

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where pages and API are served; `public_url` is how phones reach it, for sign-in links."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8080
    cert_file: str | None = None
    key_file: str | None = None
    public_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/]+(/.*)?$")] | None = None


class RetentionDays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days rows are kept, by table. Incidents and their log stay."""

    vitals: Days = 400
    vitals_hour: Days = 1100
    home_day: Days = 60
    listening: Days = 60
    parked: Days = 90
    outbox: Days = 90
    fault: Days = 400


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What watches the centre itself. `canary_terminal`: a registered terminal, in a home of its own, on which a test
    key is pressed every `canary_every_s`; without one there is no canary. A 0 in `no_board_after_s` or
    `nobody_answers_after_s` means never.
    """

    canary_terminal: Annotated[str, msgspec.Meta(pattern=r"^[^/+#\0]{1,64}$")] | None = None
    canary_every_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    canary_missed_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    no_board_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    nobody_answers_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 180


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that one process is told.

    `instance` names it (the machine's name if not set): the same instance, started again, takes its own lease back at
    once, so no two machines may share one.
    """

    centre_id: Code
    database_url: Annotated[str, msgspec.Meta(pattern=r"^postgres(ql)?://")]
    time_zone: str = "Asia/Shanghai"
    instance: Code = msgspec.field(default_factory=host_name)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy_file: str | None = None
    mqtt: Mqtt = Mqtt()
    http: Http = Http()
    retention_days: RetentionDays = RetentionDays()
    watch: Watch = Watch()

    @property
    def public_url(self) -> str:
        """The address before `/enter/…` in a sign-in link, without a slash at the end."""
        scheme = "https" if self.http.cert_file else "http"
        return (self.http.public_url or f"{scheme}://{self.http.host}:{self.http.port}").rstrip("/")


class Reading(msgspec.Struct, frozen=True):
    """Settings with where each dotted key's value came from: `default`, a variable's name, or `FILE, line N`."""

    settings: Settings
    sources: dict[str, str]


def read_settings(config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Reading:
    """The settings from `config` (or the file that DISPATCH_CONFIG names, or none) and the environment.

    Raises BadSettings.
    """
    file = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    text = _read(file) if file else ""
    raw = _parse(text, file)
    sources = {key: _place(text, file, key) for key, _ in _leaves(raw)}
    _resolve_paths(raw, file.parent if file else Path())
    for key, variable, value in _from_environment(environ):
        _put(raw, key, value)
        sources[key] = variable
    settings = _convert(raw, text, file, sources)
    _check(settings, sources)
    return Reading(settings, {key: sources.get(key, "default") for key, _ in _leaves(msgspec.to_builtins(settings))})


def effective(reading: Reading) -> list[tuple[str, str, str]]:
    """Every key with its value (secrets masked) and its source, for a person to read."""
    rows = []
    for key, value in _leaves(msgspec.to_builtins(reading.settings)):
        shown = "" if value is None else str(value)
        if key == "database_url":
            shown = mask_url(shown)
        elif key == "mqtt.password" and shown:
            shown = "********"
        rows.append((key, shown, reading.sources[key]))
    return rows


def mask_url(url: str) -> str:
    """A database's address without its password."""
    masked = re.sub(r"(//[^:/@]*):[^@]*@", r"\1:********@", url)
    return re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1********", masked)


def load_policies(settings: Settings) -> Policies:
    """The policies of the file that the settings name, or the default ones. Raises BadSettings (`bad_policy`)."""
    if settings.policy_file is None:
        packaged = resources.files("dispatch.incident").joinpath("default_policy.toml")
        return read_policies(packaged.read_text(encoding="utf-8"), "default_policy.toml")
    file = Path(settings.policy_file)
    return read_policies(_read(file, "bad_policy"), str(file))


# --- the file ---------------------------------------------------------------------------------------------------------


def _read(file: Path, code: str = "bad_settings") -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise BadSettings(code, file=str(file), reason=reason) from None


def _parse(text: str, file: Path | None) -> dict[str, Any]:
    try:
        return read_toml(text)
    except ValueError as error:
        raise BadSettings("bad_settings", file=str(file), reason=str(error)) from None


def _place(text: str, file: Path | None, key: str) -> str:
    line = line_of(text, key)
    return f"{file}, line {line}" if line else str(file)


def _leaves(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _resolve_paths(raw: dict[str, Any], folder: Path) -> None:
    for key, value in list(_leaves(raw)):
        if key in PATHS and isinstance(value, str):
            _put(raw, key, str(folder / value))


def _put(raw: dict[str, Any], key: str, value: object) -> None:
    table_name, _, name = key.rpartition(".")
    table = raw.setdefault(table_name, {}) if table_name else raw
    if isinstance(table, dict):
        table[name] = value


# --- the environment --------------------------------------------------------------------------------------------------


def _types() -> dict[str, Any]:
    """The type of every dotted key."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= {f"{field.name}.{each.name}": each.type for each in msgspec.structs.fields(field.type)}
        else:
            found[field.name] = field.type
    return found


def variable_of(key: str) -> str:
    """The environment's name of a dotted key: `mqtt.port` is DISPATCH_MQTT_PORT."""
    return PREFIX + key.replace(".", "_").upper()


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    keys = {variable_of(key): (key, kind) for key, kind in _types().items()}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or not value:
            continue
        if variable not in keys:
            near = difflib.get_close_matches(variable, keys, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadSettings("bad_settings", variable=variable, reason=f"no such setting{hint}")
        key, kind = keys[variable]
        try:
            yield key, variable, msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            raise BadSettings("bad_settings", variable=variable, key=key, reason=str(error)) from None


# --- putting it together ----------------------------------------------------------------------------------------------


def _convert(raw: dict[str, Any], text: str, file: Path | None, sources: dict[str, str]) -> Settings:
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        message = str(error)
    at = re.search(r"at `\$\.?([a-z_.]*)`", message)
    named = re.search(r"field `([^`]+)`", message)
    key = ".".join(part for part in (at and at.group(1), named and named.group(1)) if part)
    if "missing required" in message:
        reason = f"missing; set {variable_of(key)} or write it into the settings file"
        raise BadSettings("bad_settings", **({"file": str(file)} if file else {}), key=key, reason=reason)
    where = line_of(text, key)
    line = {"line": where} if where else {}
    reason = "no such setting" if "unknown field" in message else message.partition(" - at ")[0]
    source = {"file": str(file)} if file else {"source": sources.get(key, "?")}
    raise BadSettings("bad_settings", **source, key=key, **line, reason=reason)


def _check(settings: Settings, sources: dict[str, str]) -> None:
    """What types alone cannot say."""
    if settings.time_zone not in zoneinfo.available_timezones():
        raise _refuse("time_zone", sources, f"no time zone is called {settings.time_zone!r}")
    for table in ("mqtt", "http"):
        of = getattr(settings, table)
        if of.key_file and not of.cert_file:
            raise _refuse(f"{table}.key_file", sources, f"a key needs its certificate: set {table}.cert_file too")
    try:
        parts = urlsplit(settings.database_url)
    except ValueError as error:  # a [ that opens no IPv6 address
        raise _refuse("database_url", sources, str(error)) from None
    if not parts.netloc.rpartition("@")[2] and "host" not in dict(parse_qsl(parts.query)):
        raise _refuse("database_url", sources, "names no host")


def _refuse(key: str, sources: dict[str, str], reason: str) -> BadSettings:
    return BadSettings("bad_settings", key=key, source=sources.get(key, "default"), reason=reason)
