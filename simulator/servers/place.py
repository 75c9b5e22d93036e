"""Where a server of ours keeps its files, and as whom it runs.

An ordinary user's server runs as that user, in the folder that was asked for. The superuser's may not: PostgreSQL
refuses to run as root, and the superuser's home (where a checkout may well lie) is closed to everybody else. So the
server runs as `nobody` there, its files lie under a folder of the system that `nobody` can reach, and the folder that
was asked for holds a link to them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.clock import SystemClock
from dispatch.errors import Refused, Unreachable
from simulator.servers.child import command_line, run_as

BASES = (Path("/var/lib"), Path("/var/tmp"), Path("/srv"))  # noqa: S108 - we make a folder of our own in it
OURS = "onekey-dispatch"
LINK = "kept-in"
"""Name of the link in the asked-for folder of a superuser; its target is named after that folder's own path, so that a
copied checkout does not share its original's data."""


@dataclass
class Place:
    """One server's folder and user; at most one live process of ours holds it.

    `folder` is ours (settings, log, password); `data` below it is the server's own.
    """

    folder: Path
    user: str | None
    is_temporary: bool
    _lock: int | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def hold(self, server: str) -> None:
        """Take the folder for this process; the kernel frees it when we die.

        Raises `Refused` (code `already_running`) if another process has it.
        """
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Refused("already_running", server=server, folder=str(self.folder)) from None
        self._lock = handle

    def release(self) -> None:
        """Give the folder back; a temporary one is removed."""
        if self._lock is None:
            return
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def note_running(self, pid: int) -> None:
        """Keep the number of the program that uses this place, for whoever comes after us."""
        (self.folder / "pid").write_text(str(pid))

    def left_running(self) -> int | None:
        """The program that uses this place still, or None; a stranger who has the number by now does not count."""
        try:
            pid = int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self.folder) in command_line(pid) else None

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a file or folder."""
        if self.user is not None:
            owner = run_as(self.user)
            os.chown(path, owner["user"], owner["group"])


def place_for(wanted: Path | None) -> Place:
    """The place for a server whose files were asked to be in `wanted`, or a temporary one for None."""
    user = "nobody" if os.geteuid() == 0 else None
    if wanted is None:
        return Place(_temporary(), user, is_temporary=True)
    wanted = wanted.resolve()
    wanted.mkdir(parents=True, exist_ok=True)
    if user is None:
        return Place(wanted, None, is_temporary=False)
    return Place(_outside(wanted), user, is_temporary=False)


def system_folder() -> Path:
    """Our folder on a real disk, outside every home, which every user may enter."""
    for base in BASES:
        if base.is_dir() and os.access(base, os.W_OK) and not is_in_memory(base):
            folder = base / OURS
            if os.geteuid() != 0:
                folder = base / f"{OURS}-{os.getuid()}"
            folder.mkdir(mode=0o755, exist_ok=True)
            if folder.stat().st_uid != os.geteuid():  # somebody else was there first, and could change what we run
                continue
            return folder
    raise Unreachable("no_folder_on_disk", tried=", ".join(str(base) for base in BASES))


def is_in_memory(folder: Path) -> bool:
    """Whether a folder lies in a tmpfs, where a database would eat the memory and lose its data at a restart."""
    try:
        mounts = Path("/proc/mounts").read_text()
    except OSError:
        return False  # no tmpfs to speak of where there is no /proc
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, filesystem, *_ = line.split()
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, filesystem
    return kind in {"tmpfs", "ramfs"}


def _outside(wanted: Path) -> Path:
    mark = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    link = wanted / LINK
    with contextlib.suppress(OSError):
        target = link.readlink()
        if target.name.startswith(mark) and target.is_dir():
            return target
    folder = system_folder() / f"{mark}-{SystemClock().new_id().hex[-8:]}"
    folder.mkdir(mode=0o755)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return folder


def _temporary() -> Path:
    base = system_folder()
    for left in base.glob("temporary-*"):
        _sweep(left)
    folder = Path(tempfile.mkdtemp(prefix="temporary-", dir=base))
    folder.chmod(0o755)
    return folder


def _sweep(left: Path) -> None:
    """Remove what a killed session left behind: a temporary folder that nobody holds."""
    try:
        handle = os.open(left / "lock", os.O_RDWR)
    except OSError:
        return  # being made this moment
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except BlockingIOError:
        pass  # in use
    finally:
        os.close(handle)
