"""Put a file there as it is to be, or see that there is none."""

from __future__ import annotations

import grp
import os
import pwd
from typing import Final

from model.deed import WriteFile
from model.step import Result
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused
from remediations.deeds.versions import Version, change, folder_of, read

MODE: Final = 0o644


def do(step: WriteFile, doing: Doing) -> Result:
    """Work out the version that is wanted from the one that is there, and bring it about."""
    try:
        with folder_of(step.path) as (folder, name):
            old = read(folder, name, step.path)
            if step.state == "touch" and old is not None and _wanted(step, old) == old:
                return _touched(folder, name, step.path, check=doing.check)
        new = None if step.state == "absent" else _wanted(step, old)
        return change(step.path, new, step.validate, doing)
    except (Refused, OSError) as why:
        return Result(ok=False, reason=f"{step.path} was left as it is: {why}")


def _wanted(step: WriteFile, old: Version | None) -> Version:
    content = step.content.encode() if step.content is not None else None
    if content is None and old is None and step.state != "touch":
        raise Refused("it is not there, and no content is given")
    shape = old or Version(b"", MODE, os.geteuid(), os.getegid())
    return Version(
        shape.content if content is None else content,
        shape.mode if step.mode < 0 else step.mode,
        _uid(step.owner) if step.owner else shape.uid,
        _gid(step.group) if step.group else shape.gid,
    )


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Refused(f"there is no user {name}") from None


def _gid(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Refused(f"there is no group {name}") from None


def _touched(folder: int, name: str, path: str, *, check: bool) -> Result:
    if not check:
        os.utime(name, dir_fd=folder, follow_symlinks=False)
    return Result(ok=True, output=f"{path} was touched", changed=not check, diff=f"the time of {path} is now")
