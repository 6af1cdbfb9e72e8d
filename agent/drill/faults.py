"""The faults: each makes what it breaks, on its own stage, and can break it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.drill import apart, unit
from agent.drill.issue import issue
from agent.drill.stage import Stage
from agent.loopback import awaited, get
from model.step import Host

START_S: Final = 20.0
PIECE: Final = b"[DRILL] " * (32 << 10)  # zeros would be a hole
OLD_FILES: Final = 10
FULL_PART: Final = 0.05
BALLAST_BYTES: Final = 900 << 10

_PLACES: Final = Path("/var/tmp")  # noqa: S108 - the folder there is made by mkdir, which follows no link


@dataclass(frozen=True, slots=True)
class Victim:
    """What is there to be broken: which configuration watches it, with which words, and how to break it.

    ``seen`` is a metric that says that the agent looks at it.
    """

    template: str
    seen: str
    words: Mapping[str, object]
    spoil: Callable[[], None]
    what: str


Made = Callable[[Stage, Host], AbstractContextManager[Victim]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault; ``made`` is what it breaks, for as long as the block lasts."""

    name: str
    summary: str
    made: Made = field(repr=False)


@contextlib.contextmanager
def _service(stage: Stage, host: Host) -> Iterator[Victim]:
    by_systemd = host.has_systemd and os.geteuid() == 0
    argv = (sys.executable, "-m", "agent.drill.sacrifice", str(stage.port), str(stage.pidfile))
    url = f"http://127.0.0.1:{stage.port}/"
    with unit.Unit(stage.name).running(argv) if by_systemd else stage.running(argv):
        awaited("what is to be killed answers", lambda: get(url) and stage.pidfile.is_file(), START_S)
        words = {"target": url, "systemd": by_systemd, "service": unit.name_of(stage.name)}
        what = "a unit of systemd" if by_systemd else "a process"
        yield Victim(
            "unit",
            "beforehand_process_count",
            words,
            lambda: os.kill(int(stage.pidfile.read_text()), signal.SIGKILL),
            f"kill -9 of {what} made for this drill",
        )


@contextlib.contextmanager
def _disk(stage: Stage, _host: Host) -> Iterator[Victim]:
    with contextlib.ExitStack() as ends:
        try:
            victim = ends.enter_context(_mounted(stage))
        except apart.NoMount as why:
            victim = ends.enter_context(_folder(stage, str(why)))
        yield victim


@contextlib.contextmanager
def _mounted(stage: Stage) -> Iterator[Victim]:
    apart.leave()
    where = place_of(stage.name)
    where.mkdir(mode=0o700)
    content, procfs = stage.folder / "content", stage.folder / "proc"
    (content / "old").mkdir(parents=True)
    for number in range(OLD_FILES):
        (content / "old" / f"{number}.old").write_bytes(PIECE)
    apart.mount_file(stage.folder / "disk", content, where)
    try:
        procfs.mkdir()
        # The probe looks at the mounts of process 1 where it finds them, and this one is not among those.
        (procfs / "self").symlink_to("/proc/self")
        words = {
            "mount": str(where),
            "mount_pattern": f"^{re.escape(str(where))}$",
            "old": str(where / "old"),
            "procfs": str(procfs),
        }
        yield Victim(
            "file",
            "node_filesystem_avail_bytes",
            words,
            lambda: _fill(where),
            "a filesystem in a file made for this drill was filled",
        )
    finally:
        with contextlib.suppress(apart.NoMount):  # it goes with the last process that sees it, at the latest
            apart.unmount(where)


@contextlib.contextmanager
def _folder(stage: Stage, why: str) -> Iterator[Victim]:
    old = place_of(stage.name)
    old.mkdir(mode=0o700, exist_ok=True)
    ballast = old / "ballast"
    yield Victim(
        "folder",
        "beforehand_dir_bytes",
        {"old": str(old), "ballast": str(ballast)},
        lambda: _put(ballast),
        f"a folder made for this drill got more than it may hold ({why})",
    )


def _fill(folder: Path) -> None:
    """Write until next to nothing is free; what is old in there already can be removed."""
    for number in range(apart.SIZE_BYTES // len(PIECE)):
        space = os.statvfs(folder)
        if space.f_bavail < FULL_PART * space.f_blocks:
            return
        (folder / f"{number}.new").write_bytes(PIECE)


def _put(ballast: Path) -> None:
    ballast.write_bytes(bytes(BALLAST_BYTES))


@contextlib.contextmanager
def _shown(stage: Stage, _host: Host) -> Iterator[Victim]:
    issue(stage.certificate, 30)
    expired = stage.certificate.with_name("expired.pem")
    issue(expired, -1)
    argv = (sys.executable, "-m", "agent.drill.shown", str(stage.port), str(stage.certificate))
    with stage.running(argv):
        yield Victim(
            "certificate",
            "probe_ssl_earliest_cert_expiry",
            {"target": f"127.0.0.1:{stage.port}"},
            lambda: _put_in_place(expired, stage.certificate),
            "the certificate of a server made for this drill became one that has expired",
        )


def _put_in_place(expired: Path, shown: Path) -> None:
    expired.replace(shown)


def place_of(name: str) -> Path:
    """Return where a drill has what is filled: a playbook may clean there, as in no state folder."""
    return _PLACES / f"drill-{name}"


FAULTS: Final = (
    Fault("unit", "kill a service that was made for it", _service),
    Fault("file", "fill a disk that was made for it", _disk),
    Fault("certificate", "show an expired certificate that was made for it", _shown),
)
