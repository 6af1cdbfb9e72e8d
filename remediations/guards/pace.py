"""Guards over how often and how much at once: cooldown and backoff, budgets, one run on one thing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.question import SOON_MS, Question, Refused, clock
from remediations.writing.playbook import RUNS_AT_ONCE_MAX

BACKOFF_MAX_MS: Final = 30 * 60_000
BACKOFF_OVER_MS: Final = 24 * 3_600_000
JITTER: Final = 0.25

NO_HELP: Final = frozenset({Outcome.INEFFECTIVE, Outcome.FAILED, Outcome.HARMFUL, Outcome.RECURRED})


def alone(asked: Question) -> Refused | None:
    """Refuse a second run on one thing, and more runs at once than this host should bear."""
    facts, retry_ms = asked.facts, asked.now_ms + SOON_MS
    for thing in asked.playbook.target:
        if thing in facts.busy:
            return Refused(f"{facts.busy[thing]} works on {thing} already", retry_ms, passing=True)
    if not asked.playbook.read_only and facts.under_way >= asked.playbook.guard.at_once:
        return Refused(_under_way(facts.under_way), retry_ms, passing=True)
    if facts.under_way + facts.looking >= RUNS_AT_ONCE_MAX:
        return Refused(_under_way(facts.under_way + facts.looking), retry_ms, passing=True)
    return None


def _under_way(count: int) -> str:
    return f"{count} {'runs are' if count > 1 else 'run is'} under way already"


def cooldown(asked: Question) -> Refused | None:
    """Refuse so soon after the last run; twice as long after each one that did not help."""
    if not asked.history:
        return None
    vain = in_vain(asked.history, asked.now_ms)
    wait_ms = wait_after_ms(asked.history[-1], vain, asked.playbook.guard.cooldown.ms)
    over_ms = max(one.last_ms for one in asked.history) + wait_ms
    if asked.now_ms >= over_ms:
        return None
    because = f", because it did not help {vain} times in a row" if vain > 1 else ""
    return Refused(f"{asked.playbook.playbook} is cooling down until {clock(over_ms)}{because}", over_ms)


def in_vain(history: Sequence[Attempt], now_ms: int) -> int:
    """Return how many of the last attempts in a row did not help, within a day."""
    count = 0
    for attempt in reversed(history):
        if attempt.started_ms < now_ms - BACKOFF_OVER_MS or attempt.outcome is Outcome.FIXED:
            break
        count += attempt.outcome in NO_HELP
    return count


def wait_after_ms(last: Attempt, vain: int, cooldown_ms: int) -> int:
    """Return how long to wait after an attempt: the cooldown, doubled by each in vain, give or take.

    What is beyond the cooldown is at most 30 minutes. The quarter is drawn from the attempt itself, so that
    the answer is the same whenever it is asked, and another one on another host.
    """
    beyond_ms = min(cooldown_ms * (2 ** min(vain, 16) - 1), BACKOFF_MAX_MS)
    drawn = zlib.crc32(f"{last.playbook} {last.started_ms}".encode()) / 2**32
    return cooldown_ms + min(int(beyond_ms * (1 - JITTER + 2 * JITTER * drawn)), BACKOFF_MAX_MS)


def budget(asked: Question) -> Refused | None:
    """Refuse beyond any of the budgets, until the last of those that are used up has room again.

    An approval lifts the one that latches, and no other.
    """
    refused: Refused | None = None
    for one in asked.playbook.guard.at_most:
        latches = one is asked.playbook.guard.at_most.latch
        if latches and asked.facts.approved:
            continue
        recent = sorted(
            each.started_ms for each in asked.history if each.started_ms > asked.now_ms - one.per.ms
        )
        if len(recent) < one.runs_max:
            continue
        free_ms = recent[-one.runs_max] + one.per.ms
        name, again = asked.playbook.playbook, clock(free_ms)
        sentence = f"{name} ran {len(recent)} times; it may {one}, again at {again}"
        refused = Refused(sentence, free_ms, approvable=latches and refused is None)
    return refused
