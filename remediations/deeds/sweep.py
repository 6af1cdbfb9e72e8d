"""Old files removed below declared folders, the oldest first, until enough is free or a limit is reached."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from model.deed import RemoveOld
from remediations.deeds import kept, roots
from remediations.deeds.folders import Refused, below, opened, shown
from remediations.deeds.removal import Bin, Spared, bin_in, held_name
from remediations.deeds.space import Work
from remediations.deeds.survey import PASSED_MAX, Found, Survey, Wanted, never_entered, survey
from remediations.writing.amounts import sized

AGE_S_MIN: Final = 86_400.0
HOLD_FREE: Final = 0.1
"""What must stay free nevertheless for files to be held."""

HELD: Final = "held"


def sweep(strategy: RemoveOld, work: Work) -> None:
    """Go through the folders one by one; what cannot be cleaned is said and passed over."""
    for root in strategy.roots:
        if not work.missing_bytes or work.stopped():
            return
        try:
            _sweep(root, strategy, work)
        except Refused as why:
            work.lines.append(f"{why}; it was left alone")
        except OSError as wrong:
            work.lines.append(f"{root} cannot be cleaned: {wrong.strerror}")


def _sweep(root: str, strategy: RemoveOld, work: Work) -> None:
    reason = roots.objection(root)
    if reason:
        raise Refused(reason)
    if not os.path.lexists(root):
        return
    now_ms = work.doing.now_ms()
    before_ns = int(now_ms - max(strategy.age_s, AGE_S_MIN) * 1000) * 1_000_000
    with opened(root) as folder:
        if os.fstat(folder).st_dev != os.fstat(work.fd).st_dev:
            raise Refused(f"{root} is on another filesystem")
        if never_entered(folder):
            raise Refused(f"{root} is by another name a folder that carries the host")
        cursor = _Cursor(work.doing.keep, root)
        wanted = Wanted(strategy.patterns, strategy.keep, before_ns, strategy.unread)
        seen = survey(folder, wanted, work.stopped, cursor.read())
        work.held_bytes += seen.held_bytes
        with _bin(folder, wanted, work, make=bool(seen.found)) as private:
            if not work.doing.check:
                work.taken_bytes += private.expire(now_ms // 1000)
            count = _take(root, folder, seen, private, work)
            if not work.doing.check:
                cursor.write(max(0, seen.reached - count))
    work.lines.append(_told(root, seen, count, private, work))


@contextmanager
def _bin(root: int, wanted: Wanted, work: Work, *, make: bool) -> Iterator[Bin]:
    """Open the private folder; on a disk without room for one there is none, and in a check none is made."""
    with ExitStack() as stack:
        fd = None
        try:
            fd = None if work.doing.check else stack.enter_context(bin_in(root, make=make))
        except OSError as wrong:
            if wrong.errno not in (errno.ENOENT, errno.ENOSPC, errno.EDQUOT):
                raise Refused(f"no private folder can be made there: {wrong.strerror}") from None
        yield Bin(fd, wanted, work.users)


def _take(root: str, folder: int, seen: Survey, private: Bin, work: Work) -> int:
    """Take the oldest first, and return how many were taken."""
    until_s = _until_s(root, seen.found, work)
    before = work.files_left
    for one in seen.found:
        if not work.missing_bytes or not work.files_left or work.stopped():
            break
        if one.size_bytes > work.bytes_left:
            seen.passed["beyond what one run may remove"] += 1
            continue
        try:
            with below(folder, one.folder) as inner:
                if work.doing.check:
                    private.look(inner, one)
                else:
                    private.take(inner, one, until_s)
        except Spared as why:
            seen.passed[str(why)] += 1
        except (Refused, OSError):
            seen.passed["changed while we looked"] += 1
        else:
            work.spend(shown("/".join((root, *one.folder, one.name))), one.size_bytes)
    return before - work.files_left


def _until_s(root: str, found: list[Found], work: Work) -> int:
    """Return until when files are held, in seconds since 1970, or 0 where there is no room for that.

    Where each came from is written down before the first is moved.
    """
    if not work.hold_s or work.doing.check or work.available_bytes() < HOLD_FREE * work.size_bytes:
        return 0
    until_s = int(work.doing.now_ms() // 1000 + work.hold_s)
    files = [[held_name(one, until_s), *one.folder, one.name] for one in found]
    try:
        kept.write(work.doing, HELD, {"root": root, "files": files})
    except OSError:
        return 0
    return until_s


def _told(root: str, seen: Survey, count: int, private: Bin, work: Work) -> str:
    verb = "would remove" if work.doing.check else "removed"
    text = f"{root}: {verb} {count} of {seen.old} old files"
    passed = ", ".join(f"{number} {why}" for why, number in sorted(seen.passed.items()))
    text += f"; left alone: {passed}" if passed else ""
    if seen.reached:
        text += f"; looked at {seen.reached} entries, the next run goes on from there"
    if private.strays:
        text += f"; {private.strays} that somebody put in the way could not be put back and are kept"
    return f"{text}; {sized(seen.held_bytes)} lie there"


class _Cursor:
    """How far the last walk below a root came, where it was cut; the next one goes on from there."""

    def __init__(self, keep: Path, root: str) -> None:
        self._path = keep / f"walk-{hashlib.sha256(root.encode()).hexdigest()[:32]}"

    def read(self) -> int:
        """Return how many entries to pass over."""
        try:
            entries = int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0
        return entries if 0 <= entries < PASSED_MAX else 0

    def write(self, entries: int) -> None:
        """Write it down; a walk that saw all begins anew."""
        if not entries:
            self._path.unlink(missing_ok=True)
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.write_text(str(entries), encoding="ascii")
        except OSError:
            # A full disk must not keep us from making room on it; the next walk begins anew.
            return
