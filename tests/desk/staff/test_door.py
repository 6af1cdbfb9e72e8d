"""The door of the staff address: who comes in, as whom, and what nobody can pretend."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from desk import schema
from desk.notice.release_page import release_routes
from desk.staff.api import staff_api
from desk.staff.counter import Counter
from desk.staff.door import Door, needed, staff_list
from desk.staff.staff_tries import TRIES_PER_MINUTE
from desk.store.backing import Backing
from tests.desk import staffing, town
from tests.desk.notice.test_sparing import CROWD, held
from tests.desk.page.test_page import served
from tests.desk.serving import Reply
from tests.desk.staffing import bearer, roster, token
from tests.desk.stage import Stage, stage_on
from tests.desk.town import BEN, CLEO

SILENCE = {
    "matchers": [{"name": "alertname", "value": "CheckoutDown", "isRegex": False}],
    "startsAt": "2026-07-14T03:00:00Z",
    "endsAt": "2027-07-14T04:00:00Z",
    "createdBy": "ada",
    "comment": "known",
}
AGENTS = (
    ("POST", "/api/v1/leases"),
    ("POST", "/api/v1/leases/end"),
    ("POST", "/api/v1/evidence"),
    ("GET", "/api/v1/grants?host=web1"),
    ("POST", "/api/v1/webhook"),
    ("GET", "/-/healthy"),
    ("GET", "/-/ready"),
)


@dataclass(frozen=True, slots=True)
class Doorbell:
    """Asks one desk over HTTP, with whatever headers."""

    port: int
    counter: Counter

    def ask(
        self, path: str, method: str = "GET", said: object = None, headers: dict[str, str] | None = None
    ) -> Reply:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            data = said.encode() if isinstance(said, str) else json.dumps(said).encode() if said else b""
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    def release(self, notice: int, name: str, count: int, **more: Any) -> Reply:
        said = {"count": count, **more}
        return self.ask(f"/api/v1/notices/{notice}/release", "POST", said, bearer(name) if name else {})


@contextmanager
def door(stage: Stage, text: str | None = staffing.TEXT) -> Iterator[Doorbell]:
    """Serve what staff and agents may reach; ``text`` is the file of staff, None for no such file."""
    stage.house = replace(stage.house, staff=None if text is None else roster(text))
    counter = Counter(stage.store, stage.house, lambda: stage.now_ms, lambda _: None, lambda: True)
    routes = Door(counter, time.monotonic).over([*staff_api(counter), *staff_list(counter)])
    with served([*routes, *release_routes(counter)]) as client:
        yield Doorbell(client.port, counter)


Made = Callable[[str], Stage]


@pytest.fixture
def made(backing: Backing) -> Iterator[Made]:
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(stage_on(backing, text))


def test_without_a_good_token_nothing_is_told_and_nothing_says_whether_a_name_exists(stage: Stage) -> None:
    unknown, wrong = token("nobody"), token("ops")[:-4] + "beef"
    with door(stage) as desk:
        bare = desk.ask("/api/v1/incidents")
        replies = [
            desk.ask("/api/v1/incidents", headers={"Authorization": f"Bearer {one}"})
            for one in (unknown, wrong, "bfh_", "x" * 2_000)
        ]
        assert desk.ask("/api/v1/incidents", "POST", {"by": "Eve"}).status == 401
    assert bare.status == 401
    assert "Authorization: Bearer" in bare.text
    assert bare.headers["www-authenticate"] in (
        'Basic realm="staff", charset="UTF-8"',
        'Bearer realm="staff"',
    )
    assert {(one.status, one.text) for one in replies} == {(401, '"this token is not good here"')}


def test_a_token_whose_day_is_past_opens_nothing(stage: Stage) -> None:
    text = "staff:\n" + staffing.entry("vic", "viewer", until="2026-07-13")
    with door(stage, text) as desk:
        reply = desk.ask("/api/v1/incidents", headers=bearer("vic"))
    assert (reply.status, "day of this token is past" in reply.text) == (401, True)


def test_too_many_tries_at_one_token_shut_it_for_a_while_even_with_the_right_secret(stage: Stage) -> None:
    wrong = {"Authorization": f"Bearer {token('ops')[:-4]}beef"}
    with door(stage) as desk:
        found = [desk.ask("/api/v1/incidents", headers=wrong).status for _ in range(TRIES_PER_MINUTE + 1)]
        right = desk.ask("/api/v1/incidents", headers=bearer("ops"))
        assert desk.ask("/api/v1/incidents", headers=bearer("vic")).status == 200
    assert found == [401] * TRIES_PER_MINUTE + [429]
    assert (right.status, "too many tries failed" in right.text) == (429, True)
    assert int(right.headers["retry-after"]) > 0


def test_each_role_does_its_own_and_every_role_reads(stage: Stage) -> None:
    cases = (
        ("vic", "GET", "/api/v1/notices", 200),
        ("root", "GET", "/api/v2/silences", 200),
        ("vic", "GET", "/metrics", 200),
        ("vic", "GET", "/api/v1/staff", 403),
        ("root", "GET", "/api/v1/staff", 200),
        ("vic", "POST", "/api/v2/silences", 403),
        ("eve", "POST", "/api/v2/silences", 403),
        ("root", "POST", "/api/v1/reports", 403),
        ("ops", "POST", "/api/v1/notices/1/release", 403),
        ("ops", "POST", "/api/v1/notices/1/cancel", 409),
        ("eve", "PATCH", "/api/v1/incidents/x", 403),
        ("ops", "PATCH", "/api/v1/incidents/x", 404),
        ("ops", "DELETE", "/api/v1/suppressed/x@y.example", 404),
        ("vic", "DELETE", "/api/v1/suppressed/x@y.example", 403),
    )
    with door(stage) as desk:
        for name, method, path, status in cases:
            said = {"impact": "minor"} if method == "PATCH" else {"count": 1}
            reply = desk.ask(path, method, said, bearer(name))
            assert reply.status == status, (name, method, path, reply.text)
            assert status != 403 or "which your token does not have" in reply.text


def test_only_agents_and_health_checks_are_not_asked_who_they_are(stage: Stage) -> None:
    with door(stage) as desk:
        for route in staff_api(desk.counter):
            for method in route.methods or ():
                path = f"{method} {route.path}"
                is_open = any(one == method and way.startswith(route.path) for one, way in AGENTS)
                is_open = is_open or path in ("HEAD /api/v1/grants", "HEAD /-/healthy", "HEAD /-/ready")
                assert (needed(method, route.path) is None) == is_open, path
        for method, path in AGENTS:
            assert desk.ask(path, method, "{}").status not in (401, 403), path


def test_whoever_holds_the_token_is_who_did_it(stage: Stage) -> None:
    stage.hear(town.signal())
    ref = stage.incident()["id"]
    with door(stage) as desk:
        path = f"/api/v1/incidents/{ref}"
        other = desk.ask(path, "PATCH", {"by": "Eve", "impact": "minor"}, bearer("ops"))
        assert (other.status, "somebody else" in other.text) == (403, True)
        for said in ({"impact": "minor"}, {"by": "OPS", "impact": "partial"}):
            assert desk.ask(path, "PATCH", said, bearer("ops")).status == 200
    assert [one["by"] for one in stage.incident()["edits"]] == ["ops", "ops"]


def test_a_silence_names_the_token_and_whom_its_client_named(stage: Stage) -> None:
    with door(stage) as desk:
        for claimed, name in (("ada", "grafana"), ("", "ops"), ("Ops", "ops"), ("eve\u202e", "ops")):
            said = {**SILENCE, "createdBy": claimed, "comment": f"{claimed} {name}"}
            reply = desk.ask("/api/v2/silences", "POST", said, bearer(name))
            assert reply.status == 200, reply.text
        found = desk.ask("/api/v2/silences", headers=bearer("vic")).json()
    assert sorted(one["createdBy"] for one in found) == ["ada via grafana", "eve via ops", "ops", "ops"]


def test_a_browser_shows_the_token_as_a_password_and_a_page_from_elsewhere_changes_nothing(
    stage: Stage,
) -> None:
    basic = base64.b64encode(f"anybody:{token('ops')}".encode()).decode()
    shown = {"Authorization": f"Basic {basic}"}
    with door(stage) as desk:
        assert desk.ask("/api/v2/silences", headers=shown).status == 200
        assert desk.ask("/api/v2/silences", "POST", SILENCE, shown).status == 200
        for more in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert desk.ask("/api/v2/silences", "POST", SILENCE, {**shown, **more}).status == 403
        for wrong in ("Basic !", "Basic " + base64.b64encode(b"\xff").decode(), "Digest x", "Bearer"):
            assert desk.ask("/api/v2/silences", headers={"Authorization": wrong}).status == 401


def test_a_page_from_elsewhere_changes_nothing_where_the_door_stands_open_either(stage: Stage) -> None:
    evil = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    with door(stage, None) as desk:
        assert desk.ask("/api/v1/notices/1/release", "POST", '{"by":"Eve"}', evil).status == 403
        assert desk.ask("/api/v1/notices/1/release", "POST", '{"by":"Eve"}').status == 409


def test_two_words_of_one_person_are_never_two_people(made: Made) -> None:
    stage = made(CROWD)
    text = staffing.TEXT + staffing.entry("eve", "approver", "eve@shop.example", of="new")
    with door(stage, text) as desk:
        stage.hear(town.signal("AllDown"))
        [one] = held(stage)
        assert one.needs == 2
        assert desk.release(one.notice, "", 151, by="Eve").status == 401
        assert desk.release(one.notice, "eve", 150).status == 409
        assert desk.release(one.notice, "eve", 151, by="finn").status == 403
        assert desk.release(one.notice, "eve", 151).json()["state"] == "held"
        for of in ("", "new"):
            path = f"/api/v1/notices/{one.notice}/release"
            again = desk.ask(path, "POST", {"count": 151}, bearer("eve", of))
            assert (again.status, "two" in again.text or "2 different" in again.text) == (409, True)
        last = desk.release(one.notice, "finn", 151)
    assert (last.json()["state"], last.json()["released_by"]) == ("released", ["eve", "finn"])


def test_without_staff_a_name_lets_go_what_takes_one_and_never_what_takes_two(made: Made) -> None:
    stage = made(CROWD)
    with door(stage, None) as desk:
        stage.hear(town.signal("AllDown"))
        [one] = held(stage)
        for by in ("Eve", "Bob", "Mallory"):
            reply = desk.release(one.notice, "", 151, by=by)
            assert (reply.status, "a name proves nobody" in reply.text) == (409, True)
        assert [each.state for each in held(stage)] == ["held"]


def work(**more: Any) -> dict[str, Any]:
    times = {"start": "2026-07-20T03:00:00Z", "end": "2026-07-20T04:00:00Z"}
    known = {"services": ["checkout"], "impact": "degraded", "title": "New disks", "affects": "everyone"}
    return {**known, **times, **more}


def test_planned_work_for_everyone_is_announced_at_the_word_of_two_tokens(made: Made) -> None:
    stage = made(CROWD)
    path = "/api/v1/maintenances"
    with door(stage) as desk:
        told = desk.ask(path, "POST", work(), bearer("eve"))
        assert (told.status, "(151)" in told.text) == (409, True)
        assert desk.ask(path, "POST", work(count=151), bearer("ops")).status == 403
        named = desk.ask(path, "POST", work(count=151, released_by=["Eve", "Finn"]), bearer("eve"))
        assert (named.status, "names prove nobody" in named.text) == (409, True)
        for _ in range(2):
            first = desk.ask(path, "POST", work(count=151), bearer("eve"))
            assert (first.status, "eve said so" in first.text) == (202, True)
        other = desk.ask(path, "POST", work(count=151, title="New fans"), bearer("finn"))
        assert other.status == 202, "to something else nobody has said anything"
        last = desk.ask(path, "POST", work(count=151), bearer("finn"))
        assert (last.status, last.json()["by"]) == (200, "finn")


def test_without_staff_nobody_pretends_to_be_two_who_plan_for_everyone(made: Made) -> None:
    stage = made(CROWD)
    with door(stage, None) as desk:
        said = work(by="Eve", count=151, released_by=["Eve", "Finn"])
        reply = desk.ask("/api/v1/maintenances", "POST", said)
    assert (reply.status, "names prove nobody" in reply.text) == (409, True)


def test_when_a_token_was_used_last_is_written_down(stage: Stage) -> None:
    with door(stage) as desk:
        desk.ask("/api/v1/incidents", headers=bearer("vic"))
        found = {one["name"]: one for one in desk.ask("/api/v1/staff", headers=bearer("root")).json()}
        assert (found["vic"]["used_ms"], found["ops"]["used_ms"]) == (stage.now_ms, 0)
        assert found["eve"]["may"] == ["approver"]
    with stage.store.reading() as conn:
        rows = conn.execute(schema.staff_use.select()).all()
    assert all(len(row.token) == 12 for row in rows), "what names it, and nothing of its secret"


def test_a_claim_is_answered_alike_whoever_is_named_and_counts_for_nothing(stage: Stage) -> None:
    stage.hear(town.signal())
    stage.deliver()
    with door(stage) as desk:
        unproven = {"kind": "symptom", "service": "checkout", "intake": "mail", "proven": False}
        answers = [
            desk.ask("/api/v1/reports", "POST", {**unproven, "who": who}, bearer("ops")).json()
            for who in (BEN, "stranger@evil.example", "")
        ]
        for each in answers:
            del each["report"]
        assert answers[0] == answers[1] == answers[2]
        assert (answers[0]["known"], answers[0]["told_ms"], answers[0]["proven"]) == (False, 0, False)
        vague = {"kind": "symptom", "proven": False, "who": CLEO}
        assert desk.ask("/api/v1/reports", "POST", vague, bearer("ops")).json()["incident"] == ""
        denial = {**unproven, "kind": "not_affected", "who": BEN}
        assert desk.ask("/api/v1/reports", "POST", denial, bearer("ops")).status == 200
        listed = desk.ask("/api/v1/reports", headers=bearer("vic")).json()["reports"]
        stage.now_ms += 1
        figures = desk.ask("/api/v1/ledger?from=2026-07-13", headers=bearer("vic")).json()
    assert {one["proven"] for one in listed} == {False}
    assert listed[-1]["email"] == BEN, "staff may call back whoever is named"
    assert figures["claimed_reports"] == 3
    assert stage.incident()["answers"]["not_affected"] == 0
    with stage.store.reading() as conn:
        events = [row.event for row in conn.execute(schema.ledger.select())]
    assert (events.count("claimed"), events.count("reported")) == (3, 0)


def test_without_staff_whoever_reaches_the_staff_address_is_believed(stage: Stage) -> None:
    stage.hear(town.signal())
    with door(stage, None) as desk:
        said = {"kind": "symptom", "service": "checkout", "who": BEN}
        found = desk.ask("/api/v1/reports", "POST", said).json()
        claim = desk.ask("/api/v1/reports", "POST", {**said, "proven": False}).json()
    assert (found["known"], found["proven"], found["incident"]) == (True, True, stage.incident()["id"])
    assert (claim["known"], claim["proven"]) == (False, False)
