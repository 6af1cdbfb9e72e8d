"""Who changes this host just now: package managers, configuration management, a shutdown that is to come.

Everything is read only, and nothing is locked: whoever holds a lock is found by asking the kernel
(fcntl(2) F_GETLK), or where the file may not be opened, in its list of locks (proc_locks(5)).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from model.step import HumanAct
from remediations.processes import read_pidfile

FRESH_MS: Final = 10 * 60_000
"""How long what a tool leaves behind while it works counts as work: one that was killed leaves it there."""

FILES_MAX: Final = 1_000
BYTES_MAX: Final = 4_096

_LOCKS: Final = {
    "dpkg": ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"),
    "apt": ("var/lib/apt/lists/lock", "var/cache/apt/archives/lock"),
    "rpm": ("var/lib/rpm/.rpm.lock", "usr/lib/sysimage/rpm/.rpm.lock"),
    "apk": ("lib/apk/db/lock",),
    "chef": ("var/chef/cache/chef-client-running.pid", "var/chef/cache/chef-stacktrace.lock"),
}
_PIDFILES: Final = {
    "dnf": ("var/lib/dnf/rpmdb_lock.pid", "var/cache/dnf/metadata_lock.pid", "run/dnf.pid"),
    "yum": ("run/yum.pid",),
    "zypper": ("run/zypp.pid",),
    "puppet": (
        "opt/puppetlabs/puppet/cache/state/agent_catalog_run.lock",
        "var/lib/puppet/state/agent_catalog_run.lock",
    ),
}
_TRACES: Final = {
    "pacman": "var/lib/pacman/db.lck",
    "salt": "var/cache/salt/minion/proc/*",
    # Only root's: homes may lie on another machine, and looking there may hang.
    "ansible": "root/.ansible/tmp/ansible-tmp-*",
}
_SHUTDOWN: Final = "run/systemd/shutdown/scheduled"
_FLOCK: Final = struct.Struct("hhqqi")


def at_work(root: Path, now_ms: int) -> HumanAct | None:
    """Return who is at work on the host with this root directory, or None."""
    shutdown = _shutdown(root)
    if shutdown:
        return HumanAct(shutdown)
    for tool in (*_locking(root), *_running(root), *_leaving(root, now_ms)):
        return HumanAct(f"{tool} is at work on this host", passing=True)
    return None


def _locking(root: Path) -> Iterator[str]:
    """Yield the tools that hold a lock."""
    for tool, files in _LOCKS.items():
        if any(locked(root / file, root / "proc/locks") for file in files):
            yield tool


def _running(root: Path) -> Iterator[str]:
    """Yield the tools whose process lives."""
    for tool, files in _PIDFILES.items():
        if any(read_pidfile(str(root / file)).state == "alive" for file in files):
            yield tool


def _leaving(root: Path, now_ms: int) -> Iterator[str]:
    """Yield the tools that left something a short time ago that they take away when they are done."""
    for tool, pattern in _TRACES.items():
        try:
            paths = [path for _, path in zip(range(FILES_MAX), root.glob(pattern), strict=False)]
            if any(now_ms - path.lstat().st_mtime * 1000 < FRESH_MS for path in paths):
                yield tool
        except OSError:  # gone meanwhile, or not ours to see
            continue


def locked(path: Path, locks: Path) -> bool:
    """Tell whether a process holds any lock on a file; nothing is locked and nothing is written by asking."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return _listed(path, locks)
    except OSError:
        return False
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))[0]
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(kind != fcntl.F_UNLCK) or _listed(path, locks)


def _listed(path: Path, locks: Path) -> bool:
    """Look for a file's device and number among all locks; a lock of whole files (flock) stands there too."""
    try:
        status, lines = path.lstat(), locks.read_text().splitlines()
    except OSError:
        return False
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return any(name in line.split() for line in lines if "->" not in line)


def _shutdown(root: Path) -> str:
    """Return what systemd is told to do and when, in the form of systemd-logind's own file, or ''."""
    try:
        text = (root / _SHUTDOWN).read_bytes()[:BYTES_MAX].decode(errors="replace")
    except OSError:
        return ""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    moment = said.get("USEC", "")
    when = ""
    if moment.isascii() and moment.isdecimal() and len(moment) < 18:
        when = f" at {datetime.fromtimestamp(int(moment) / 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"
    what = "reboot" if said.get("MODE", "") in ("reboot", "kexec") else "shutdown"
    return f"a {what} of this host is scheduled{when}"
