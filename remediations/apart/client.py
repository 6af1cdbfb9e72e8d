"""The way to the hand in a process of its own; where that does not answer, nothing is done instead."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from model.grant import Grant
from model.step import EVIDENCE_BYTES_MAX, STEP_TIMEOUT_S_MAX, Result, Step
from remediations.apart.packing import Garbled, unpack
from remediations.apart.words import (
    GRANTS_MAX,
    PART_CHARACTERS_MAX,
    VERSION,
    Alive,
    Closed,
    Done,
    Greeting,
    Request,
    Said,
    Stop,
    fits,
    peer,
    receive,
    send,
)
from remediations.kill_switch import KillSwitch

POLL_S: Final = 0.1
SILENT_S_MAX: Final = 5.0
STOPS_WITHIN_S: Final = 8.0
TAKES_S_MAX: Final = STEP_TIMEOUT_S_MAX + 60
OUTPUT_CHARACTERS_MAX: Final = EVIDENCE_BYTES_MAX + PART_CHARACTERS_MAX

Stopped = Callable[[], str]


class _Lost(Exception):
    """The hand cannot be spoken to; the text says why."""


class RemoteHand:
    """Asks for steps at a socket, each over a connection of its own, so a hand that came back is found again.

    ``uids`` are the users who may be behind the socket; nobody else is told anything. ``path`` is the socket.
    """

    def __init__(
        self,
        path: Path,
        uids: frozenset[int],
        monotonic: Callable[[], float],
        since_boot_ms: Callable[[], int],
    ) -> None:
        self._path = path
        self._uids = uids
        self._monotonic = monotonic
        self._since_boot_ms = since_boot_ms
        self._switch: KillSwitch | None = None

    def of(self, playbook: str, grants: tuple[Grant, ...] = ()) -> Bound:
        """Return what carries out the steps of one playbook; ``grants`` are what people said to the run."""
        return Bound(self, playbook, tuple(filter(fits, grants))[:GRANTS_MAX])

    def halted(self) -> str:
        """Return the sentence of the hand's own kill switch, where that is known, or the empty text."""
        return self._switch.active() if self._switch else ""

    def trouble(self) -> str:
        """Return why the hand does not listen, or the empty text; never waits."""
        try:
            self._connected().close()
        except _Lost as lost:
            return str(lost)
        return ""

    def greet(self) -> str:
        """Hear the hand's first word, and so where its kill switch is; return why not, or the empty text."""
        try:
            end = self._connected()
        except _Lost as lost:
            return str(lost)
        with end:
            try:
                self._greeted(_Talk(end, self._monotonic, self._monotonic()))
            except _Lost as lost:
                return str(lost)
        return ""

    def carry_out(self, bound: Bound, step: Step, stopped: Stopped, run: str, *, check: bool) -> Result:
        """Have one step taken; whatever goes wrong with it, or with the hand, is in the result."""
        because = stopped()
        if because:
            return Result(ok=False, reason=because, stopped=because)
        began_s = self._monotonic()
        try:
            end = self._connected()
        except _Lost as lost:
            return Result(ok=False, reason=f"the hand cannot be reached: {lost}")
        with end:
            talk = _Talk(end, self._monotonic, began_s)
            try:
                once = self._greeted(talk)
                now_ms = self._since_boot_ms()
                talk.say(Request(VERSION, once, now_ms, bound.playbook, run, step, check, bound.grants))
            except _Lost as lost:
                return Result(ok=False, reason=f"the hand cannot be reached: {lost}")
            result = self._awaited(talk, stopped)
        return replace(result, duration_ms=round((self._monotonic() - began_s) * 1000))

    def _connected(self) -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.setblocking(False)
        try:
            end.connect(str(self._path))
        except OSError as wrong:
            end.close()
            raise _Lost(f"{self._path}: {wrong.strerror}") from None
        uid = peer(end)[1]
        if uid not in self._uids:
            end.close()
            raise _Lost(f"behind {self._path} is the user {uid}, who is not the hand")
        return end

    def _greeted(self, talk: _Talk) -> str:
        word = talk.next(Greeting)
        while not isinstance(word, Greeting):
            talk.patience()
            word = talk.next(Greeting)
        if word.version != VERSION:
            raise _Lost(f"it speaks version {word.version} and the agent {VERSION}; upgrade and restart both")
        self._switch = KillSwitch(Path(word.switch))
        return word.once

    def _awaited(self, talk: _Talk, stopped: Stopped) -> Result:
        """Stay until the step is done, the hand is lost, or a wish to stop was not heard."""
        because = ""
        try:
            while True:
                if not because and (because := stopped()):
                    talk.stop(because)
                talk.patience()
                word = talk.next(Said, Alive, Done)
                if isinstance(word, Done):
                    return replace(word.result, output=talk.output)
        except _Lost as lost:
            reason = f"the hand was lost in the middle of the step ({lost}); what became of it is not known"
            return Result(ok=False, reason=reason, output=talk.output, stopped=because)


@dataclass(frozen=True, slots=True)
class Bound:
    """The way to the hand for one playbook and its run's grants; used like a hand in this process."""

    hand: RemoteHand
    playbook: str
    grants: tuple[Grant, ...] = ()

    def carry_out(self, step: Step, stopped: Stopped, run: str = "", *, check: bool = False) -> Result:
        """Have one step of the playbook taken; whatever goes wrong is in the result."""
        return self.hand.carry_out(self, step, stopped, run, check=check)


Word = Greeting | Said | Alive | Done


@dataclass(slots=True)
class _Talk:
    """One connection: what was said on it so far, and when anything was heard last."""

    end: socket.socket
    monotonic: Callable[[], float]
    began_s: float
    output: str = ""
    stopped_s: float | None = None
    heard_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.heard_s = self.began_s

    def stop(self, because: str) -> None:
        """Ask for the end of the step."""
        self.stopped_s = self.monotonic()
        self.say(Stop(because[:PART_CHARACTERS_MAX]))

    def say(self, word: object) -> None:
        """Send a word; the hand has room for the few that there are."""
        try:
            send(self.end, word)
        except OSError as wrong:
            raise _Lost(wrong.strerror or "it does not listen") from None

    def patience(self) -> None:
        """Raise where the hand says nothing, says too much, or takes too long."""
        now_s = self.monotonic()
        if self.stopped_s is not None and now_s - self.stopped_s > STOPS_WITHIN_S:
            raise _Lost("it did not stop when asked")
        if len(self.output) > OUTPUT_CHARACTERS_MAX:
            raise _Lost("it says more than a step may say")
        if now_s - self.heard_s > SILENT_S_MAX:
            raise _Lost(f"nothing was heard of it for {SILENT_S_MAX:g}s")
        if now_s - self.began_s > TAKES_S_MAX:
            raise _Lost(f"it took longer than {TAKES_S_MAX:g}s")

    def next(self, *kinds: type[Word]) -> Word | None:
        """Return the next word of these kinds, or None when there is none within 100 ms."""
        waiting = select.poll()
        waiting.register(self.end, select.POLLIN)
        if not waiting.poll(POLL_S * 1000):
            return None
        try:
            word = unpack(receive(self.end), kinds)
        except BlockingIOError:
            return None
        except (Closed, Garbled) as wrong:
            raise _Lost(str(wrong)) from None
        self.heard_s = self.monotonic()
        if isinstance(word, Said):
            self.output += word.part
        return word
