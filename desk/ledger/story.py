"""One incident as the ledger tells it: when people were told, what they said, and how it went.

Times are ms since 1970 in UTC, 0 where a moment was not reached. People whose first notice was taken in
the same millisecond are counted together, so that a million of them stay a few thousand values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from desk.state import Impact


class Told(StrEnum):
    """Whether people were told before they told us: the classes of incidents."""

    BEFORE = "before"  # a notice, then a report
    ONLY = "only"  # a notice, and no report at all
    AFTER = "after"  # a report first, or in the same moment, or without any notice
    SILENT = "silent"  # healed within two minutes, before anybody was told, and nobody reported
    NEVER = "never"  # no notice and no report: missed


class Healed(StrEnum):
    """How an episode for which there was a playbook went."""

    SILENT = "silent"
    FAST = "fast"
    VISIBLE = "visible"
    FAILED = "failed"
    SPONTANEOUS = "spontaneous"


class Answer(StrEnum):
    """What somebody answered to a notice."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"


@dataclass(frozen=True, slots=True)
class Word:
    """First notices that were taken in one moment: when they might leave, when they were taken, how many."""

    queued_ms: int
    accepted_ms: int
    people: int = 1


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who said something; ``inside`` where the audience held them, ``named`` where they are known.

    ``opted_out`` says that they wanted no word of the service, and had none.
    """

    told_ms: int = 0
    reported_ms: int = 0
    answer: Answer | None = None
    inside: bool = True
    named: bool = True
    opted_out: bool = False

    @property
    def affected(self) -> bool | None:
        """Whether they were affected, by their last answer, else by their report; None when unknown."""
        if self.answer is not None:
            return self.answer is Answer.AFFECTED
        return True if self.reported_ms else None

    @property
    def told_first(self) -> bool:
        """Whether they were told, and before they said anything of themselves."""
        return bool(self.told_ms) and not 0 < self.reported_ms <= self.told_ms


@dataclass(frozen=True, slots=True)
class Promise:
    """A promised time of the next update, and when one came; 0 while none has."""

    due_ms: int
    kept_ms: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """How heavy it was from a moment on."""

    from_ms: int
    impact: Impact


@dataclass(frozen=True, slots=True)
class Repair:
    """How far a playbook came: it was ``eligible``, acted, healed, and proved it."""

    eligible: bool = False
    started: bool = False
    healed_ms: int = 0
    verified_ms: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """One incident; ``over_ms`` is when people could work again, ``closed_ms`` when the desk closed it.

    ``audience`` counts whom the evidence named, ``opted_out`` those of them who wanted no word and had none.
    """

    incident: int
    service: str
    impact: Impact
    onset_ms: int
    detected_ms: int
    closed_ms: int = 0
    over_ms: int = 0
    retracted: bool = False
    from_report: bool = False
    audience: int = 0
    opted_out: int = 0
    words: tuple[Word, ...] = ()
    voices: tuple[Voice, ...] = ()
    promises: tuple[Promise, ...] = ()
    levels: tuple[Level, ...] = ()
    repair: Repair = Repair()

    @property
    def told(self) -> int:
        """How many people had a notice."""
        return sum(word.people for word in self.words)

    @property
    def first_word_ms(self) -> int:
        """When the first person was told, or 0."""
        return min((word.accepted_ms for word in self.words if word.people), default=0)

    @property
    def first_report_ms(self) -> int:
        """When the first person, known or not, told us, or 0."""
        return min((voice.reported_ms for voice in self.voices if voice.reported_ms), default=0)

    @property
    def affected(self) -> int:
        """How many people count as affected: the audience, without who denied it, with who came forward."""
        denied = sum(voice.inside and voice.affected is False for voice in self.voices)
        came = sum(not voice.inside and voice.named and voice.affected is True for voice in self.voices)
        return self.audience - denied + came

    @property
    def unwilling(self) -> int:
        """How many of the affected wanted no word, and had none."""
        return self.opted_out - sum(
            voice.inside and voice.opted_out and voice.affected is False for voice in self.voices
        )
