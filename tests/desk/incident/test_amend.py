"""What people do to incidents stands: automation goes on around it, and each word is written down."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from desk.delivery.dispatch import Task
from desk.delivery.outbox import MINUTE_MS
from desk.incident import amend
from desk.incident.incident import Field, Signal
from desk.incident.order import Amendment, Backfill, Conflict, Signed, Unknown
from desk.page.read import Reader
from desk.state import Impact, IncidentState, ServiceState
from tests.desk import town
from tests.desk.serving import Reply, Serving, alert
from tests.desk.stage import Stage
from tests.desk.town import ACTING, ADA, BEN, CLEO, DAN, NOW_MS

EVE = Signed("Eve", "I looked")
LONG_MS = 86_400_000


def down(stage: Stage) -> Signal:
    signal = town.signal(at_ms=stage.now_ms, lasts_ms=LONG_MS, remedy=ACTING)
    stage.hear(signal)
    stage.deliver()
    return signal


def ref(stage: Stage, service: str = "checkout") -> str:
    return next(str(one["id"]) for one in stage.incidents() if one["service"] == service)


def do(stage: Stage, order: partial[Any]) -> None:
    stage.store.written(partial(order, now_ms=stage.now_ms))


def change(stage: Stage, **more: Any) -> None:
    order = Amendment(**more)
    do(stage, partial(amend.amend, house=stage.house, ref=ref(stage), order=order, signed=EVE))


def take_back(stage: Stage) -> None:
    do(stage, partial(amend.retract, house=stage.house, ref=ref(stage), signed=EVE, wrong="measured"))


def open_again(stage: Stage) -> None:
    do(stage, partial(amend.reopen, house=stage.house, ref=ref(stage), signed=EVE))


def merge(stage: Stage, one: str, into: str) -> None:
    do(stage, partial(amend.merge, house=stage.house, ref=one, into=into, signed=EVE))


def write_down(stage: Stage, order: Backfill) -> None:
    do(stage, partial(amend.backfill, house=stage.house, order=order, signed=EVE))


def page(stage: Stage) -> Reader:
    return Reader(stage.store, stage.house, None, NOW_MS - LONG_MS)


def test_an_impact_that_a_person_set_is_kept_and_the_rest_goes_on(stage: Stage) -> None:
    down(stage)
    change(stage, impact=Impact.MINOR)
    stage.hear(town.signal(instance="web2", lasts_ms=LONG_MS, remedy=town.VERIFYING))
    stage.hear(town.signal(lasts_ms=LONG_MS, remedy=town.VERIFYING))
    incident = stage.incident()
    assert (incident["impact"], incident["state"]) == ("minor", "monitoring")
    assert incident["locks"] == {"impact": "Eve"}
    [edit] = incident["edits"]
    assert (edit["by"], edit["what"], edit["before"], edit["after"]) == ("Eve", "impact", "major", "minor")
    assert edit["at_ms"] == stage.now_ms


def test_what_a_person_gives_back_automation_takes_up(stage: Stage) -> None:
    down(stage)
    change(stage, impact=Impact.MINOR)
    change(stage, unlock=frozenset({Field.IMPACT}))
    stage.pass_ms(1_000)
    assert stage.incident()["impact"] == "major"
    assert stage.incident()["locks"] == {}


def test_a_state_that_a_person_set_outlasts_the_end_of_every_alert(stage: Stage) -> None:
    signal = down(stage)
    change(stage, state=IncidentState.IDENTIFIED)
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))
    assert stage.incident()["state"] == "identified"
    change(stage, unlock=frozenset({Field.STATE}))
    stage.pass_ms(1_000)
    assert stage.incident()["state"] == "resolved"


def test_words_of_a_person_are_on_the_page_and_in_what_automation_sends_later(stage: Stage) -> None:
    down(stage)
    change(stage, text={"en": "Paying by card fails.", "de": "Kartenzahlung geht nicht."})
    assert stage.deliver() == [ADA, BEN, CLEO]
    assert "Kartenzahlung geht nicht." in stage.letters(ADA)[-1].text
    assert "Paying by card fails." in stage.letters(BEN)[-1].text
    stage.pass_ms(31 * MINUTE_MS)
    assert "Paying by card fails." in stage.letters(BEN)[-1].text
    assert "Paying by card fails." in stage.incident()["updates"][-1]["text"]["en"]


def test_words_can_stand_on_the_page_alone(stage: Stage) -> None:
    down(stage)
    change(stage, text={"en": "Paying by card fails."}, notify=False)
    assert stage.deliver() == []
    assert "Paying by card fails." in stage.incident()["updates"][-1]["text"]["en"]


def test_a_title_of_a_person_is_that_of_the_page(stage: Stage) -> None:
    down(stage)
    change(stage, title={"en": "Cards are refused"})
    view = page(stage).incident(ref(stage))
    assert view is not None
    assert view.title == "Cards are refused"


def test_what_a_person_closed_stays_closed_until_it_fires_anew(stage: Stage) -> None:
    signal = down(stage)
    change(stage, state=IncidentState.RESOLVED)
    assert stage.deliver() == [ADA, BEN, CLEO]
    stage.hear(town.signal(lasts_ms=LONG_MS, remedy=town.VERIFYING))
    stage.pass_ms(60_000)
    assert [one["resolved_ms"] is None for one in stage.incidents()] == [False]
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))
    stage.now_ms += 60_000
    down(stage)
    assert [one["resolved_ms"] is None for one in stage.incidents()] == [True, False]


def test_what_is_taken_back_is_said_to_exactly_those_who_were_told(stage: Stage) -> None:
    stage.hear(town.signal(lasts_ms=LONG_MS, remedy=ACTING))
    task = stage.begin()
    assert isinstance(task, Task)
    take_back(stage)
    stage.finish(task)
    assert stage.deliver() == [ADA]
    assert "Sie waren nicht betroffen." in stage.letters(ADA)[-1].text
    incident = stage.incident()
    assert (incident["state"], incident["closed_by"]) == ("retracted", "Eve")
    stage.pass_ms(60_000)
    assert len(stage.incidents()) == 1


def test_what_is_taken_back_never_was_in_the_history_of_the_service(stage: Stage) -> None:
    down(stage)
    stage.now_ms += MINUTE_MS
    take_back(stage)
    view = page(stage).page(stage.now_ms)
    [checkout] = [one for one in view.services if one.service == "checkout"]
    assert checkout.state is ServiceState.OPERATIONAL
    assert checkout.days[-1].trouble_ms == 0


def test_an_incident_that_is_over_can_still_be_taken_back_but_only_once(stage: Stage) -> None:
    signal = down(stage)
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))
    stage.deliver()
    take_back(stage)
    assert stage.deliver() == [ADA, BEN, CLEO]
    with pytest.raises(Conflict, match="already"):
        take_back(stage)


def test_what_was_taken_back_does_not_begin_anew(stage: Stage) -> None:
    signal = down(stage)
    take_back(stage)
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))
    stage.now_ms += 5_000
    down(stage)
    assert len(stage.incidents()) == 2


def test_what_a_person_opens_again_stays_open_without_any_alert(stage: Stage) -> None:
    signal = down(stage)
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))
    stage.deliver()
    open_again(stage)
    assert stage.deliver() == [ADA, BEN, CLEO]
    stage.pass_ms(MINUTE_MS)
    assert stage.incident()["state"] == "investigating"
    with pytest.raises(Conflict, match="it is open"):
        open_again(stage)
    change(stage, state=IncidentState.RESOLVED)
    assert stage.incident()["state"] == "resolved"


def test_a_merged_incident_is_told_on_by_the_other(stage: Stage) -> None:
    down(stage)
    search = town.signal("Slow", lasts_ms=LONG_MS, remedy=ACTING, service="search", impact="major")
    stage.hear(search)
    assert stage.deliver() == [DAN]
    one, into = ref(stage, "search"), ref(stage)
    merge(stage, one, into)
    stage.pass_ms(60_000)
    merged = next(found for found in stage.incidents() if found["id"] == one)
    assert (merged["merged_into"], merged["state"]) == (into, "resolved")
    assert stage.letters(DAN)[1:] == []
    assert len(stage.incidents()) == 2
    stage.hear(town.ended(town.signal(), stage.now_ms, town.FIXED))
    assert sorted(stage.deliver()) == [ADA, BEN, CLEO, DAN]
    with pytest.raises(Conflict, match="merged into another"):
        merge(stage, one, into)


def test_only_an_open_incident_takes_another_in_and_never_itself(stage: Stage) -> None:
    down(stage)
    with pytest.raises(Conflict, match="part of itself"):
        merge(stage, ref(stage), ref(stage))
    with pytest.raises(Unknown):
        merge(stage, ref(stage), "nobody")
    stage.hear(town.signal("Slow", lasts_ms=LONG_MS, service="search", impact="minor"))
    change(stage, state=IncidentState.RESOLVED)
    with pytest.raises(Conflict, match="is over"):
        merge(stage, ref(stage, "search"), ref(stage))


def test_what_is_written_down_afterwards_is_told_to_nobody(stage: Stage) -> None:
    order = Backfill("checkout", Impact.PARTIAL, NOW_MS - LONG_MS, NOW_MS - LONG_MS + MINUTE_MS)
    write_down(stage, order)
    stage.pass_ms(MINUTE_MS)
    assert stage.sent == []
    incident = stage.incident()
    assert (incident["backfilled"], incident["state"]) == (True, "resolved")
    assert [update["state"] for update in incident["updates"]] == ["investigating", "resolved"]
    down(stage)
    assert len(stage.incidents()) == 2


def test_what_a_person_reports_is_told_if_asked_and_ends_by_a_person(stage: Stage) -> None:
    write_down(stage, Backfill("checkout", Impact.MAJOR, NOW_MS, text={"en": "Cards fail."}, notify=True))
    assert stage.deliver() == [ADA, BEN, CLEO]
    assert "Cards fail." in stage.letters(BEN)[0].text
    stage.pass_ms(MINUTE_MS)
    assert stage.incident()["state"] == "investigating"
    with pytest.raises(Conflict, match="has an open incident"):
        write_down(stage, Backfill("checkout", Impact.MAJOR, NOW_MS))
    with pytest.raises(Unknown, match="no service"):
        write_down(stage, Backfill("nothing", Impact.MAJOR, NOW_MS))
    change(stage, state=IncidentState.RESOLVED)
    assert sorted(stage.deliver()) == [ADA, BEN, CLEO]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield running


def send(
    desk: Serving, path: str, method: str = "POST", kind: str = "application/json", **said: Any
) -> Reply:
    headers = {"Content-Type": kind}
    return desk.ask(
        f"/api/v1/incidents{path}", method=method, body=json.dumps(said).encode(), headers=headers
    )


def test_staff_amend_merge_and_take_back_over_http(desk: Serving) -> None:
    desk.post([alert()])
    [incident] = desk.incidents()
    path = f"/{incident['id']}"
    changed = send(desk, path, "PATCH", by="Eve", impact="minor", text="Cards fail.", title={"en": "Cards"})
    assert (changed.status, changed.json()["impact"]) == (200, "minor")
    assert sorted(changed.json()["locks"]) == ["impact", "text", "title"]
    assert send(desk, f"{path}/merge", by="Eve", into=incident["id"]).status == 409
    back = send(desk, f"{path}/retract", by="Eve", because="the probe was wrong")
    assert back.json()["state"] == "retracted"
    assert send(desk, f"{path}/retract", by="Eve", because="again").status == 409
    assert send(desk, f"{path}/reopen", by="Eve").json()["state"] == "investigating"


def test_of_several_who_end_an_incident_at_once_one_does_and_the_others_hear_that_it_is_done(
    desk: Serving,
) -> None:
    desk.post([alert()])
    [incident] = desk.incidents()

    def end(by: str) -> int:
        return send(desk, f"/{incident['id']}/retract", by=by, because="the probe was wrong").status

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(end, ["Ada", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gil", "Hal"]))
    assert found == [200, *[409] * 7]
    [same] = desk.incidents()
    assert len(same["edits"]) == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"by": "Eve"}, 400),
        ({"impact": "minor"}, 400),
        ({"by": "", "impact": "minor"}, 400),
        ({"by": "Eve", "impact": "huge"}, 400),
        ({"by": "Eve", "impact": "minor", "is_admin": True}, 400),
        ({"by": "Eve", "unlock": ["service"]}, 400),
        ({"by": "Eve", "text": {"<b>": "Cards fail."}}, 400),
        ({"by": "Eve", "text": "acme cannot pay."}, 422),
        ({"by": "Eve", "text": "10.0.0.7 is down."}, 422),
        ({"by": "E" * 101, "impact": "minor"}, 400),
    ],
)
def test_what_is_not_sound_is_refused_and_changes_nothing(
    desk: Serving, said: dict[str, Any], status: int
) -> None:
    desk.post([alert()])
    [incident] = desk.incidents()
    assert send(desk, f"/{incident['id']}", "PATCH", **said).status == status
    [same] = desk.incidents()
    assert (same["impact"], same["edits"], same["locks"]) == ("major", [], {})


def test_staff_write_down_what_was_missed_and_nothing_that_cannot_be(desk: Serving) -> None:
    sound = {"by": "Eve", "service": "checkout", "impact": "partial", "from": "2026-01-02T03:04:05Z"}
    made = send(desk, "", **sound, to="2026-01-02T04:04:05Z")
    assert (made.status, made.json()["backfilled"]) == (201, True)
    assert send(desk, "", **{**sound, "from": "yesterday"}).status == 400
    assert send(desk, "", **{**sound, "from": "2999-01-02T03:04:05Z"}).status == 400
    assert send(desk, "", **sound, to="2026-01-02T03:04:05Z").status == 400
    assert send(desk, "", **sound, to="2026-01-02T04:04:05Z", notify=True).status == 400
    assert send(desk, "", **{**sound, "service": "nothing"}).status == 404
    assert send(desk, "", kind="text/plain", **sound).status == 415
    assert send(desk, "/nobody", "PATCH", by="Eve", impact="minor").status == 404
    assert desk.ask("/api/v1/incidents", method="POST", public=True).status in (404, 405)
    assert len(desk.incidents()) == 1
