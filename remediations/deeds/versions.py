"""One file brought from one version to the next in a single moment, the earlier one kept for the undo.

The folder is reached through no link, and only root or we may write to it and to those above. The new version
is written beside the file and takes its name by rename(2), so nobody ever reads half of it.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from model.deed import RestoreFile, temporary_of
from model.step import Exec, Result
from remediations.deeds import kept
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused, is_plain, only_ours, opened, shown
from remediations.redact import presentable

FILE_BYTES_MAX: Final = 1 << 20
DIFF_BYTES_MAX: Final = 8 << 10
VALIDATE_S: Final = 30.0

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNTOUCHABLE: Final = re.compile(
    r"/(proc|sys|dev|boot|efi)(/.*)?|/etc/(passwd|shadow|group|gshadow|subuid|subgid|crypttab)-?"
    r"|/etc/(sudoers|sudo\.conf|ld\.so\.[a-z]+|pam\.conf|machine-id|fstab)"
    r"|/etc/(sudoers\.d|pam\.d|security|ssh|polkit-1|beforehand)(/.*)?|/var/lib/beforehand(/.*)?"
    r"|.*/\.(ssh|gnupg|git)(/.*)?"
)


def objection(path: str) -> str:
    """Return why a file is never written to, or the empty text; pure."""
    if not is_plain(path) or path == "/":
        return f"{shown(path)!r} is not an absolute path that says what it means"
    if _UNTOUCHABLE.fullmatch(path):
        return f"{path} decides who may do what on this host and is never written to"
    if len(os.fsencode(path.rpartition("/")[2])) > 200:
        return f"{shown(path)} has too long a name"
    return ""


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it is or is to be; no version stands for no file."""

    content: bytes
    mode: int
    uid: int
    gid: int


@contextmanager
def folder_of(path: str) -> Iterator[tuple[int, str]]:
    """Open the folder that a file is in, and return it with the file's name."""
    reason = objection(path)
    if reason:
        raise Refused(reason)
    folder, _, name = path.rpartition("/")
    with opened(folder or "/", only_ours) as fd:
        yield fd, name


def read(folder: int, name: str, path: str) -> Version | None:
    """Return the version that is there; only a regular file of one name is one."""
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise Refused(f"{path} cannot be opened: {wrong.strerror}") from None
    with os.fdopen(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise Refused(f"{path} is no regular file of a single name")
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise Refused(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    return Version(content, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid)


def change(path: str, new: Version | None, validate: tuple[str, ...], doing: Doing) -> Result:
    """Bring a file to a version where it is not, and keep the earlier one for this run."""
    with folder_of(path) as (folder, name):
        old = read(folder, name, path)
        if old == new:
            return Result(ok=True, output=f"{path} is so already")
        diff = difference(path, old, new)
        if doing.check:
            return Result(ok=True, diff=diff)
        if new is not None:
            failed = _prepare(folder, path, old, new, validate, doing)
            if failed is not None:
                return failed
        if read(folder, name, path) != old:
            _clear(folder, temporary_of(path).rpartition("/")[2])
            raise Refused("somebody changed it while we were at it")
        kept.write(doing, _kind(path), _note(old, new), old.content if old else b"")
        _settle(folder, name, path, new)
        return Result(ok=True, output=f"{path} was changed", changed=True, diff=diff)


def restore(step: RestoreFile, doing: Doing) -> Result:
    """Bring the version before the last change of this run back, unless somebody changed it since."""
    notes = kept.notes(doing, _kind(step.path))
    if not notes:
        return Result(ok=True, output=f"this run did not change {step.path}")
    note, found = notes[0]
    old = None
    if found["existed"]:
        numbers = (found["mode"], found["uid"], found["gid"])
        mode, uid, gid = (number for number in numbers if isinstance(number, int))
        old = Version(kept.content(note), mode, uid, gid)
    try:
        with folder_of(step.path) as (folder, name):
            now = read(folder, name, step.path)
            if now == old:
                # Whoever took the step was ended after the note and before the change.
                if not doing.check:
                    kept.drop(note)
                return Result(ok=True, output=f"{step.path} is as it was")
            if _digest(now) != found["written"]:
                return Result(ok=False, reason=f"somebody changed {step.path} after us; it was left as it is")
            diff = difference(step.path, now, old)
            if doing.check:
                return Result(ok=True, diff=diff)
            if old is not None:
                _prepare(folder, step.path, now, old, (), doing)
            _settle(folder, name, step.path, old)
    except (Refused, OSError) as why:
        return Result(ok=False, reason=f"{step.path} cannot be brought back: {why}")
    kept.drop(note)
    return Result(ok=True, output=f"{step.path} is as it was", changed=True, diff=diff)


def difference(path: str, old: Version | None, new: Version | None) -> str:
    """Return in words and lines what is or would be other than before, secrets hidden."""
    lines = []
    if old is None or new is None:
        lines += [f"{path} is {'made' if old is None else 'removed'}\n"]
    for name in ("mode", "uid", "gid"):
        was, will = getattr(old, name, None), getattr(new, name, None)
        if was != will and old and new:
            shape = "{:04o}" if name == "mode" else "{}"
            lines += [f"{name} of {path}: {shape.format(was)} becomes {shape.format(will)}\n"]
    diff = difflib.unified_diff(_lines(old), _lines(new), path, path)
    lines += [one if one.endswith("\n") else f"{one}\n" for one in diff]
    return presentable("".join(lines).encode(), DIFF_BYTES_MAX).rstrip("\n")


def _lines(version: Version | None) -> list[str]:
    return version.content.decode(errors="replace").splitlines(keepends=True) if version else []


def _kind(path: str) -> str:
    return f"file{hashlib.sha256(path.encode()).hexdigest()[:24]}"


def _digest(version: Version | None) -> str:
    return hashlib.sha256(version.content).hexdigest() if version else ""


def _note(old: Version | None, new: Version | None) -> kept.Note:
    shape = replace(old, content=b"") if old else Version(b"", 0, 0, 0)
    return {
        "existed": old is not None,
        "mode": shape.mode,
        "uid": shape.uid,
        "gid": shape.gid,
        "written": _digest(new),
    }


def _prepare(
    folder: int, path: str, old: Version | None, new: Version, validate: tuple[str, ...], doing: Doing
) -> Result | None:
    """Write the new version beside the file and have it judged; return why it is not taken, or None."""
    temporary = temporary_of(path).rpartition("/")[2]
    _clear(folder, temporary)
    fd = os.open(temporary, _NEW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(new.content)
            file.flush()
            if (new.uid, new.gid) != (os.geteuid(), os.getegid()):
                os.fchown(fd, new.uid, new.gid)
            os.fchmod(fd, new.mode)
            _inherit(folder, path.rpartition("/")[2] if old else "", fd)
            os.fsync(fd)
        judged = doing.exec(Exec(validate, timeout_s=VALIDATE_S)) if validate else None
    except OSError:
        _clear(folder, temporary)
        raise
    if judged is None or judged.ok:
        return None
    _clear(folder, temporary)
    reason = f"{path} was left as it is, because its new version is not valid: {judged.reason}"
    return Result(ok=False, reason=reason, output=judged.output, rc=judged.rc, stopped=judged.stopped)


def _inherit(folder: int, name: str, fd: int) -> None:
    """Give the new version what the old one carried beside its content, such as labels of SELinux."""
    if not name:
        return
    old = os.open(name, _READ, dir_fd=folder)
    try:
        for attribute in os.listxattr(old):
            with suppress(OSError):
                os.setxattr(fd, attribute, os.getxattr(old, attribute))
    except OSError:
        return
    finally:
        os.close(old)


def _settle(folder: int, name: str, path: str, new: Version | None) -> None:
    if new is None:
        os.unlink(name, dir_fd=folder)
    else:
        temporary = temporary_of(path).rpartition("/")[2]
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _clear(folder: int, temporary: str) -> None:
    """Remove what an earlier attempt may have left; a folder of that name is somebody else's."""
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
