"""Bad bytes by every way in, for `./run prove`: `tests/fuzz` with ever new seeds, in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dispatch.errors import Unreachable

CHECKOUT = Path(__file__).resolve().parents[1]


def bad_bytes(minutes: float) -> tuple[dict[str, Any], bool]:
    """New rounds are begun for so long, at least one; the figures, and whether everything was understood or refused.

    Raises Unreachable (`no_figures`) if the rounds ended without a word: they need a checkout with the test packages.
    """
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", str(minutes)]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    try:
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise Unreachable("no_figures", of="tests.fuzz", status=done.returncode) from None
    return figures, done.returncode == 0
