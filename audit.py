"""Looks whether a weakness is known of any package in the lock files: `pip-audit`, and what it leaves unsaid.

It calls a package that its service does not know "skipped" and ends well all the same. Here that is told in so many
words: a check that could not be made is not one that was passed, and is no fault of the code either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lock import LOCKS

ROOT = Path(__file__).resolve().parent
SERVICE_WITHIN_S = 15
ACCEPTED: dict[str, str] = {
    # "a weakness's id": "why it does not touch us, and until when"
}


def ask() -> dict[str, Any] | None:
    """What pip-audit says of every package in the lock files, or None if it could not ask."""
    locks = [word for name in LOCKS for word in ("-r", name)]
    ignored = [word for weakness in ACCEPTED for word in ("--ignore-vuln", weakness)]
    fixed = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
    fixed += [f"--timeout={SERVICE_WITHIN_S}"]
    command = [sys.executable, "-m", "pip_audit", *fixed, *ignored, *locks]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print("\n".join(done.stderr.strip().splitlines()[-1:]))
        return None
    return said


def weaknesses(said: dict[str, Any]) -> list[str]:
    """A line for each weakness that is known."""
    return [
        f"{package['name']} {package['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none'}"
        for package in said["dependencies"]
        for known in package.get("vulns", ())
    ]


def unknown(said: dict[str, Any]) -> list[str]:
    """The packages that nothing could be learnt about."""
    return sorted({package["name"] for package in said["dependencies"] if "skip_reason" in package})


def main() -> None:
    """Raises SystemExit with the weaknesses if there are any."""
    said = ask()
    if said is None:
        print("NOT AUDITED: the service that knows of weaknesses could not be asked")
        return
    if found := weaknesses(said):
        sys.exit("\n".join(found))
    packages, left_out = len({package["name"] for package in said["dependencies"]}), unknown(said)
    if left_out:
        some = ", ".join(left_out[:5]) + (" …" if len(left_out) > 5 else "")
        print(f"NOT AUDITED: {len(left_out)} of {packages} packages, which the service does not know: {some}")
    else:
        print(f"no weakness is known of any of {packages} packages")


if __name__ == "__main__":
    main()
