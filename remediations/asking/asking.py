"""Asks people for their approval and hears their answers; each is on disk before anything follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from model.alert import Alert
from model.grant import Grant
from model.labels import Labels
from model.plugin import Unplannable
from model.step import Host
from remediations.asking.answers import Answers, agreed
from remediations.asking.approval import (
    BECAUSE_CHARACTERS_MAX,
    Ask,
    Standing,
    Stands,
    digest,
    needed,
    risk_class,
    shown,
    standing,
)
from remediations.asking.asked import ASKS_MAX, Asked, Ended
from remediations.running.journal import Journal, JournalLost
from remediations.surroundings import People
from remediations.writing.playbook import Playbook

HEAR_EVERY_MS: Final = 500
FORGOTTEN_MS: Final = 60_000

RESTARTED: Final = "the agent was restarted in the middle of the run that asked"
VOID: Final = "what was to be approved is not what would be done any more"

_ENDS: Final = {Stands.DENIED: Ended.DENIED, Stands.LATE: Ended.EXPIRED, Stands.VOID: Ended.VOID}

Episode = tuple[Labels, int | None]


class Asking:
    """The asks of one host, used by the loop's thread only; calls that write may raise ``JournalLost``."""

    def __init__(self, journal: Journal, host: Host, people: People | None) -> None:
        self._journal = journal
        self._host = host
        self._people = people
        self._each: dict[Episode, Asked] = {}
        self._answers = Answers(journal, people) if people is not None else None
        self._heard_ms = 0

    @property
    def possible(self) -> bool:
        """Whether there is a way to ask anybody."""
        return self._people is not None

    def recover(self, now_ms: int) -> None:
        """Take up after a restart: who was asked is asked still, but for a run that asked in its middle."""
        each = self._journal.asks()
        self._each = {_episode(one.ask): one for one in each if not one.ask.run}
        for one in each:
            if one.ask.run and one.ended is None:
                try:
                    self._journal.end_ask(one.ask, Ended.VOID, RESTARTED, now_ms, one.ask.run)
                except JournalLost:
                    return  # they run out by themselves, and nobody waits for them

    def granted(self, run: str) -> tuple[Grant, ...]:
        """Return what people said to let a run begin and go on; without a journal nothing is known of it."""
        try:
            return agreed(self._journal.granted(run))
        except JournalLost:
            return ()

    def about(self, alert: Alert) -> Asked | None:
        """Return what people were asked about this episode of an alert: once, so that nobody is nagged."""
        return self._each.get((alert.labels, alert.fired_at_ms))

    def ask(self, playbook: Playbook, alert: Alert, because: str, now_ms: int) -> Asked:
        """Ask for the approval of one run; may raise ``Unplannable``."""
        assert self._people is not None, "somebody can be asked"
        ask = Ask(
            id=self._people.name(),
            host=self._people.host,
            playbook=playbook.playbook,
            plan=digest(playbook, self._host),
            labels=alert.labels,
            fired_ms=alert.fired_at_ms or now_ms,
            risk=risk_class(playbook),
            needs=max(1, needed(playbook)),
            asked_ms=now_ms,
            until_ms=now_ms + playbook.guard.approval.within.ms,
            because=because[:BECAUSE_CHARACTERS_MAX],
            steps=shown(playbook, self._host),
        )
        self._journal.ask(ask, now_ms)
        return self._keep(Asked(ask))

    def heard(self, asked: Asked, playbooks: Sequence[Playbook], now_ms: int) -> tuple[Asked, Standing]:
        """Return an open ask with the answers that were brought until now, and how it stands; a no ends it.

        ``playbooks`` are those that answer to its alert now.
        """
        if not 0 <= now_ms - self._heard_ms < HEAR_EVERY_MS:
            self._heard_ms = now_ms
            self._hear(now_ms)
        asked = self._each.get(_episode(asked.ask), asked)
        stands = self._standing(asked, playbooks, now_ms)
        if stands.stands in _ENDS:
            asked = self.end(asked, _ENDS[stands.stands], stands.sentence, now_ms)
        return asked, stands

    def end(self, asked: Asked, ended: Ended, word: str, now_ms: int, run: str = "") -> Asked:
        """End an ask for good."""
        self._journal.end_ask(asked.ask, ended, word, now_ms, run)
        return self._keep(replace(asked, ended=ended, word=word))

    def withdrawn(self, asked: Asked | None, now_ms: int) -> Asked | None:
        """Return an ask that is over because its alert resolved; without a journal it runs out by itself."""
        if asked is None or asked.ended is not None:
            return asked
        try:
            return self.end(asked, Ended.RESOLVED, "the alert resolved", now_ms)
        except JournalLost:
            return asked

    def tidy(self, now_ms: int) -> None:
        """End what belongs to no alert that fires, whose end the agent did not see; forget the oldest."""
        for one in tuple(self._each.values()):
            if one.ended is None and now_ms >= one.ask.until_ms + FORGOTTEN_MS:
                self.end(one, Ended.EXPIRED, "nobody waits for it any more", now_ms)
        for old in sorted(self._each.values(), key=lambda one: one.ask.asked_ms)[:-ASKS_MAX]:
            del self._each[_episode(old.ask)]

    def _standing(self, asked: Asked, playbooks: Sequence[Playbook], now_ms: int) -> Standing:
        playbook = next((one for one in playbooks if one.playbook == asked.ask.playbook), None)
        if playbook is None or not self._as_shown(asked.ask, playbook):
            return Standing(Stands.VOID, f"{asked.ask.playbook} is not approved: {VOID}")
        return standing(asked.ask, asked.answers, now_ms)

    def _keep(self, asked: Asked) -> Asked:
        self._each[_episode(asked.ask)] = asked
        return asked

    def _hear(self, now_ms: int) -> None:
        if self._people is None or self._answers is None:
            return
        by_id = {one.ask.id: one for one in self._each.values()}
        for answer in self._people.answers():
            asked = by_id.get(answer.ask)
            if asked is not None:
                by_id[answer.ask] = self._keep(self._answers.taken(asked, answer, now_ms))

    def _as_shown(self, ask: Ask, playbook: Playbook) -> bool:
        try:
            return (
                playbook.acts and needed(playbook) <= ask.needs and digest(playbook, self._host) == ask.plan
            )
        except Unplannable:
            return False


def _episode(ask: Ask) -> Episode:
    return ask.labels, ask.fired_ms
