from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from datetime import datetime

import pytest

from desk.public import statuspage
from desk.state import IncidentState, MaintenanceState, ServiceState
from tests.desk.pages import MIN_MS, NOW_MS, page, service
from tests.desk.public.scene import UNDER_WAY, WORK, full, hostile, reading

ID = re.compile(r"[0-9a-z]{12}")
COMPONENT_KEYS = {
    *(
        "id",
        "name",
        "status",
        "created_at",
        "updated_at",
        "position",
        "description",
        "showcase",
        "start_date",
    ),
    *("group_id", "page_id", "group", "only_show_if_degraded"),
}
INCIDENT_KEYS = {
    *(
        "id",
        "name",
        "status",
        "created_at",
        "updated_at",
        "monitoring_at",
        "resolved_at",
        "impact",
        "shortlink",
    ),
    *("started_at", "page_id", "incident_updates", "components", "reminder_intervals"),
}
UPDATE_KEYS = {
    *("id", "status", "body", "incident_id", "created_at", "updated_at", "display_at", "affected_components"),
    *("deliver_notifications", "custom_tweet", "tweet_id"),
}


def test_every_key_of_a_component_an_incident_and_an_update_is_there() -> None:
    found = statuspage.summary(full())
    assert set(found) == {"page", "components", "incidents", "scheduled_maintenances", "status"}
    assert set(found["page"]) >= {"id", "name", "url", "time_zone", "updated_at"}
    assert all(set(one) >= COMPONENT_KEYS for one in found["components"])
    going = found["incidents"][0]
    assert set(going) >= INCIDENT_KEYS
    assert all(set(one) == UPDATE_KEYS for one in going["incident_updates"])
    assert set(found["scheduled_maintenances"][0]) >= INCIDENT_KEYS | {"scheduled_for", "scheduled_until"}


def test_ids_have_twelve_digits_and_stay() -> None:
    before, after = statuspage.summary(full()), statuspage.summary(full())
    assert before == after
    ids = [before["page"]["id"], *(one["id"] for one in before["components"])]
    assert all(ID.fullmatch(one) for one in ids)
    assert len(set(ids)) == len(ids)


def test_an_update_keeps_its_id_when_another_one_comes() -> None:
    view = full()
    going = view.open_incidents[0]
    older = replace(view, open_incidents=(replace(going, updates=going.updates[1:]),))
    before = statuspage.summary(older)["incidents"][0]["incident_updates"]
    after = statuspage.summary(view)["incidents"][0]["incident_updates"]
    assert [one["id"] for one in before] == [one["id"] for one in after[1:]]


def test_each_update_tells_how_its_services_changed() -> None:
    newest, oldest = statuspage.summary(full())["incidents"][0]["incident_updates"]
    assert oldest["affected_components"][0]["old_status"] == "operational"
    assert oldest["affected_components"][0]["new_status"] == "partial_outage"
    assert newest["affected_components"][0]["old_status"] == "partial_outage"
    assert newest["affected_components"][0]["new_status"] == "major_outage"
    assert newest["affected_components"][0]["name"] == "Checkout"


def test_times_are_rfc_3339_with_milliseconds_in_utc() -> None:
    text = statuspage.status(full())["page"]["updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert datetime.fromisoformat(text).timestamp() * 1000 <= NOW_MS


def test_the_time_of_the_page_moves_only_with_what_it_tells() -> None:
    view = full()
    later = replace(view, now_ms=NOW_MS + MIN_MS, confirmed_ms=NOW_MS + MIN_MS)
    assert statuspage.changed_ms(view) == statuspage.changed_ms(later)


@pytest.mark.parametrize("state", [one for one in ServiceState if one is not ServiceState.OPERATIONAL])
def test_nothing_but_operational_is_told_as_operational(state: ServiceState) -> None:
    found = statuspage.summary(page(service(state)))
    assert found["components"][0]["status"] != "operational"
    assert found["components"][0]["x_beforehand"]["state"] == state.value
    assert found["status"]["description"] != "All Systems Operational"


@pytest.mark.parametrize(
    ("states", "indicator", "description"),
    [
        ("o", "none", "All Systems Operational"),
        ("", "none", "All Systems Operational"),
        ("od", "minor", "Partially Degraded Service"),
        ("dd", "minor", "Degraded System Service"),
        ("op", "minor", "Minor Service Outage"),
        ("pp", "major", "Partial System Outage"),
        ("om", "major", "Partial System Outage"),
        ("mm", "critical", "Major System Outage"),
        ("ow", "none", "Service Under Maintenance"),
        ("wu", "minor", "Service Status Unknown"),
        ("ud", "minor", "Partially Degraded Service"),
    ],
)
def test_the_roll_up_is_statuspages(states: str, indicator: str, description: str) -> None:
    letters = {
        "o": ServiceState.OPERATIONAL,
        "d": ServiceState.DEGRADED,
        "p": ServiceState.PARTIAL,
        "m": ServiceState.MAJOR,
        "w": ServiceState.MAINTENANCE,
        "u": ServiceState.UNKNOWN,
    }
    assert statuspage.roll_up([letters[one] for one in states]) == (indicator, description)


def test_the_roll_up_never_gets_better_when_a_service_gets_worse() -> None:
    severity = ("none", "minor", "major", "critical")
    for first, second in itertools.product(ServiceState, repeat=2):
        ranks = [
            severity.index(statuspage.roll_up([first, worse])[0])
            for worse in ServiceState
            if worse.rank >= second.rank
        ]
        assert severity.index(statuspage.roll_up([first, second])[0]) <= max(ranks)


def test_what_was_retracted_reads_as_resolved() -> None:
    view = full()
    gone = replace(view.open_incidents[0], state=IncidentState.RETRACTED, resolved_ms=NOW_MS)
    found = statuspage.incidents(replace(view, open_incidents=(), past_incidents=(gone,)))["incidents"][0]
    assert found["status"] == "resolved"
    assert found["resolved_at"] == statuspage.moment(NOW_MS)
    assert found["x_beforehand"]["state"] == "retracted"


def test_planned_work_is_told_by_where_it_stands() -> None:
    view = full()
    every = statuspage.maintenances(view)["scheduled_maintenances"]
    assert [one["status"] for one in every] == ["scheduled", "in_progress"]
    active = statuspage.maintenances(view, MaintenanceState.IN_PROGRESS)["scheduled_maintenances"]
    assert [one["id"] for one in active] == [statuspage.identity("maintenance", UNDER_WAY.id)]
    assert every[0]["scheduled_until"] == statuspage.moment(WORK.end_ms)


@pytest.mark.parametrize(
    "path",
    [
        *("summary.json", "status.json", "components.json", "incidents.json", "incidents/unresolved.json"),
        "scheduled-maintenances.json",
        "scheduled-maintenances/upcoming.json",
        "scheduled-maintenances/active.json",
    ],
)
def test_any_page_may_read_it_and_what_it_has_is_not_sent_twice(path: str) -> None:
    with reading(full()) as client:
        answer = client.get(f"/api/v2/{path}")
        again = client.get(f"/api/v2/{path}", {"If-None-Match": answer.headers["ETag"]})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "page" in json.loads(answer.text)
    assert (again.status, again.text) == (304, "")


def test_nobody_subscribes_by_reading() -> None:
    with reading(full()) as client:
        assert client.get("/api/v2/subscribers.json?subscriber%5Bemail%5D=a@b.example").status == 405


def test_one_incident_is_read_by_its_name() -> None:
    with reading(full()) as client:
        assert json.loads(client.get("/incidents/inc-1.json").text)["incident"]["name"] == "Payments fail"
        assert client.get("/incidents/none.json").status == 404


def test_without_an_agent_that_is_heard_nothing_is_operational() -> None:
    with reading(replace(full(), confirmed_ms=NOW_MS - 10 * MIN_MS)) as client:
        found = json.loads(client.get("/api/v2/summary.json").text)
    assert {one["x_beforehand"]["state"] for one in found["components"]} == {"unknown"}
    assert found["page"]["x_beforehand"]["confirmed"] is False


def test_hostile_words_stay_words() -> None:
    with reading(hostile()) as client:
        answer = client.get("/api/v2/summary.json")
    assert json.loads(answer.text)["page"]["name"].startswith("</title>")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
