"""The ledger on both databases: what comes into it, with what, and that nothing else ever happens to it."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from desk import schema
from desk.incident.episode import receive
from desk.incident.incident import Signal
from desk.ledger import book
from desk.ledger.share import Share
from desk.ledger.story import Healed, Told
from desk.state import Impact
from desk.store.backing import Backing
from desk.store.store import Store
from tests.desk.ledger.scene import counted, events, rows
from tests.desk.stage import Stage
from tests.desk.store.test_migrations import backing, stepped
from tests.desk.town import ACTING, ADA, BEN, CLEO, FAILED, FIXED, NOW_MS, ended, signal

__all__ = ["backing"]

LEDGER = schema.ledger


def slow() -> Signal:
    return signal("CheckoutSlow", region="eu", remedy=ACTING)


def test_each_person_has_a_row_for_being_told_and_shared_moments_are_written_once(stage: Stage) -> None:
    stage.hear(signal(at_ms=NOW_MS - 500))
    stage.now_ms += 700
    stage.deliver()
    people = sorted(stage.house.people[one] for one in (ADA, BEN, CLEO))
    assert sorted(events(stage, "accepted")) == [(one, 700) for one in people]
    assert events(stage, "onset") == [(0, -500)]
    assert events(stage, "detected") == [(0, -500)]
    assert events(stage, "decided") == [(0, 0)]
    assert events(stage, "queued") == [(0, 0)]
    assert [note for event, _, _, note in rows(stage) if event in ("published", "level")] == [
        "first",
        "major",
    ]
    inform = counted(stage).inform
    assert inform["total"].n == 0, "an incident that is open is not judged yet"


def test_the_end_is_written_with_the_word_that_keeps_the_last_promise(stage: Stage) -> None:
    down = signal(remedy=ACTING)
    stage.hear(down)
    stage.pass_ms(100)
    stage.now_ms = NOW_MS + 4_000
    stage.hear(ended(down, stage.now_ms, FIXED))
    stage.pass_ms(100)
    found = counted(stage)
    assert found.told[Told.ONLY] == 1
    assert (found.inform["total"].n, found.inform["total"].p50_ms) == (3, 100)
    assert found.proactive_people == Share(3, 3)
    assert found.episodes[Healed.FAST] == 1
    assert found.chain == {"eligible": 1, "started": 1, "healed": 1, "verified": 1, "silent": 0}
    stage.now_ms += 31 * 60_000
    assert counted(stage).punctual == Share(1, 1)


def test_a_notice_that_was_held_and_taken_back_told_nobody(stage: Stage) -> None:
    found = slow()
    stage.hear(found)
    stage.now_ms += 4_000
    stage.hear(ended(found, stage.now_ms, FIXED))
    stage.deliver()
    assert events(stage, "queued") == [(0, 60_000)]
    assert events(stage, "accepted") == []
    figures = counted(stage)
    assert figures.told[Told.SILENT] == 1
    assert figures.silent_heals == Share(1, 1)
    assert figures.proactive_incidents == Share(0, 0)


def test_a_hold_that_ends_early_is_written_down_too_and_the_earliest_word_counts(stage: Stage) -> None:
    stage.hear(slow())
    stage.now_ms += 5_000
    stage.hear(signal(at_ms=stage.now_ms))
    stage.deliver()
    assert (0, 60_000) in events(stage, "queued")
    assert (0, 5_000) in events(stage, "queued")
    assert {at_ms for _, at_ms in events(stage, "accepted")} == {5_000}


def test_who_opted_out_is_counted_and_is_no_miss(stage: Stage) -> None:
    stage.leave(ADA)
    down = signal()
    stage.hear(down)
    stage.pass_ms(100)
    stage.hear(ended(down, stage.now_ms))
    found = counted(stage)
    assert found.unwilling == 1
    assert found.proactive_people == Share(2, 2)


def test_a_failed_playbook_stays_in_the_count(stage: Stage) -> None:
    down = signal(remedy=FAILED)
    stage.hear(down)
    stage.pass_ms(100)
    stage.hear(ended(down, stage.now_ms, FAILED))
    found = counted(stage)
    assert found.episodes[Healed.FAILED] == 1
    assert found.silent_heals == Share(0, 1)


def test_a_drill_changes_no_figure(stage: Stage) -> None:
    down = signal(drill="true")
    stage.hear(down)
    stage.pass_ms(100)
    stage.hear(ended(down, stage.now_ms))
    found = counted(stage)
    assert sum(found.told.values()) == 0
    assert found.experienced.minutes == 0


def test_people_went_through_what_their_incident_lasted(stage: Stage) -> None:
    down = signal()
    stage.hear(down)
    stage.now_ms += 120_000
    stage.hear(ended(down, stage.now_ms))
    found = counted(stage).experienced
    assert found.minutes == pytest.approx(3 * 2)
    assert (found.by or {})["checkout", Impact.MAJOR] == pytest.approx(6)
    assert found.untouched == Share(1, 4)


def test_an_incident_that_is_not_written_is_not_in_the_ledger_either(stage: Stage) -> None:
    def write(conn: Connection) -> None:
        receive(conn, stage.house, [signal()], stage.now_ms)
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        stage.store.written(write)
    assert rows(stage) == []
    assert stage.incidents() == []


def test_somebody_who_is_told_twice_is_told_once(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    with stage.store.reading() as conn:
        notice = conn.execute(
            sa.select(schema.notice.c.id).where(schema.notice.c.kind == "first")
        ).scalar_one()
        incident = conn.execute(sa.select(schema.incident.c.id)).scalar_one()
    person = stage.house.people[ADA]
    stage.store.written(
        partial(book.accepted, incident=incident, notice=notice, people=[(person, NOW_MS + 9)])
    )
    assert [one for one in events(stage, "accepted") if one[0] == person] == [(person, 0)]


def refused(store: Store, statement: sa.Update | sa.Delete | sa.TextClause, why: str) -> None:
    def write(conn: Connection) -> None:
        conn.execute(statement)

    with pytest.raises(DBAPIError, match=why):
        store.written(write)


def is_guarded(store: Store) -> None:
    """Try what must not be possible."""
    refused(store, sa.update(LEDGER).values(at_ms=1), "never changed")
    refused(store, sa.update(LEDGER).where(LEDGER.c.event == "onset").values(note="x"), "never changed")
    refused(store, sa.delete(LEDGER), "whole incidents only")
    refused(store, sa.delete(LEDGER).where(LEDGER.c.person > 0), "whole incidents only")


def test_no_row_can_be_changed_or_taken_out(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    before = rows(stage)
    is_guarded(stage.store)
    with stage.store.reading() as conn:
        is_server = conn.dialect.name == "postgresql"
    if is_server:
        refused(stage.store, sa.text("TRUNCATE ledger"), "never changed")
    assert rows(stage) == before


def test_a_ledger_that_came_with_an_upgrade_is_guarded_as_well(
    backing: Backing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backing.writer.connect() as conn, conn.begin():
        stepped(conn, 2, monkeypatch)
    store = Store(backing)

    def write(conn: Connection) -> None:
        conn.execute(schema.incident.insert().values(id=1, ref="a", service="checkout"))
        conn.execute(LEDGER.insert().values(incident=1, event="onset", person=1))

    try:
        store.written(write)
        is_guarded(store)
    finally:
        store.close()


def test_after_two_years_an_incident_leaves_as_a_whole_and_the_others_stay(stage: Stage) -> None:
    first = signal()
    stage.hear(first)
    stage.deliver()
    stage.hear(ended(first, stage.now_ms))
    stage.now_ms += book.KEPT_MS
    stage.hear(signal("AllDown", at_ms=stage.now_ms))
    kept = len(rows(stage))
    assert stage.store.written(partial(book.forget, now_ms=stage.now_ms - 1)) == 0
    assert len(rows(stage)) == kept
    assert stage.store.written(partial(book.forget, now_ms=stage.now_ms)) == 1
    assert rows(stage)
    assert min(at_ms for _, _, at_ms, _ in rows(stage)) >= book.KEPT_MS
    assert stage.store.written(partial(book.forget, now_ms=stage.now_ms)) == 0
    refused(stage.store, sa.delete(LEDGER), "whole incidents only")
