"""A worker's part of a run: tasks in their order, each step written down before it is taken and after.

Conditions, loops, retries, blocks and rescues mean what they mean in Ansible. The kill switch, a lost journal
and an agent that leaves end a run where it stands: nothing more is done then, not even what ``always`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from model.alert import Alert
from model.grant import Grant
from model.step import Host, Result, Risk, Step, vital
from remediations.actions.speech import Approval, Speech, is_speech, said
from remediations.running.journal import Journal, JournalLost
from remediations.running.run import Carried
from remediations.running.trace import HIDDEN, NOTHING, Back, backs, places, trace
from remediations.writing.clause import Clause
from remediations.writing.condition_words import Unsound, Value
from remediations.writing.gates import Gate, Gates, gates
from remediations.writing.playbook import Playbook
from remediations.writing.task import Block, Task, Tasks, Terms, Turn
from remediations.writing.told import Told, together

NOTES_MAX: Final = 10
STEP_CHARS_MAX: Final = 200
UNASKED: Final = "people did not approve it"

Now = Callable[[], int]
Answers = tuple[tuple[Result, ...], ...]


class CarriesOut(Protocol):
    """Whoever takes steps: the hand in this process, or the way to the one in a process of its own."""

    def carry_out(
        self, step: Step, stopped: Callable[[], str], run: str = "", *, check: bool = False
    ) -> Result:
        """Take one step of a run, or with ``check`` only look; whatever goes wrong is in the result."""


class Hands(Protocol):
    """Where hands are to be had, one for each playbook: a hand takes only the steps of its own."""

    def of(self, playbook: str, grants: tuple[Grant, ...] = ()) -> CarriesOut:
        """Return what carries out the steps of this playbook; ``grants`` are what people said to the run."""


@dataclass(frozen=True, slots=True)
class Reins:
    """What holds a worker back, asked from its thread.

    ``halted`` ends a step in its middle. ``resolved`` and ``leaving`` (the agent wants to stop) are asked
    only where an action begins, so that a service is not left stopped between two steps. ``pause`` waits for
    so many seconds, or until one of them has something to say.
    """

    halted: Callable[[], str]
    leaving: Callable[[], str]
    resolved: Callable[[], bool]
    pause: Callable[[float], None]
    now: Now


@dataclass(frozen=True, slots=True)
class Word:
    """What people answered: ``hand`` takes what they agreed to, ``no`` is the sentence where they did not."""

    no: str = ""
    hand: CarriesOut | None = None


class Asks(Protocol):
    """The way from a run to people."""

    def ask(self, gate: Gate, say: str, reins: Reins) -> Word:
        """Ask, and wait for the answer or for a reason to end; may raise ``JournalLost``."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """No way to anybody: what asks is not approved."""

    def ask(self, _gate: Gate, _say: str, _reins: Reins) -> Word:
        """Return a no."""
        return Word(no="nobody can be asked for an approval here")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a worker is sent to do: one run of a playbook on this host; conditions see the ``values``."""

    run: str
    playbook: Playbook
    host: Host
    values: Mapping[str, Value]
    people: Asks = Nobody()


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an undo: what could not be done and why, or nothing."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed: its name, why, and its result as conditions see it."""

    task: str
    sentence: str
    result: Mapping[str, Value]


class _Over(Exception):
    """The run ends here, whatever was still to be done."""

    def __init__(self, *, because: str = "", trouble: str = "", spared: bool = False) -> None:
        super().__init__(because or trouble)
        self.because, self.trouble, self.spared = because, trouble, spared


def carry(errand: Errand, hand: CarriesOut, journal: Journal, reins: Reins) -> Carried:
    """Carry out a playbook's tasks until one fails for good, and return what came of them."""
    book = errand.playbook
    worker = _Worker(errand, hand, journal, reins, dict(errand.values), places(book), gates(book.steps))
    try:
        failure = worker.tasks(book.steps, (), hide=False)
    except _Over as over:
        spared = over.spared and not worker.acted_ms
        return worker.done(trouble=over.trouble, stopped=over.because, spared=spared)
    return worker.done(trouble=failure.sentence if failure else "")


def undo(run: str, done: Carried, hand: CarriesOut, journal: Journal, reins: Reins) -> Undone:
    """Take back what a run had changed, as far as it goes, and return everything that was not undone."""
    troubles = list(done.lost)
    for number, back in enumerate(done.undo, done.steps + 1):
        sentence = HIDDEN if back.hide else str(back.step)
        rest = (HIDDEN if one.hide else str(one.step) for one in done.undo[number - done.steps - 1 :])
        because = reins.halted()
        if because:
            return Undone("; ".join((because, *rest, *troubles)))
        try:
            journal.intend(run, number, f"undo: {sentence}", reins.now(), back.trace)
            result = hand.carry_out(back.step, reins.halted, run)
            journal.note(run, number, _logged(result, hide=back.hide), reins.now())
        except JournalLost as lost:
            return Undone("; ".join((str(lost), *rest, *troubles)))
        if not result.ok and vital(back.step):
            troubles.append(f"{sentence}: {result.reason}")
    return Undone("; ".join(troubles))


def given(alert: Alert, host: Host) -> dict[str, Value]:
    """Return what conditions see before any task was done."""
    return {
        "labels": dict(alert.labels.pairs),
        "alert": {"name": alert.name, "value": alert.value},
        "facts": {"has_systemd": host.has_systemd},
    }


def ask(questions: Sequence[Sequence[Step]], hand: CarriesOut, halted: Callable[[], str]) -> Answers:
    """Carry out read-only questions and return their results in the same order."""
    return tuple(tuple(hand.carry_out(step, halted) for step in steps) for steps in questions)


@dataclass(slots=True)
class _Worker:
    """One worker at one run; ``values`` are what conditions see, results that were registered included.

    ``agreed`` are the numbers of the questions to which people said yes.
    """

    errand: Errand
    hand: CarriesOut
    journal: Journal
    reins: Reins
    values: dict[str, Value]
    places: Mapping[int, int]
    gates: Gates
    agreed: set[int] = field(default_factory=set)
    acted_ms: int = 0
    number: int = 0
    undo: dict[str, tuple[Back, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    escalate: bool = False

    def done(self, *, trouble: str = "", stopped: str = "", spared: bool = False) -> Carried:
        """Return what came of it; what was done last is undone first."""
        undo = tuple(back for each in reversed(self.undo.values()) for back in each)
        return Carried(
            self.reins.now(),
            self.acted_ms,
            trouble,
            stopped,
            spared,
            self.number,
            undo,
            notes=tuple(self.notes),
            escalate=self.escalate,
        )

    def tasks(self, tasks: Tasks, when: tuple[Clause, ...], *, hide: bool) -> Failure | None:
        """Do these in their order, until one fails."""
        for one in tasks.each:
            conditions, hidden = (*when, *one.terms.when.each), hide or one.terms.no_log
            if isinstance(one, Block):
                failure = self.block(one, conditions, hide=hidden)
            else:
                failure = self.task(one, conditions, hide=hidden)
            if failure and not one.terms.ignore_errors:
                return failure
        return None

    def block(self, block: Block, when: tuple[Clause, ...], *, hide: bool) -> Failure | None:
        """Do a block, rescue it where that is written, and do in any case what is always to be done."""
        failure = self.tasks(block.block, when, hide=hide)
        if failure and block.rescue.each:
            self.values["failed_task"], self.values["failed_result"] = failure.task, failure.result
            failure = self.tasks(block.rescue, when, hide=hide)
        last = self.tasks(block.always, when, hide=hide)
        return failure or last

    def task(self, task: Task, when: tuple[Clause, ...], *, hide: bool) -> Failure | None:
        """Do a task for each turn of its loop; as in Ansible a turn that failed does not stop the others."""
        turns = [self.turn(task, turn, when, hide=hide) for turn in task.turns]
        result = together(turns) if task.loops else turns[0]
        if task.terms.register:
            self.values[task.terms.register] = result.values()
        if not result.failed:
            return None
        sentence = f"{task.terms.name}: {result.msg}" if task.terms.name else result.msg
        return Failure(task.title, sentence, result.values())

    def turn(self, task: Task, turn: Turn, when: tuple[Clause, ...], *, hide: bool) -> Told:
        """Do a task once, or again as often as its terms say; what a condition cannot answer is a failure."""
        values = {**self.values, "item": turn.item} if task.loops else dict(self.values)
        try:
            if not _hold(when, values):
                return Told(skipped=True, msg="its condition does not hold")
            for attempt in range(1, task.terms.attempts + 1):
                told = replace(self.once(task, turn, values, hide=hide), attempts=attempt)
                if task.terms.register:
                    values[task.terms.register] = told.values()
                told = _judged(told, task.terms, values)
                done = _hold(task.terms.until.each, values) if task.terms.until.each else not told.failed
                if done:
                    return told
                if attempt < task.terms.attempts:
                    self.pause(task.terms.delay.s)
        except Unsound as wrong:
            return Told(failed=True, msg=str(wrong))
        return told if told.failed else replace(told, failed=True, msg=f"not so after {attempt} attempts")

    def once(self, task: Task, turn: Turn, values: Mapping[str, Value], *, hide: bool) -> Told:
        """Take the steps of an action, until a vital one fails."""
        if isinstance(turn.options, Approval):
            return self.ask(self.gates.asked[id(turn)], values, hide=hide)
        if is_speech(turn.options):
            return self.say(turn.options, values, hide=hide)
        began_ms, results = self.reins.now(), []
        failed = ""
        undo = tuple(task.action.undo(turn.options, self.errand.host))
        looks, gate = task.action.risk is Risk.READ_ONLY, self.gates.before.get(id(turn))
        if not looks and gate is not None and gate.number not in self.agreed:
            return Told(failed=True, msg=UNASKED, start_ms=began_ms, end_ms=began_ms)
        traced = NOTHING if looks else trace(self.places[id(turn)], undo)
        for index, step in enumerate(task.plan(turn, self.errand.host)):
            if index == 0 and self.reins.resolved():
                raise _Over(spared=True)
            because = self.reins.halted() or (self.reins.leaving() if index == 0 else "")
            if because:
                raise _Over(because=because)
            if index == 0 and undo:
                self.undo.setdefault(traced, backs(traced, undo, hide=hide))  # however often it is tried
            result = self.step(step, traced, hide=hide)
            results.append(result)
            if not result.ok and vital(step):
                failed = f"step {self.number} ({HIDDEN if hide else _short(step)}) failed: {result.reason}"
                break
        return Told.of(results, failed, began_ms, self.reins.now())

    def say(self, options: Speech, values: Mapping[str, Value], *, hide: bool) -> Told:
        """Judge an assertion, or keep what people are to read."""
        because = self.reins.halted()
        if because:
            raise _Over(because=because)
        now_ms = self.reins.now()
        what = said(options, values)
        text = HIDDEN if hide and what.text else what.text
        self.escalate = self.escalate or what.escalate
        if text and not what.failed and text not in self.notes and len(self.notes) < NOTES_MAX:
            self.notes.append(text)
        return Told(failed=what.failed, msg=text, start_ms=now_ms, end_ms=now_ms)

    def ask(self, gate: Gate, values: Mapping[str, Value], *, hide: bool) -> Told:
        """Wait for people's approval of what follows; anything but enough of them is a failure."""
        began_ms, say = self.reins.now(), said(gate.asks, values).text
        try:
            word = self.errand.people.ask(gate, HIDDEN if hide else say, self.reins)
        except JournalLost as lost:
            raise _Over(trouble=f"nobody was asked: {lost}") from None
        if self.reins.resolved():
            raise _Over(spared=True)
        because = self.reins.halted() or self.reins.leaving()
        if because:
            raise _Over(because=because)
        if word.hand is not None:
            self.hand = word.hand
            self.agreed.add(gate.number)
        failed = word.hand is None
        return Told(failed=failed, msg=word.no, start_ms=began_ms, end_ms=self.reins.now())

    def step(self, step: Step, traced: str, *, hide: bool) -> Result:
        """Write a step down, take it, and write down what came of it."""
        self.number += 1
        run, sentence = self.errand.run, HIDDEN if hide else str(step)
        try:
            self.journal.intend(run, self.number, sentence, self.reins.now(), traced)
            if traced != NOTHING:
                self.acted_ms = self.acted_ms or self.reins.now()
            result = self.hand.carry_out(step, self.reins.halted, run)
            self.journal.note(run, self.number, _logged(result, hide=hide), self.reins.now())
        except JournalLost as lost:
            raise _Over(trouble=f"step {self.number} ({HIDDEN if hide else step}) stopped: {lost}") from None
        if result.stopped:
            raise _Over(because=result.stopped)
        return result

    def pause(self, seconds: float) -> None:
        """Wait before the next attempt, unless there is a reason to end."""
        self.reins.pause(seconds)
        because = self.reins.halted() or self.reins.leaving()
        if because:
            raise _Over(because=because)


def _short(step: Step) -> str:
    """Say which step it was in so few words that there is room for the reason after it."""
    text = str(step)
    return text if len(text) <= STEP_CHARS_MAX else f"{text[: STEP_CHARS_MAX - 1]}…"


def _logged(result: Result, *, hide: bool) -> Result:
    """Return what the journal may keep of a result."""
    return replace(result, output=HIDDEN, diff="") if hide else result


def _hold(clauses: Iterable[Clause], values: Mapping[str, Value]) -> bool:
    return all(clause.condition.holds(values) for clause in clauses)


def _judged(told: Told, terms: Terms, values: dict[str, Value]) -> Told:
    """Let the playbook say what counts as changed and as failed."""
    if terms.changed_when is not None:
        told = replace(told, changed=_hold(terms.changed_when.each, values))
    if terms.failed_when is not None:
        failed = _hold(terms.failed_when.each, values)
        told = replace(told, failed=failed, msg="failed_when holds" if failed else told.msg)
    if terms.register:
        values[terms.register] = told.values()
    return told
