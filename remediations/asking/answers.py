"""What somebody brought as an answer: taken where it counts, and written down once where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from model.grant import Grant
from remediations.asking.approval import person, unfit
from remediations.asking.asked import ANSWERS_MAX, Asked, fact
from remediations.mark import line
from remediations.running.audit import About
from remediations.running.journal import Journal
from remediations.surroundings import People

REFUSED_TOLD_MAX: Final = 1_000


@dataclass(slots=True)
class Answers:
    """Takes answers for one listener, which knows what it has refused already."""

    journal: Journal
    people: People
    _refused: set[Grant] = field(default_factory=set)

    def taken(self, asked: Asked, answer: Grant, now_ms: int) -> Asked:
        """Return an ask with this answer to it, on disk first; may raise ``JournalLost``."""
        if asked.ended is not None or answer in asked.answers or answer in self._refused:
            return asked
        because = unfit(asked.ask, answer, self.people.genuine)
        if because or len(asked.answers) >= ANSWERS_MAX:
            if len(self._refused) >= REFUSED_TOLD_MAX:
                self._refused.clear()
            self._refused.add(answer)
            told = {"what": "refused", **fact(asked.ask), "by": line(answer.by), "because": because}
            self.journal.attest(About("approval", asked.ask.run, told), now_ms)
            return asked
        self.journal.answer(asked.ask, answer, now_ms)
        return replace(asked, answers=(*asked.answers, answer))


def agreed(answers: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return one yes of each person to each ask."""
    found: dict[tuple[str, str], Grant] = {}
    for one in answers:
        if one.yes:
            found.setdefault((one.ask, person(one.by)), one)
    return tuple(found.values())
