"""What the store holds, as pages show it; only the views of the mailbox, for staff, carry a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.channels import mailbox
from desk.store import Store
from desk.telling import House
from desk.view import (
    DAY_MS,
    DAYS_SHOWN,
    Impact,
    IncidentState,
    IncidentView,
    LetterView,
    MailboxView,
    PageView,
    ServiceState,
    ServiceView,
    Stretch,
    UpdateView,
    days_of,
    worst,
)
from desk.words import say, spoken

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
            doubtful = _doubtful(conn, now_ms)
            confirmed = conn.execute(sa.select(sa.func.max(schema.agent.c.heard_ms))).scalar()
        services = tuple(
            ServiceView(
                name,
                service.said_in(tongue),
                *_standing(name, rows, doubtful, self.watched_ms),
                days=days_of(_stretches(name, rows), self.watched_ms, now_ms),
            )
            for name, service in self.house.catalogue.services.items()
            if service.stage == "live"
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
        )

    def incident(self, ref: str) -> IncidentView | None:
        """Return one incident by its public name."""
        with self.store.reading() as conn:
            table = schema.incident
            rows = conn.execute(sa.select(table).where(table.c.ref == ref)).all()
            return next(iter(self._views(conn, rows)), None)

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
        return [self._view(row, updates.get(row.id, ()), told.get(row.id, 0)) for row in rows]

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


def _standing(
    service: str, rows: Iterable[Row[Any]], doubtful: frozenset[str], watched_ms: int
) -> tuple[ServiceState, int]:
    """Return how a service stands and since when."""
    own = [row for row in rows if row.service == service]
    open_now = [row for row in own if not row.resolved_ms]
    states = [ServiceState.UNKNOWN if row.lost_ms else Impact(row.impact).state for row in open_now]
    if service in doubtful:
        states.append(ServiceState.UNKNOWN)
    if open_now:
        return worst(states), open_now[0].onset_ms
    since_ms = max((row.resolved_ms for row in own), default=watched_ms)
    return worst(states) if states else ServiceState.OPERATIONAL, since_ms


def _stretches(service: str, rows: Iterable[Row[Any]]) -> list[Stretch]:
    return [
        Stretch(
            Impact(row.impact).state,
            row.onset_ms,
            (row.healed_ms or row.resolved_ms) if row.resolved_ms else None,
        )
        for row in rows
        if row.service == service
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
    found = conn.execute(
        sa.select(a.c.incident, sa.func.count())
        .join(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident.in_(incidents), a.c.grade != "owner", log.c.state == "accepted")
        .group_by(a.c.incident)
    )
    return {int(incident): int(count) for incident, count in found}


def _letter(kept: mailbox.Kept) -> LetterView:
    return LetterView(kept.id, kept.to, kept.subject, kept.written_ms, kept.text)
