"""Mount, unmount or remount what /etc/fstab names; what is mounted is read from the kernel's own table.

The path itself is never looked at, because a hung server would hold us with it. See proc_pid_mountinfo(5),
fstab(5), mount(8) and umount(8).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.deed import Mount
from model.misfit import Rejected
from model.step import Exec, Result
from remediations.apart.trusted import read_trusted
from remediations.deeds import kept, roots
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused

FSTAB: Final = "/etc/fstab"
FSTAB_BYTES_MAX: Final = 256 << 10
TIMEOUT_S: Final = 30.0
NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "ceph",
        "glusterfs",
        "9p",
        "afs",
        "lustre",
        "fuse.sshfs",
        "fuse.glusterfs",
    }
)
NEVER_GONE: Final = (*roots.WHOLE, *roots.ITSELF, *roots.TEMPORARY, "/var/log", "/var/lib/beforehand")

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is mounted on a path: from where, of which kind, and whether it may be written to."""

    source: str
    kind: str
    mode: str


def do(step: Mount, doing: Doing) -> Result:
    """Bring it there where it is not, and read the table again."""
    try:
        if step.back and not kept.notes(doing, _kind(step.path)):
            return Result(ok=True, output=f"this run did not touch {step.path}")
        _judge(step)
        now = mounted(step.path)
        if _reached(step, now):
            return Result(ok=True, output=f"{step.path} is {step.state} already")
        program = _program(step, now)
        if doing.check:
            return Result(ok=True, diff=f"would {program}")
        if not step.back:
            kept.write(doing, _kind(step.path), {"mode": now.mode if now else ""})
    except (Refused, OSError) as why:
        return Result(ok=False, reason=f"{step.path} was left as it is: {why}")
    result = doing.exec(program)
    reached = _reached(step, mounted(step.path))
    reason = result.reason or (
        "" if reached else f"{step.path} is not {step.state} although {program} was well"
    )
    return Result(
        ok=result.ok and reached,
        reason=reason,
        output=result.output,
        stopped=result.stopped,
        changed=reached,
        diff=f"{step.path} is {step.state}" if reached else "",
    )


def mounted(path: str) -> Mounted | None:
    """Return what is on top of a path in the kernel's table."""
    found = None
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        front, _, back = line.partition(" - ")
        left, right = front.split(" "), back.split(" ")
        if len(left) > 5 and len(right) > 2 and _plain(left[4]) == path:
            # Either the mount or the filesystem below it may refuse to be written to.
            read_only = "ro" in left[5].split(",") or "ro" in right[2].split(",")
            found = Mounted(_plain(right[1]), right[0], "ro" if read_only else "rw")
    return found


def _kind(path: str) -> str:
    return f"mount{hashlib.sha256(path.encode()).hexdigest()[:24]}"


def _plain(word: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), word)


def _judge(step: Mount) -> None:
    """Refuse what the host's own table of mounts does not name, and to unmount what carries the host."""
    try:
        table = read_trusted(Path(FSTAB), FSTAB_BYTES_MAX).decode(errors="replace")
    except Rejected as wrong:
        raise Refused(str(wrong.problems[0])) from None
    rows = [line.split() for line in table.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if step.path not in {_plain(row[1]) for row in rows if len(row) > 2}:
        raise Refused(f"{FSTAB} does not name {step.path}")
    if step.state == "unmounted" and step.path in NEVER_GONE:
        raise Refused(f"{step.path} carries the host and is never unmounted")


def _reached(step: Mount, now: Mounted | None) -> bool:
    if step.state == "unmounted":
        return now is None
    return now is not None and (step.state == "mounted" or now.mode == step.mode)


def _program(step: Mount, now: Mounted | None) -> Exec:
    if step.state == "mounted":
        return Exec(("mount", "--fstab", FSTAB, step.path), timeout_s=TIMEOUT_S)
    if now is None:
        raise Refused(f"nothing is mounted on {step.path}")
    if step.state == "remounted":
        if step.mode == "rw" and _damaged(now):
            raise Refused(f"{now.source} has recorded errors; it must be checked before it is written to")
        return Exec(("mount", "-o", f"remount,{step.mode}", step.path), timeout_s=TIMEOUT_S)
    # Only a server that does not answer is a reason to leave with files still open.
    lazily = ("-l",) if now.kind in NETWORK else ()
    return Exec(("umount", *lazily, step.path), timeout_s=TIMEOUT_S)


def _damaged(now: Mounted) -> bool:
    """Tell whether an ext4 counts errors since its last check (Documentation/ABI, sysfs-fs-ext4)."""
    device = Path(now.source).resolve().name
    try:
        return int(Path(f"/sys/fs/ext4/{device}/errors_count").read_text(encoding="ascii")) > 0
    except (OSError, ValueError):
        return False
