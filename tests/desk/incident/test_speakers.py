"""Few alerts speak for many, and whatever is decided by them is what all together would have meant."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import audience
from desk.catalogue.names import Names
from desk.incident import correlate as decide
from desk.incident import dossier, echoes, records, speakers
from desk.incident.decision import Faded
from desk.incident.escalation import patience_ends_ms, reason_to_escalate
from desk.incident.incident import Change, Incident, Signal
from desk.incident.scene import Scene
from desk.intake import alert_rows
from desk.intake.merging import is_news, merge, same_episode
from desk.notice import telling
from desk.notice.compose import wording
from desk.store.backing import Backing
from tests.desk import town
from tests.desk.stage import Stage, stage_on

TOWN: Final = """\
services:
- service: checkout
  owner: payments
  depends_on: [database]
  impact:
  - {when: 'alertname="Down"', impact: major, affects: uses}
  - {when: 'alertname="Slow"', impact: degraded, affects: 'uses and region={{ region }}'}
  - {when: 'alertname="Hosts"', impact: partial, share: {at_least: 40%, of: hosts}, below: minor}
  - {when: 'alertname="Many"', impact: partial, affects: 'uses and region={{ region }}',
     share: {at_least: 60%, of: customers}}
  hosts: {web0: {region: eu}, web1: {region: us}, web2: {region: [eu, us]}}
- service: database
  owner: payments
  impact:
  - {when: 'alertname="Down"', impact: partial, affects: 'uses and region={{ region }}'}
  - {when: 'alertname="Slow"', impact: minor}
customers:
- customer: acme
  uses: [checkout]
  tags: {region: eu}
  people: [{name: Ada, email: ada@acme.example}]
- customer: birch
  uses: [checkout, database]
  tags: {region: us}
  people: [{name: Cleo, email: cleo@birch.example}]
- customer: cedar
  uses: [database]
  tags: {region: eu}
  people: [{name: Dan, email: dan@cedar.example}]
teams:
- {team: payments, email: oncall@shop.example}
"""
REMEDIES: Final = (*[None] * 12, town.ACTING, town.VERIFYING, town.FIXED, town.FAILED)
NOTICES: Final = (*[{}] * 8, {"notice": "You cannot pay."}, {"notice": "web1 is broken."})


def some_report(chance: random.Random, stage: Stage, known: dict[str, Signal]) -> Signal:
    """Return a new alert, or news of one that was heard."""
    now_ms = stage.now_ms
    if known and chance.random() < 0.6:
        one = known[chance.choice(sorted(known))]
        if chance.random() < 0.6:
            return town.ended(one, now_ms, chance.choice(REMEDIES))
        lasts_ms = chance.choice([30_000, 240_000, 3_600_000])
        start_ms = one.starts_ms - chance.choice([0, 0, 5_000])
        return replace(one, starts_ms=start_ms, ends_ms=now_ms + lasts_ms, updated_ms=now_ms, over=False)
    return town.signal(
        chance.choice(["Down", "Down", "Slow", "Hosts", "Many"]),
        at_ms=now_ms,
        lasts_ms=chance.choice([30_000, 240_000, 3_600_000]),
        remedy=chance.choice(REMEDIES),
        annotations=chance.choice(NOTICES),
        service=chance.choice(["checkout", "database", "database"]),
        instance=f"web{chance.randrange(20)}",
        region=chance.choice(["", "", "", "eu"]),
        drill=chance.choice(["", "", "", "", "true"]),
    )


def changes_of(conn: Connection, signals: Sequence[Signal], now_ms: int) -> list[Change]:
    """Return what reports mean to the alerts that are known, and write it."""
    known = alert_rows.former_signals(conn, signals)
    found = []
    for signal in signals:
        old = known.get(signal.key)
        merged = merge(old, signal, now_ms) if old else signal
        fresh = old is None or not same_episode(old, signal)
        if old is None or fresh or old.ends_ms <= now_ms < merged.ends_ms or is_news(old, merged):
            found.append(Change(merged, fresh))
    alert_rows.save_signals(conn, [one.signal for one in found])
    return found


def compare(conn: Connection, stage: Stage, signals: Sequence[Signal]) -> None:
    """Check that few alerts and all of them decide the same now; nothing of it stays."""
    house, now_ms = stage.house, stage.now_ms
    attempt = conn.begin_nested()
    changes = changes_of(conn, signals, now_ms)
    speakers.hear(conn, house, now_ms, [one.signal for one in changes])
    speakers.refresh(conn, house, now_ms)
    echoes.refresh(conn, house, now_ms)
    look = partial(dossier.scene, conn, house, None, now_ms, [one.signal.key for one in changes])
    few = look()
    freed = decide.freed(few, decide.correlate(house.catalogue, few, changes, now_ms))
    few = look(freed) if freed else few
    all_of = records.whole_incidents(conn)
    whole = replace(
        few,
        open={name: replace(one, signals=all_of[name].signals) for name, one in few.open.items()},
        echoes=look(tuple(house.catalogue.services)).echoes,
    )
    assert decisions(stage, few, changes) == decisions(stage, whole, changes)
    for service, one in few.open.items():
        assert meaning(stage, one, few) == meaning(stage, whole.open[service], whole)
    attempt.rollback()


def decisions(stage: Stage, scene: Scene, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return what is decided, without the alerts by which it is."""
    found = decide.correlate(stage.house.catalogue, scene, changes, stage.now_ms)
    return [
        {"what": type(one)}
        | {each.name: getattr(one, each.name) for each in fields(one) if each.name != "incident"}
        for one in found
        # With one that speaks all are over that are alike.
        if not isinstance(one, Faded)
    ]


def meaning(stage: Stage, one: Incident, scene: Scene) -> dict[str, Any]:
    """Return what else is read of the alerts of an incident."""
    others = {
        name: [signal for signal in other.signals if signal.ends_ms > stage.now_ms]
        for name, other in scene.open.items()
        if name != one.service
    }
    found = audience(stage.house.catalogue, one.service, one.signals, others)
    return {
        "people": {(p.person.email, p.grade, p.impact, p.why) for p in found.people},
        "refusals": set(found.refusals),
        "escalates": bool(reason_to_escalate(one, 60_000, stage.now_ms)),
        "patience": patience_ends_ms(one, 60_000),
        "words": wording(one.signals, Names.of([])),
        "drill": telling.is_drill(one),
        "remedies": {(s.remedy.status, s.remedy.acted_ms) if s.remedy else None for s in one.signals},
        "names": {s.name for s in one.signals},
        "over": max((s.ends_ms for s in one.signals if s.over), default=0),
    }


@pytest.mark.parametrize("seed", range(4))
def test_few_alerts_decide_what_all_of_them_would(backing: Backing, seed: int) -> None:
    chance = random.Random(seed)
    known: dict[str, Signal] = {}
    with stage_on(backing, TOWN) as stage:
        for step in range(16):
            stage.now_ms += chance.choice([0, 1_000, 29_000, 61_000, 250_000])
            if step == 7:  # the desk was away, and what it heard before may still fire
                stage.house = replace(stage.house, started_ms=stage.now_ms)
            reports = [some_report(chance, stage, known) for _ in range(chance.randrange(16))]
            signals = list({one.key: one for one in reports}.values())
            known |= {one.key: one for one in signals}
            for said in ((), signals):
                stage.store.written(partial(compare, stage=stage, signals=said))
            stage.hear(*signals)
            stage.store.written(partial(compare, stage=stage, signals=()))
            stage.pass_ms(chance.choice([0, 5_000]))


def speaking(stage: Stage) -> int:
    link = schema.incident_alert
    with stage.store.reading() as conn:
        return int(conn.execute(sa.select(sa.func.count()).where(link.c.speaks > 0)).scalar_one())


def host(number: int, at_ms: int, region: str = "") -> Signal:
    return town.signal(at_ms=at_ms, lasts_ms=3_600_000, instance=f"web{number}", region=region)


def test_of_a_thousand_alerts_that_are_alike_one_is_read(stage: Stage) -> None:
    stage.hear(*(host(n, stage.now_ms) for n in range(1_000)))
    assert speaking(stage) == 1
    with stage.store.reading() as conn:
        assert [len(one.signals) for one in records.open_incidents(conn).values()] == [1]
        assert [len(one.signals) for one in records.whole_incidents(conn).values()] == [1_000]


def test_an_incident_goes_on_while_any_of_its_alerts_fires_and_ends_with_the_last(stage: Stage) -> None:
    alerts = [host(n, stage.now_ms) for n in range(30)]
    stage.hear(*alerts)
    stage.deliver()
    for one in alerts[:-1]:
        stage.now_ms += 1_000
        stage.hear(town.ended(one, stage.now_ms))
        assert stage.incident()["resolved_ms"] is None
    stage.now_ms += 1_000
    stage.hear(town.ended(alerts[-1], stage.now_ms))
    assert stage.incident()["resolved_ms"] == stage.now_ms
    assert stage.incident()["healed_ms"] == stage.now_ms


def test_another_catalogue_asks_each_alert_anew(backing: Backing) -> None:
    with stage_on(backing) as stage:
        stage.hear(*(host(n, stage.now_ms, region="eu" if n % 2 else "us") for n in range(20)))
        assert speaking(stage) == 1
        text = town.CATALOGUE.replace(
            "impact: major, affects: uses}", "impact: major, affects: 'uses and region={{ region }}'}", 1
        )
        stage.house = replace(stage.house, catalogue=town.catalogue(text))
        stage.pass_ms(1_000)
        assert speaking(stage) == 2


def test_beyond_a_limit_alerts_are_told_apart_roughly_and_whom_they_touch_is_told_all_the_same(
    stage: Stage,
) -> None:
    count = speakers.LIKENESSES_MAX + 50
    stage.hear(
        *(
            town.signal("CheckoutSlow", lasts_ms=3_600_000, instance=f"h{n}", region=f"r{n}")
            for n in range(count)
        )
    )
    assert speaking(stage) == speakers.LIKENESSES_MAX + 1
    stage.hear(town.signal("CheckoutSlow", lasts_ms=3_600_000, instance="last", region="us"))
    stage.pass_ms(61_000)
    assert speaking(stage) == speakers.LIKENESSES_MAX + 1
    assert stage.told() == {town.CLEO}


def test_three_thousand_hosts_of_one_incident_are_all_counted(stage: Stage) -> None:
    count = 3_000
    text = f"""\
services:
- service: checkout
  impact:
  - {{when: 'alertname="Hosts"', impact: partial, share: {{at_least: 40%, of: hosts}}, below: minor}}
  hosts: {{{", ".join(f"web{n}: {{}}" for n in range(count))}}}
"""
    stage.house = replace(stage.house, catalogue=town.catalogue(text))
    for start, impact in ((0, "minor"), (1_000, "partial"), (2_000, "partial")):
        some = range(start, start + 1_000)
        stage.hear(*(town.signal("Hosts", lasts_ms=3_600_000, instance=f"web{n}") for n in some))
        assert stage.incident()["impact"] == impact
    assert speaking(stage) == count
