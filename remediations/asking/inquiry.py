"""A question in the middle of a run: its worker puts it to people and waits for what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.grant import Grant
from model.step import Host
from remediations.asking.answers import Answers, agreed
from remediations.asking.approval import (
    BECAUSE_CHARACTERS_MAX,
    Ask,
    Stands,
    digest,
    digest_at,
    needed_at,
    risk_class,
    shown,
    standing,
)
from remediations.asking.asked import Asked, Ended
from remediations.running.carrying import Hands, Reins, Word
from remediations.running.journal import Journal
from remediations.running.run import Run
from remediations.surroundings import People
from remediations.writing.gates import Gate
from remediations.writing.playbook import Playbook

HEAR_EVERY_S: Final = 0.5
RESOLVED: Final = "the alert resolved"

Told = Callable[[Ask | None], None]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The way from one run to people, used by its worker.

    ``told`` is called with what they are asked just now, or None once that is over. ``grants`` let the run
    begin.
    """

    run: Run
    playbook: Playbook
    host: Host
    journal: Journal
    hands: Hands
    people: People
    told: Told
    grants: tuple[Grant, ...] = ()

    def ask(self, gate: Gate, say: str, reins: Reins) -> Word:
        """Ask, and return what people said by the deadline; may raise ``JournalLost``.

        They are asked once for an episode of an alert, whichever run of it asks. Whatever ends the wait ends
        the question: the worker looks itself why.
        """
        asked = Asked(self._ask(gate, say, reins.now()))
        answered = self._before(asked.ask)
        if answered:
            return Word(no=answered)
        self.journal.ask(asked.ask, asked.ask.asked_ms)
        self.told(asked.ask)
        try:
            return self._answered(asked, Answers(self.journal, self.people), reins)
        finally:
            self.told(None)

    def _ask(self, gate: Gate, say: str, now_ms: int) -> Ask:
        return Ask(
            id=self.people.name(),
            host=self.people.host,
            playbook=self.playbook.playbook,
            plan=digest_at(gate, digest(self.playbook, self.host)),
            labels=self.run.labels,
            fired_ms=self.run.fired_ms,
            risk=risk_class(self.playbook),
            needs=needed_at(gate, self.playbook),
            asked_ms=now_ms,
            until_ms=now_ms + gate.asks.within.ms,
            because=say[:BECAUSE_CHARACTERS_MAX],
            steps=shown(self.playbook, self.host, gate),
            run=self.run.id,
        )

    def _before(self, ask: Ask) -> str:
        """Return what became of this question in an earlier run of the episode, or the empty text."""
        for one in self.journal.asks():
            if (one.ask.labels, one.ask.fired_ms, one.ask.plan) != (ask.labels, ask.fired_ms, ask.plan):
                continue
            if one.ended is Ended.USED:
                return f"one run of {ask.playbook} was approved already"
            if one.ended in (Ended.DENIED, Ended.EXPIRED):
                return one.word
        return ""

    def _answered(self, asked: Asked, answers: Answers, reins: Reins) -> Word:
        while True:
            because = reins.halted() or reins.leaving()
            if because or reins.resolved():
                ended = Ended.VOID if because else Ended.RESOLVED
                self._end(asked, ended, because or RESOLVED, reins)
                return Word(no=because or RESOLVED)
            for answer in self.people.answers():
                if answer.ask == asked.ask.id:
                    asked = answers.taken(asked, answer, reins.now())
            now = standing(asked.ask, asked.answers, reins.now())
            if now.stands is Stands.ENOUGH:
                self._end(asked, Ended.USED, self.run.id, reins)
                grants = (*agreed(self.grants), *now.grants[: asked.ask.needs])
                return Word(hand=self.hands.of(self.playbook.playbook, grants))
            if now.stands is not Stands.WAITING:
                ended = Ended.DENIED if now.stands is Stands.DENIED else Ended.EXPIRED
                self._end(asked, ended, now.sentence, reins)
                return Word(no=now.sentence)
            reins.pause(HEAR_EVERY_S)

    def _end(self, asked: Asked, ended: Ended, word: str, reins: Reins) -> None:
        self.journal.end_ask(asked.ask, ended, word, reins.now(), self.run.id)
