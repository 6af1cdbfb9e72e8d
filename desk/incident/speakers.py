"""Of the alerts of an incident one of each likeness speaks for all: which one, as the store holds it.

So an incident with a hundred thousand alerts is read as the few that differ in what decisions read of alerts
(see likeness), and the cost of a batch goes with the batch. What is decided is the same as if each alert were
asked, by these rules. While any alert that is alike fires, one that fires speaks; when none does, the one
that ended last. Of those that are over one speaks beside those that are not. All of it is in the store and
belongs to the transaction that changes the alerts, so that a kill or another desk finds it right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.service import HOSTS_MAX
from desk.house import House
from desk.incident import records
from desk.incident.incident import Incident, Signal
from desk.incident.likeness import by_host, is_current, is_rough, likeness, roughly, scope_of
from desk.incident.records import KEYS_PER_QUERY
from desk.incident.scene import RESEND_GRACE_MS
from desk.store.bulk import once, put

LIKENESSES_MAX: Final = 1_000
"""So many likenesses of one incident are told apart; alerts beyond are told apart only roughly.

Each is still heard by itself when it comes, and whoever it touches is told. Where hosts are counted it is
as many as a service may have.
"""
PAGE_ROWS: Final = 2_000
SILENT: Final = 0
SPEAKS: Final = 1
SPEAKS_LAST: Final = 2
"""It ended, and none that is alike ended later."""

More = tuple[Incident, Sequence[Signal]]
"""An incident and alerts that are to belong to it."""

_LINK, _ALERT, _INCIDENT = schema.incident_alert, schema.alert, schema.incident


@dataclass(frozen=True, slots=True)
class Voice:
    """One alert that speaks, for which likeness, and until when it fires."""

    alert: str
    likeness: str
    speaks: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class _Chorus:
    """The alerts that speak in one incident, by likeness, while some are exchanged."""

    conn: Connection
    house: House
    now_ms: int
    incident: int
    service: str
    voices: dict[str, Voice]
    _marks: dict[str, int] = field(default_factory=dict)

    def like(self, signal: Signal) -> str:
        """Return what an alert is like, roughly where too many differ already."""
        found = likeness(self.house.catalogue, self.service, signal)
        if found in self.voices or len(self.voices) < LIKENESSES_MAX:
            return found
        if len(self.voices) < HOSTS_MAX and by_host(self.house.catalogue, self.service, signal):
            return found
        return roughly(self.house.catalogue, self.service, signal)

    def hear(self, found: str, signal: Signal) -> None:
        """Let an alert of this likeness speak where none does, or where the one that does ended earlier."""
        known = self.voices.get(found)
        fires = signal.ends_ms > self.now_ms
        if known is None:
            self._speak(Voice(signal.key, found, SPEAKS if fires else SPEAKS_LAST, signal.ends_ms))
        elif known.alert == signal.key:
            # Whether it is still the last is to be asked anew.
            self._speak(Voice(signal.key, found, SPEAKS, signal.ends_ms))
        elif known.ends_ms <= self.now_ms and signal.ends_ms > known.ends_ms:
            self._speak(Voice(signal.key, found, SPEAKS if fires else known.speaks, signal.ends_ms))

    def replace(self, found: str) -> None:
        """Let the one speak that speaks best for a likeness, if any is left of it."""
        row = self.conn.execute(_best(self, found)).first()
        if row is None:
            self.voices.pop(found, None)
            return
        last = row.ends_ms <= self.now_ms and (row.over or not _waits(self.house, self.now_ms))
        self._speak(Voice(row.key, found, SPEAKS_LAST if last else SPEAKS, row.ends_ms))

    def move(self, moved: Mapping[str, str]) -> None:
        """Write down what alerts are like now; who spoke for what it was like does so no more."""
        for voice in [one for one in self.voices.values() if one.alert in moved]:
            del self.voices[voice.likeness]
        if moved:
            rows = [{"in": self.incident, "of": alert, "new": found} for alert, found in moved.items()]
            self.conn.execute(_MOVE, rows)

    def _speak(self, voice: Voice) -> None:
        known = self.voices.get(voice.likeness)
        if known is not None and known.alert not in ("", voice.alert):
            self._marks[known.alert] = SILENT
        if known is None or (known.alert, known.speaks) != (voice.alert, voice.speaks):
            self._marks[voice.alert] = voice.speaks
        self.voices[voice.likeness] = voice

    def marks(self) -> list[dict[str, Any]]:
        """Return who speaks from now on and who does no more, as it is to be written."""
        return [{"in": self.incident, "of": one, "as": speaks} for one, speaks in sorted(self._marks.items())]


def _choruses(
    conn: Connection, house: House, now_ms: int, incidents: Collection[tuple[int, str]]
) -> dict[int, _Chorus]:
    """Read who speaks now in incidents, each given with its service."""
    voices: dict[int, dict[str, Voice]] = {number: {} for number, _ in incidents}
    for row in conn.execute(_SPEAKING_IN, {"in": list(voices)}):
        voices[row.incident][row.likeness] = _voice(row)
    return {
        number: _Chorus(conn, house, now_ms, number, service, voices[number]) for number, service in incidents
    }


def _write(conn: Connection, choruses: Iterable[_Chorus]) -> None:
    """Write down who speaks."""
    rows = [mark for one in choruses for mark in one.marks()]
    if rows:
        conn.execute(_LET_SPEAK, rows)


def _speaking() -> sa.Select[Any]:
    return (
        sa.select(_LINK.c.incident, _LINK.c.alert, _LINK.c.likeness, _LINK.c.speaks, _ALERT.c.ends_ms)
        .join(_ALERT, _ALERT.c.key == _LINK.c.alert)
        .where(records.SPEAKING)
    )


# Built once, for they are asked with each batch.
_SPEAKING_IN: Final = _speaking().where(_LINK.c.incident.in_(sa.bindparam("in", expanding=True)))
_SPEAKING_NOW: Final = (
    _speaking()
    .add_columns(_INCIDENT.c.service)
    .join(_INCIDENT, _INCIDENT.c.id == _LINK.c.incident)
    .where(_INCIDENT.c.resolved_ms == 0)
)
_SPEAKING_OF: Final = _SPEAKING_NOW.where(_INCIDENT.c.service.in_(sa.bindparam("of", expanding=True)))
_MEMBERSHIPS: Final = (
    sa.select(_LINK.c.incident, _LINK.c.alert, _LINK.c.likeness, _LINK.c.speaks, _INCIDENT.c.service)
    .join(_INCIDENT, _INCIDENT.c.id == _LINK.c.incident)
    .where(
        _LINK.c.alert.in_(sa.bindparam("keys", expanding=True)),
        sa.or_(_INCIDENT.c.resolved_ms == 0, _INCIDENT.c.resolved_ms > sa.bindparam("since_ms")),
    )
    .order_by(_LINK.c.incident, _LINK.c.alert)
)
_MINE: Final = (_LINK.c.incident == sa.bindparam("in")) & (_LINK.c.alert == sa.bindparam("of"))
_MOVE: Final = sa.update(_LINK).where(_MINE).values(likeness=sa.bindparam("new"), speaks=SILENT)
_LET_SPEAK: Final = sa.update(_LINK).where(_MINE).values(speaks=sa.bindparam("as"))


def _voice(row: Row[Any]) -> Voice:
    return Voice(row.alert, row.likeness, row.speaks, row.ends_ms)


def _waits(house: House, now_ms: int) -> bool:
    """Tell whether what was not heard since the start of the desk may still fire."""
    return now_ms < house.started_ms + RESEND_GRACE_MS


def _best(chorus: _Chorus, found: str) -> sa.Select[Any]:
    """Return the question for the alert that speaks best for its likeness: whichever is alive, if one is."""
    return (
        sa.select(_ALERT.c.key, _ALERT.c.ends_ms, _ALERT.c.over)
        .join(_LINK, _LINK.c.alert == _ALERT.c.key)
        .where(_LINK.c.incident == chorus.incident, _LINK.c.likeness == found)
        .order_by(*liveliest(chorus.house, chorus.now_ms))
        .limit(1)
    )


def liveliest(house: House, now_ms: int) -> tuple[sa.ColumnElement[Any], ...]:
    """Return the order in which those alerts come first that are most surely alive."""
    unheard: sa.ColumnElement[bool] = sa.false()
    if _waits(house, now_ms):
        unheard = sa.and_(~_ALERT.c.over, _ALERT.c.updated_ms < house.started_ms)
    alive = sa.case((_ALERT.c.ends_ms > now_ms, 0), (unheard, 1), else_=2)
    return (_ALERT.c.over, alive, _ALERT.c.ends_ms.desc(), _ALERT.c.key)


def join(conn: Connection, house: House, now_ms: int, more: Sequence[More]) -> frozenset[int]:
    """Write down that alerts belong to incidents; return in which they may touch people none touched before.

    None of them may belong to its incident already.
    """
    choruses = _choruses(conn, house, now_ms, [(one.id, one.service) for one, _ in more])
    rows, news = [], set()
    for incident, signals in more:
        chorus = choruses[incident.id]
        before = {scope_of(one) for one in chorus.voices}
        for signal in _last_first(signals):
            found = chorus.like(signal)
            chorus.hear(found, signal)
            values = {"starts_ms": signal.starts_ms, "snapshot": "", "likeness": found, "speaks": SILENT}
            rows.append({"incident": incident.id, "alert": signal.key, **values})
            if is_rough(found) or scope_of(found) not in before:
                news.add(incident.id)
    if rows:
        put(conn, _LINK, rows, once)
    _write(conn, choruses.values())
    return frozenset(news)


def strangers(conn: Connection, incident: int, signals: Sequence[Signal]) -> tuple[Signal, ...]:
    """Return those of these alerts that do not belong to an incident yet."""
    known: set[str] = set()
    for start in range(0, len(signals), KEYS_PER_QUERY):
        keys = [one.key for one in signals[start : start + KEYS_PER_QUERY]]
        query = sa.select(_LINK.c.alert).where(_LINK.c.incident == incident, _LINK.c.alert.in_(keys))
        known.update(conn.execute(query).scalars())
    return tuple(one for one in signals if one.key not in known)


def _last_first(signals: Iterable[Signal]) -> list[Signal]:
    """Return alerts so that of those that are alike the one that ends last comes first."""
    return sorted(signals, key=lambda one: (-one.ends_ms, one.key))


def hear(conn: Connection, house: House, now_ms: int, signals: Collection[Signal]) -> None:
    """Bring incidents that are open, or may begin anew, up to alerts of theirs that changed."""
    since_ms = now_ms - house.config.reopen_within.ms
    changed = {one.key: one for one in signals}
    found: dict[tuple[int, str], list[Row[Any]]] = {}
    for row in _memberships(conn, list(changed), since_ms):
        found.setdefault((row.incident, row.service), []).append(row)
    choruses = _choruses(conn, house, now_ms, found) if found else {}
    for (incident, _), rows in found.items():
        chorus = choruses[incident]
        like = {row.alert: chorus.like(changed[row.alert]) for row in rows}
        chorus.move({row.alert: like[row.alert] for row in rows if row.likeness != like[row.alert]})
        # Who spoke for them and is of another likeness now leaves the others without a word.
        for left in {row.likeness for row in rows if row.speaks} - chorus.voices.keys():
            chorus.replace(left)
        for signal in _last_first(changed[alert] for alert in like):
            chorus.hear(like[signal.key], signal)
    _write(conn, choruses.values())


def _memberships(conn: Connection, keys: Sequence[str], since_ms: int) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = keys[start : start + KEYS_PER_QUERY]
        found += conn.execute(_MEMBERSHIPS, {"keys": some, "since_ms": since_ms})
    return found


def refresh(conn: Connection, house: House, now_ms: int, services: Collection[str] | None = None) -> None:
    """Let others speak for those that fell silent, in the open incidents of these services or of all."""
    outdated: dict[int, str] = {}
    silent: dict[tuple[int, str], list[str]] = {}
    asked = conn.execute(_SPEAKING_NOW if services is None else _SPEAKING_OF, {"of": list(services or ())})
    for row in asked:
        if not is_current(house.catalogue, row.service, row.likeness):
            outdated[row.incident] = row.service
        elif row.speaks == SPEAKS and row.ends_ms <= now_ms:
            silent.setdefault((row.incident, row.service), []).append(row.likeness)
    for incident, service in outdated.items():
        rebuild(conn, house, now_ms, incident, service)
    still = [one for one in silent if one[0] not in outdated]
    choruses = _choruses(conn, house, now_ms, still) if still else {}
    for incident, service in still:
        for found in silent[incident, service]:
            choruses[incident].replace(found)
    _write(conn, choruses.values())


def rebuild(conn: Connection, house: House, now_ms: int, incident: int, service: str) -> None:
    """Ask each alert of an incident anew what it is like, as after a change of the catalogue."""
    conn.execute(sa.update(_LINK).where(_LINK.c.incident == incident).values(speaks=SILENT))
    chorus = _Chorus(conn, house, now_ms, incident, service, {})
    for signals in _pages(conn, incident):
        like: dict[str, str] = {}
        for signal in signals:
            like[signal.key] = chorus.like(signal)
            chorus.voices.setdefault(like[signal.key], Voice("", like[signal.key], SILENT, 0))
        chorus.move(like)
    for found in tuple(chorus.voices):
        chorus.replace(found)
    _write(conn, [chorus])


def _pages(conn: Connection, incident: int) -> Iterator[list[Signal]]:
    """Yield the alerts of an incident by their keys, never all of them at once."""
    after, page = "", True
    while page:
        query = (
            sa.select(_ALERT)
            .join(_LINK, _LINK.c.alert == _ALERT.c.key)
            .where(_LINK.c.incident == incident, _LINK.c.alert > after)
            .order_by(_LINK.c.alert)
            .limit(PAGE_ROWS)
        )
        signals = [records.signal_of(row) for row in conn.execute(query)]
        yield signals
        page = bool(signals)
        after = signals[-1].key if page else after
