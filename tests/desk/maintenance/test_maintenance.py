"""Planned work is said in time and not too often, explains what it explains, and never hides an end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from desk.audience.affects import Affects
from desk.maintenance import book as maintenance_book
from desk.maintenance.maintenance import (
    HOUR_MS,
    VERIFY_MS,
    Maintenance,
    Plan,
    Word,
    at,
    has_room,
    hides,
    next_word,
)
from desk.notice import leaflet
from desk.page.read import Reader
from desk.page.view import DAY_MS, PageView
from desk.state import Impact, MaintenanceState, ServiceState
from tests.desk import town
from tests.desk.leaves import finish, furnish, post
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, NOW_MS

PLAN = Plan(
    services=("checkout",),
    impact=Impact.PARTIAL,
    start_ms=NOW_MS + 4 * DAY_MS,
    end_ms=NOW_MS + 4 * DAY_MS + HOUR_MS,
    title={"en": "New database", "de": "Neue Datenbank"},
    noticed={},
    todo={},
)


def plan(stage: Stage, plan: Plan = PLAN, key: str = "db") -> None:
    work = Maintenance(key, plan, stage.now_ms, stage.now_ms)
    stage.store.written(partial(maintenance_book.add, work=work))


def known(stage: Stage, key: str = "db") -> Maintenance:
    with stage.store.reading() as conn:
        found = maintenance_book.one_work(conn, key)
    assert found is not None
    return found


def change(stage: Stage, work: Maintenance) -> None:
    stage.store.written(partial(maintenance_book.change, work=work))


def page(stage: Stage) -> PageView:
    return Reader(stage.store, stage.house, None, NOW_MS - DAY_MS).page(stage.now_ms)


def heard(stage: Stage, length_ms: int, person: str = BEN) -> list[str]:
    """Let time pass and return what one person gets, by the first line."""
    stage.pass_ms(length_ms)
    return [one.text.split("\n")[0] for one in post(stage) if one.to == person]


def test_planned_work_is_announced_reminded_begun_and_ended(stage: Stage) -> None:
    plan(stage)
    [announced] = heard(stage, 1)
    assert announced.startswith("We plan work on Checkout: Sat 18 Jul, 03:33")
    assert heard(stage, DAY_MS) == []
    [day] = heard(stage, 2 * DAY_MS)
    assert day.startswith("A reminder of planned work on Checkout")
    [hour] = heard(stage, 23 * HOUR_MS)
    assert hour.startswith("A reminder of planned work on Checkout")
    [begun] = heard(stage, HOUR_MS)
    assert begun == "The planned work on Checkout has begun. It ends by 04:33 UTC."
    [ended] = heard(stage, HOUR_MS)
    assert ended == "The planned work on Checkout is done since 04:33 UTC."
    assert heard(stage, DAY_MS) == []
    assert known(stage).state is MaintenanceState.COMPLETED


def test_each_reads_it_in_the_own_language_and_zone(stage: Stage) -> None:
    plan(stage)
    stage.pass_ms(1)
    letters = {one.to: one for one in post(stage)}
    assert set(letters) == {ADA, BEN, CLEO}
    assert letters[ADA].subject == "[Example Shop] Geplante Arbeiten: Neue Datenbank"
    assert "Wir planen Arbeiten an Kasse: Sa., 18. Juli, 05:33\u201306:33 MESZ." in letters[ADA].text
    assert "In dieser Zeit funktionieren Teile von Kasse nicht." in letters[ADA].text
    assert "Sie müssen nichts tun." in letters[ADA].text
    assert "Fri 17 Jul, 23:33\u2013Sat 18 Jul, 00:33 Eastern Daylight Time" in letters[CLEO].text
    assert "/unsubscribe/" in letters[BEN].text
    assert any(name == "List-Unsubscribe" for name, _ in letters[BEN].headers)


def test_work_far_ahead_waits_to_be_announced_and_late_work_is_announced_at_once(stage: Stage) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS + 30 * DAY_MS, end_ms=NOW_MS + 30 * DAY_MS + 1))
    assert heard(stage, 1) == []
    assert len(heard(stage, 23 * DAY_MS)) == 1
    soon = replace(PLAN, start_ms=stage.now_ms + 2 * HOUR_MS, end_ms=stage.now_ms + 3 * HOUR_MS)
    plan(stage, replace(soon, services=("search",)), "late")
    assert [one.split(":")[0] for one in heard(stage, 1, "dan@cedar.example")] == ["We plan work on search"]


def test_moved_and_cancelled_work_says_so(stage: Stage) -> None:
    plan(stage)
    heard(stage, 1)
    later = replace(PLAN, start_ms=PLAN.start_ms + DAY_MS, end_ms=PLAN.end_ms + DAY_MS)
    change(stage, maintenance_book.changed(known(stage), later, stage.now_ms))
    [moved] = heard(stage, 1)
    assert moved.startswith("The planned work on Checkout has a new time: Sun 19 Jul")
    change(stage, replace(known(stage), cancelled_ms=stage.now_ms))
    [off] = heard(stage, 1)
    assert off.startswith("The planned work on Checkout is called off.")
    assert heard(stage, 10 * DAY_MS) == []


def test_nobody_gets_more_than_five_messages_about_one_work_and_the_end_is_among_them(stage: Stage) -> None:
    plan(stage)
    lines = heard(stage, 1)
    for _ in range(2):
        moved = replace(known(stage).plan, start_ms=known(stage).plan.start_ms + HOUR_MS)
        moved = replace(moved, end_ms=moved.start_ms + HOUR_MS)
        change(stage, maintenance_book.changed(known(stage), moved, stage.now_ms))
        lines += heard(stage, 1)
    while not known(stage).over:
        lines += heard(stage, HOUR_MS // 2)
    assert len(lines) == 5
    assert lines[-1].startswith("The planned work on Checkout is done")


def test_whoever_left_the_service_hears_nothing_of_its_work(stage: Stage) -> None:
    stage.leave(BEN)
    plan(stage)
    assert heard(stage, 1) == []


def test_a_scope_narrows_whom_it_touches(stage: Stage) -> None:
    plan(stage, replace(PLAN, affects=Affects.parse("uses and region=us")))
    stage.pass_ms(1)
    assert [one.to for one in post(stage)] == [CLEO]


def test_a_letter_that_failed_is_tried_again_and_one_in_doubt_not_for_ever(stage: Stage) -> None:
    plan(stage, replace(PLAN, affects=Affects.parse("uses and region=us")))
    stage.pass_ms(1)
    for state in ("retrying", "unknown", "unknown"):
        found = stage.store.written(partial(leaflet.take, stationery=stage.stationery, now_ms=stage.now_ms))
        assert found is not None
        finish(stage, found, state)
        assert post(stage) == []
        stage.now_ms += 60_000
    assert post(stage) == []


def test_alerts_of_a_service_under_work_open_nothing_and_what_still_fires_at_the_end_does(
    stage: Stage,
) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS, end_ms=NOW_MS + HOUR_MS, impact=Impact.MAJOR))
    stage.pass_ms(1)
    stage.hear(town.signal(lasts_ms=2 * HOUR_MS))
    assert stage.incidents() == []
    stage.pass_ms(HOUR_MS)
    assert stage.incidents() == []
    stage.pass_ms(VERIFY_MS)
    assert stage.incident()["impact"] == "major"
    assert stage.told() == {ADA, BEN, CLEO}


def test_what_is_worse_than_declared_is_an_incident_all_the_same(stage: Stage) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS, end_ms=NOW_MS + HOUR_MS, impact=Impact.DEGRADED))
    stage.pass_ms(1)
    stage.hear(town.signal("CheckoutSlow", region="eu"))
    assert stage.incidents() == []
    stage.hear(town.signal())
    assert stage.incident()["impact"] == "major"


def test_what_was_open_before_the_work_ends_during_it(stage: Stage) -> None:
    stage.hear(town.signal())
    stage.pass_ms(61_000)
    plan(stage, replace(PLAN, start_ms=stage.now_ms, end_ms=stage.now_ms + HOUR_MS, impact=Impact.MAJOR))
    stage.pass_ms(1)
    stage.hear(town.ended(town.signal(), stage.now_ms))
    stage.pass_ms(1)
    assert stage.incident()["state"] == "resolved"
    assert len(stage.letters(BEN)) == 2


def test_what_ended_during_the_work_is_forgotten_with_it(stage: Stage) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS, end_ms=NOW_MS + HOUR_MS, impact=Impact.MAJOR))
    stage.pass_ms(1)
    stage.hear(town.signal(lasts_ms=10_000))
    stage.now_ms += 5_000
    stage.hear(town.ended(town.signal(), stage.now_ms))
    stage.pass_ms(HOUR_MS + VERIFY_MS)
    assert stage.incidents() == []


def test_the_page_shows_it_and_its_service_as_planned_work(stage: Stage) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS + 1_000, end_ms=NOW_MS + HOUR_MS))
    stage.pass_ms(500)
    [work] = page(stage).maintenances
    assert (work.state, work.title, work.keys) == (MaintenanceState.SCHEDULED, "New database", ("checkout",))
    stage.pass_ms(1_000)
    view = page(stage)
    assert view.maintenances[0].state is MaintenanceState.IN_PROGRESS
    assert [one.state for one in view.services if one.service == "checkout"] == [ServiceState.MAINTENANCE]
    stage.pass_ms(HOUR_MS)
    assert page(stage).maintenances[0].state is MaintenanceState.VERIFYING
    stage.pass_ms(VERIFY_MS)
    assert [one.state for one in page(stage).services] == [ServiceState.OPERATIONAL] * 2


def test_files_add_move_and_call_off(stage: Stage) -> None:
    def settle(**plans: Plan) -> None:
        stage.store.written(partial(maintenance_book.settle, plans=plans, now_ms=stage.now_ms))

    settle(db=PLAN)
    settle(db=PLAN)
    assert known(stage).sequence == 0
    settle(db=replace(PLAN, title={"en": "Another"}))
    assert (known(stage).sequence, known(stage).plan.title) == (0, {"en": "Another"})
    settle(db=replace(PLAN, end_ms=PLAN.end_ms + 1))
    assert known(stage).sequence == 1
    plan(stage, replace(PLAN, services=("search",)), "by-staff")
    settle()
    assert known(stage).state is MaintenanceState.CANCELLED
    assert known(stage, "by-staff").state is MaintenanceState.SCHEDULED


def test_a_test_desk_marks_what_it_says_of_planned_work(stage: Stage) -> None:
    furnish(stage, config="test_mode: true\n")
    plan(stage)
    stage.pass_ms(1)
    letters = {one.to: one for one in post(stage)}
    assert letters[BEN].subject == "[TEST] [Example Shop] Planned work: New database"
    assert letters[BEN].text.startswith("This is a test. Nothing is wrong.")


def test_work_over_stays_as_it_is() -> None:
    work = Maintenance("db", PLAN, 0, 0, cancelled_ms=5)
    assert at(work, PLAN.end_ms + DAY_MS) is work


@pytest.mark.parametrize(
    ("word", "heard", "goes"),
    [
        ("reminded_day", 2, False),
        ("reminded_hour", 2, True),
        ("started", 4, False),
        ("finished", 4, True),
        ("cancelled", 4, True),
        ("moved", 5, False),
    ],
)
def test_each_word_leaves_room_for_the_ones_that_matter_more(word: Word, heard: int, goes: bool) -> None:
    assert has_room(word, heard) is goes


def test_no_reminder_follows_an_announcement_that_came_after_its_time() -> None:
    work = Maintenance("db", replace(PLAN, start_ms=10 * HOUR_MS, end_ms=11 * HOUR_MS), 0, 0)
    assert next_word(work, [(0, "announced")], HOUR_MS, 2 * HOUR_MS) is None
    assert next_word(work, [(0, "announced")], HOUR_MS, 9 * HOUR_MS) == "reminded_hour"


def test_only_what_is_no_worse_than_declared_is_hidden() -> None:
    assert hides({"a": Impact.PARTIAL}, "a", Impact.PARTIAL)
    assert not hides({"a": Impact.PARTIAL}, "a", Impact.MAJOR)
    assert not hides({"a": Impact.PARTIAL}, "b", Impact.MINOR)
