"""What notices cost people's attention: charged to the rule that caused them, and never without an end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.incident.incident import Incident
from desk.page.view import DAY_MS
from desk.state import Impact
from desk.store.store import upsert

HOUR_MS: Final = 3_600_000
PER_HOUR: Final = 3
PER_HOUR_IN_A_STORM: Final = 1
PER_DAY: Final = 10
BUDGET: Final = 60
BUDGET_MS: Final = 30 * DAY_MS
# The less it matters, the more it costs: whoever is told of trifles stops reading.
COSTS: Final[Mapping[Impact, int]] = {
    Impact.MAJOR: 1,
    Impact.PARTIAL: 2,
    Impact.DEGRADED: 4,
    Impact.MINOR: 6,
    Impact.UNKNOWN: 6,
}

_A, _N, _CHARGE, _LOG = schema.audience, schema.notice, schema.notice_charge, schema.delivery_log
_put_off: Final = sa.exists().where(
    _LOG.c.notice == _A.c.notice, _LOG.c.person == _A.c.person, _LOG.c.state == "digest"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """So much of something within so long, for one person on one channel."""

    amount: int
    within_ms: int
    of_cost: bool = False


def limits(impact: Impact, storm: bool) -> tuple[Limit, ...]:
    """Return what bounds a first notice of this impact; the budget never keeps back what is major."""
    hourly = Limit(PER_HOUR_IN_A_STORM if storm else PER_HOUR, HOUR_MS)
    found = (hourly, Limit(PER_DAY, DAY_MS))
    return found if impact is Impact.MAJOR else (*found, Limit(BUDGET, BUDGET_MS, of_cost=True))


def over(
    conn: Connection, people: Collection[int], impact: Impact, storm: bool, now_ms: int, apart: int = 0
) -> set[int]:
    """Return who of these people has had so many first notices that this one goes into a summary.

    The notice that is being planned stands ``apart``.
    """
    found: set[int] = set()
    if not people:
        return found
    for limit in limits(impact, storm):
        since_ms = now_ms - limit.within_ms
        recent = (_CHARGE.c.at_ms > since_ms, _CHARGE.c.notice != apart)
        spent = _CHARGE.c.cost if limit.of_cost else sa.literal(1)
        # Most of the time nobody can be over a limit, and that is seen without asking about anybody.
        if int(conn.execute(sa.select(sa.func.sum(spent)).where(*recent)).scalar() or 0) < limit.amount:
            continue
        query = (
            sa.select(_A.c.person)
            .join(_CHARGE, _CHARGE.c.notice == _A.c.notice)
            .join(_N, sa.and_(_N.c.id == _A.c.notice, _N.c.incident == _A.c.incident))
            .where(_A.c.person.between(min(people), max(people)))
            .where(*recent, _N.c.state != "withdrawn", ~_put_off)
            .group_by(_A.c.person)
            .having(sa.func.sum(spent) >= limit.amount)
        )
        found.update(int(row.person) for row in conn.execute(query))
    return found & set(people)


def charge(conn: Connection, notice: int, incident: Incident, counts: tuple[int, int], now_ms: int) -> None:
    """Write down what a page of a first notice costs, and who is to answer.

    ``counts`` are people told and put off.
    """
    rule = min((signal.name for signal in incident.signals if signal.name), default="")
    values = {"notice": notice, "rule": rule, "cost": COSTS[incident.impact]}
    people, put_off = counts
    kept = upsert(conn, _CHARGE).values(**values, people=people, put_off=put_off, at_ms=now_ms)
    more = {"people": _CHARGE.c.people + people, "put_off": _CHARGE.c.put_off + put_off}
    conn.execute(kept.on_conflict_do_update(index_elements=["notice"], set_=more))


def by_rule(conn: Connection, now_ms: int) -> list[dict[str, Any]]:
    """Return what each rule has cost in 30 days, the dearest first."""
    spent = sa.func.sum(_CHARGE.c.cost * _CHARGE.c.people)
    query = (
        sa.select(
            _CHARGE.c.rule,
            sa.func.count().label("notices"),
            sa.func.sum(_CHARGE.c.people).label("people"),
            sa.func.sum(_CHARGE.c.put_off).label("put_off"),
            spent.label("spent"),
        )
        .where(_CHARGE.c.at_ms > now_ms - BUDGET_MS)
        .group_by(_CHARGE.c.rule)
        .order_by(spent.desc(), _CHARGE.c.rule)
    )
    return [
        {
            "rule": row.rule,
            "notices": int(row.notices),
            "people": int(row.people),
            "put_off": int(row.put_off),
            "spent": int(row.spent),
        }
        for row in conn.execute(query)
    ]
