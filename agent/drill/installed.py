"""What is known of the notice path that is installed on this host; it is read only, and nobody is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from agent.config import AgentConfig
from agent.loopback import get

ALWAYS_OPEN: Final = (
    "mail from your desk to people: a drill's own desk has no mail server, so that nobody real is told",
    "your rules and playbooks on your services: a drill has rules and playbooks of its own",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What was proved, and what was not."""

    proved: tuple[str, ...]
    open: tuple[str, ...]


def standing(config: AgentConfig, instance: str) -> Standing:
    """Ask the installed agent and its desks."""
    proved: list[str] = []
    left: list[str] = []
    if get(f"http://{config.listen}/-/ready"):
        proved.append(f"this host's agent turns (http://{config.listen})")
    else:
        left.append(f"this host's agent: none answers at http://{config.listen}")
    for desk in config.desks:
        heard = heard_at(get(f"{desk}/api/v2/alerts"), instance)
        if heard:
            proved.append(f"{desk} hears this host's agent: its sign of life stands there, of {heard}")
        else:
            left.append(f"the way to {desk}: this host's sign of life does not stand there")
    if not config.desks:
        left.append("any notice at all: no desk is configured")
    return Standing(tuple(proved), (*left, *ALWAYS_OPEN))


def heard_at(answer: str, instance: str) -> str:
    """Return when a desk last heard that this host's agent lives, from its list of alerts; or nothing."""
    try:
        alerts: Any = json.loads(answer) if answer else []
        for alert in alerts:
            labels = alert["labels"]
            if labels.get("alertname") == "Watchdog" and labels.get("instance") == instance:
                return str(alert.get("updatedAt", "an unknown time"))[:40]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ""
