"""The page as Statuspage's public API v2 says it, so that every reader of such pages reads ours.

Keys, words and the roll-up are those of Statuspage; what it has no word for stands under ``x_beforehand``.
Times are RFC 3339 in UTC with milliseconds. Ids are 12 digits to the base 36 that never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from desk.page.view import IncidentView, MaintenanceView, PageView, ServiceView, UpdateView
from desk.state import Impact, IncidentState, MaintenanceState, ServiceState

INCIDENTS_MAX: Final = 50

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = 12

# Statuspage cannot say that nobody knows. What is nearest to it, and never operational, is degraded.
COMPONENT: Final = {
    ServiceState.OPERATIONAL: "operational",
    ServiceState.MAINTENANCE: "under_maintenance",
    ServiceState.UNKNOWN: "degraded_performance",
    ServiceState.DEGRADED: "degraded_performance",
    ServiceState.PARTIAL: "partial_outage",
    ServiceState.MAJOR: "major_outage",
}
IMPACT: Final = {
    Impact.UNKNOWN: "none",
    Impact.MINOR: "minor",
    Impact.DEGRADED: "minor",
    Impact.PARTIAL: "major",
    Impact.MAJOR: "critical",
}

# What is said where all services, and where only some, stand so; the worst first.
_ROLL_UP: Final = (
    (ServiceState.MAJOR, ("critical", "Major System Outage"), ("major", "Partial System Outage")),
    (ServiceState.PARTIAL, ("major", "Partial System Outage"), ("minor", "Minor Service Outage")),
    (ServiceState.DEGRADED, ("minor", "Degraded System Service"), ("minor", "Partially Degraded Service")),
    (ServiceState.UNKNOWN, ("minor", "Service Status Unknown"), ("minor", "Service Status Unknown")),
    (
        ServiceState.MAINTENANCE,
        ("none", "Service Under Maintenance"),
        ("none", "Service Under Maintenance"),
    ),
)

Json = dict[str, Any]


def summary(page: PageView) -> Json:
    """Return ``summary.json``: everything that is not over."""
    going = (MaintenanceState.SCHEDULED, MaintenanceState.IN_PROGRESS, MaintenanceState.VERIFYING)
    return {
        **components(page),
        "incidents": [_incident(page, one) for one in page.open_incidents],
        "scheduled_maintenances": [
            _maintenance(page, one) for one in page.maintenances if one.state in going
        ],
        **status(page),
    }


def status(page: PageView) -> Json:
    """Return ``status.json``: the whole in one word and one sentence."""
    indicator, description = roll_up([one.state for one in page.services])
    return {"page": _page(page), "status": {"indicator": indicator, "description": description}}


def components(page: PageView) -> Json:
    """Return ``components.json``: each service."""
    return {"page": _page(page), "components": _components(page, None)}


def incidents(page: PageView, *, unresolved: bool = False) -> Json:
    """Return ``incidents.json``, or ``incidents/unresolved.json``; newest first."""
    chosen = page.open_incidents if unresolved else page.incidents[:INCIDENTS_MAX]
    return {"page": _page(page), "incidents": [_incident(page, one) for one in chosen]}


def maintenances(page: PageView, *states: MaintenanceState) -> Json:
    """Return ``scheduled-maintenances.json``, or with states only what stands so."""
    chosen = [
        one
        for one in page.maintenances
        if one.state is not MaintenanceState.CANCELLED and (not states or one.state in states)
    ]
    return {
        "page": _page(page),
        "scheduled_maintenances": [_maintenance(page, one) for one in chosen[:INCIDENTS_MAX]],
    }


def one_incident(page: PageView, incident: IncidentView) -> Json:
    """Return an incident by itself."""
    return {"page": _page(page), "incident": _incident(page, incident)}


def roll_up(states: Sequence[ServiceState]) -> tuple[str, str]:
    """Return the indicator and the sentence for these services, the worst first, as Statuspage has them.

    What is unknown is told as such, unless something is worse.
    """
    for state, all_so, some_so in _ROLL_UP:
        if state in states:
            return all_so if all(one is state for one in states) else some_so
    return "none", "All Systems Operational"


def identity(kind: str, name: str) -> str:
    """Return the id of something by its kind and its name."""
    number = int.from_bytes(hashlib.sha256(f"{kind}\0{name}".encode()).digest())
    digits = []
    for _ in range(_ID_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def moment(at_ms: int) -> str:
    """Return a moment as RFC 3339 has it."""
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _moment(at_ms: int | None) -> str | None:
    return moment(at_ms) if at_ms else None


def changed_ms(page: PageView) -> int:
    """Return the newest moment that the page tells of, without that of its making."""
    services = (one.since_ms for one in page.services)
    told = (one.changed_ms for one in page.incidents)
    planned = (one.changed_ms for one in page.maintenances)
    return max((page.watched_ms, *services, *told, *planned))


def _page_id(page: PageView) -> str:
    return identity("page", page.url)


def _page(page: PageView) -> Json:
    return {
        "id": _page_id(page),
        "name": page.name,
        "url": page.url,
        "time_zone": "Etc/UTC",
        "updated_at": moment(changed_ms(page)),
        "x_beforehand": {"confirmed_at": _moment(page.confirmed_ms), "confirmed": page.confirmed},
    }


def _components(page: PageView, keys: Iterable[str] | None) -> list[Json]:
    wanted = None if keys is None else frozenset(keys)
    return [
        _component(page, position, one)
        for position, one in enumerate(page.services, 1)
        if wanted is None or one.service in wanted
    ]


def _component(page: PageView, position: int, service: ServiceView) -> Json:
    return {
        "id": identity("component", service.service),
        "name": service.name,
        "status": COMPONENT[service.state],
        "created_at": moment(page.watched_ms),
        "updated_at": moment(service.since_ms),
        "position": position,
        "description": None,
        "showcase": True,
        "start_date": moment(page.watched_ms)[:10],
        "group_id": None,
        "page_id": _page_id(page),
        "group": False,
        "only_show_if_degraded": False,
        "x_beforehand": {"service": service.service, "state": service.state.value},
    }


def _incident(page: PageView, incident: IncidentView) -> Json:
    state = incident.state
    resolved = state in (IncidentState.RESOLVED, IncidentState.RETRACTED)
    return {
        "id": identity("incident", incident.id),
        "name": incident.title,
        "status": IncidentState.RESOLVED.value if resolved else state.value,
        "created_at": moment(incident.opened_ms),
        "updated_at": moment(incident.changed_ms),
        "monitoring_at": _moment(_first(incident, IncidentState.MONITORING)),
        "resolved_at": _moment(incident.resolved_ms),
        "impact": IMPACT[incident.impact],
        "shortlink": f"{page.url.rstrip('/')}/incidents/{incident.id}",
        "started_at": moment(incident.onset_ms or incident.opened_ms),
        "page_id": _page_id(page),
        "incident_updates": _updates(page, incident),
        "components": _components(page, incident.keys),
        "reminder_intervals": None,
        "x_beforehand": {
            "state": state.value,
            "impact": incident.impact.value,
            "next_update_at": _moment(incident.next_update_ms),
            "healed_silently": incident.healed_silently,
        },
    }


def _first(incident: IncidentView, state: IncidentState) -> int | None:
    return min((one.at_ms for one in incident.updates if one.state is state), default=None)


def _updates(page: PageView, incident: IncidentView) -> list[Json]:
    """Return what was said, newest first; each is numbered from the oldest, so its id stays."""
    said: list[Json] = []
    before = COMPONENT[ServiceState.OPERATIONAL]
    names = {one.service: one.name for one in page.services}
    for number, update in enumerate(reversed(incident.updates), 1):
        after = _status_in(update, before)
        touched = [
            {
                "code": identity("component", key),
                "name": names.get(key, key),
                "old_status": before,
                "new_status": after,
            }
            for key in incident.keys
        ]
        before = after
        said.append(_update(incident, number, update, touched))
    return said[::-1]


def _status_in(update: UpdateView, before: str) -> str:
    if update.state in (IncidentState.RESOLVED, IncidentState.RETRACTED):
        return COMPONENT[ServiceState.OPERATIONAL]
    return COMPONENT[update.impact.state] if update.impact else before


def _update(incident: IncidentView, number: int, update: UpdateView, touched: list[Json]) -> Json:
    at = moment(update.at_ms)
    retracted = update.state is IncidentState.RETRACTED
    return {
        "id": identity("update", f"{incident.id}/{number}"),
        "status": IncidentState.RESOLVED.value if retracted else update.state.value,
        "body": update.text,
        "incident_id": identity("incident", incident.id),
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": touched or None,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _maintenance(page: PageView, work: MaintenanceView) -> Json:
    begun = work.state is not MaintenanceState.SCHEDULED
    over = work.state is MaintenanceState.COMPLETED
    at = moment(work.changed_ms)
    known = identity("maintenance", work.id)
    said = {
        "id": identity("update", f"{work.id}/{work.sequence}/{work.state}"),
        "status": work.state.value,
        "body": work.text,
        "incident_id": known,
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": None,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }
    return {
        "id": known,
        "name": work.title,
        "status": work.state.value,
        "created_at": moment(work.announced_ms),
        "updated_at": at,
        "monitoring_at": None,
        "resolved_at": at if over else None,
        "impact": "maintenance",
        "shortlink": f"{page.url.rstrip('/')}/maintenances/{work.id}",
        "started_at": moment(work.start_ms if begun else work.announced_ms),
        "page_id": _page_id(page),
        "incident_updates": [said],
        "components": _components(page, work.keys),
        "reminder_intervals": None,
        "scheduled_for": moment(work.start_ms),
        "scheduled_until": moment(work.end_ms),
    }
