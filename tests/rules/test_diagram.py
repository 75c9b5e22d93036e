"""The diagram in ARCHITECTURE.md is the one the tables draw."""

from __future__ import annotations

from pathlib import Path

from dispatch.incident.diagram import assignment_diagram

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"


def test_the_diagram_in_the_document_is_drawn_from_the_table() -> None:
    assert assignment_diagram() in ARCHITECTURE.read_text(encoding="utf-8")
