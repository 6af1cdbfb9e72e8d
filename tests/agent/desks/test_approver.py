"""People's answers on their way from a desk to a host: asked for while a question is open, and only then."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.desks.approver import EVERY_S, Approver
from model.grant import Grant, genuine, host_key
from model.labels import Labels
from remediations.asking.approval import Ask
from remediations.asking.asked import Ended
from remediations.running.journal import Journal
from tests.desk import asking
from tests.desk.asking import EVE, KEY, PLAN, Case
from tests.desk.post import post_office

GRANT = Grant("ask-00000001", "web1", "restart-nginx", PLAN, EVE, True, 1, 2, "seal")


def now_ms() -> int:
    return round(time.time() * 1000)


def ask(lasts_ms: int = 600_000) -> Ask:
    labels = Labels.of(alertname="CheckoutDown")
    at_ms = now_ms()
    return Ask(
        id="ask-00000001",
        host="web1",
        playbook="restart-nginx",
        plan=PLAN,
        labels=labels,
        fired_ms=at_ms,
        risk="R2",
        needs=1,
        asked_ms=at_ms,
        until_ms=at_ms + lasts_ms,
        because="it cannot be undone",
        steps=("restart nginx.service",),
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "runs.db")
    yield found
    found.close()


@contextmanager
def approving(journal: Journal, *desks: str) -> Iterator[tuple[Approver, threading.Event]]:
    changed = threading.Event()
    approver = Approver(journal, desks, "web1", now_ms, changed.set)
    try:
        yield approver, changed
    finally:
        approver.close(20)


class Teller:
    """A desk that says what it is told to say, and counts how often it is asked."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)
        self.asked: list[str] = []
        self.heard = threading.Condition()

    def wait(self, count: int) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.asked) >= count, 20), self.asked

    def answer(self, path: str) -> bytes:
        with self.heard:
            self.asked.append(path)
            self.heard.notify_all()
            return self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]


@contextmanager
def telling(teller: Teller) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = teller.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def test_a_word_at_the_desk_reaches_the_host_with_its_seal(tmp_path: Path, journal: Journal) -> None:
    with post_office() as post, asking.serve(tmp_path / "desk", post.port) as desk:
        case = Case(desk, post)
        journal.ask(ask(), now_ms())
        with approving(journal, f"http://127.0.0.1:{desk.staff}") as (approver, changed):
            case.put()
            assert case.say(case.link(EVE), "yes").status == 200
            assert changed.wait(20)
            [grant] = approver.answers()
        assert (grant.by, grant.yes) == (EVE, True)
        assert genuine(grant, host_key(KEY, grant.host))


def test_nobody_is_asked_while_no_question_is_open(journal: Journal) -> None:
    teller = Teller(json.dumps({"grants": []}).encode())
    with telling(teller) as desk, approving(journal, desk) as (approver, _):
        approver.stir()
        question = ask()
        journal.ask(question, now_ms())
        approver.stir()
        teller.wait(2)
        journal.end_ask(question, Ended.DENIED, "no", now_ms())
        approver.stir()
        # A question asked for in this moment may still be counted, none after it.
        time.sleep(0.1)
        asked = len(teller.asked)
        time.sleep(EVERY_S + 0.3)
        assert len(teller.asked) <= asked + 1
    assert teller.asked[0] == "/api/v1/grants?host=web1"


def test_a_question_whose_time_is_over_is_not_asked_for(journal: Journal) -> None:
    teller = Teller(json.dumps({"grants": []}).encode())
    journal.ask(ask(lasts_ms=-1), now_ms())
    with telling(teller) as desk, approving(journal, desk):
        time.sleep(0.3)
    assert not teller.asked


def test_what_no_desk_of_ours_would_say_is_no_answer(journal: Journal) -> None:
    grant = asdict(GRANT)
    half: list[object] = [None, 3, [], {}, {**grant, "yes": "yes"}, {**grant, "more": 1}]
    nonsense = [
        b"[" * 60_000,
        b"x" * 200_000,
        json.dumps({"grants": half}).encode(),
        json.dumps({"grants": [*half, grant]}).encode(),
    ]
    journal.ask(ask(), now_ms())
    with telling(Teller(*nonsense)) as desk, approving(journal, desk) as (approver, changed):
        assert changed.wait(40)
        assert approver.answers() == (GRANT,)


def test_a_desk_that_is_away_keeps_nobody_from_hearing_another(journal: Journal) -> None:
    teller = Teller(json.dumps({"grants": [asdict(GRANT)]}).encode())
    journal.ask(ask(), now_ms())
    with telling(teller) as desk, approving(journal, "http://127.0.0.1:9", desk) as (approver, changed):
        assert changed.wait(20)
        assert approver.answers() == (GRANT,)
