"""Why no drill may take place now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from agent.config import AgentConfig
from agent.healing.freeze import frozen
from agent.loopback import get
from agent.running import Active, Agent, Unheard, remembered
from agent.state import inner, switch_files
from model.alert import AlertState
from model.labels import Labels
from remediations.kill_switch import KillSwitch

_HARMLESS: Final = ("none", "info")


def stopped(state: Path) -> str:
    """Return the sentence of the kill switch of the agent that keeps its state here, or nothing."""
    sentences = (KillSwitch(file).active() for file in switch_files(state) if file.parent.is_dir())
    return next((sentence for sentence in sentences if sentence), "")


def objection(config: AgentConfig, state: Path, instance: str, now_ms: int) -> str:
    """Return why there is no drill now: the kill switch, a freeze, or trouble on this host; or nothing."""
    reason = stopped(state) or frozen(config.freezes, now_ms)
    if reason:
        return reason
    names = sorted({str(labels.get("alertname")) for labels in _firing(config, state) if grave(labels)})
    if names:
        return f"this host is not well: {', '.join(names[:5])} fires"
    for desk in config.desks:
        reference = open_incident(get(f"{desk}/api/v1/incidents"), instance)
        if reference:
            return f"an incident of this host is open at {desk}: {reference}"
    return ""


def _firing(config: AgentConfig, state: Path) -> Iterable[Labels]:
    """Return what fires by the running agent, or else by what the last one left; nothing where none was."""
    try:
        with Agent(f"http://{config.listen}") as agent:
            active: list[Active] = [one for rule in agent.running().rules for one in rule.active]
            return [one.labels for one in active if one.firing]
    except Unheard:
        pass
    try:
        left = remembered(inner(state) / "alerts.db")
    except Unheard:
        return []
    return [alert.labels for alert in left if alert.state is AlertState.FIRING]


def grave(labels: Mapping[str, str] | Labels) -> bool:
    """Tell whether an alert means trouble; the sign of life, which fires always, does not."""
    return labels.get("alertname") != "Watchdog" and labels.get("severity") not in _HARMLESS


def open_incident(answer: str, instance: str) -> str:
    """Return an open incident's name in which this host has a part, from a desk's list of incidents."""
    try:
        incidents: Any = json.loads(answer) if answer else []
        for incident in incidents:
            hosts = [alert["labels"].get("instance", "") for alert in incident["alerts"]]
            if incident["state"] not in ("resolved", "retracted") and instance in hosts:
                return str(incident["id"])[:100]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""  # an Alertmanager, or whoever else takes alerts there, has no incidents
    return ""
