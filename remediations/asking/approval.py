"""Approvals: what a person is asked before a playbook may act, and whether the answers are enough; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from model.grant import Grant
from model.labels import Labels
from model.step import Host, Risk
from remediations.apart.packing import pack
from remediations.question import clock
from remediations.writing.gates import Gate, gates
from remediations.writing.playbook import Mode, Playbook
from remediations.writing.task import Block, Task, Tasks

STEPS_SHOWN_MAX: Final = 20
STEP_CHARACTERS_MAX: Final = 200
BECAUSE_CHARACTERS_MAX: Final = 400
TOLD_BYTES_MAX: Final = 4096
PERSON_CHARACTERS_MAX: Final = 200
HIDDEN: Final = "(no_log)"

RiskClass = Literal["R0", "R1", "R2", "R3"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to let a playbook act once, for one episode of an alert, known by its unguessable id.

    ``plan`` is the digest of all its steps, ``steps`` say them. ``needs`` different people must say yes
    before ``until_ms``, and none of them no. ``because`` is why it may not act by itself. Times are ms since
    1970 in UTC. A run that asks in its middle is named by ``run``; then ``plan`` is the digest of that
    question, and ``steps`` are those that stand behind it.
    """

    id: str
    host: str
    playbook: str
    plan: str
    labels: Labels
    fired_ms: int
    risk: RiskClass
    needs: int
    asked_ms: int
    until_ms: int
    because: str
    steps: tuple[str, ...]
    run: str = ""

    def told(self) -> str:
        """Return the ask as the desk reads it, one JSON object of at most 4096 bytes."""
        shown = {
            "ask": self.id,
            "host": self.host,
            "playbook": self.playbook,
            "plan": self.plan,
            "risk": self.risk,
            "needs": self.needs,
            "asked_ms": self.asked_ms,
            "until_ms": self.until_ms,
            "because": self.because[:BECAUSE_CHARACTERS_MAX],
        }
        steps = list(self.steps)
        while True:
            text = json.dumps({**shown, "steps": steps}, ensure_ascii=False)
            if len(text.encode()) <= TOLD_BYTES_MAX or not steps:
                return text
            steps.pop()

    def answer(self, by: str, at_ms: int, *, yes: bool) -> Grant:
        """Return what this person answers to it, without its seal."""
        return Grant(self.id, self.host, self.playbook, self.plan, by, yes, at_ms, self.until_ms)


class Stands(StrEnum):
    """How an ask stands; it is void when what would be done is not what was shown."""

    ENOUGH = "enough"
    WAITING = "waiting"
    DENIED = "denied"
    LATE = "too late"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an ask stands, in a sentence; ``grants`` are the answers that let it act, once they are enough."""

    stands: Stands
    sentence: str
    grants: tuple[Grant, ...] = ()


def standing(ask: Ask, answers: Iterable[Grant], now_ms: int) -> Standing:
    """Judge the answers to an ask that are fit; one no ends it, and silence until its end is a no."""
    each = tuple(answers)
    no = next((one for one in each if not one.yes), None)
    if no is not None:
        return Standing(Stands.DENIED, f"{no.by} denied {ask.playbook} at {clock(no.at_ms)}")
    agreed: dict[str, Grant] = {}
    for one in each:
        agreed.setdefault(person(one.by), one)
    names = " and ".join(one.by for one in agreed.values())
    if now_ms >= ask.until_ms:
        said = f"only {names} approved" if names else "nobody approved"
        return Standing(Stands.LATE, f"{said} {ask.playbook} until {clock(ask.until_ms)}, which means no")
    if len(agreed) >= ask.needs:
        return Standing(Stands.ENOUGH, f"{names} approved {ask.playbook}", tuple(agreed.values()))
    waited = f"{ask.playbook} waits for {people(ask.needs)} to approve it until {clock(ask.until_ms)}"
    so_far = f", {names} did so far" if names else ""
    return Standing(Stands.WAITING, f"{waited}{so_far}: {ask.because}")


def unfit(ask: Ask, answer: Grant, genuine: Callable[[Grant], bool]) -> str:
    """Return why what somebody brought is no answer to this ask, or the empty text."""
    named = {
        "ask": (answer.ask, ask.id),
        "host": (answer.host, ask.host),
        "playbook": (answer.playbook, ask.playbook),
        "plan": (answer.plan, ask.plan),
    }
    wrong = next((name for name, (said, meant) in named.items() if said != meant), "")
    if wrong:
        return f"it was given for another {wrong}"
    if not person(answer.by) or len(answer.by) > PERSON_CHARACTERS_MAX or not answer.by.isprintable():
        return "it does not say who gave it"
    if answer.at_ms >= ask.until_ms:
        return f"it was given after {clock(ask.until_ms)}"
    if not genuine(answer):
        return "its seal is not genuine"
    return ""


def person(by: str) -> str:
    """Return whom a name means; the name on a host and the mail address of that name are one person."""
    return by.strip().casefold().split("@", maxsplit=1)[0]


def people(count: int) -> str:
    """Return so many people in words."""
    return "one person" if count == 1 else f"{count} different people"


def risk_class(playbook: Playbook) -> RiskClass:
    """Return what a playbook risks at most: R3 is what cannot be undone on several hosts at once."""
    if playbook.irreversible:
        return "R3" if playbook.guard.hosts_at_once not in (None, "1") else "R2"
    return "R0" if playbook.read_only else "R1"


def needed(playbook: Playbook) -> int:
    """Return how many different people must approve each run of a playbook; 0 where it may act by itself.

    What cannot be undone needs one even in ``auto`` unless the playbook says ``by: 0`` with its reason, and
    on several hosts at once two; where it asks before each such step by itself, that is enough. A playbook
    that proposes or observes could only act with one as well.
    """
    if playbook.read_only:
        return 0
    written, risk = playbook.guard.approval.by, risk_class(playbook)
    if playbook.mode is Mode.AUTO and playbook.irreversible and _asks_itself(playbook):
        return written or 0
    if risk == "R3":
        return max(2, written or 0)
    if playbook.mode is not Mode.AUTO:
        return written or 1
    if written is None:
        return 1 if risk == "R2" else 0
    return written


def _asks_itself(playbook: Playbook) -> bool:
    """Tell whether every step that cannot be undone stands behind a question of the playbook's own."""
    before = gates(playbook.steps).before
    return all(
        id(turn) in before
        for task in playbook.tasks
        if task.action.risk is Risk.IRREVERSIBLE
        for turn in task.turns
    )


def needed_at(gate: Gate, playbook: Playbook) -> int:
    """Return how many different people must say yes to a question in the middle of a playbook."""
    if gate.asks.by is not None:
        return gate.asks.by
    return 2 if risk_class(playbook) == "R3" else 1


def digest_at(gate: Gate, plan: str) -> str:
    """Return the SHA-256 of one question of a playbook with this plan: no answer to another one fits it."""
    return hashlib.sha256(f"beforehand gate {gate.number} {plan}".encode()).hexdigest()


def digest(playbook: Playbook, host: Host) -> str:
    """Return the SHA-256 of all steps that a playbook could take on this host; may raise ``Unplannable``.

    The agent shows the plan and the hand compiles it anew, so what is taken is what was approved.
    """
    found = hashlib.sha256(playbook.playbook.encode())
    for one in playbook.plan(host):
        found.update(hashlib.sha256(pack(one.step)).digest())
    return found.hexdigest()


def shown(playbook: Playbook, host: Host, behind: Gate | None = None) -> tuple[str, ...]:
    """Return in sentences what a playbook could do, or what stands ``behind`` one question of it.

    What says ``no_log`` is not told.
    """
    before = gates(playbook.steps).before
    found = [
        HIDDEN if hide else str(step)[:STEP_CHARACTERS_MAX]
        for task, hide in _walked(playbook.steps, hide=False)
        for turn in task.turns
        if behind is None or before.get(id(turn)) == behind
        for step in task.plan(turn, host)
    ]
    if len(found) > STEPS_SHOWN_MAX:
        more = len(found) - STEPS_SHOWN_MAX + 1
        return (*found[: STEPS_SHOWN_MAX - 1], f"and {more} steps more")
    return tuple(found)


def _walked(tasks: Tasks, *, hide: bool) -> Iterator[tuple[Task, bool]]:
    for one in tasks.each:
        hidden = hide or one.terms.no_log
        if isinstance(one, Block):
            for part in (one.block, one.rescue, one.always):
                yield from _walked(part, hide=hidden)
        else:
            yield one, hidden
