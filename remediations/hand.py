"""The hand: the one place of the agent that starts programs and ends processes."""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from model.deed import Deed
from model.grant import Grant
from model.step import End, Exec, Gather, Look, Result, Step
from remediations import evidence, processes
from remediations.deeds import DEEDS
from remediations.deeds.doing import Doing
from remediations.executable import SAFE_PATH, NotRunnable, runnable
from remediations.leftovers import Leftovers
from remediations.redact import presentable

POLL_S: Final = 0.1
GRACE_S: Final = 5.0
GRACE_STOPPED_S: Final = 0.4
SIGHTS_HANGING_MAX: Final = 4
MARK: Final = "BEFOREHAND_STEP"

_CHUNK_BYTES: Final = 64 << 10
_ENVIRONMENT: Final = {"PATH": ":".join(SAFE_PATH), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/"}

Stopped = Callable[[], str]


@dataclass(slots=True)
class _Child:
    """A program that runs, with what it said so far."""

    process: subprocess.Popen[bytes]
    pidfd: int
    pipe: int
    mark: str
    output: bytearray
    bytes_max: int
    open: bool = True

    def wait(self, wait_s: float) -> bool:
        """Read what comes until the program is gone or the time is over; tell whether it is gone."""
        watched = select.poll()
        watched.register(self.pidfd, select.POLLIN)
        if self.open:
            watched.register(self.pipe, select.POLLIN)
        ready = dict(watched.poll(wait_s * 1000))
        if self.pipe in ready:
            self.read()
        return self.pidfd in ready

    def read(self) -> None:
        """Keep what fits; one byte more tells that something was cut."""
        try:
            data = os.read(self.pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return
        self.open = bool(data)
        self.output += data[: max(0, self.bytes_max + 1 - len(self.output))]

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; its number stays ours until the process was waited for."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


class Hand:
    """Carries out steps, one at a time for each calling thread; ``monotonic`` counts seconds.

    ``stopped`` is asked at least every 100 ms; as soon as it answers with a sentence the step is ended.
    ``keep`` is a folder of its own for what an undo needs.
    """

    def __init__(self, monotonic: Callable[[], float], now_ms: Callable[[], int], keep: Path) -> None:
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._keep = keep
        self._leftovers = Leftovers()
        self._marks = itertools.count(1)
        self._never = threading.Event()
        self._hanging = threading.Semaphore(SIGHTS_HANGING_MAX)

    def of(self, _playbook: str, _grants: tuple[Grant, ...] = ()) -> Hand:
        """Return the hand itself: in the agent's process there are no rights to keep apart."""
        return self

    def carry_out(self, step: Step, stopped: Stopped, run: str = "", *, check: bool = False) -> Result:
        """Carry out one step of a run; whatever goes wrong with it is in the result.

        With ``check`` nothing is changed: a deed only looks, and what is a program is not run.
        """
        began_s = self._monotonic()
        result = self._one(step, stopped, run, check=check)
        return replace(result, duration_ms=round((self._monotonic() - began_s) * 1000))

    def close(self) -> None:
        """Stop reaping; daemons that were started go on."""
        self._leftovers.close()

    def _one(self, step: Step, stopped: Stopped, run: str, *, check: bool) -> Result:
        because = stopped()
        if because:
            return Result(ok=False, reason=because, stopped=because)
        if isinstance(step, Look):
            return Result(ok=True, output=processes.read_pidfile(step.pidfile).state)
        if isinstance(step, Gather):
            return self._gather(step, stopped)
        if not isinstance(step, Exec | End):
            return self._deed(step, stopped, run, check=check)
        if check:
            return Result(ok=True, diff=f"would {step}")
        result = self._exec(step, stopped) if isinstance(step, Exec) else self._end(step, stopped)
        return replace(result, changed=result.ok)

    def _deed(self, step: Deed, stopped: Stopped, run: str, *, check: bool) -> Result:
        doing = Doing(
            stopped=stopped,
            monotonic=self._monotonic,
            now_ms=self._now_ms,
            pause=lambda wait_s: self._pause(wait_s, stopped),
            exec=lambda program: self._exec(program, stopped),
            run=run,
            keep=self._keep,
            check=check,
        )
        return DEEDS[type(step)](step, doing)

    def _pause(self, wait_s: float, stopped: Stopped) -> None:
        until_s = self._monotonic() + wait_s
        while not stopped() and (left_s := until_s - self._monotonic()) > 0:
            self._never.wait(min(POLL_S, left_s))

    def _exec(self, step: Exec, stopped: Stopped) -> Result:
        mark = f"{os.getpid()}.{next(self._marks)}"
        try:
            path = runnable(step.argv[0])
            reader, writer = (-1, -1) if step.detached else _pipe()
            try:
                process = _start(path, step.argv, mark, subprocess.DEVNULL if step.detached else writer)
            finally:
                _close(writer)
        except NotRunnable as wrong:
            return Result(ok=False, reason=str(wrong))
        except (OSError, ValueError, subprocess.SubprocessError) as wrong:
            _close(reader)
            return Result(ok=False, reason=f"{step.argv[0]} could not be started: {wrong}")
        if step.detached:
            self._leftovers.reap(process)
            return Result(ok=True, output=f"started with pid {process.pid}")
        child = _Child(process, os.pidfd_open(process.pid), reader, mark, bytearray(), step.output_bytes_max)
        try:
            return self._attend(step, child, stopped)
        finally:
            self._part(child)

    def _attend(self, step: Exec, child: _Child, stopped: Stopped) -> Result:
        """Stay with a program until it is gone, its time is over or the kill switch is set."""
        until_s = self._monotonic() + step.timeout_s
        because = overtime = ""
        while not child.wait(max(0.0, min(POLL_S, until_s - self._monotonic()))):
            because = stopped()
            if because or self._monotonic() >= until_s:
                overtime = "" if because else f"it did not end within {step.timeout_s:g}s and was ended"
                self._put_down(child, GRACE_STOPPED_S if because else GRACE_S)
                break
        output = _rest(child)
        if because or overtime:
            code = self._buried(child)
            return Result(
                ok=False,
                reason=because or overtime,
                output=output,
                signal=max(0, -code) or None,
                stopped=because,
            )
        return _judged(step, child.process.wait(), output)

    def _buried(self, child: _Child) -> int:
        """Wait for a killed program; one that the kernel holds on to is reaped later."""
        until_s = self._monotonic() + processes.KILLED_WITHIN_S
        while self._monotonic() < until_s:
            if child.wait(POLL_S):
                return child.process.wait()
        self._leftovers.reap(child.process)
        return -signal.SIGKILL

    def _put_down(self, child: _Child, grace_s: float) -> None:
        """Ask the whole group to end, then kill it together with what slipped out of it."""
        child.signal(signal.SIGTERM)
        until_s = self._monotonic() + grace_s
        while self._monotonic() < until_s and not child.wait(min(POLL_S, grace_s)):
            pass
        child.signal(signal.SIGKILL)
        processes.kill(processes.marked(MARK, child.mark))

    def _part(self, child: _Child) -> None:
        """Close what is ours; a pipe that somebody still holds is read on elsewhere."""
        os.close(child.pidfd)
        if child.open:
            self._leftovers.empty(child.pipe)
        else:
            os.close(child.pipe)

    def _end(self, step: End, stopped: Stopped) -> Result:
        found = processes.read_pidfile(step.pidfile)
        if found.state != "alive":
            return _end_orphans(step, found)
        if processes.is_ours(found.pid) or not processes.is_program(found.pid, step.exe):
            return Result(ok=True, output=f"pid {found.pid} is not {step.exe}; it was left alone")
        try:
            pidfd = os.pidfd_open(found.pid)
        except ProcessLookupError:
            return Result(ok=True, output=f"pid {found.pid} ended by itself")
        try:
            # The number may have changed hands before the pidfd was opened; from here on it cannot.
            if not processes.is_program(found.pid, step.exe):
                return Result(ok=True, output=f"pid {found.pid} ended by itself")
            return self._end_one(step, found.pid, pidfd, stopped)
        except PermissionError:
            return Result(ok=False, reason=f"pid {found.pid} belongs to another user and cannot be ended")
        finally:
            os.close(pidfd)

    def _end_one(self, step: End, pid: int, pidfd: int, stopped: Stopped) -> Result:
        offspring = processes.offspring(pid)
        said = ""
        if step.stop:
            asked = self._exec(Exec(step.stop, timeout_s=step.patience_s, any_rc=True), stopped)
            if asked.stopped:
                return asked
            said = asked.output or asked.reason
        else:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        because = self._gone(pidfd, step.patience_s, stopped)
        if because is None:
            return Result(ok=True, output=said or f"pid {pid} ended")
        if because:
            return Result(ok=False, reason=because, output=said, stopped=because)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        processes.kill(offspring)
        if self._gone(pidfd, processes.KILLED_WITHIN_S, stopped) is None:
            return Result(ok=True, output=f"{said}\npid {pid} did not end when asked and was killed".strip())
        return Result(ok=False, reason=f"pid {pid} cannot be killed; it waits for the kernel", output=said)

    def _gone(self, pidfd: int, within_s: float, stopped: Stopped) -> str | None:
        """Wait for the end of a process; None when it is gone, else the kill switch's sentence or ''."""
        watched = select.poll()
        watched.register(pidfd, select.POLLIN)
        until_s = self._monotonic() + within_s
        because = ""
        while not because and (left_s := until_s - self._monotonic()) > 0:
            if watched.poll(min(POLL_S, left_s) * 1000):
                return None
            because = stopped()
        return because

    def _gather(self, step: Gather, stopped: Stopped) -> Result:
        """Look from a thread that can be left behind: the kernel may never answer."""
        if not self._hanging.acquire(blocking=False):
            return Result(ok=False, reason=f"{step.what} was not looked at: earlier looks still hang")
        done = threading.Event()
        seen: list[str] = []

        def look() -> None:
            try:
                seen.append(evidence.sight(step.what))
            except OSError as wrong:
                seen.append(f"{step.what} cannot be seen: {wrong}")
            finally:
                self._hanging.release()
                done.set()

        threading.Thread(target=look, name=f"sight-{step.what}", daemon=True).start()
        until_s = self._monotonic() + step.timeout_s
        while not done.wait(POLL_S):
            because = stopped()
            if because or self._monotonic() >= until_s:
                reason = because or f"{step.what} was not seen within {step.timeout_s:g}s"
                return Result(ok=False, reason=reason, stopped=because)
        return Result(ok=True, output=presentable("".join(seen).encode(), step.output_bytes_max))


def _pipe() -> tuple[int, int]:
    """Return a pipe whose reading end never blocks; the program's own end does, as it expects."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reader, False)
    return reader, writer


def _start(path: str, argv: tuple[str, ...], mark: str, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        executable=path,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env={**_ENVIRONMENT, MARK: mark},
        umask=0o077,
        start_new_session=True,
    )


def _rest(child: _Child) -> str:
    """Return what a program said, with what still stands in the pipe, without waiting for its end."""
    before = -1
    while child.open and before < len(child.output) <= child.bytes_max:
        before = len(child.output)
        child.read()
    return presentable(bytes(child.output), child.bytes_max)


def _judged(step: Exec, code: int, output: str) -> Result:
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        reason = "" if step.any_rc else f"it was ended by {name}"
        return Result(ok=step.any_rc, reason=reason, output=output, signal=-code)
    if step.any_rc or code in step.allowed_rc:
        return Result(ok=True, output=output, rc=code)
    return Result(ok=False, reason=f"it ended with exit code {code}", output=output, rc=code)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def _end_orphans(step: End, found: processes.Pidfile) -> Result:
    """End the workers of a daemon that died without them; they would keep its port."""
    left = processes.orphans(found.pid, step.exe) if found.state == "dead" else ()
    if not left:
        return Result(ok=True, output=f"nothing to end: the process of {step.pidfile} is {found.state}")
    if processes.end(left, step.patience_s):
        return Result(ok=True, output=f"ended {len(left)} processes that pid {found.pid} left behind")
    return Result(ok=False, reason=f"what pid {found.pid} left behind cannot be ended")
