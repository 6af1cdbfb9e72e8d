"""The words of the page: times, lengths of time, numbers of people, and the one sentence of state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from desk.page.view import DAY_MS, TROUBLE, DayView, IncidentView, MaintenanceView, PageView
from desk.state import Impact, IncidentState, MaintenanceState, ServiceState, worst

PEOPLE_NAMED_MIN: Final = 5  # a smaller number could point at somebody
PLANNED_DAYS: Final = 30
UNKNOWN: Final = ServiceState.UNKNOWN

STATE_WORDS: Final = {
    ServiceState.OPERATIONAL: "Working",
    ServiceState.MAINTENANCE: "Planned work",
    ServiceState.UNKNOWN: "Unknown",
    ServiceState.DEGRADED: "Impaired",
    ServiceState.PARTIAL: "Partly down",
    ServiceState.MAJOR: "Down",
}
IMPACT_WORDS: Final = {
    Impact.MAJOR: "Down",
    Impact.PARTIAL: "Partly down",
    Impact.DEGRADED: "Impaired",
    Impact.MINOR: "Small fault",
    Impact.UNKNOWN: "Impact unknown",
}
INCIDENT_WORDS: Final = {
    IncidentState.INVESTIGATING: "Investigating",
    IncidentState.IDENTIFIED: "Identified",
    IncidentState.MONITORING: "Monitoring",
    IncidentState.RESOLVED: "Resolved",
    IncidentState.RETRACTED: "Retracted",
}
WORK_WORDS: Final = {
    MaintenanceState.SCHEDULED: "Planned",
    MaintenanceState.IN_PROGRESS: "Under way",
    MaintenanceState.VERIFYING: "Done, being checked",
    MaintenanceState.COMPLETED: "Done",
    MaintenanceState.CANCELLED: "Called off",
}
_SAID_OF: Final = {
    ServiceState.MAJOR: ("is down", "are down"),
    ServiceState.PARTIAL: ("is partly down", "are partly down"),
    ServiceState.DEGRADED: ("does not work as it should", "do not work as they should"),
}
_UNITS_MS: Final = ((86_400_000, "day", "d"), (3_600_000, "hour", "h"), (60_000, "minute", "min"))


def clock(at_ms: int) -> str:
    """Say a moment in UTC to the minute: ``27 Jul 2026, 14:31 UTC``."""
    return f"{_utc(at_ms):%-d %b %Y, %H:%M} UTC"


def time_of_day(at_ms: int) -> str:
    """Say the time of day in UTC to the minute: ``14:31 UTC``."""
    return f"{_utc(at_ms):%H:%M} UTC"


def moment(at_ms: int) -> str:
    """Say the time of day in UTC to the second: ``14:31:05 UTC``."""
    return f"{_utc(at_ms):%H:%M:%S} UTC"


def date(at_ms: int) -> str:
    """Say a day in UTC: ``27 Jul 2026``."""
    return f"{_utc(at_ms):%-d %b %Y}"


def machine_time(at_ms: int) -> str:
    """Write a moment as the ``datetime`` attribute wants it (RFC 3339), to the millisecond."""
    return f"{_utc(at_ms):%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def seconds(length_ms: int) -> str:
    """Say a length of time as a stopwatch would: ``0.02 s``, ``12 s``, ``4 min 5 s``, ``2 h 5 min``."""
    length_ms = max(0, length_ms)
    if length_ms < 5:
        return "0 s" if length_ms == 0 else "under 0.01 s"
    if length_ms < 995:
        return f"{length_ms / 1000:.2f} s"
    if length_ms < 9_950:
        return f"{length_ms / 1000:.1f} s".replace(".0 s", " s")
    whole_s = round(length_ms / 1000)
    if whole_s < 60:
        return f"{whole_s} s"
    for big_ms, _, big in _UNITS_MS:
        big_s = big_ms // 1000
        if whole_s >= big_s:
            small_s, small = {"d": (3600, "h"), "h": (60, "min"), "min": (1, "s")}[big]
            rest = whole_s % big_s // small_s
            return f"{whole_s // big_s} {big}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("a minute is the smallest unit above")


def length(length_ms: int) -> str:
    """Say a length of time in whole words: ``2 hours 5 minutes``, ``less than a minute``."""
    minutes = max(0, length_ms) // 60_000
    if minutes < 1:
        return "less than a minute"
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    said = [f"{count} {unit}" + ("s" if count > 1 else "") for count, unit in parts if count]
    return " ".join(said[:2])


def ago(at_ms: int, now_ms: int) -> str:
    """Say how long ago a moment was; a moment that is still to come counts as now."""
    return f"{length(now_ms - at_ms)} ago"


def ahead(at_ms: int, now_ms: int) -> str:
    """Say how far ahead a moment is, or that it has passed."""
    if at_ms < now_ms:
        return f"{length(now_ms - at_ms)} overdue"
    return f"in {length(at_ms - now_ms)}"


def people(count: int) -> str:
    """Say a number of people so that it points at nobody: none, fewer than 5, or two rounded digits."""
    if count <= 0:
        return "nobody"
    if count < PEOPLE_NAMED_MIN:
        return f"fewer than {PEOPLE_NAMED_MIN} people"
    step = 5 if count < 100 else 10 ** (len(str(count)) - 2)
    return f"about {(count + step // 2) // step * step:,} people"


def uptime(days: tuple[DayView, ...]) -> str:
    """Say the share of the time seen that was free of trouble, cut down so that 100 % means no trouble."""
    seen_ms = sum(day.seen_ms for day in days)
    if not seen_ms:
        return "not yet known"
    good_ms = seen_ms - sum(day.trouble_ms for day in days)
    share = f"{good_ms * 10_000 // seen_ms / 100:.2f}"
    return f"{'100' if share == '100.00' else share} %"


def days_with_problems(days: tuple[DayView, ...]) -> str:
    """Count the days with trouble, in words."""
    count = sum(day.worst in TROUBLE for day in days)
    return {0: "no day with problems", 1: "1 day with problems"}.get(count, f"{count} days with problems")


def day(cell: DayView) -> str:
    """Say what one day was like: ``27 Jul 2026: Down, 12 minutes``."""
    said = STATE_WORDS[cell.worst].lower() if cell.seen_ms else "not watched"
    trouble = f", {length(cell.trouble_ms)} of trouble" if cell.trouble_ms else ""
    return f"{date(cell.start_ms)}: {said}{trouble}"


def month_key(at_ms: int) -> str:
    """Name a month as the history does: ``2026-07``."""
    return f"{_utc(at_ms):%Y-%m}"


def effect(incident: IncidentView) -> str:
    """Say what the incident did to its services, and for how long where that is over: ``Down for 2.1 s``."""
    if incident.state is IncidentState.RETRACTED:
        return "No effect"
    end_ms = incident.resolved_ms if incident.healed_ms is None else incident.healed_ms
    lasted = "" if end_ms is None else f" for {seconds(end_ms - incident.onset_ms)}"
    return IMPACT_WORDS[incident.impact] + lasted


def done_by(incident: IncidentView) -> str:
    """Say who dealt with it: a playbook, our people, or both."""
    if incident.escalated:
        return (
            "Our people" if incident.healed_ms is None else "An automatic repair, seen through by our people"
        )
    if incident.healed_ms is not None:
        return "An automatic repair"
    return "Nobody yet" if incident.resolved_ms is None else "No automatic repair; it ended without one"


def state_of(page: PageView) -> ServiceState:
    """Return the state that the whole page stands in: its worst service, or unknown."""
    return worst(service.state for service in page.services)


def sentence(page: PageView) -> str:
    """Say in one sentence how things stand; give it an ``honest`` page."""
    if page.confirmed_ms is None:
        return "We do not know yet how things stand."
    if not page.confirmed:
        return "We do not know how things stand right now."
    if not page.services:
        return "No service is shown here yet."
    state = state_of(page)
    if state is ServiceState.OPERATIONAL:
        return _well(page.open_incidents)
    return _unwell(page, state)


def _well(incidents: tuple[IncidentView, ...]) -> str:
    """Say that everything works, and what we still do about it."""
    if not incidents:
        return "Everything works."
    if all(incident.state is IncidentState.MONITORING for incident in incidents):
        return "Everything works again; we keep watching."
    return "Everything seems to work; we are looking into a possible fault."


def _unwell(page: PageView, state: ServiceState) -> str:
    """Name the services that stand in the worst state, and count the others in trouble."""
    hit = [service.name for service in page.services if service.state is state]
    if state is ServiceState.UNKNOWN:
        return f"We cannot see how {names(hit)} {'stands' if len(hit) == 1 else 'stand'} right now."
    if state is ServiceState.MAINTENANCE:
        return f"Planned work is under way on {names(hit)}."
    others = sum(service.state in TROUBLE for service in page.services) - len(hit)
    also = {0: "", 1: "; one other has trouble"}.get(others, f"; {others} others have trouble")
    return f"{names(hit)} {_SAID_OF[state][len(hit) > 1]}{also}."


def names(services: list[str]) -> str:
    """Name up to three services, or count the rest; each is fenced off from the direction of the others."""
    said = [f"\u2068{name}\u2069" for name in services]
    if len(said) > 3:
        said = [*said[:2], f"{len(said) - 2} more"]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def planned(page: PageView) -> tuple[MaintenanceView, ...]:
    """Return the work that is under way or begins within 30 days, the next first."""
    over = (MaintenanceState.COMPLETED, MaintenanceState.CANCELLED)
    last_ms = page.now_ms + PLANNED_DAYS * DAY_MS
    found = (one for one in page.maintenances if one.state not in over and one.start_ms <= last_ms)
    return tuple(sorted(found, key=lambda one: (one.start_ms, one.id)))


def services_of(page: PageView, work: MaintenanceView) -> tuple[str, ...]:
    """Return the names of the services that planned work is on, as the page has them."""
    known = {one.service: one.name for one in page.services}
    return tuple(known.get(key, key) for key in work.keys)


def confirmation(page: PageView, copied: bool = False) -> str:
    """Say when the states of the page were last borne out by a check; a copy says no length of time."""
    if page.confirmed_ms is None:
        return "No check has reached us yet, so every service is unknown."
    since = clock(page.confirmed_ms) + ("" if copied else f", {ago(page.confirmed_ms, page.now_ms)}")
    if page.confirmed:
        return f"Confirmed at {since}."
    return f"Last confirmed at {since}. Until checks reach us again, every service is unknown."


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
