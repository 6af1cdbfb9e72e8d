"""Silences: which alerts somebody asked to hear nothing of, from when until when; pure.

They mean what Alertmanager's mean. A silence that began keeps its words: where another is put in its place,
the old one ends and the new one has an id of its own, so that what was silenced can be told afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from model.matcher import Matcher, Matchers

MATCHERS_MAX: Final = 64


class SilenceState(StrEnum):
    """Where a silence stands at one moment."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class Unsound(Exception):
    """A silence that cannot be; the text is the sentence that Alertmanager's clients know."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are ms since 1970 in UTC.

    ``ended_by`` is who ended it before its time, where that is known.
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts_ms: int
    ends_ms: int
    updated_ms: int
    created_by: str = ""
    comment: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    ended_by: str = ""

    def state_at(self, now_ms: int) -> SilenceState:
        """Return where it stands."""
        if now_ms < self.starts_ms:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now_ms < self.ends_ms else SilenceState.EXPIRED

    def mutes(self, labels: Mapping[str, str], now_ms: int) -> bool:
        """Tell whether it keeps this alert quiet now."""
        active = self.state_at(now_ms) is SilenceState.ACTIVE
        return active and all(matcher.matches(labels) for matcher in self.matchers)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be written where a silence is set: the one that is set, and the one that it ends."""

    silence: Silence
    ended: Silence | None = None


def sound(silence: Silence, now_ms: int) -> Silence:
    """Return the silence, begun no earlier than now, or raise ``Unsound``."""
    if not silence.matchers:
        raise Unsound("at least one matcher required")
    if len(silence.matchers) > MATCHERS_MAX:
        raise Unsound(f"at most {MATCHERS_MAX} matchers are taken")
    if all(matcher.matches({}) for matcher in silence.matchers):
        raise Unsound("at least one matcher must not match the empty string")
    begun = replace(silence, starts_ms=max(silence.starts_ms, now_ms))
    if begun.ends_ms <= now_ms:
        raise Unsound("end time can't be in the past")
    if begun.ends_ms <= begun.starts_ms:
        raise Unsound("start time must be before end time")
    return begun


def changed(old: Silence, new: Silence, fresh_id: str, now_ms: int) -> Kept:
    """Return what follows where a silence is posted over an older one; may raise ``Unsound``."""
    state = old.state_at(now_ms)
    same = new.matchers == old.matchers
    if same and state is SilenceState.ACTIVE and new.starts_ms in (old.starts_ms, now_ms):
        if new.ends_ms < now_ms:
            raise Unsound("end time can't be in the past")
        return Kept(replace(new, id=old.id, starts_ms=old.starts_ms, updated_ms=now_ms))
    if same and state is SilenceState.PENDING:
        return Kept(replace(sound(new, now_ms), id=old.id, updated_ms=now_ms))
    ended = None if state is SilenceState.EXPIRED else expired(old, now_ms, new.created_by)
    return Kept(replace(sound(new, now_ms), id=fresh_id, updated_ms=now_ms), ended)


def expired(silence: Silence, now_ms: int, by: str = "") -> Silence:
    """Return a silence that somebody ends now; one that is over stays as it is."""
    state = silence.state_at(now_ms)
    if state is SilenceState.EXPIRED:
        return silence
    starts_ms = min(silence.starts_ms, now_ms)
    return replace(silence, starts_ms=starts_ms, ends_ms=now_ms, updated_ms=now_ms, ended_by=by)


def muting(silences: Iterable[Silence], labels: Mapping[str, str], now_ms: int) -> tuple[str, ...]:
    """Return the ids of the silences that keep this alert quiet now."""
    return tuple(one.id for one in silences if one.mutes(labels, now_ms))


def wanted(silence: Silence, filters: Sequence[Matchers]) -> bool:
    """Tell whether a silence is one that these filters ask for: they look at what it matches with."""
    values = {matcher.label: matcher.value for matcher in silence.matchers}
    return all(_meets(matcher, values) for one in filters for matcher in one.each)


def _meets(matcher: Matcher, values: Mapping[str, str]) -> bool:
    """Tell whether one filter holds; an empty value asks whether the label is named at all."""
    named = matcher.label in values
    if matcher.value == "" and named is matcher.operator.startswith("!"):
        return True
    return matcher.matches(values)


def in_order(silences: Iterable[Silence], now_ms: int) -> list[Silence]:
    """Return active ones by their end, then pending ones by their start, then the last that expired."""
    ranks = {SilenceState.ACTIVE: 0, SilenceState.PENDING: 1, SilenceState.EXPIRED: 2}

    def place(one: Silence) -> tuple[int, int]:
        state = one.state_at(now_ms)
        at_ms = one.starts_ms if state is SilenceState.PENDING else one.ends_ms
        return ranks[state], -at_ms if state is SilenceState.EXPIRED else at_ms

    return sorted(silences, key=place)
