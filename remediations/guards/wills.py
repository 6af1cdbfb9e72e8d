"""Guards over what people want: the mode, the kill switch, holds, calendars, and who is at work just now."""

from __future__ import annotations

from typing import Final

from model.outcome import Outcome
from remediations.asking.approval import needed, people
from remediations.question import HUMAN_MS, LATER_MS, Question, Refused
from remediations.writing.playbook import Mode, Never

RESUMED_MS: Final = 2_000
EVERY_PLAYBOOK: Final = ""
"""The key of a hold that holds all."""

# After a run of ours that did not end well, a service that looks stopped on purpose was stopped by us.
_OUR_TRACES: Final = (Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL)
_PASSING: Final = frozenset({Never.MAINTENANCE.value, "warm-up", "doubt"})


def mode(asked: Question) -> Refused | None:
    """Refuse what nobody has trusted yet to act by itself."""
    if asked.playbook.mode in (Mode.AUTO, Mode.APPROVE) or asked.playbook.read_only:
        return None
    word = "observes" if asked.playbook.mode is Mode.OBSERVE else "proposes"
    return Refused(f"{asked.playbook.playbook} only {word}; `beforehand ladder` tells what lets it act")


def kill_switch(asked: Question) -> Refused | None:
    """Refuse everything while it is set."""
    return Refused(asked.facts.stopped, asked.now_ms + RESUMED_MS) if asked.facts.stopped else None


def hold(asked: Question) -> Refused | None:
    """Refuse what somebody holds back."""
    for key in (EVERY_PLAYBOOK, asked.playbook.playbook):
        if key in asked.facts.holds:
            return Refused(asked.facts.holds[key], asked.now_ms + LATER_MS)
    return None


def pauses(asked: Question) -> Refused | None:
    """Refuse in times in which nothing is changed; a playbook may say which of some it does not mind."""
    for key, sentence in asked.facts.pauses.items():
        named = key in set(Never)
        heeded = Never(key) in asked.playbook.guard.never_when if named else not asked.playbook.read_only
        if heeded:
            planned = key == Never.MAINTENANCE
            retry_ms = asked.now_ms + LATER_MS
            return Refused(sentence, retry_ms, passing=key in _PASSING, planned=planned)
    return None


def human(asked: Question) -> Refused | None:
    """Refuse to work against somebody who wants the present state, or is at work."""
    act = asked.facts.human
    if act is None or Never.HUMAN_INTENT not in asked.playbook.guard.never_when:
        return None
    if not act.certain and asked.history and asked.history[-1].outcome in _OUR_TRACES:
        return None
    wait_ms = LATER_MS if act.passing else HUMAN_MS
    return Refused(act.reason, asked.now_ms + wait_ms, passing=act.passing)


def at_work(asked: Question) -> Refused | None:
    """Refuse to come in the way of a package manager and its like, or of a reboot that is scheduled."""
    act = asked.facts.at_work
    if act is None or Never.AT_WORK not in asked.playbook.guard.never_when:
        return None
    return Refused(act.reason, asked.now_ms + LATER_MS, passing=act.passing)


def lease(asked: Question) -> Refused | None:
    """Refuse what the desk, which sees the whole fleet, does not allow this host now."""
    if not asked.facts.lease:
        return None
    return Refused(asked.facts.lease, asked.now_ms + LATER_MS, passing=True)


def approval(asked: Question) -> Refused | None:
    """Refuse what people must approve first: all runs in ``approve``, in ``auto`` what cannot be undone."""
    count = needed(asked.playbook)
    if asked.facts.approved or not count:
        return None
    sentence = f"{asked.playbook.playbook} acts once approved by {people(count)}"
    why = ", for what it does cannot be undone" if asked.playbook.irreversible else ""
    return Refused(sentence + why, approvable=True)
