"""Evidence at the desk: kept once, shown to staff alone, named in the letter to the team, never quoted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from desk.incident.findings import RUNS_PER_ALERT_MAX
from desk.store.backing import in_file
from desk.store.retention import forget
from desk.store.store import Store
from tests.desk import asking, town
from tests.desk.post import Post, post_office
from tests.desk.serving import Reply, Serving, alert
from tests.desk.town import ON_CALL

CANARY: Final = "canary-4f1d from the process table"
RUN: Final = "0123456789abcdef-1"


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    with post_office() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path, post: Post) -> Iterator[Serving]:
    with asking.serve(tmp_path, post.port) as running:
        yield running


def evidence(run: str = RUN, *texts: str, **more: Any) -> dict[str, Any]:
    items = [
        {"number": number, "name": "top", "text": text, "truncated": False}
        for number, text in enumerate(texts or (CANARY,), 1)
    ]
    labels = alert()["labels"]
    head = {"labels": labels, "host": "web1", "run": run, "playbook": "restart-nginx"}
    return {**head, "started_ms": round(time.time() * 1000), "items": items, **more}


def hand_in(desk: Serving, body: object) -> Reply:
    return desk.ask("/api/v1/evidence", method="POST", body=json.dumps(body).encode())


def told(desk: Serving) -> list[dict[str, Any]]:
    [incident] = desk.incidents()
    found = desk.ask(f"/api/v1/incidents/{incident['id']}").json()["evidence"]
    assert isinstance(found, list)
    return found


def test_evidence_is_in_its_incident_in_full_and_in_the_list_by_name(desk: Serving) -> None:
    desk.post([alert()])
    assert hand_in(desk, evidence(RUN, CANARY, "load 3.2")).json() == {"kept": 2}
    assert [(one["name"], one["text"]) for one in told(desk)] == [("top", CANARY), ("top", "load 3.2")]
    assert told(desk)[0]["run"] == RUN
    [incident] = desk.incidents()
    assert [one["number"] for one in incident["evidence"]] == [1, 2]
    assert CANARY not in json.dumps(incident)


def test_what_is_handed_in_again_is_kept_once(desk: Serving) -> None:
    desk.post([alert()])
    body = evidence()
    assert [hand_in(desk, body).json()["kept"] for _ in range(3)] == [1, 0, 0]
    assert hand_in(desk, {**body, "host": "web2"}).json() == {"kept": 1}
    assert len(told(desk)) == 2


def test_evidence_outlives_a_kill_and_need_not_wait_for_its_alert(desk: Serving) -> None:
    assert hand_in(desk, evidence()).status == 200
    desk.kill()
    desk.start()
    desk.post([alert()])
    assert [one["text"] for one in told(desk)] == [CANARY]


def test_evidence_of_trouble_that_is_back_soon_joins_that_of_before(desk: Serving) -> None:
    desk.post([alert()])
    hand_in(desk, evidence("run-1", "the first time"))
    desk.post([alert(over=True, remedy="fixed")])
    again = alert()
    again["startsAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    time.sleep(1.1)  # the times of alerts are in seconds here
    desk.post([again])
    hand_in(desk, evidence("run-2", "the second time"))
    incidents = {
        one["id"]: desk.ask(f"/api/v1/incidents/{one['id']}").json()["evidence"] for one in desk.incidents()
    }
    # What is back so soon goes on in the same incident, with the evidence of both episodes.
    assert sorted([item["text"] for item in each] for each in incidents.values()) == [
        ["the first time", "the second time"]
    ]


def test_no_page_and_no_mail_says_what_evidence_says(desk: Serving, post: Post) -> None:
    before = len(post.mails)
    failed = alert(remedy="failed")
    assert isinstance(failed["annotations"], dict)
    failed["annotations"] |= {"beforehand_evidence": "3", "beforehand_host": "web1"}
    hand_in(desk, evidence(RUN, CANARY))
    desk.post([failed])
    post.wait(lambda: len(post.mails) >= before + 4 and bool(post.to(ON_CALL)))
    letter = post.to(ON_CALL)[-1].text
    assert (
        "evidence: 3 items; on web1: beforehand explain CheckoutDown; at the desk: curl http://127.0.0.1:"
        in letter
    )
    incident = desk.incidents()[0]["id"]
    assert f"/api/v1/incidents/{incident}" in letter
    assert [one["text"] for one in told(desk)] == [CANARY]
    for public in (True, False):
        for path in ("/", "/history", f"/incidents/{incident}", "/mailbox"):
            assert CANARY not in desk.ask(path, public=public).text
    for path in ("/api/v1/evidence", f"/api/v1/incidents/{incident}"):
        assert desk.ask(path, public=True).status == 404
    for mail in post.mails[before:]:
        assert CANARY.encode() not in mail.data
        assert mail.to == (ON_CALL,) or b"evidence" not in mail.data


REFUSED: Final[list[tuple[object, int]]] = [
    ([], 400),
    ({}, 400),
    ("[" * 5000, 400),
    (evidence(items=[{"number": 1, "name": "top"}]), 400),
    (evidence(run=""), 400),
    (evidence(labels={}), 400),
    (evidence(more=1), 400),
    (evidence(started_ms=-1), 400),
    (evidence(items=[{"number": n, "name": "x", "text": ""} for n in range(65)]), 400),
    (evidence(RUN, "x" * (97 << 10)), 413),
]


def test_what_is_no_evidence_is_refused(desk: Serving) -> None:
    for body, status in REFUSED:
        assert hand_in(desk, body).status == status, body
    assert desk.ask("/-/ready").status == 200


def test_of_an_alert_only_the_newest_runs_are_kept(desk: Serving) -> None:
    desk.post([alert()])
    now_ms = round(time.time() * 1000)
    for number in range(RUNS_PER_ALERT_MAX + 5):
        assert hand_in(desk, evidence(f"run-{number}", started_ms=now_ms + number)).status == 200
    runs = [one["run"] for one in told(desk)]
    assert runs == [f"run-{number}" for number in range(5, RUNS_PER_ALERT_MAX + 5)]


def test_evidence_is_forgotten_after_two_weeks(tmp_path: Path, post: Post) -> None:
    with Serving(town.write(tmp_path), tmp_path / "state") as desk:
        desk.post([alert()])
        hand_in(desk, evidence())
        desk.stop()
        store = Store(in_file(desk.state / "desk.sqlite"))
        store.written(partial(forget, now_ms=round(time.time() * 1000) + 16 * 86_400_000))
        store.close()
        desk.start()
        assert told(desk) == []
