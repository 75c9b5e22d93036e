"""Files: whatever stands in a CSV file, a policy or the settings, it is brought in or refused by name and place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import BadSettings
from dispatch.importing import import_files
from dispatch.incident.policy import read_policies
from dispatch.model import Key
from dispatch.settings import Settings, load_policies, read_settings

from .amount import count, drawn, fuzzed
from .spoiling import NASTY_TEXT, broken

TODAY = date(2026, 3, 1)
POLICY = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
SETTINGS = """centre_id = "c1"
database_url = "postgresql://user@127.0.0.1/centre"
time_zone = "Asia/Shanghai"
[mqtt]
port = 1883
[http]
host = "127.0.0.1"
port = 8080
"""

FILES: dict[str, list[dict[str, str]]] = {
    "stations": [
        {"station_id": "S1", "name": "North", "lat": "24.48", "lon": "118.09", "datum": "wgs84", "phone": "0592-101"}
    ],
    "elders": [
        {
            "elder_id": "E1", "name": "林阿嬷", "birth_year": "1938", "phone": "13800000001",
            "risks": "heart;lives_alone", "note": "x", "thresholds": "", "home_id": "H1",
            "address": "Lotus Road 1", "lat": "24.48",
            "lon": "118.09", "datum": "gcj02", "floor": "5", "has_lift": "no", "door_code": "12#", "station_id": "S1",
        },
        {"elder_id": "E2", "name": "林阿公", "home_id": "H1"},
    ],
    "terminals": [{"terminal_id": "T1", "home_id": "H1", "kind": "onekey", "elder_id": "E1", "phone": "0592555"}],
    "workers": [
        {"worker_id": "W1", "name": "Ma", "station_id": "S1", "travel": "walk", "phone": "1370", "skills": "first_aid"}
    ],
    "contacts": [
        {"home_id": "H1", "rank": "1", "name": "Fang", "relation": "daughter", "phone": "1390", "has_key": "yes"}
    ],
}  # fmt: skip

LIMITS = '{"heart_rate_bpm": {"low": 40, "high": 120}}'
CELLS = st.one_of(
    NASTY_TEXT,
    st.text(max_size=30),
    st.sampled_from(
        ["", "x,y", '"', '""', "a\nb", "1e5", "-0", "９", "²", "91", "-181", "nan", LIMITS, "[" * 3_000, "{}"]
    ),
    st.integers().map(str),
    st.sampled_from(["S1", "H1", "E1", "E2", "T1"]),
)
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16")


def encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, errors="surrogatepass" if encoding.startswith("utf") else "replace")


@st.composite
def tables(draw: st.DrawFn, kind: str) -> bytes:
    """A file of good rows and of rows with some cells changed."""
    good = FILES[kind]
    names = sorted({name for row in good for name in row})
    rows = [[row.get(name, "") for name in names] for row in good]
    for _ in range(draw(st.integers(1, 3))):
        row = list(draw(st.sampled_from(rows)))
        for place in draw(st.lists(st.integers(0, len(names) - 1), min_size=1, max_size=3)):
            row[place] = draw(CELLS)
        rows.append(row)
    quoted = draw(st.booleans())
    lines = [names, *rows]
    text = "\n".join(",".join(json.dumps(cell)[1:-1] if quoted else cell for cell in row) for row in lines)
    return encoded(text, draw(st.sampled_from(ENCODINGS)))


def files_of(kind: str) -> st.SearchStrategy[tuple[str, bytes]]:
    good = "\n".join(
        ",".join(row.values()) for row in [dict(zip(FILES[kind][0], FILES[kind][0], strict=True)), *FILES[kind][:1]]
    )
    return st.tuples(st.just(kind), st.one_of(tables(kind), broken(good.encode()), st.binary(max_size=300)))


async def test_any_file_is_brought_in_or_refused_row_by_row(dsn: str, tmp_path: Path) -> None:
    good = []
    for kind, rows in FILES.items():
        names = sorted({name for row in rows for name in row})
        lines = [names, *([row.get(name, "") for name in names] for row in rows)]
        good.append(tmp_path / f"{kind}.csv")
        good[-1].write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    report = await import_files(dsn, good, TODAY)
    assert not report.bad
    for number, (kind, content) in enumerate(drawn("csv_files", st.sampled_from(sorted(FILES)).flatmap(files_of), 40)):
        path = tmp_path / f"{kind}-{number}.csv"
        path.write_bytes(content)
        report = await import_files(dsn, [path], TODAY, dry_run=number % 3 == 0)
        assert report.bad or sum(report.good.values()), (kind, content)
        for bad in report.bad:
            assert bad.code
            assert bad.line is None or bad.line >= 1
    report = await import_files(dsn, good, TODAY)
    assert not report.bad
    assert report.good == {kind: len(rows) for kind, rows in FILES.items()}


# --- policies and settings -------------------------------------------------------------------------------------------

VALUES = st.sampled_from(
    ["0", "-1", "1", "86401", "1e3", "nan", "inf", "true", '""', "[]", "{}", '"life"', '["contacts"]', "2026-03-01",
     "9" * 5_000, '"\\ud800"', "'''", "[" * 2_000 + "]" * 2_000, "{a=" * 500 + "1" + "}" * 500, "[[]]", '"\u0000"']
)  # fmt: skip


@st.composite
def rewritten(draw: st.DrawFn, text: str) -> str:
    """A TOML text with lines left out, doubled, moved or given another value."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        name = lines[place].partition("=")[0]
        match draw(st.sampled_from(("value", "value", "leave out", "double", "insert"))):
            case "value":
                lines[place] = f"{name}= {draw(VALUES)}"
            case "leave out":
                del lines[place]
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[place])
            case _:
                lines.insert(
                    place,
                    draw(st.text(max_size=12) | VALUES | st.sampled_from(["[kinds]", "[[ladders]]", "a.b.c = 1"])),
                )
    return "\n".join(lines)


def toml(good: str) -> st.SearchStrategy[bytes]:
    texts = rewritten(good).map(lambda text: text.encode(errors="surrogatepass"))
    return st.one_of(texts, texts, broken(good.encode()), st.binary(max_size=60))


def refused(read: Callable[[], object]) -> BadSettings | None:
    """The refusal, if it was one; it says why, in a line that can be printed."""
    try:
        assert read()
    except BadSettings as refusal:
        return refusal
    return None


@fuzzed(120)
@given(content=toml(POLICY))
def test_a_policy_is_whole_or_refused_with_the_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    count("policies")
    file = tmp_path_factory.getbasetemp() / "policy.toml"
    file.write_bytes(content)
    settings = Settings(centre_id="c1", database_url="postgresql://x@h/d", policy_file=str(file))
    refusal = refused(lambda: set(load_policies(settings)) == set(Key))
    if refusal is not None:
        assert refusal.params["file"] == str(file)
        assert refusal.params["reason"]
        assert refusal.say().encode()


@fuzzed(100)
@given(text=st.text(max_size=200))
def test_any_text_is_no_policy(text: str) -> None:
    with pytest.raises(BadSettings):
        read_policies(text, "ours.toml")


@fuzzed(100)
@given(content=toml(SETTINGS))
def test_settings_are_read_or_refused_with_the_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    count("settings")
    file = tmp_path_factory.getbasetemp() / "settings.toml"
    file.write_bytes(content)
    refusal = refused(lambda: read_settings(file, {}).settings.centre_id)
    if refusal is not None:
        assert refusal.params["reason"]
        assert refusal.say().encode()
