"""On which rung of the ladder each playbook stands: the mode in force, since when, and who was demoted.

All of it is in the journal, where the command line reads it as well, and where it lifts a demotion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from model.step import Host
from remediations import guard
from remediations.ladder import ladder
from remediations.ladder.ladder import Demotion, Evidence, Rung
from remediations.ladder.proposal import Proposal
from remediations.running.journal import Journal, JournalLost
from remediations.running.run import Run
from remediations.writing.edition import edition
from remediations.writing.playbook import Playbook

LOOK_EVERY_MS: Final = 1_000
COUNT_EVERY_MS: Final = 60_000
HISTORY_MS: Final = 7 * 24 * 3_600_000


class Rungs:
    """The playbooks of an agent, each with its mode in force; used by the healer's thread only."""

    def __init__(self, playbooks: Iterable[Playbook], journal: Journal, host: Host, now_ms: int) -> None:
        self._journal, self._host = journal, host
        self._demoted: dict[str, Demotion] = {}
        self._owed: dict[str, Demotion] = {}
        self._looked_ms = self._counted_ms = 0
        self._counted: dict[str, Rung] = {}
        self.use(playbooks, now_ms)

    def use(self, playbooks: Iterable[Playbook], now_ms: int) -> None:
        """Take these from now on; one that differs from what it was begins its evidence anew."""
        self._written = tuple(playbooks)
        self._look(now_ms)
        self._stand(now_ms)

    @property
    def playbooks(self) -> tuple[Playbook, ...]:
        """All of them as written, but for the mode, which is the one in force."""
        return self._in_force

    def refresh(self, now_ms: int) -> frozenset[str]:
        """Look, once a second, who is demoted; return whose mode in force is another now."""
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return frozenset()
        before = self._demoted.keys()
        self._look(now_ms)
        changed = frozenset(before ^ self._demoted.keys())
        if changed:
            self._stand(now_ms)
        return changed

    def demote(self, run: Run, now_ms: int) -> None:
        """Let the playbook of a run that did harm only propose, whatever becomes of the journal."""
        self._owed[run.playbook] = Demotion(run.playbook, run.id, now_ms, run.reason)
        self._look(now_ms)
        self._stand(now_ms)

    def each(self, now_ms: int) -> tuple[Rung, ...]:
        """Return where each stands; may raise ``JournalLost``."""
        return tuple(self._rung(one, now_ms) for one in self._written)

    def counted(self, now_ms: int) -> Mapping[str, Rung]:
        """Return where each stands, as it was at most a minute ago; may raise ``JournalLost``."""
        if not 0 <= now_ms - self._counted_ms < COUNT_EVERY_MS:
            self._counted = {one.playbook: one for one in self.each(now_ms)}
            self._counted_ms = now_ms
        return self._counted

    def demoted(self, playbook: Playbook) -> bool:
        """Tell whether one did harm and was not reinstated."""
        return playbook.playbook in self._demoted

    def told(self, playbook: Playbook, found: Proposal | None, steps: Iterable[str], now_ms: int) -> str:
        """Return what people are told of one that proposes."""
        try:
            stands = self.counted(now_ms).get(playbook.playbook)
        except JournalLost:
            stands = None  # it is proposed all the same
        return ladder.told(playbook, stands, found, steps)

    def earned(self, name: str, now_ms: int) -> str:
        """Return, after a run that helped, the sentence that suggests another mode, or the empty text."""
        found = next((one for one in self._written if one.playbook == name), None)
        try:
            suggested = self._rung(found, now_ms).suggestion if found is not None else None
        except JournalLost:
            return ""
        return suggested.reason if suggested is not None and suggested.mode else ""

    def _rung(self, playbook: Playbook, now_ms: int) -> Rung:
        name = playbook.playbook
        return rung(playbook, self._editions[name], self._demoted.get(name), self._journal, now_ms)

    def _look(self, now_ms: int) -> None:
        """Write down what is owed to the journal and read all of it; without it the last known holds."""
        self._looked_ms = now_ms
        try:
            for name, one in tuple(self._owed.items()):
                self._journal.demote(one)
                del self._owed[name]
            self._demoted = dict(self._journal.demotions())
        except JournalLost:
            self._demoted |= self._owed

    def _stand(self, now_ms: int) -> None:
        demoted = self._demoted
        self._in_force = tuple(
            replace(one, mode=ladder.in_force(one, demoted.get(one.playbook))) for one in self._written
        )
        self._editions = {one.playbook: edition(one, self._host) for one in self._written}
        self._counted_ms = 0
        try:
            for one in self._in_force:
                self._journal.stand(one.playbook, self._editions[one.playbook], one.mode, now_ms)
        except JournalLost:
            return  # what was shown before then counts on; the guards say that the journal is lost


def rung(playbook: Playbook, of: str, demotion: Demotion | None, journal: Journal, now_ms: int) -> Rung:
    """Return where an edition of a playbook stands by the journal; may raise ``JournalLost``."""
    name, mode = playbook.playbook, ladder.in_force(playbook, demotion)
    since_ms = journal.stands_since(name, of, mode)
    history = journal.attempts(name, playbook.target, now_ms - HISTORY_MS)
    breaker = guard.breaker_of(playbook, history, now_ms).state
    if since_ms is None:
        return ladder.rung(playbook, demotion, Evidence(now_ms), breaker, now_ms)
    proposals = journal.proposals(name, since_ms)
    runs = tuple(one for one in journal.attempts(name, (), since_ms) if one.playbook == name)
    return ladder.rung(playbook, demotion, Evidence(since_ms, proposals, runs), breaker, now_ms)


def every_rung(playbooks: Iterable[Playbook], journal: Journal, host: Host, now_ms: int) -> Iterator[Rung]:
    """Yield where each playbook stands, for who is not the agent; may raise ``JournalLost``."""
    demoted: Mapping[str, Demotion] = journal.demotions()
    return (rung(one, edition(one, host), demoted.get(one.playbook), journal, now_ms) for one in playbooks)
