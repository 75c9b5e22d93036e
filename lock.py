"""Writes and checks the lock files: every package with its version and hashes, for all systems and Pythons we support.

`python lock.py` writes all; with `--upgrade` it also takes newer versions; with `--check` it says, without a network,
whether they were written from the present `pyproject.toml`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCKS = {
    "requirements.lock": ["--group", "build"],
    # What runs in tests is what runs in the service: the first lock binds the second.
    "requirements-test.lock": ["--group", "build", "--group", "test", "--constraint", "requirements.lock"],
    "requirements-bench.lock": [
        *("--group", "build", "--group", "test", "--group", "bench"),
        *("--constraint", "requirements-test.lock"),
    ],
}
MARK = "# from dependencies "


def fingerprint() -> str:
    """A digest of everything in `pyproject.toml` that the locks depend on."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = table["project"]
    asked = [project["requires-python"], project["dependencies"], table["dependency-groups"], table["build-system"]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def stale() -> list[str]:
    """The locks that were written from other dependencies, or never."""
    first = f"{MARK}{fingerprint()}\n"
    return [name for name in LOCKS if not (ROOT / name).exists() or not (ROOT / name).read_text().startswith(first)]


def write(*, upgrade: bool) -> None:
    """Compile the locks; versions stay as they are unless `upgrade` or the dependencies force them."""
    for name, groups in LOCKS.items():
        fixed = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"]
        more = ["--upgrade"] if upgrade else []
        command = ["-m", "uv", "pip", "compile", *fixed, *more, *groups, "pyproject.toml", "--output-file", name]
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
        path = ROOT / name
        path.write_text(f"{MARK}{fingerprint()}\n# written by `./run lock`\n{path.read_text()}")


def main(words: list[str]) -> None:
    """Do what the command line says.

    Raises SystemExit with a sentence if a lock is stale.
    """
    if "--check" not in words:
        write(upgrade="--upgrade" in words)
    elif names := stale():
        sys.exit(f"{' and '.join(names)}: not written from the present pyproject.toml; run ./run lock")


if __name__ == "__main__":
    main(sys.argv[1:])
