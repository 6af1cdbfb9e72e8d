"""Packages of kernels that nobody will boot any more, on Debian and its kin."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from typing import Final

from model.deed import PurgeKernels
from model.step import Exec, Result
from remediations.deeds.doing import Doing

KEEP_MIN: Final = 2
PURGE_S: Final = 600.0

_PACKAGE: Final = re.compile(
    r"linux-(?:image|image-unsigned|modules|modules-extra|headers)-([0-9][a-z0-9.+~-]{1,80})"
)
_LIST: Final = ("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\\n", "linux-*")


def do(step: PurgeKernels, doing: Doing) -> Result:
    """Ask dpkg what is installed, and apt-get to purge what is expendable."""
    listed = doing.exec(Exec(_LIST, allowed_rc=(0, 1), timeout_s=30))
    if not listed.ok:
        return Result(ok=False, reason=listed.reason, output=listed.output, stopped=listed.stopped)
    running = platform.release()
    installed = [line.split()[1] for line in listed.output.splitlines() if line.startswith("installed ")]
    names = expendable(installed, running, max(step.keep, KEEP_MIN))
    if not names:
        return Result(ok=True, output=f"{len(installed)} packages of Linux, none that can go; {running} runs")
    diff = "\n".join(f"- {name}" for name in names)
    if doing.check:
        return Result(ok=True, diff=diff)
    purge = ("apt-get", "--yes", "--no-auto-remove", "purge", "--", *names)
    result = doing.exec(Exec(purge, timeout_s=PURGE_S))
    return Result(
        ok=result.ok,
        reason=result.reason,
        output=result.output,
        rc=result.rc,
        stopped=result.stopped,
        changed=result.ok,
        diff=diff,
    )


def expendable(installed: Iterable[str], running: str, keep: int) -> tuple[str, ...]:
    """Return the packages of kernels older than the newest ``keep`` and than the one that runs; pure."""
    shapes = [(name, shape[1]) for name in installed if (shape := _PACKAGE.fullmatch(name))]
    images = {release for name, release in shapes if name.startswith("linux-image-")}
    if running not in images:
        # What runs came from elsewhere, so nobody can tell what the next boot needs.
        return ()
    newest = sorted(images, key=_age)[-keep:]
    old = {one for one in images if one not in newest and _age(one) < _age(running)}
    return tuple(sorted(name for name, release in shapes if release in old))


def _age(release: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts releases: numbers as numbers, words as words."""
    return tuple(
        (int(word), "") if word.isdigit() else (-1, word) for word in re.findall(r"\d+|[a-z]+", release)
    )
