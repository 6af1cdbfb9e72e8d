"""The hand in a process of its own: takes the steps of enabled playbooks, for one user, and nothing else.

One thread listens, judges and writes down; workers take the steps. Nothing is believed that comes through the
socket: who speaks is asked of the kernel, what may be done stands in files that only root can write.
"""

from __future__ import annotations

import logging
import os
import secrets
import select
import selectors
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from model.step import Result
from remediations.apart.allowed import Allowed, changes, judged, refusal
from remediations.apart.book import HandBook
from remediations.apart.packing import Garbled, unpack
from remediations.apart.words import (
    ALIVE_EVERY_S,
    PART_CHARACTERS_MAX,
    VERSION,
    Alive,
    Closed,
    Done,
    Greeting,
    Request,
    Said,
    Stop,
    peer,
    receive,
    send,
)
from remediations.kill_switch import KillSwitch
from remediations.running.carrying import CarriesOut
from remediations.running.trace import HIDDEN

CALLERS_MAX: Final = 16
STEPS_AT_ONCE_MAX: Final = 8
ASKS_WITHIN_S: Final = 5.0
LISTENS_WITHIN_S: Final = 5.0
LEAVES_WITHIN_S: Final = 10.0
TEXT_CHARACTERS_MAX: Final = 1000
LEAVING: Final = "the hand is stopping"
GONE: Final = "the agent is gone"

log = logging.getLogger("beforehand.hand")


@dataclass(slots=True, eq=False)
class _Caller:
    """Somebody at the other end; ``halt`` is why its step is to end, heard by the worker."""

    end: socket.socket
    pid: int
    once: str
    since_s: float
    asked: Request | None = None
    job: Future[Result] | None = None
    halt: str = ""
    heard: bool = field(default=True)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server needs: whose requests it takes, what takes steps, its books, and the time.

    ``lives`` is called in each turn of the loop.
    """

    uid: int
    hand: CarriesOut
    book: HandBook
    switch: KillSwitch
    monotonic: Callable[[], float]
    now_ms: Callable[[], int]
    since_boot_ms: Callable[[], int]
    lives: Callable[[], None]


class HandServer:
    """Serves at a listening socket until ``stop``; one thread does all but the steps."""

    def __init__(self, listener: socket.socket, around: Surroundings, allowed: Allowed) -> None:
        self._listener = listener
        self._around = around
        self._allowed = allowed
        self._wakefd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._pool = ThreadPoolExecutor(STEPS_AT_ONCE_MAX, thread_name_prefix="step")
        self._callers: set[_Caller] = set()
        self._reload: Callable[[], Allowed] | None = None
        self._leaving = ""
        self._alive_s = 0.0

    def serve(self) -> None:
        """Work until told to stop; steps that are under way are ended then."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakefd, selectors.EVENT_READ, lambda: os.eventfd_read(self._wakefd))
        try:
            while not self._leaving:
                for key, _ in self._selector.select(ALIVE_EVERY_S / 2):
                    key.data()
                self._tend()
                self._around.lives()
        finally:
            self._end()

    def stop(self) -> None:
        """Let ``serve`` return soon; may be called from a signal's handler and from any thread."""
        self._leaving = LEAVING
        os.eventfd_write(self._wakefd, 1)

    def use(self, load: Callable[[], Allowed]) -> None:
        """Take another list soon, as ``load`` returns it; may be called like ``stop``."""
        self._reload = load
        os.eventfd_write(self._wakefd, 1)

    def close(self) -> None:
        """Let go of what ``stop`` and ``use`` need; nobody may call them any more."""
        os.close(self._wakefd)

    def _tend(self) -> None:
        """Take in what workers did, tell who waits that we live, and let go who says nothing."""
        now_s = self._around.monotonic()
        for caller in [one for one in self._callers if one.job is not None and one.job.done()]:
            self._finish(caller)
        for caller in [one for one in self._callers if one.job is None]:
            if now_s - caller.since_s > ASKS_WITHIN_S:
                self._refuse(caller, "it asked for nothing")
                self._let_go(caller)
        if now_s - self._alive_s >= ALIVE_EVERY_S:
            self._alive_s = now_s
            for caller in self._callers:
                if caller.job is not None and caller.heard:
                    _try(caller.end, Alive())
        if self._reload is not None:
            load, self._reload = self._reload, None
            self._allowed = load()

    def _accept(self) -> None:
        try:
            end, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        pid, uid, gid = peer(end)
        if uid != self._around.uid:
            self._write_refused(
                {"pid": pid, "uid": uid, "gid": gid, "because": "this user is not the agent's"}
            )
            end.close()
            return
        if len(self._callers) >= CALLERS_MAX:
            self._write_refused({"pid": pid, "because": f"there are {CALLERS_MAX} callers already"})
            end.close()
            return
        end.setblocking(False)
        caller = _Caller(end, pid, secrets.token_hex(16), self._around.monotonic())
        self._callers.add(caller)
        self._selector.register(end, selectors.EVENT_READ, lambda: self._hear(caller))
        _try(end, Greeting(VERSION, caller.once, str(self._around.switch.path)))

    def _hear(self, caller: _Caller) -> None:
        """Hear a word: first a request, then nothing but the wish to stop."""
        try:
            data = receive(caller.end)
            if caller.asked is None:
                self._take(caller, unpack(data, [Request]))
            else:
                caller.halt = unpack(data, [Stop]).because[:TEXT_CHARACTERS_MAX] or GONE
        except BlockingIOError:
            return
        except Closed:
            self._deaf(caller, GONE)
        except Garbled as wrong:
            self._refuse(caller, str(wrong))
            self._deaf(caller, f"the agent broke the agreement: {wrong}")

    def _deaf(self, caller: _Caller, because: str) -> None:
        """Hear no more of a caller; a step of it ends."""
        if caller.job is None:
            self._let_go(caller)
            return
        caller.halt, caller.heard = because, False
        self._selector.unregister(caller.end)

    def _take(self, caller: _Caller, asked: Request) -> None:
        caller.asked = asked
        because = self._judged(caller, asked)
        if because:
            self._refuse(caller, because)
            _try(
                caller.end,
                Done(Result(ok=False, reason=f"the hand refused: {because}"[:TEXT_CHARACTERS_MAX])),
            )
            self._let_go(caller)
            return
        caller.job = self._pool.submit(self._carry, caller, asked)
        caller.job.add_done_callback(lambda _: os.eventfd_write(self._wakefd, 1))

    def _judged(self, caller: _Caller, asked: Request) -> str:
        """Return why not; a step that may be taken is written down here."""
        now_ms = self._around.now_ms()
        because = refusal(asked, caller.once, self._allowed, self._around.since_boot_ms())
        if because:
            return because
        if sum(one.job is not None for one in self._callers) >= STEPS_AT_ONCE_MAX:
            return f"{STEPS_AT_ONCE_MAX} steps are under way already"
        start = None
        if changes(asked, self._allowed.each[asked.playbook]):
            verdict = judged(asked, self._allowed, self._around.book.past(now_ms), now_ms)
            if verdict.because:
                return verdict.because
            start = verdict.start
        try:
            self._around.book.intend(
                {"id": caller.once, "at_ms": now_ms, **_told(asked, self._allowed)}, start
            )
        except OSError as wrong:
            return f"what is done cannot be written down: {wrong.strerror}"
        return ""

    def _carry(self, caller: _Caller, asked: Request) -> Result:
        """A worker's part: take the step, then say what came of it."""
        switch = self._around.switch

        def stopped() -> str:
            return caller.halt or switch.active() or self._leaving

        result = self._around.hand.carry_out(asked.step, stopped, asked.run, check=asked.check)
        output = result.output
        for at in range(0, len(output), PART_CHARACTERS_MAX):
            if not _patiently(caller.end, Said(output[at : at + PART_CHARACTERS_MAX])):
                return result
        reason, diff = result.reason[:TEXT_CHARACTERS_MAX], result.diff[: PART_CHARACTERS_MAX // 2]
        _patiently(caller.end, Done(replace(result, output="", reason=reason, diff=diff)))
        return result

    def _finish(self, caller: _Caller) -> None:
        """Write down what came of a step, of a bug in it as well."""
        assert caller.job is not None, "only who asked is finished"
        bug = caller.job.exception()
        line: dict[str, Any] = {"id": caller.once, "at_ms": self._around.now_ms()}
        if bug is not None:
            log.error("a bug in a step", exc_info=bug)
            line |= {"ok": False, "because": f"a bug: {bug!r}"[:TEXT_CHARACTERS_MAX]}
        else:
            result = caller.job.result()
            line |= {"ok": result.ok, "rc": result.rc, "changed": result.changed}
            line |= {"because": result.reason[:TEXT_CHARACTERS_MAX], "took_ms": result.duration_ms}
        try:
            self._around.book.note(line)
        except OSError as wrong:
            log.error("what came of a step cannot be written down: %s", wrong)  # noqa: TRY400  a full disk is no bug
        self._let_go(caller)

    def _refuse(self, caller: _Caller, because: str) -> None:
        told = _told(caller.asked, self._allowed) if caller.asked else {}
        self._write_refused({"pid": caller.pid, **told, "because": because[:TEXT_CHARACTERS_MAX]})

    def _write_refused(self, line: dict[str, Any]) -> None:
        now_ms = self._around.now_ms()
        try:
            if self._around.book.refuse({"at_ms": now_ms, **line}, now_ms):
                log.warning("refused: %s", line)
        except OSError as wrong:
            log.error("who was refused cannot be written down: %s", wrong)  # noqa: TRY400  a full disk is no bug

    def _let_go(self, caller: _Caller) -> None:
        if caller.heard:
            self._selector.unregister(caller.end)
        self._callers.discard(caller)
        caller.end.close()

    def _end(self) -> None:
        """End what is under way, and let go of everybody."""
        self._selector.unregister(self._listener)
        jobs = [caller.job for caller in self._callers if caller.job is not None]
        wait(jobs, timeout=LEAVES_WITHIN_S)
        for caller in tuple(self._callers):
            if caller.job is not None and caller.job.done():
                self._finish(caller)
            else:
                self._let_go(caller)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._selector.close()


def listening(path: Path, gid: int) -> socket.socket:
    """Return a socket at this path that only this user and that group can connect to; may raise ``OSError``.

    What a hand that was killed left at the path is taken away; whoever calls this holds the lock of the hand.
    """
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        if gid != path.stat().st_gid:
            os.chown(path, -1, gid)
        path.chmod(0o660)
        listener.listen(CALLERS_MAX)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _told(asked: Request, allowed: Allowed) -> dict[str, Any]:
    allowance = allowed.each.get(asked.playbook)
    hidden = allowance is not None and asked.step in allowance.hidden
    told = {
        "playbook": asked.playbook[:TEXT_CHARACTERS_MAX],
        "run": asked.run[:TEXT_CHARACTERS_MAX],
        "step": HIDDEN if hidden else str(asked.step)[:TEXT_CHARACTERS_MAX],
        "check": asked.check,
    }
    # What is claimed; who is believed stands in "by".
    claims = [f"{one.by} {'agrees' if one.yes else 'does not agree'} to {one.ask}" for one in asked.grants]
    return {**told, "grants": claims} if claims else told


def _try(end: socket.socket, word: object) -> bool:
    """Send a word if the other side has room for it."""
    try:
        send(end, word)
    except OSError:
        return False
    return True


def _patiently(end: socket.socket, word: object) -> bool:
    """Send a word to somebody who may be slow, but not for ever; tell whether it went."""
    while not _try(end, word):
        waiting = select.poll()
        waiting.register(end, select.POLLOUT)
        ready = waiting.poll(LISTENS_WITHIN_S * 1000)
        if not ready or ready[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            return False
    return True
