"""What a page shows, as plain data: the public views have no field that could hold a person.

Every time is milliseconds since 1970 in UTC. ``now_ms`` comes from the reader, so two calls on the same
view say the same. Names, titles and texts are the customers' words: data until the template escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from desk.state import Impact, IncidentState, MaintenanceState, ServiceState, worst

DAYS_SHOWN: Final = 90
DAY_MS: Final = 86_400_000
CONFIRMED_FOR_MS: Final = 300_000


TROUBLE: Final = (ServiceState.DEGRADED, ServiceState.PARTIAL, ServiceState.MAJOR)


@dataclass(frozen=True, slots=True)
class DayView:
    """One service on one day in UTC: the worst state, and how long it was seen and in trouble."""

    start_ms: int
    worst: ServiceState
    trouble_ms: int = 0  # in one of TROUBLE
    seen_ms: int = 0  # any state but unknown


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service as everybody may see it; ``days`` run from the oldest to today."""

    service: str
    name: str
    state: ServiceState
    since_ms: int
    days: tuple[DayView, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateView:
    """One thing that was said about an incident; ``impact`` is how heavy it was then, where that was kept."""

    state: IncidentState
    text: str
    at_ms: int
    impact: Impact | None = None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident as everybody may see it; ``updates`` run from the newest to the oldest.

    ``noticed_ms`` is the first alert, ``told_ms`` the first delivery that reached somebody, ``healed_ms``
    the end of the symptom after a playbook and ``verified_ms`` the proof that it lasts.
    """

    id: str
    title: str
    services: tuple[str, ...]
    impact: Impact
    state: IncidentState
    opened_ms: int
    onset_ms: int
    noticed_ms: int
    healed_ms: int | None = None
    verified_ms: int | None = None
    told_ms: int | None = None
    resolved_ms: int | None = None
    healed_silently: bool = False
    escalated: bool = False
    told_count: int = 0
    next_update_ms: int | None = None
    updates: tuple[UpdateView, ...] = ()
    keys: tuple[str, ...] = ()
    """The keys of its services in the catalogue, which never change with the language."""

    @property
    def changed_ms(self) -> int:
        """The newest moment that it tells of."""
        said_ms = self.updates[0].at_ms if self.updates else 0
        return max(self.opened_ms, said_ms, self.resolved_ms or 0)


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """Planned work as everybody may see it; ``sequence`` counts how often its times or services changed."""

    id: str
    title: str
    text: str
    keys: tuple[str, ...]
    state: MaintenanceState
    start_ms: int
    end_ms: int
    announced_ms: int
    changed_ms: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page; ``confirmed_ms`` is the last heartbeat of any agent, or None before the first.

    ``open_incidents`` and ``past_incidents`` run from the newest to the oldest, ``maintenances`` from the
    last to the first. ``language`` is the one that the names and texts are in. ``watched_ms`` is since when
    the desk watches.
    """

    name: str
    url: str
    language: str
    now_ms: int
    services: tuple[ServiceView, ...] = ()
    open_incidents: tuple[IncidentView, ...] = ()
    past_incidents: tuple[IncidentView, ...] = ()
    confirmed_ms: int | None = None
    maintenances: tuple[MaintenanceView, ...] = ()
    watched_ms: int = 0

    @property
    def incidents(self) -> tuple[IncidentView, ...]:
        """All that the page tells of, newest first."""
        return tuple(
            sorted((*self.open_incidents, *self.past_incidents), key=lambda one: one.opened_ms, reverse=True)
        )

    @property
    def confirmed(self) -> bool:
        """Whether an agent was heard in the last five minutes, so that the states can be believed."""
        return self.confirmed_ms is not None and self.now_ms - self.confirmed_ms <= CONFIRMED_FOR_MS


@dataclass(frozen=True, slots=True)
class LetterView:
    """One letter of the local mailbox; for staff alone, because it names a person."""

    id: str
    to: str
    subject: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class MailboxView:
    """The letters that were kept here instead of sent, from the newest to the oldest; for staff alone."""

    name: str
    now_ms: int
    letters: tuple[LetterView, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a service stood in one state; ``end_ms`` None means that it still does."""

    state: ServiceState
    start_ms: int
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class MonthView:
    """The incidents that began in one month in UTC, from the newest to the oldest."""

    key: str  # 2026-07
    title: str  # July 2026
    incidents: tuple[IncidentView, ...]


def honest(page: PageView) -> PageView:
    """Return the page without any claim that no heartbeat of the last five minutes bears out."""
    if page.confirmed:
        return page
    since_ms = page.confirmed_ms
    return replace(page, services=tuple(_unknown(service, since_ms) for service in page.services))


def _unknown(service: ServiceView, since_ms: int | None) -> ServiceView:
    days = service.days
    if days:
        today = replace(days[-1], worst=worst((days[-1].worst, ServiceState.UNKNOWN)))
        days = (*days[:-1], today)
    return replace(
        service,
        state=ServiceState.UNKNOWN,
        since_ms=service.since_ms if since_ms is None else since_ms,
        days=days,
    )


def days_of(stretches: Iterable[Stretch], watched_ms: int, now_ms: int) -> tuple[DayView, ...]:
    """Return the last 90 days in UTC of a service that is watched since ``watched_ms``.

    Where no stretch says otherwise the service worked; days before ``watched_ms`` are unknown. Stretches
    may overlap: a moment counts once, with the worst of its states.
    """
    known = tuple(stretches)
    first_ms = now_ms // DAY_MS * DAY_MS - (DAYS_SHOWN - 1) * DAY_MS
    return tuple(
        _day(start_ms, max(start_ms, watched_ms), min(start_ms + DAY_MS, now_ms), known)
        for start_ms in range(first_ms, first_ms + DAYS_SHOWN * DAY_MS, DAY_MS)
    )


def _day(day_ms: int, start_ms: int, end_ms: int, stretches: tuple[Stretch, ...]) -> DayView:
    """Judge the watched part of a day, from one change of state to the next."""
    if start_ms >= end_ms:
        return DayView(day_ms, ServiceState.UNKNOWN)
    spans = [
        (one.state, max(start_ms, one.start_ms), end_ms if one.end_ms is None else min(end_ms, one.end_ms))
        for one in stretches
    ]
    spans = [(state, from_ms, to_ms) for state, from_ms, to_ms in spans if from_ms < to_ms]
    edges = sorted({start_ms, end_ms, *(span[1] for span in spans), *(span[2] for span in spans)})
    length_ms = dict.fromkeys(ServiceState, 0)
    for left_ms, right_ms in pairwise(edges):
        here = [state for state, from_ms, to_ms in spans if from_ms <= left_ms and right_ms <= to_ms]
        length_ms[worst((ServiceState.OPERATIONAL, *here))] += right_ms - left_ms
    return DayView(
        day_ms,
        worst(state for state, ms in length_ms.items() if ms),
        sum(length_ms[state] for state in TROUBLE),
        end_ms - start_ms - length_ms[ServiceState.UNKNOWN],
    )


def months(incidents: Iterable[IncidentView]) -> tuple[MonthView, ...]:
    """Group incidents by the month in which people first felt them, newest month first."""
    groups: dict[str, list[IncidentView]] = {}
    for incident in sorted(incidents, key=lambda one: one.onset_ms, reverse=True):
        groups.setdefault(_utc(incident.onset_ms).strftime("%Y-%m"), []).append(incident)
    return tuple(
        MonthView(key, _utc(group[0].onset_ms).strftime("%B %Y"), tuple(group))
        for key, group in groups.items()
    )


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
