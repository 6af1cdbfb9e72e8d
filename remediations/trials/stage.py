"""The stage of a trial: a clock that only steps move, and a hand that answers from what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from model.step import Exec, Gather, Look, Result, Step, vital
from remediations.redact import presentable
from remediations.running.carrying import Reins, Word
from remediations.trials.file import Command, Deed, Trial
from remediations.writing.gates import Gate

START_MS: Final = 1_767_225_600_000
"""Every test begins at midnight of 2026-01-01 in UTC, so that moments in sentences are known."""

_OUTPUT_BYTES_MAX: Final = 1 << 20
_NOTHING_WRITTEN: Final = "the test says nothing of it"
_NOBODY: Final = "nobody approved it in time, which means no"

Key = tuple[str, ...]


@dataclass(slots=True)
class Stage:
    """Takes steps by answering what the test says; ``unwritten`` are those of which it says nothing.

    ``taken`` are the steps of the run in their order, ``said`` everything that was put out.
    """

    answers: Mapping[Key, Sequence[Command | Deed]]
    lenient: bool
    approved: bool = False
    now_ms: int = START_MS
    stopped: str = ""
    resolved: bool = False
    taken: list[Step] = field(default_factory=list)
    unwritten: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    _times: dict[Key, int] = field(default_factory=dict)

    @classmethod
    def of(cls, trial: Trial) -> Stage:
        """Return the stage of a test."""
        answers: dict[Key, list[Command | Deed]] = {}
        for answer in trial.answers:
            answers.setdefault(key_of(answer), []).append(answer)
        return cls(answers, lenient=trial.commands_default == "ok", approved=trial.host.approved)

    def reins(self) -> Reins:
        """Return what holds a worker back here; where it waits, the clock goes on."""
        return Reins(
            halted=lambda: self.stopped,
            leaving=lambda: "",
            resolved=lambda: self.resolved,
            pause=lambda wait_s: self.pass_ms(round(wait_s * 1000)),
            now=lambda: self.now_ms,
        )

    def ask(self, gate: Gate, say: str, reins: Reins) -> Word:
        """Answer as the test's people do, who say yes at once or nothing at all."""
        self.said.append(say)
        if self.approved:
            return Word(hand=self)
        reins.pause(gate.asks.within.s)
        return Word(no=_NOBODY)

    def pass_ms(self, length_ms: int) -> None:
        """Let time go on."""
        self.now_ms += length_ms

    def carry_out(
        self, step: Step, stopped: Callable[[], str], run: str = "", *, check: bool = False
    ) -> Result:
        """Answer as the program or the deed would; questions, which belong to no run, need no answer."""
        assert not check, "a test takes steps"
        because = stopped()
        if because:
            return Result(ok=False, reason=because, stopped=because)
        if run:
            self.taken.append(step)
        answer = self._next(_key(step))
        if answer is None:
            return self._unwritten(step, asked=not run)
        limit_s = step.timeout_s if isinstance(step, Exec) and not step.detached else None
        late = limit_s is not None and answer.takes.s > limit_s
        took_ms = round(limit_s * 1000) if limit_s is not None and late else answer.takes.ms
        self.pass_ms(took_ms)
        self.resolved = self.resolved or answer.resolves
        self.stopped = answer.stopped or self.stopped
        said = answer.stdout if isinstance(answer, Command) else answer.output
        self.said.append(said)
        output = presentable(said.encode(), getattr(step, "output_bytes_max", _OUTPUT_BYTES_MAX))
        if answer.stopped:
            return Result(
                ok=False, reason=answer.stopped, output=output, duration_ms=took_ms, stopped=answer.stopped
            )
        overtime = f"it did not end within {limit_s:g}s and was ended" if late else ""
        return _result(step, answer, overtime or answer.reason, output, took_ms)

    def _next(self, key: Key) -> Command | Deed | None:
        answers = self.answers.get(key, ())
        if not answers:
            return None
        times = self._times[key] = self._times.get(key, 0) + 1
        return answers[min(times, len(answers)) - 1]

    def _unwritten(self, step: Step, *, asked: bool) -> Result:
        if asked or self.lenient or not vital(step):
            # Evidence and questions are looks: they change nothing, and an empty answer proves nothing.
            looks = asked or isinstance(step, Look | Gather)
            return Result(ok=True, rc=0 if isinstance(step, Exec) else None, changed=not looks)
        self.unwritten.append(step)
        return Result(ok=False, reason=_NOTHING_WRITTEN)


def key_of(answer: Command | Deed) -> Key:
    """Return what an answer is found by: the words of a program, or the sentence of another step."""
    return answer.run.each if isinstance(answer, Command) else ("", answer.step)


def _key(step: Step) -> Key:
    return step.argv if isinstance(step, Exec) else ("", str(step))


def known_keys(steps: Sequence[Step]) -> frozenset[Key]:
    """Return what answers to these steps are found by."""
    return frozenset(map(_key, steps))


def _result(step: Step, answer: Command | Deed, reason: str, output: str, took_ms: int) -> Result:
    """Return what the hand would make of an answer."""
    if reason:
        return Result(ok=False, reason=reason, output=output, duration_ms=took_ms)
    if isinstance(answer, Deed):
        return Result(ok=True, output=output, rc=answer.rc, duration_ms=took_ms, changed=answer.changed)
    assert isinstance(step, Exec), "only programs are found by their words"
    if step.detached:
        return Result(ok=True, output=output, duration_ms=took_ms, changed=True)
    ok = step.any_rc or answer.rc in step.allowed_rc
    sentence = "" if ok else f"it ended with exit code {answer.rc}"
    return Result(ok=ok, reason=sentence, output=output, rc=answer.rc, duration_ms=took_ms, changed=ok)
