"""What settings say, where they come from, and how a wrong one is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dispatch import tls
from dispatch.errors import BadSettings
from dispatch.model import Key
from dispatch.settings import Http, Mqtt, effective, load_policies, mask_url, read_settings, variable_of

LEAST = {"DISPATCH_CENTRE_ID": "xm", "DISPATCH_DATABASE_URL": "postgresql://ann:secret@db/dispatch"}
FILE = """\
centre_id = "from-file"
database_url = "postgresql://db/dispatch"

[mqtt]
host = "broker"
port = 8883
ca_file = "ca.pem"

[retention_days]
vitals = 30
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "dispatch.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path | None = None, environ: dict[str, str] | None = None) -> dict[str, object]:
    with pytest.raises(BadSettings) as refused:
        read_settings(file, environ or {})
    return refused.value.params


def test_the_environment_alone_is_enough() -> None:
    settings = read_settings(None, LEAST).settings
    assert (settings.centre_id, settings.mqtt.port, settings.http.port) == ("xm", 1883, 8080)


def test_the_environment_wins_over_the_file_and_each_value_knows_its_source(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    reading = read_settings(file, {"DISPATCH_MQTT_HOST": "other"})
    assert reading.settings.mqtt.host == "other"
    assert reading.settings.mqtt.port == 8883
    assert reading.settings.retention_days.vitals == 30
    assert reading.sources["mqtt.host"] == "DISPATCH_MQTT_HOST"
    assert reading.sources["mqtt.port"] == f"{file}, line 6"
    assert reading.sources["http.port"] == "default"


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    assert read_settings(None, {"DISPATCH_CONFIG": str(file)}).settings.centre_id == "from-file"


def test_a_path_in_the_file_starts_from_the_files_folder(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, FILE), {}).settings.mqtt.ca_file == str(tmp_path / "ca.pem")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(None, LEAST | {"DISPATCH_MQTT_USERNAME": ""}).settings.mqtt.username is None


def test_what_is_missing_is_named_with_its_variable() -> None:
    assert refusal() == {
        "key": "centre_id",
        "reason": "missing; set DISPATCH_CENTRE_ID or write it into the settings file",
    }


def test_a_wrong_value_in_the_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, FILE.replace("8883", '"many"'))
    assert refusal(file) == {"file": str(file), "key": "mqtt.port", "line": 6, "reason": "Expected `int`, got `str`"}


def test_an_unknown_key_in_the_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, FILE.replace("host =", "hots ="))
    assert refusal(file) == {"file": str(file), "key": "mqtt.hots", "line": 5, "reason": "no such setting"}


def test_a_table_where_a_value_belongs_is_refused(tmp_path: Path) -> None:
    params = refusal(
        written(tmp_path, 'mqtt = "broker"\n' + FILE.partition("[mqtt]")[0]), environ={"DISPATCH_MQTT_PORT": "1"}
    )
    assert params["key"] == "mqtt"


def test_a_file_that_is_not_toml_says_where(tmp_path: Path) -> None:
    assert "line 1" in str(refusal(written(tmp_path, "centre_id = xm\n"))["reason"])


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml")["reason"] == "No such file or directory"
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    assert refusal(tmp_path / "latin.toml")["reason"] == "not UTF-8 text"


def test_a_wrong_variable_is_refused_by_its_name() -> None:
    params = refusal(None, LEAST | {"DISPATCH_HTTP_PORT": "eighty"})
    assert (params["variable"], params["key"]) == ("DISPATCH_HTTP_PORT", "http.port")


def test_a_misspelt_variable_is_refused_with_the_likely_name() -> None:
    params = refusal(None, LEAST | {"DISPATCH_MQTT_PROT": "1883"})
    assert params["reason"] == "no such setting; did you mean DISPATCH_MQTT_PORT?"


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("DISPATCH_TIME_ZONE", "Xiamen", "time_zone"),
        ("DISPATCH_CENTRE_ID", "Xiamen/1", "centre_id"),
        ("DISPATCH_DATABASE_URL", "mysql://db/x", "database_url"),
        ("DISPATCH_DATABASE_URL", "postgresql:///x", "database_url"),
        ("DISPATCH_DATABASE_URL", "postgresql://[db/x", "database_url"),
        ("DISPATCH_MQTT_KEY_FILE", "key.pem", "mqtt.key_file"),
        ("DISPATCH_LOG_LEVEL", "loud", "log_level"),
        ("DISPATCH_RETENTION_DAYS_VITALS", "0", "retention_days.vitals"),
    ],
)
def test_values_that_make_no_sense_are_refused(variable: str, value: str, key: str) -> None:
    params = refusal(None, LEAST | {variable: value})
    assert params["key"] == key
    assert variable in (params.get("source"), params.get("variable"))


def test_secrets_are_masked_when_shown() -> None:
    shown = {key: value for key, value, _ in effective(read_settings(None, LEAST | {"DISPATCH_MQTT_PASSWORD": "hush"}))}
    assert shown["database_url"] == "postgresql://ann:********@db/dispatch"
    assert "hush" not in str(shown)
    assert mask_url("postgresql:///x?host=/run&password=hush&port=1") == (
        "postgresql:///x?host=/run&password=********&port=1"
    )


def test_the_default_policies_are_complete() -> None:
    assert set(load_policies(read_settings(None, LEAST).settings)) == set(Key)


def test_a_policy_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadSettings, match="bad_policy"):
        load_policies(read_settings(None, LEAST | {"DISPATCH_POLICY_FILE": "nowhere.toml"}).settings)


def test_a_wrong_policy_is_refused_with_file_key_line_and_reason(tmp_path: Path) -> None:
    default = (Path(__file__).parents[1] / "dispatch/incident/default_policy.toml").read_text(encoding="utf-8")
    file = tmp_path / "policy.toml"
    file.write_text(default.replace("accept_within_s = 30", 'accept_within_s = "soon"'), encoding="utf-8")
    with pytest.raises(BadSettings) as refused:
        load_policies(read_settings(None, LEAST | {"DISPATCH_POLICY_FILE": str(file)}).settings)
    assert refused.value.params["file"] == str(file)
    assert "accept_within_s" in str(refused.value.params["key"])


def test_tls_is_off_unless_asked_for_and_a_missing_file_is_named() -> None:
    assert tls.to_broker(Mqtt()) is None
    assert tls.for_pages(Http()) is None
    assert tls.to_broker(Mqtt(tls=True)) is not None
    with pytest.raises(BadSettings) as refused:
        tls.to_broker(Mqtt(ca_file="none.pem"))
    assert refused.value.params["key"] == "mqtt.ca_file"
    with pytest.raises(BadSettings) as refused:
        tls.for_pages(Http(cert_file="none.pem"))
    assert refused.value.params["key"] == "http.cert_file"


def test_a_certificate_with_its_key_is_taken_and_one_with_a_password_is_refused(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=centre"]
    subprocess.run([*make, "-nodes", "-keyout", key, "-out", cert], check=True, capture_output=True)
    assert tls.for_pages(Http(cert_file=str(cert), key_file=str(key))) is not None
    subprocess.run([*make, "-passout", "pass:hush", "-keyout", key, "-out", cert], check=True, capture_output=True)
    with pytest.raises(BadSettings) as refused:
        tls.for_pages(Http(cert_file=str(cert), key_file=str(key)))
    assert refused.value.params["key"] == "http.key_file"


def test_every_setting_is_described_with_its_variable_and_default() -> None:
    described = (Path(__file__).parents[1] / "docs/settings.md").read_text(encoding="utf-8")
    shown = {key: value for key, value, _ in effective(read_settings(None, LEAST))}
    for key, value in shown.items():
        assert f"| `{key}` | `{variable_of(key)}` |" in described
        if value and key not in {"centre_id", "database_url", "instance"}:
            assert (
                f"| `{key}` | `{variable_of(key)}` | `{value.lower() if key == 'mqtt.tls' else value}` |" in described
            )
