"""Guards over what else is wrong on this host: an upstream that is down, a cause that many have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from model.alert import Alert
from model.duration import Duration, seconds
from model.labels import Labels
from remediations.question import HUMAN_MS, Question, Refused

TOGETHER_WITHIN: Final[Duration] = seconds(300)
SICK_MIN: Final = 3
SICK_PARTS: Final = 3
NAMED_MAX: Final = 5

_OWN_JOB: Final = "beforehand"


def upstream(asked: Question) -> Refused | None:
    """Refuse while something fires that the playbook names under ``unless``: the trouble lies there."""
    for other in asked.facts.firing:
        if other.labels is not asked.alert.labels and any(
            each.matches(other.labels) for each in asked.playbook.guard.unless
        ):
            sentence = f"{other.name} fires, and {asked.alert.name} may only suffer from it"
            return Refused(sentence, asked.now_ms + HUMAN_MS, passing=True, planned=True)
    return None


def common_cause(asked: Question) -> Refused | None:
    """Stop where three groups of this host and a third of all fell ill within five minutes."""
    if asked.playbook.read_only:
        return None
    sick = together(asked.facts.firing)
    watched = asked.facts.watched | sick
    if len(sick) < SICK_MIN or SICK_PARTS * len(sick) < len(watched):
        return None
    names = ", ".join(sorted(sick)[:NAMED_MAX])
    sentence = (
        f"{len(sick)} of {len(watched)} began to fire within {TOGETHER_WITHIN} ({names}):"
        " a common cause is likely, and a human is needed"
    )
    return Refused(sentence, asked.now_ms + HUMAN_MS)


def together(firing: Sequence[Alert]) -> frozenset[str]:
    """Return the largest set of groups whose alerts, all firing still, began within five minutes."""
    onsets = sorted((one.fired_at_ms or one.active_at_ms, group_of(one.labels)) for one in firing)
    grouped = [(at_ms, group) for at_ms, group in onsets if group]
    within: Counter[str] = Counter()
    end, widest, most = 0, (0, 0), 0
    for start, (first_ms, first) in enumerate(grouped):
        while end < len(grouped) and grouped[end][0] - first_ms <= TOGETHER_WITHIN.ms:
            within[grouped[end][1]] += 1
            end += 1
        if len(within) > most:
            widest, most = (start, end), len(within)
        within[first] -= 1
        if not within[first]:
            del within[first]
    return frozenset(group for _, group in grouped[slice(*widest)])


def group_of(labels: Labels) -> str:
    """Return what falls ill together: the service, or else the target; '' for the agent itself."""
    if labels.get("job") == _OWN_JOB:
        return ""
    return labels.get("service") or f"{labels.get('job')} {labels.get('instance')}".strip()
