"""What a desk made of an alert: the incident, who was told what, who was not, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import requests

TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 32 << 20
INCIDENTS: Final = 200
PEOPLE_SHOWN_MAX: Final = 100


def incidents_of(desk: str, labels: Mapping[str, str], external: Mapping[str, str]) -> dict[str, Any]:
    """Return the newest incidents in which an alert with these labels is, or why the desk tells of none."""
    said: dict[str, Any] = {"desk": desk, "incidents": [], "trouble": ""}
    try:
        known = _asked(desk)
        posted = {**external, **labels}
        said["incidents"] = [_incident(one) for one in known if _holds(one, posted)]
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as wrong:
        said["trouble"] = f"{desk} cannot be asked: {type(wrong).__name__}"
    return said


def _asked(desk: str) -> list[dict[str, Any]]:
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment would not reach loopback
        address = f"{desk}/api/v1/incidents"
        with session.get(address, params={"limit": INCIDENTS}, timeout=TIMEOUT_S, stream=True) as reply:
            reply.raise_for_status()
            body = reply.raw.read(ANSWER_BYTES_MAX + 1, decode_content=True)
    if len(body) > ANSWER_BYTES_MAX:
        raise ValueError("the answer is too long")
    known = json.loads(body)
    if not isinstance(known, list):
        raise TypeError("the answer is no list")
    return known


def _holds(incident: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return any(alert["labels"] == dict(labels) for alert in incident["alerts"])


def _incident(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a desk's account that explains what was said."""
    plain = ("id", "service", "impact", "state", "reason", "scope_refused", "escalation")
    return {
        **{name: one.get(name) for name in plain},
        "told": [_told(each) for each in one["told"][:PEOPLE_SHOWN_MAX]],
        "not_told": [{**_who(each), "why": each["why"]} for each in one["not_told"][:PEOPLE_SHOWN_MAX]],
        "notices": [{name: each[name] for name in ("kind", "state", "reason")} for each in one["notices"]],
    }


def _told(each: Mapping[str, Any]) -> dict[str, Any]:
    notices = [letter["kind"] for letter in each.get("notices", ())]
    return {**_who(each), "why": each["reason"], "notices": notices}


def _who(each: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each[name] for name in ("name", "customer", "email")}
