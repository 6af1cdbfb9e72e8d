"""What the store holds, as pages show it; only the views of the mailbox, for staff, carry a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.service import FALLBACK
from desk.channels import mailbox
from desk.house import House
from desk.incident import dossier
from desk.maintenance import book as maintenance_book
from desk.maintenance.maintenance import Maintenance
from desk.maintenance.words import page_text, said_title
from desk.notice.words import say, spoken
from desk.page.view import (
    DAY_MS,
    DAYS_SHOWN,
    IncidentView,
    LetterView,
    MailboxView,
    MaintenanceView,
    PageView,
    ServiceView,
    Stretch,
    UpdateView,
    days_of,
)
from desk.state import Impact, IncidentState, ServiceState, worst
from desk.store.store import Store

INCIDENTS_SHOWN_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Reader:
    """Answers the questions of pages; each answer is one moment of the store."""

    store: Store
    house: House
    letters: Path | None
    watched_ms: int

    def page(self, now_ms: int) -> PageView:
        """Return the whole page."""
        tongue = self._tongue()
        with self.store.reading() as conn:
            rows = _recent(conn, now_ms)
            incidents = self._views(conn, rows)
            doubtful = _doubtful(conn, now_ms) | _shadowed(self.house.catalogue, rows)
            echoes = dossier.stretches(conn, now_ms - DAYS_SHOWN * DAY_MS)
            confirmed = conn.execute(sa.select(sa.func.max(schema.agent.c.heard_ms))).scalar()
            works = maintenance_book.works(conn, now_ms)
        services = tuple(
            ServiceView(
                name,
                service.said_in(tongue),
                *_echoing(_standing(name, rows, doubtful, self.watched_ms, works), echoes.get(name, ())),
                days=days_of(
                    (*_stretches(name, rows, works), *echoes.get(name, ())), self.watched_ms, now_ms
                ),
            )
            for name, service in self.house.catalogue.services.items()
            if service.serves
        )
        return PageView(
            name=self.house.config.name,
            url=self.house.config.url,
            language=tongue,
            now_ms=now_ms,
            services=services,
            open_incidents=tuple(one for one in incidents if one.resolved_ms is None),
            past_incidents=tuple(one for one in incidents if one.resolved_ms is not None),
            confirmed_ms=int(confirmed) if confirmed else None,
            watched_ms=self.watched_ms,
            maintenances=tuple(self._work(one) for one in works),
        )

    def incident(self, ref: str) -> IncidentView | None:
        """Return one incident by its public name."""
        with self.store.reading() as conn:
            table = schema.incident
            rows = conn.execute(sa.select(table).where(table.c.ref == ref)).all()
            return next(iter(self._views(conn, rows)), None)

    def _work(self, work: Maintenance) -> MaintenanceView:
        tongue = self._tongue()
        plan = work.plan
        services = maintenance_book.services_of(self.house, plan)
        return MaintenanceView(
            id=work.id,
            title=said_title(plan.title, tongue),
            text=page_text(work, services, tongue),
            keys=plan.services,
            state=work.state,
            start_ms=plan.start_ms,
            end_ms=plan.end_ms,
            announced_ms=work.announced_ms,
            changed_ms=work.changed_ms,
            sequence=work.sequence,
        )

    def mailbox(self, now_ms: int) -> MailboxView:
        """Return the letters that were kept here; for staff alone."""
        kept = mailbox.letters(self.letters) if self.letters else ()
        return MailboxView(self.house.config.name, now_ms, tuple(_letter(one) for one in kept))

    def letter(self, name: str) -> LetterView | None:
        """Return one letter; for staff alone."""
        found = mailbox.letter(self.letters, name) if self.letters else None
        return _letter(found) if found else None

    def _tongue(self) -> str:
        return spoken(self.house.config.language)

    def _views(self, conn: Connection, rows: Iterable[Row[Any]]) -> list[IncidentView]:
        rows = tuple(rows)
        updates = _updates(conn, [row.id for row in rows], self._tongue())
        told = told_counts(conn, [row.id for row in rows])
        named = dossier.titles(conn, [row.id for row in rows])
        views = [self._view(row, updates.get(row.id, ()), told.get(row.id, 0)) for row in rows]
        return [
            replace(view, title=title) if (title := self._title(named.get(row.id, {}))) else view
            for row, view in zip(rows, views, strict=True)
        ]

    def _title(self, words: Mapping[str, str]) -> str:
        """Return the title that a person gave, in the language of the page or as it was written."""
        return words.get(self._tongue()) or words.get(FALLBACK) or next(iter(words.values()), "")

    def _view(self, row: Row[Any], updates: tuple[UpdateView, ...], told: int) -> IncidentView:
        tongue = self._tongue()
        service = self.house.catalogue.services.get(row.service)
        name = service.said_in(tongue) if service else row.service
        stem = row.first_impact if row.first_impact != Impact.UNKNOWN else Impact.MINOR
        return IncidentView(
            id=row.ref,
            title=say(tongue, f"stem_{stem}", service=name),
            services=(name,),
            impact=Impact(row.impact),
            state=IncidentState(row.state),
            opened_ms=row.opened_ms,
            onset_ms=row.onset_ms,
            noticed_ms=row.noticed_ms,
            healed_ms=row.healed_ms or None,
            verified_ms=row.verified_ms or None,
            told_ms=row.told_ms or None,
            resolved_ms=row.resolved_ms or None,
            healed_silently=row.healed_silently,
            escalated=bool(row.escalated_ms),
            told_count=told,
            next_update_ms=row.next_update_ms or None,
            updates=updates,
            keys=(row.service,),
        )


def _recent(conn: Connection, now_ms: int) -> list[Row[Any]]:
    """Return the incidents of the days that the page shows, newest first, and every open one."""
    table = schema.incident
    return list(
        conn.execute(
            sa.select(table)
            .where(sa.or_(table.c.resolved_ms == 0, table.c.opened_ms > now_ms - DAYS_SHOWN * DAY_MS))
            .order_by(table.c.opened_ms.desc(), table.c.id.desc())
            .limit(INCIDENTS_SHOWN_MAX)
        )
    )


def _doubtful(conn: Connection, now_ms: int) -> frozenset[str]:
    """Return the services that an alert of unknown impact touches now."""
    doubt, alert = schema.doubt, schema.alert
    found = conn.execute(
        sa.select(doubt.c.service)
        .distinct()
        .join(alert, alert.c.key == doubt.c.alert)
        .where(alert.c.ends_ms > now_ms)
    )
    return frozenset(row.service for row in found)


def _shadowed(catalogue: Catalogue, rows: Iterable[Row[Any]]) -> frozenset[str]:
    """Return the services that cannot be known to work, since what they need is down or out of sight."""
    failed = {
        row.service
        for row in rows
        if not row.resolved_ms and (row.lost_ms or row.impact in (Impact.MAJOR, Impact.PARTIAL))
    }
    return frozenset(catalogue.brought_down(sorted(failed))) - failed


def _echoing(standing: tuple[ServiceState, int], echoes: Iterable[Stretch]) -> tuple[ServiceState, int]:
    """Return how a service stands with its alerts that another incident accounts for."""
    going = [one for one in echoes if one.end_ms is None]
    loudest = worst((standing[0], *(one.state for one in going)))
    return standing if loudest is standing[0] else (loudest, min(one.start_ms for one in going))


def _standing(
    service: str,
    rows: Iterable[Row[Any]],
    doubtful: frozenset[str],
    watched_ms: int,
    works: Iterable[Maintenance],
) -> tuple[ServiceState, int]:
    """Return how a service stands and since when; what planned work explains is planned work."""
    own = [row for row in rows if row.service == service]
    open_now = [row for row in own if not row.resolved_ms]
    states = [ServiceState.UNKNOWN if row.lost_ms else Impact(row.impact).state for row in open_now]
    if service in doubtful:
        states.append(ServiceState.UNKNOWN)
    if open_now:
        return worst(states), open_now[0].onset_ms
    begun = [one.begun_ms for one in works if one.active and service in one.plan.services]
    if begun and not states:
        return ServiceState.MAINTENANCE, min(begun)
    since_ms = max((row.resolved_ms for row in own), default=watched_ms)
    return worst(states) if states else ServiceState.OPERATIONAL, since_ms


def _stretches(service: str, rows: Iterable[Row[Any]], works: Iterable[Maintenance]) -> list[Stretch]:
    planned = [
        Stretch(ServiceState.MAINTENANCE, one.begun_ms, one.completed_ms or one.cancelled_ms or None)
        for one in works
        if one.begun_ms and service in one.plan.services
    ]
    return planned + [
        Stretch(
            Impact(row.impact).state,
            row.onset_ms,
            (row.healed_ms or row.resolved_ms) if row.resolved_ms else None,
        )
        for row in rows
        # What was taken back never was.
        if row.service == service and row.state != IncidentState.RETRACTED
    ]


def _updates(conn: Connection, incidents: list[int], tongue: str) -> dict[int, tuple[UpdateView, ...]]:
    table = schema.update
    found: dict[int, list[UpdateView]] = {}
    query = sa.select(table).where(table.c.incident.in_(incidents)).order_by(table.c.number.desc())
    for row in conn.execute(query):
        texts = msgspec.json.decode(row.texts, type=dict[str, str])
        text = texts.get(tongue) or texts.get("en", "")
        found.setdefault(row.incident, []).append(
            UpdateView(IncidentState(row.state), text, row.at_ms, Impact(row.impact) if row.impact else None)
        )
    return {incident: tuple(updates) for incident, updates in found.items()}


def told_counts(conn: Connection, incidents: list[int]) -> dict[int, int]:
    """Return how many people were reached in each incident."""
    a, log = schema.audience, schema.delivery_log
    told = (
        sa.select(a.c.incident, sa.func.count())
        .join(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident.in_(incidents), a.c.grade != "owner", log.c.state == "accepted")
        .group_by(a.c.incident)
    )
    # Only who has several ways can have been told twice, and they are few.
    twice = told.with_only_columns(a.c.incident, sa.func.count() - sa.func.count(a.c.person.distinct()))
    several = twice.where(a.c.person.in_(sa.select(schema.way.c.person).distinct()))
    doubled = {int(incident): int(count) for incident, count in conn.execute(several)}
    found = conn.execute(told)
    return {int(incident): int(count) - doubled.get(incident, 0) for incident, count in found}


def _letter(kept: mailbox.Kept) -> LetterView:
    return LetterView(kept.id, kept.to, kept.subject, kept.written_ms, kept.text)
