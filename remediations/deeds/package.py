"""Upgrade one package by apt, after a simulation showed that nothing is removed or comes from elsewhere.

``apt-get --simulate`` writes ``Inst NAME [OLD] (NEW ORIGIN:VERSION/SUITE [ARCH])`` and ``Remv NAME [OLD]``
(apt-get(8)). Whoever changes packages holds a POSIX lock on dpkg's lock files (dpkg(1)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
from collections.abc import Iterable
from typing import Final

from model.deed import UpgradePackage
from model.step import Exec, Result
from remediations.deeds.doing import Doing

LOCKS: Final = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
_APT: Final = ("apt-get", "-q", "-y", "--no-remove", "--only-upgrade", "--no-install-recommends")
_KEEP_FILES: Final = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
_INSTALLED: Final = re.compile(r"^Inst (\S+) (?:\[([^\]]*)\] )?\(([^ )]+) ?([^)]*)\)", re.MULTILINE)
_REMOVED: Final = re.compile(r"^Remv (\S+)", re.MULTILINE)
_SECURITY: Final = re.compile(r"-security\b|Debian-Security", re.IGNORECASE)
# struct flock of fcntl(2), native: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK: Final = "hhqqi4x"
PACKAGES_MAX: Final = 10


def locked(paths: Iterable[str]) -> str:
    """Return who holds one of these lock files, or nothing; the kernel is asked, and no lock is taken."""
    for path in paths:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as wrong:
            if wrong.errno not in (errno.EACCES, errno.EPERM):
                return f"{path} cannot be looked at: {wrong.strerror}"
            continue
        try:
            pid = _holder(fd)
        finally:
            os.close(fd)
        if pid:
            return f"pid {pid} holds {path}"
    return ""


def _holder(fd: int) -> int:
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def do(step: UpgradePackage, doing: Doing) -> Result:
    """Simulate, judge, and only then upgrade."""
    somebody = locked(LOCKS)
    if somebody:
        return Result(ok=False, reason=f"somebody changes packages already: {somebody}")
    planned = doing.exec(Exec((*_APT, "--simulate", "install", step.name), timeout_s=60))
    if not planned.ok:
        return Result(ok=False, reason=planned.reason, output=planned.output, stopped=planned.stopped)
    wrong = mistake(step, planned.output)
    if wrong:
        return Result(ok=False, reason=wrong, output=planned.output)
    changes = upgrades(planned.output)
    if not changes:
        return Result(ok=True, output=f"{step.name} is at its newest version")
    if doing.check:
        return Result(ok=True, diff=f"would upgrade {changes}")
    done = doing.exec(Exec((*_APT, *_KEEP_FILES, "install", step.name), timeout_s=600))
    diff = f"upgraded {changes}" if done.ok else ""
    return Result(done.ok, done.reason, done.output, done.rc, stopped=done.stopped, changed=True, diff=diff)


def upgrades(simulated: str) -> str:
    """Return what a simulation would install, as ``name old -> new``."""
    found = _INSTALLED.findall(simulated)
    return ", ".join(f"{name} {old or 'none'} -> {new}" for name, old, new, _ in found)


def mistake(step: UpgradePackage, simulated: str) -> str:
    """Return why an upgrade as it was simulated is refused, or the empty text."""
    removed = _REMOVED.search(simulated)
    if removed:
        return f"the upgrade would remove {removed[1]}"
    found = _INSTALLED.findall(simulated)
    if len(found) > PACKAGES_MAX:
        return f"the upgrade would change {len(found)} packages, and {PACKAGES_MAX} are the most"
    for name, old, new, origin in found:
        if not old:
            return f"the upgrade would install {name}, which is not installed"
        if step.security_only and not _SECURITY.search(origin):
            return f"{name} {new} does not come from a security archive"
    return ""
