"""Programs that free space of what is theirs; each is asked first what there is, and never forced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from model.deed import CleanPackages, PruneImages, RotateLogs, VacuumJournal
from model.misfit import Rejected
from model.step import Exec
from remediations.apart.trusted import read_trusted
from remediations.deeds.folders import Refused, opened
from remediations.deeds.space import Work
from remediations.deeds.survey import Wanted, survey
from remediations.writing.amounts import sized

CONFIG_BYTES_MAX: Final = 1 << 20
PROGRAM_S: Final = 120.0

_PACKAGES: Final = {
    "apt-get": (("apt-get", "clean"), ("/var/cache/apt/archives",)),
    "dnf": (("dnf", "--quiet", "clean", "packages"), ("/var/cache/dnf", "/var/cache/libdnf5")),
}


def vacuum_journal(strategy: VacuumJournal, work: Work) -> None:
    """Ask journald to archive what it writes to, then to drop the oldest archives (journalctl(1))."""
    if work.doing.check:
        _told(work, ("journalctl", "--disk-usage"))
        return
    _run(work, ("journalctl", "--rotate"))
    if strategy.max_use_bytes:
        _run(work, ("journalctl", f"--vacuum-size={strategy.max_use_bytes}"))
    if strategy.keep_s and work.missing_bytes:
        _run(work, ("journalctl", f"--vacuum-time={strategy.keep_s:.0f}s"))


def rotate_logs(strategy: RotateLogs, work: Work) -> None:
    """Let logrotate read its file without acting; only where that is sound, rotate."""
    try:
        read_trusted(Path(strategy.config), CONFIG_BYTES_MAX)
    except Rejected as wrong:
        work.lines.append(f"{wrong.problems[0]}; nothing was rotated")
        return
    if work.doing.check:
        _told(work, ("logrotate", "--debug", strategy.config))
        return
    tried = work.doing.exec(Exec(("logrotate", "--debug", strategy.config), timeout_s=PROGRAM_S))
    if tried.ok:
        _run(work, ("logrotate", "--force", strategy.config))
    else:
        work.lines.append(f"logrotate does not accept {strategy.config}: {tried.reason}")


def clean_packages(strategy: CleanPackages, work: Work) -> None:
    """Drop the downloaded packages; they can be fetched again."""
    argv, folders = _PACKAGES[strategy.tool]
    held = sum(map(_held, folders))
    if not work.doing.check:
        _run(work, argv)
        return
    work.taken_bytes += held
    work.lines.append(f"{' '.join(argv)} would free about {sized(held)}")


def prune_images(strategy: PruneImages, work: Work) -> None:
    """Drop images that no name and no container refers to."""
    if work.doing.check:
        _told(work, (strategy.engine, "images", "--filter=dangling=true"))
    else:
        _run(work, (strategy.engine, "image", "prune", "--force", "--filter=until=24h"))


def _run(work: Work, argv: tuple[str, ...]) -> None:
    before = work.available_bytes()
    result = work.doing.exec(Exec(argv, timeout_s=PROGRAM_S))
    freed = max(0, work.available_bytes() - before)
    work.changed = work.changed or result.ok
    came = f"freed {sized(freed)}" if result.ok else result.reason
    work.lines.append(f"{' '.join(argv)}: {came}")


def _told(work: Work, argv: tuple[str, ...]) -> None:
    """Have a program say what there is; it changes nothing."""
    result = work.doing.exec(Exec(argv, timeout_s=PROGRAM_S, output_bytes_max=4096))
    work.lines.append(f"{' '.join(argv)}: {result.output.strip() or result.reason or 'nothing'}")


def _held(folder: str) -> int:
    try:
        with opened(folder) as fd:
            never: Callable[[], str] = lambda: ""  # noqa: E731 - a name for its type
            return survey(fd, Wanted((), (), 0), never).held_bytes
    except Refused:
        return 0
