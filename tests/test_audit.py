"""The audit of the packages never says more than it knows."""

from __future__ import annotations

from typing import Any

import pytest

import audit

CLEAN = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def says(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any] | None) -> None:
    monkeypatch.setattr(audit, "ask", lambda: said)
    audit.main()


def test_a_known_weakness_fails_the_check_and_names_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="b 2: X-1, mended in 3"):
        says(monkeypatch, {"dependencies": [CLEAN, WEAK, SKIPPED]})


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"dependencies": [CLEAN]}, "no weakness is known of any of 1 packages\n"),
        (
            {"dependencies": [CLEAN, SKIPPED, SKIPPED]},
            "NOT AUDITED: 1 of 2 packages, which the service does not know: c\n",
        ),
        (None, "NOT AUDITED: the service that knows of weaknesses could not be asked\n"),
    ],
)
def test_what_could_not_be_asked_is_not_called_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: dict[str, Any] | None, line: str
) -> None:
    says(monkeypatch, said)
    assert capsys.readouterr().out == line
