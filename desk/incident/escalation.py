"""When the team that owns a service must be told that nothing heals it by itself: a pure decision."""

from __future__ import annotations

from typing import Final

from desk.incident.incident import Incident
from model.outcome import Healing, Outcome, Remedy

_IN_VAIN: Final = (Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL)


def reason_to_escalate(incident: Incident, patience_ms: int, now_ms: int) -> str:
    """Return why people must take over, as a sentence, or the empty string.

    An alert of which no remedy is known may still get one, for its agent asks the host before it acts:
    the incident is given ``patience_ms``.
    """
    if incident.lost_ms:
        return "Its agent is not heard any more, so nobody knows how it stands."
    if incident.unstable_ms:
        return "It comes and goes, so nothing that heals it lasts."
    for signal in incident.signals:
        remedy = signal.remedy
        if signal.over:
            continue
        if remedy is not None and (remedy.escalate or remedy.status in _IN_VAIN):
            return remedy.reason or f"The remedy is {remedy.status.value}."
        if _silent(remedy) and now_ms >= incident.begun_ms + patience_ms:
            return "No playbook answers to it."
    return ""


def patience_ends_ms(incident: Incident, patience_ms: int) -> int:
    """Return when patience with an alert that says nothing of a remedy ends; 0 when it does not matter."""
    silent = any(_silent(signal.remedy) and not signal.over for signal in incident.signals)
    return incident.begun_ms + patience_ms if silent and not incident.escalated_ms else 0


def _silent(remedy: Remedy | None) -> bool:
    return remedy is None or remedy.status is Healing.NONE
