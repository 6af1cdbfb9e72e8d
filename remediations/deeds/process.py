"""Signal processes that are found by what they run and how they stand, each held by a pidfd.

See pidfd_open(2), pidfd_send_signal(2) and proc(5); field 22 of ``stat`` is when a process began.
"""

from __future__ import annotations

import os
import pwd
import re
import select
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from model.deed import SignalProcess
from model.step import Result
from remediations import processes
from remediations.deeds.doing import Doing
from remediations.writing.amounts import sized

PROCESSES_MAX: Final = 10
SHOWN_MAX: Final = 5
PROTECTED: Final = re.compile(
    r"(init|systemd.*|\(sd-.*|dbus.*|sshd.*|a?getty|login|containerd.*|dockerd|conmon|beforehand.*)"
)
_ENDING: Final = frozenset({"TERM", "INT", "QUIT"})
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """One process, by what tells it from another that gets its number."""

    pid: int
    began_ticks: int
    exe: str
    uid: int
    rss_bytes: int

    def same(self) -> bool:
        """Tell whether the number still means this process."""
        now = _read(self.pid)
        return now is not None and (now.began_ticks, now.exe, now.uid) == (
            self.began_ticks,
            self.exe,
            self.uid,
        )

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.exe}, user {_user(self.uid)}, {sized(self.rss_bytes)})"


def do(step: SignalProcess, doing: Doing) -> Result:
    """Find them, refuse what is protected and what is too many, and signal each."""
    found = list(_matching(step, doing.now_ms()))
    if not found:
        return Result(ok=True, output="no process is as described; nothing was signalled")
    refused = _refusal(step, found)
    if refused:
        return Result(ok=False, reason=refused)
    what = ", ".join(map(str, found))
    if doing.check:
        return Result(ok=True, diff=f"would send {step.signal} to {what}")
    with ExitStack() as held:
        return _signal_all(step, found, doing, held)


def _refusal(step: SignalProcess, found: list[Found]) -> str:
    most = min(step.processes_max, PROCESSES_MAX)
    if len(found) > most:
        some = ", ".join(map(str, found[:SHOWN_MAX]))
        return f"{len(found)} processes are as described, and at most {most} may be signalled: {some}"
    return next((because for one in found if (because := protected(one.pid, one.exe))), "")


def protected(pid: int, exe: str) -> str:
    """Return why a process must never be signalled, or the empty text."""
    if processes.is_ours(pid):
        return f"pid {pid} is init, this program or what started it"
    if PROTECTED.fullmatch(Path(exe).name):
        return f"pid {pid} is {Path(exe).name}, which carries the host"
    words = _proc(pid, "cmdline").split("\0")[:3]
    if any(Path(word).name == "beforehand" for word in words):
        return f"pid {pid} belongs to Beforehand"
    return ""


def _signal_all(step: SignalProcess, found: list[Found], doing: Doing, held: ExitStack) -> Result:
    """Open all before the first is signalled: a number that changed hands meanwhile stops everything."""
    opened: list[tuple[Found, int]] = []
    for one in found:
        try:
            pidfd = os.pidfd_open(one.pid)
        except ProcessLookupError:
            continue
        held.callback(os.close, pidfd)
        if not one.same():
            return Result(ok=False, reason=f"{one} is another process by now; nothing was signalled")
        opened.append((one, pidfd))
    try:
        for _, pidfd in opened:
            _send(pidfd, signal.Signals[f"SIG{step.signal}"])
        left = _left(opened, step.patience_s, doing) if step.signal in _ENDING else []
        because = doing.stopped()
        if because:
            return Result(ok=False, reason=because, stopped=because, changed=True)
        for _, pidfd in left:
            _send(pidfd, signal.SIGKILL)
    except PermissionError:
        return Result(ok=False, reason=f"{found[0]} belongs to another user and cannot be signalled")
    stuck = _left(left, processes.KILLED_WITHIN_S, doing)
    if stuck:
        return Result(
            ok=False, reason=f"{stuck[0][0]} cannot be killed; it waits for the kernel", changed=True
        )
    said = [f"sent {step.signal} to {one}" for one, _ in opened]
    said += [f"{one} did not end when asked and was killed" for one, _ in left]
    return Result(ok=True, output="\n".join(said), changed=bool(opened), diff="; ".join(said))


def _send(pidfd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def _left(opened: list[tuple[Found, int]], within_s: float, doing: Doing) -> list[tuple[Found, int]]:
    """Wait for the end of these; return those still there when the time is over or the switch is set."""
    until_s = doing.monotonic() + within_s
    left = opened
    while left:
        watched = select.poll()
        for _, pidfd in left:
            watched.register(pidfd, select.POLLIN)
        gone = {pidfd for pidfd, _ in watched.poll(_POLL_S * 1000)}
        left = [(one, pidfd) for one, pidfd in left if pidfd not in gone]
        if doing.monotonic() >= until_s or doing.stopped():
            break
    return left


def _matching(step: SignalProcess, now_ms: int) -> Iterator[Found]:
    named = processes.read_pidfile(step.pidfile).pid if step.pidfile else 0
    ours = _link(os.getpid(), "ns/pid")
    for pid in psutil.pids():
        # Another container's processes are its own, whatever they run.
        if not processes.is_program(pid, step.exe) or _link(pid, "ns/pid") != ours:
            continue
        one = _read(pid)
        if one is not None and (not step.pidfile or pid == named) and _is_so(step, one, now_ms):
            yield one


def _is_so(step: SignalProcess, one: Found, now_ms: int) -> bool:
    try:
        process = psutil.Process(one.pid)
        age_s = now_ms / 1000 - process.create_time()
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and (not step.user or _user(one.uid) == step.user)
            and age_s >= step.older_than_s
            and one.rss_bytes >= step.rss_over_bytes
            and (not step.cgroup or _within(one.pid, step.cgroup))
            and (not step.port or _listens(process, step.port))
        )
    except psutil.Error:
        return False


def _within(pid: int, group: str) -> bool:
    """Tell whether a process is in a control group or one below it, as in ``0::/system.slice/x.service``."""
    paths = [line.split(":", 2)[-1] for line in _proc(pid, "cgroup").splitlines()]
    return any(f"{path}/".startswith(f"{group.rstrip('/')}/") for path in paths)


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        one.status == psutil.CONN_LISTEN and one.laddr.port == port
        for one in process.net_connections(kind="tcp")
    )


def _read(pid: int) -> Found | None:
    """Read who a process is; None where it is gone, a kernel thread or not to be seen."""
    exe, stat = _link(pid, "exe"), _proc(pid, "stat").rpartition(")")[2].split()
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None
    if not exe or len(stat) < 22:
        return None
    return Found(pid, int(stat[19]), exe, uid, int(stat[21]) * os.sysconf("SC_PAGE_SIZE"))


def _link(pid: int, name: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/{name}").readlink())
    except OSError:
        return ""


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
